"""The 24-hour test in minutes: a day's customers, ten times over, while every process is killed again and again.

    make day                      # 2,000 forms, 1,000 mails, 1,000 WhatsApp messages, 500 customers; about 20 minutes
    make day SCALE=0.1 SEED=7     # a tenth of it

A worker needs about four seconds of CPU to start, so on two cores a kill every KILL_EVERY seconds already keeps one of
the processes down most of the time; each role runs twice, as it would for a day. A quiet time, in which the answer
time is measured, is one in which every role has a process, and the database and the broker are there.
"""

import asyncio
import contextlib
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import asyncpg
import httpx

from fte.domain.channels import STYLES
from fte.domain.identity import codes_in
from tests.chaos.customers import FOR_A_PERSON, QUESTIONS, Customers, Desk, Follower, address, number
from tests.chaos.faults import Injected, Trouble
from tests.chaos.history import History
from tests.chaos.running import beside, caught_up
from tests.chaos.stage import FLEET, Hired, Stage, Written, seeded, stage
from tests.support import until

SCALE: Final = float(os.environ.get("FTE_TEST_DAY_SCALE") or 1.0)
SEED: Final = int(os.environ["FTE_TEST_DAY_SEED"]) if os.environ.get("FTE_TEST_DAY_SEED") else None
FORMS, MAILS, CHATS, PEOPLE = 2_000, 1_000, 1_000, 500
SECONDS: Final = 1_200.0
"""How long the messages take to be written, at full scale."""
SECONDS_MIN: Final = 150.0
KILL_EVERY: Final = 8.0
"""Seconds between two kills, on average."""
SETTLE: Final = 330.0
"""Seconds until the last is done: Twilio's list is read every two minutes, for what no webhook brought."""

ACCEPTED_MIN: Final = 0.999
P95_MAX: Final = 3.0
DRAINED_WITHIN: Final = 30.0
IDENTIFIED_MIN: Final = 0.99

TWICE: Final = {
    **FLEET,
    "mailbox-2": ["mailbox"],
    "metrics-2": ["metrics"],
    "sweeper-2": ["sweeper"],
}
Span = tuple[float, float]


@dataclass(slots=True)
class Day:
    """What is written by whom, and which of them are on several channels."""

    stage: Stage
    chance: random.Random
    people: Customers
    hired: Sequence[Hired]
    seconds: float
    linked: set[int] = field(default_factory=set)
    """Who proved that their number and their address are one person's."""

    @property
    def persons(self) -> int:
        return max(10, int(PEOPLE * SCALE))

    def on_several(self, person: int) -> bool:
        """A fifth of the customers."""
        return person % 5 == 0

    async def pass_by(self) -> None:
        """Everybody writes, at moments drawn over the day."""
        plan = [
            *("web_form",) * int(FORMS * SCALE),
            *("email",) * int(MAILS * SCALE),
            *("whatsapp",) * int(CHATS * SCALE),
        ]
        async with asyncio.TaskGroup() as tasks:
            for person in range(0, self.persons, 10):
                tasks.create_task(self._link(person))
            for channel in plan:
                tasks.create_task(self._write(channel, self.chance.random() * self.seconds))

    async def _write(self, channel: str, at: float) -> None:
        await asyncio.sleep(at)
        person = self._somebody_on(channel)
        text = FOR_A_PERSON if self.chance.random() < 0.04 else self.chance.choice(QUESTIONS)
        await self._say(person, channel, text)

    def _somebody_on(self, channel: str) -> int:
        """People have one channel, but for those on several: half of these write mail and chat, half mail and forms."""
        home = {"web_form": (1, 2, 6, 7), "email": (3, 8), "whatsapp": (4, 9)}[channel]
        several = {"web_form": (5,), "email": (0, 5), "whatsapp": (0,)}[channel]
        return self.chance.randrange(self.persons // 10) * 10 + self.chance.choice((*home, *several))

    async def _say(self, person: int, channel: str, text: str) -> None:
        if channel == "web_form":
            await self.people.by_form(person, text)
        elif channel == "email":
            await self.people.by_mail(person, text)
        else:
            await self.people.by_whatsapp(person, text)

    # ------------------------------------------------------------ proof

    async def _link(self, person: int) -> None:
        """The person writes on WhatsApp, is asked for a code that went to their address, and writes it back."""
        await asyncio.sleep(self.chance.random() * self.seconds / 3)
        await self.people.by_mail(person, QUESTIONS[0])
        await self.people.by_whatsapp(person, QUESTIONS[1])
        with contextlib.suppress(AssertionError):
            conversation = await until(lambda: self._conversation_of(person), deadline=90)
            assert await self._asks_for_proof(person, conversation)
            code = await until(lambda: self._code_sent_to(person), deadline=120)
            await self.people.by_whatsapp(person, code)
            self.linked.add(person)

    async def _conversation_of(self, person: int) -> UUID | None:
        await asyncio.sleep(0.5)
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # it is killed, too
            async with self.stage.looking() as database:
                return await database.fetchval(
                    """select m.conversation_id from messages m where m.channel = 'whatsapp' and m.sender like '%' || $1
                        order by m.created_at desc limit 1""",
                    number(person),
                )
        return None

    async def _asks_for_proof(self, person: int, conversation: UUID) -> bool:
        for _ in range(40):
            with contextlib.suppress(httpx.HTTPError):
                response = await self.people.web.post(
                    f"/operator/conversations/{conversation}/link",
                    json={"channel": "email", "address": address(person)},
                    headers={
                        "Authorization": f"Bearer {self.hired[0].token}",
                        "Idempotency-Key": f"link-{person}",
                    },
                )
                if response.status_code < 500:
                    return response.status_code == 200
            await asyncio.sleep(0.5)
        return False

    def _code_sent_to(self, person: int) -> str | None:
        for mail in self.stage.gmail.outbox:
            if mail.recipients == [address(person)] and (codes := codes_in(mail.text)):
                return codes[0]
        return None


# ---------------------------------------------------------------- what is wrong


async def kills(trouble: Trouble, seconds: float) -> None:
    """Kill something at random, every few seconds, in every role; the database and the broker among them."""
    end = time.monotonic() + seconds
    tasks: set[asyncio.Task[None]] = set()
    while time.monotonic() < end:
        await asyncio.sleep(KILL_EVERY * (0.5 + trouble.chance.random()))
        kind = trouble.chance.choices(("kill", "postgres restart", "broker kill"), (10, 1, 1))[0]
        task = asyncio.create_task(trouble.inject(kind))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)


def outages(injected: Iterable[Injected], members: dict[str, tuple[str, ...]]) -> list[Span]:
    """When the database or the broker was away, or every process of a role."""
    spans = [(fault.began, fault.ended) for fault in injected if fault.kind != "kill"]
    by_role: dict[str, list[Injected]] = defaultdict(list)
    for fault in injected:
        if fault.kind == "kill":
            for role in members.get(fault.target, ()):
                by_role[role].append(fault)
    for faults in by_role.values():
        for number_, one in enumerate(faults):
            for other in faults[number_ + 1 :]:
                begin, end = max(one.began, other.began), min(one.ended, other.ended)
                if one.target != other.target and begin < end:
                    spans.append((begin, end))
    return merged(spans)


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same times, without overlaps, in order."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


def overlaps(begin: float, end: float, spans: Iterable[Span]) -> bool:
    return any(begin < until_ and since < end for since, until_ in spans)


# ---------------------------------------------------------------- figures


@dataclass(frozen=True, slots=True)
class Answered:
    """A message with its answer: when it was written and when the customer could read the answer, or the provider had
    it. `waited` leaves out the seconds in which we wait for another fragment of the same thought. `stored` and `said`
    are when the message and its answer came into the database."""

    written: Written
    stored: float
    said: float
    at: float
    waited: float

    def __str__(self) -> str:
        to_store, to_say = self.stored - self.written.at, self.said - self.stored
        acknowledged = "" if self.written.accepted_at else ", not acknowledged"
        return (
            f"{self.written.channel:9} waited {self.waited:5.1f} s: {to_store:5.1f} s until stored{acknowledged}, "
            f"{to_say:5.1f} s until answered, {self.at - self.said:5.1f} s until sent"
        )


def answers(history: History, written: Sequence[Written]) -> list[Answered]:
    """What the AI answered, by message; not what it was only given back by a person."""
    given_back = [
        (row["conversation_id"], row["at"].timestamp()) for row in history.audit if row["action"] == "release"
    ]
    inbound = {(row["channel"], row["provider_id"]): row for row in history.inbound}
    messages = {row["id"]: row for row in history.messages}
    spoken: dict[UUID, list[Any]] = defaultdict(list)
    for row in history.messages:
        if row["run_id"] is not None:
            spoken[row["conversation_id"]].append(row)
    taken_at = {accept.reply_id: accept.at for accept in history.accepts}
    out = {
        row["message_id"]: taken_at.get(str(row["id"])) for row in history.replies if row["kind"] == "answer"
    }
    found = []
    for one in written:
        came = inbound.get((one.channel, one.provider_id))
        message = messages.get(came["message_id"]) if came else None
        if came is None or message is None or message["outcome"] not in ("answered", "escalated"):
            continue
        later = [row for row in spoken[message["conversation_id"]] if row["seq"] > message["seq"]]
        answer = min(later, key=lambda row: row["seq"])
        stored, said = came["received_at"].timestamp(), answer["created_at"].timestamp()
        if any(c == message["conversation_id"] and stored < at_ < said for c, at_ in given_back):
            continue
        at = said if answer["channel"] == "web_form" else out.get(answer["id"])
        if at is not None:
            found.append(Answered(one, stored, said, at, at - one.at - STYLES[one.channel].quiet))
    return found


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def identified(history: History, written: Sequence[Written], several: set[int]) -> float:
    """Which share of the messages of people on several channels is with their one customer."""
    message_of = {(row["channel"], row["provider_id"]): row["message_id"] for row in history.inbound}
    conversation_of = {row["id"]: row["conversation_id"] for row in history.messages}
    customer_of = {row["id"]: row["customer_id"] for row in history.conversations}
    theirs: dict[int, Counter[UUID]] = defaultdict(Counter)
    for one in written:
        message = message_of.get((one.channel, one.provider_id))
        if one.person in several and message is not None:
            theirs[one.person][customer_of[conversation_of[message]]] += 1
    total = sum(counts.total() for counts in theirs.values())
    return sum(max(counts.values()) for counts in theirs.values()) / total if total else 0.0


def accepted_share(tries: Sequence[tuple[float, float, int | None]], away: Sequence[Span]) -> tuple[int, int]:
    """Of the tries in which the database and a process to answer were there: how many got a 2xx, and how many were."""
    counted = [status for begin, end, status in tries if not overlaps(begin, end, away)]
    return sum(status == 200 for status in counted), len(counted)


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    value: str
    wanted: str
    met: bool


def figures(day: Day, history: History, trouble: Trouble) -> list[Figure]:
    """The table's lines."""
    notes, members = day.stage.notes, {name: member.roles for name, member in day.stage.fleet.members.items()}
    away = outages(trouble.injected, members)
    # A request is cut off with the process that holds it: for it, no process lived.
    cut = [(f.began, f.began + 0.5) for f in trouble.injected if "http" in members.get(f.target, ())]
    good, tried = accepted_share(notes.tries, merged([*away, *cut]))
    found = answers(history, notes.written)
    quiet = [one.waited for one in found if not overlaps(one.written.at, one.at, away)]
    late = [one.at - end for one in found for begin, end in away if begin <= one.written.at <= end]
    stored = {(row["channel"], row["provider_id"]) for row in history.inbound}
    lost = [one for one in notes.written if (one.channel, one.provider_id) not in stored]
    problems = {name: len(history.problems(*names)) for name, names in _JUDGED.items()}
    several = day.linked | set(range(5, day.persons, 10))
    share = identified(history, notes.written, several)
    drained = max(late, default=0.0)
    parked = sum(row["state"] == "unknown" for row in history.replies)
    slow = sum(one.waited > DRAINED_WITHIN for one in found)
    return [
        Figure("messages written", f"{len(notes.written):,}", "", True),
        Figure("kills", str(len(trouble.injected)), "", True),
        Figure("outages, seconds", f"{sum(end - begin for begin, end in away):.0f} in {len(away)}", "", True),
        Figure("lost", str(len(lost) + problems["lost"]), "0", not lost and not problems["lost"]),
        Figure("answered twice", str(problems["twice"]), "0", not problems["twice"]),
        Figure("out of order", str(problems["order"]), "0", not problems["order"]),
        Figure("the AI after a takeover", str(problems["fence"]), "0", not problems["fence"]),
        Figure("other violations", str(problems["others"]), "0", not problems["others"]),
        Figure(
            "accepted while a process lives",
            f"{good / max(1, tried):.2%} of {tried:,}",
            f">= {ACCEPTED_MIN:.1%}",
            good >= ACCEPTED_MIN * tried,
        ),
        Figure("answer, median", f"{percentile(quiet, 0.5):.2f} s", "", True),
        Figure(
            "answer, p95",
            f"{percentile(quiet, 0.95):.2f} s",
            f"< {P95_MAX:g} s",
            percentile(quiet, 0.95) < P95_MAX,
        ),
        Figure("answer, longest", f"{max((one.waited for one in found), default=0):.0f} s", "", True),
        Figure("waited over 30 s", f"{slow} of {len(found):,}", "", True),
        Figure(
            "drained after an outage",
            f"{drained:.0f} s",
            f"<= {DRAINED_WITHIN:g} s",
            drained <= DRAINED_WITHIN,
        ),
        Figure(
            "identified on several channels",
            f"{share:.2%} of {len(several)} people",
            f"> {IDENTIFIED_MIN:.0%}",
            share > IDENTIFIED_MIN,
        ),
        Figure("proven with a code", f"{len(day.linked)} of {len(range(0, day.persons, 10))}", "", True),
        Figure("parked for a person", str(parked), "", True),
        Figure("ended by themselves", str(len(day.stage.fleet.ended)), "0", not day.stage.fleet.ended),
    ]


_JUDGED: Final = {
    "lost": ("I1", "I2", "I3"),
    "twice": ("I4", "I10"),
    "order": ("I6",),
    "fence": ("I7", "I8"),
    "others": ("I5", "I11", "I12", "I13", "I14", "I15", "I18", "I20"),
}


def shown(lines: Sequence[Figure]) -> str:
    return "\n".join(
        f"{'' if line.met else 'MISSED':7}{line.name:34}{line.value:>24}  {line.wanted}" for line in lines
    )


# ---------------------------------------------------------------- the run


async def main() -> int:
    chance = seeded(SEED)
    seconds = max(SECONDS_MIN, SECONDS * SCALE)
    async with stage(TWICE, kafka=True, FTE_FORM_RATE_PER_ADDRESS="100000") as built:
        begun = time.time()
        hired = await built.hire("Ada", "Ben", "Cleo")
        people, desk, follower = (
            Customers(built, chance),
            Desk(built, chance, hired),
            Follower(built, hired[0]),
        )
        await follower.begin()
        trouble = Trouble(built, chance)
        day = Day(built, chance, people, hired, seconds)
        async with built.fleet.supervised(), beside(follower.follow(), built.note_mail_places()):
            async with beside(desk.work(3.0), built.line.cut_every(20.0)), asyncio.TaskGroup() as tasks:
                tasks.create_task(kills(trouble, seconds))
                tasks.create_task(day.pass_by())
            print(f"{time.time() - begun:.0f} s: everything is written, and nothing is killed any more")
            built.heal()
            try:
                await built.settled(SETTLE, also_unacknowledged=True)
            except AssertionError as error:
                print(f"MISSED {error}")
            follower.hurry()
            history = await caught_up(built, follower)
        await people.aclose()
        await desk.aclose()
        await follower.aclose()
        lines = figures(day, history, trouble)
        print(trouble.report(begun))
        for problem in history.problems()[:40]:
            print(problem)
        for ended in built.fleet.ended:
            print(ended)
        slowest = sorted(answers(history, built.notes.written), key=lambda one: -one.waited)
        for one in slowest[:20]:
            print(f"{one.written.at - begun:7.1f} s  {one}")
        print(shown(lines))
    return 0 if all(line.met for line in lines) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
