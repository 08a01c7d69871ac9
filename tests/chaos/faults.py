"""What goes wrong: the catalogue of faults, a schedule of them drawn from a seed, and a record of what was done when."""

import asyncio
import contextlib
import random
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from fte.domain.events import CONVERSATIONS, METRICS, TICKETS_INCOMING
from tests.chaos.fleet import Member
from tests.chaos.stage import Stage
from tests.support import until

SHORT_STOPS: Final = (0.5, 2.0, 12.0, 32.0)
"""Seconds: below a sender's patience, above it, above a reader's lease, and above a sender's."""
LONG_STOPS: Final = (*SHORT_STOPS, 60.0, 120.0)
"""The same up to twice the longest lease."""
LOST_FOR: Final = 2.0
"""Seconds in which replies to a COMMIT get lost."""
HURT_MAX: Final = 300.0
"""Seconds after which a process that is being hurt must run again: it may be stopped for LONG_STOPS, and starts slowly."""
GROUPS: Final = ("fte-message-processor", "fte-sender", "fte-metrics-collector")
RECREATED: Final = (TICKETS_INCOMING, METRICS, CONVERSATIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """One fault: what was done to whom, and from when to when the system was not whole (seconds since 1970)."""

    kind: str
    target: str
    began: float
    ended: float


Fault = Callable[["Trouble"], Awaitable[str]]


class Trouble:
    """Makes faults happen on a stage. A process is hurt by one fault at a time."""

    def __init__(self, stage: Stage, chance: random.Random, *, stops: Sequence[float] = SHORT_STOPS) -> None:
        self.stage = stage
        self.chance = chance
        self.stops = stops
        self.injected: list[Injected] = []
        self._hurt: set[str] = set()
        self._server = asyncio.Lock()
        self._down = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def somebody(self) -> AsyncIterator[Member | None]:
        """A process nothing is being done to, of a random role; the last living one of a role may be it, too."""
        free = [
            member
            for member in self.stage.fleet.members.values()
            if member.name not in self._hurt and member.alive
        ]
        if not free:
            yield None
            return
        role = self.chance.choice(sorted({role for member in free for role in member.roles}))
        member = self.chance.choice([member for member in free if role in member.roles])
        self._hurt.add(member.name)
        try:
            yield member
        finally:
            self._hurt.discard(member.name)

    async def inject(self, kind: str) -> None:
        """Let one fault happen, and come back when what it broke is whole again."""
        began = time.time()
        target = await CATALOGUE[kind](self)
        self.injected.append(Injected(kind=kind, target=target, began=began, ended=time.time()))

    async def follow(self, schedule: Iterable[tuple[float, str]]) -> None:
        """Let every fault happen at its time (seconds from now), over each other where they last. Comes back when all
        are over."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for at, kind in schedule:
                await asyncio.sleep(max(0.0, at - (time.monotonic() - begun)))
                tasks.create_task(self.inject(kind))

    @contextlib.asynccontextmanager
    async def down(self, role: str) -> AsyncIterator[None]:
        """Nobody has the role while the block runs. Who is hurt already is waited for: whoever hurts it starts it again."""
        members, taken = self.stage.fleet.of(role), list[Member]()

        def all_taken() -> bool:
            for member in members:
                if member.name not in self._hurt:
                    self._hurt.add(member.name)
                    taken.append(member)
                    member.kill()
            return len(taken) == len(members)

        async with self._down:  # two of these would each wait for whom the other one has
            try:
                await until(all_taken, deadline=HURT_MAX)
                yield
            finally:
                for member in taken:
                    await member.start()
                    self._hurt.discard(member.name)

    def report(self, since: float) -> str:
        """What was done, a line each."""
        lines = [
            f"{fault.began - since:7.1f} s  {fault.ended - fault.began:5.1f} s  {fault.kind:22} {fault.target}"
            for fault in sorted(self.injected, key=lambda fault: fault.began)
        ]
        return "\n".join(lines)

    def server(self) -> asyncio.Lock:
        return self._server


def schedule(
    chance: random.Random, kinds: Sequence[str], seconds: float, *, every: float
) -> list[tuple[float, str]]:
    """Faults about every so many seconds, each kind as often as the others, in an order drawn by `chance`."""
    count = max(len(kinds), int(seconds / every))
    drawn: list[str] = []
    while len(drawn) < count:
        drawn += chance.sample(list(kinds), len(kinds))
    step = seconds / count
    return [((number + chance.random()) * step, kind) for number, kind in enumerate(drawn[:count])]


# ---------------------------------------------------------------- our processes


async def kill(trouble: Trouble) -> str:
    async with trouble.somebody() as member:
        if member is None:
            return "nobody"
        member.kill()
        await asyncio.sleep(trouble.chance.random())
        await member.start()
        return member.name


async def freeze(trouble: Trouble) -> str:
    """Stopped for a while, and it goes on as if nothing had been."""
    async with trouble.somebody() as member:
        if member is None:
            return "nobody"
        seconds = trouble.chance.choice(trouble.stops)
        member.pause()
        await asyncio.sleep(seconds)
        member.resume()
        return f"{member.name} for {seconds:g} s"


async def restart(trouble: Trouble) -> str:
    """As in an update: SIGTERM, and a new one."""
    async with trouble.somebody() as member:
        if member is None:
            return "nobody"
        code, seconds = await ended(member)
        await member.start()
        return f"{member.name} ended with {code} in {seconds:.1f} s"


async def ended(member: Member) -> tuple[int, float]:
    """SIGTERM. Raises AssertionError when the process does not end in time (L3)."""
    try:
        return await member.terminate()
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{member.name} did not end within its deadline:\n{member.tail()}") from None


# ---------------------------------------------------------------- the database


async def postgres_restart(trouble: Trouble) -> str:
    async with trouble.server():
        await asyncio.to_thread(trouble.stage.postgres.stop)
        await asyncio.sleep(trouble.chance.random() * 2)
        await asyncio.to_thread(trouble.stage.postgres.start)
    return "PostgreSQL"


async def database_cut(trouble: Trouble) -> str:
    return f"{trouble.stage.database.abort()} connections"


async def database_blackhole(trouble: Trouble) -> str:
    seconds = trouble.chance.choice((1.0, 3.0, 8.0))
    trouble.stage.database.blackhole(seconds)
    await asyncio.sleep(seconds)
    return f"for {seconds:g} s"


async def commit_reply_lost(trouble: Trouble) -> str:
    """For a moment only: a process that is all alone loses one at each start, and would never come up."""
    database, times = trouble.stage.database, trouble.chance.choice((1, 3, 5))
    before = database.dropped
    database.drop_commit_reply(times)
    await asyncio.sleep(LOST_FOR)
    database.clear()
    return f"{database.dropped - before} of {times} times"


# ---------------------------------------------------------------- HTTP


async def web_cut(trouble: Trouble) -> str:
    return f"{trouble.stage.web.abort()} connections"


async def stream_cut(trouble: Trouble) -> str:
    return f"{trouble.stage.line.abort()} streams"


# ---------------------------------------------------------------- providers


async def gmail_fails(trouble: Trouble) -> str:
    operation, kind = trouble.chance.choice(
        [
            ("drafts.send", "hang_after"),
            ("drafts.send", "reset_after"),
            ("drafts.send", "server_error"),
            ("drafts.create", "too_many"),
            ("drafts.create", "reset_after"),
            ("messages.get", "server_error"),
            ("messages.list", "reset_before"),
            ("history.list", "server_error"),
        ]
    )
    trouble.stage.gmail.faults.next(operation, kind, times=trouble.chance.choice((1, 2)))
    return f"{operation}: {kind}"


async def twilio_fails(trouble: Trouble) -> str:
    operation, kind = trouble.chance.choice(
        [
            ("messages.create", "too_many"),
            ("messages.create", "server_error"),
            ("messages.create", "reset_after"),
            ("messages.create", "hang_after"),
            ("messages.list", "server_error"),
        ]
    )
    trouble.stage.twilio.faults.next(operation, kind, times=trouble.chance.choice((1, 2)))
    return f"{operation}: {kind}"


async def gmail_pushes(trouble: Trouble) -> str:
    kind = trouble.chance.choice(("lost", "doubled", "delayed", "reordered"))
    trouble.stage.gmail.pushes.disturb(kind, times=2)
    return kind


async def twilio_pushes(trouble: Trouble) -> str:
    kind = trouble.chance.choice(("doubled", "delayed", "reordered"))
    trouble.stage.twilio.pushes.disturb(kind, times=2)
    return kind


# ---------------------------------------------------------------- Kafka


async def broker_kill(trouble: Trouble) -> str:
    broker = trouble.stage.broker
    assert broker is not None
    async with trouble.server():
        await asyncio.to_thread(broker.kill)
        await asyncio.sleep(trouble.chance.random() * 3)
        await asyncio.to_thread(broker.start)
    return "Kafka"


async def broker_freeze(trouble: Trouble) -> str:
    broker = trouble.stage.broker
    assert broker is not None
    seconds = trouble.chance.choice((2.0, 8.0, 20.0))
    async with trouble.server():
        await asyncio.to_thread(broker.pause)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(broker.resume)
    return f"Kafka for {seconds:g} s"


async def broker_cut(trouble: Trouble) -> str:
    assert trouble.stage.kafka is not None
    return f"{trouble.stage.kafka.abort()} connections"


async def offsets_deleted(trouble: Trouble) -> str:
    """The group begins anew: whatever it did already comes again."""
    return await _rewound(trouble, "earliest")


async def offsets_forward(trouble: Trouble) -> str:
    """The group is told that it has read everything: what it has not is only in the database."""
    return await _rewound(trouble, "latest")


async def _rewound(trouble: Trouble, where: str) -> str:
    """Offsets can only be changed while nobody reads for the group: its readers are down meanwhile."""
    group = trouble.chance.choice(GROUPS)
    if where == "latest":
        trouble.stage.notes.pushed_on.add(group)
    role = {"fte-message-processor": "worker", "fte-sender": "sender"}.get(group, "metrics")
    async with trouble.down(role), trouble.server():
        await until(lambda: _committed(trouble.stage, group, where), deadline=60)
    return f"{group} to the {where}"


async def _committed(stage: Stage, group: str, where: str) -> bool:
    """Set the group's offsets. False while the broker is away, or takes its killed members to be alive."""
    try:
        async with stage.reader(group) as reader:
            parts = await stage.partitions(reader)
            reader.assign(parts)
            places = await (reader.beginning_offsets if where == "earliest" else reader.end_offsets)(parts)
            await reader.commit(dict(places))
    except KafkaError:
        await asyncio.sleep(0.5)
        return False
    return True


async def topic_recreated(trouble: Trouble) -> str:
    """A topic is deleted with all that is in it; the relay creates it again."""
    topic = trouble.chance.choice(RECREATED)
    trouble.stage.notes.lost_topics.add(topic)
    async with trouble.server():
        admin = AIOKafkaAdminClient(bootstrap_servers=trouble.stage.bootstrap)
        await admin.start()
        try:
            await until(lambda: _deleted(admin, topic), deadline=60)
        finally:
            await admin.close()
    return topic


async def _deleted(admin: AIOKafkaAdminClient, topic: str) -> bool:
    """False while no broker leads the cluster; the library stumbles over that."""
    try:
        await admin.delete_topics([topic], timeout_ms=10_000)
    except (KafkaError, AttributeError):
        return False
    return True


EVERYWHERE: Final = (
    "kill",
    "freeze",
    "restart",
    "postgres restart",
    "database cut",
    "database blackhole",
    "commit reply lost",
    "web cut",
    "stream cut",
    "gmail fails",
    "twilio fails",
    "gmail pushes",
    "twilio pushes",
)
"""What can go wrong with every layout."""
WITH_KAFKA: Final = (
    "broker kill",
    "broker freeze",
    "broker cut",
    "offsets deleted",
    "offsets forward",
    "topic recreated",
)
CATALOGUE: Final[dict[str, Fault]] = {
    "kill": kill,
    "freeze": freeze,
    "restart": restart,
    "postgres restart": postgres_restart,
    "database cut": database_cut,
    "database blackhole": database_blackhole,
    "commit reply lost": commit_reply_lost,
    "web cut": web_cut,
    "stream cut": stream_cut,
    "gmail fails": gmail_fails,
    "twilio fails": twilio_fails,
    "gmail pushes": gmail_pushes,
    "twilio pushes": twilio_pushes,
    "broker kill": broker_kill,
    "broker freeze": broker_freeze,
    "broker cut": broker_cut,
    "offsets deleted": offsets_deleted,
    "offsets forward": offsets_forward,
    "topic recreated": topic_recreated,
}
