"""Everything a run plays on: PostgreSQL behind a proxy, perhaps Kafka, the simulated providers, and our processes."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from fte.demo.providers import SimulatedGmail, SimulatedTwilio
from fte.domain.events import TOPICS
from fte.pg.pool import Pool
from fte.store import operators
from tests.chaos.fleet import Fleet, Ground, Postgres
from tests.chaos.history import Acknowledged, Acted, Arrived, Followed, History, read
from tests.chaos.proxy import PostgresProxy, Proxy
from tests.kafka.broker import Broker
from tests.support import until

MAILBOX: Final = "support@acme.example"
MEMORY_EVERY: Final = 0.5

EMBEDDED: Final[Mapping[str, Sequence[str] | None]] = {"up": None}
"""One process that does everything, as `fte up` is."""
FLEET: Final[Mapping[str, Sequence[str] | None]] = {
    "http-1": ["http"],
    "http-2": ["http"],
    "worker-1": ["worker"],
    "worker-2": ["worker"],
    "sender-1": ["sender"],
    "sender-2": ["sender"],
    "relay-1": ["relay"],
    "relay-2": ["relay"],
    "mailbox-1": ["mailbox"],
    "metrics-1": ["metrics"],
    "sweeper-1": ["sweeper"],
}
"""Each role in processes of its own."""


@dataclass(frozen=True, slots=True)
class Written:
    """A message a customer wrote. `person` is who; `accepted_at` is when we said that we have it, if we did."""

    person: int
    channel: str
    provider_id: str
    at: float
    accepted_at: float | None = None


@dataclass(slots=True)
class Notes:
    """What clients saw, for the judge. `tries` are single requests to the form: begun, ended, and the status."""

    acknowledged: list[Acknowledged] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    acted: list[Acted] = field(default_factory=list)
    followed: list[Followed] = field(default_factory=list)
    mail_places: list[int] = field(default_factory=list)
    tries: list[tuple[float, float, int | None]] = field(default_factory=list)
    lost_topics: set[str] = field(default_factory=set)
    pushed_on: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Hired:
    """An operator with their token."""

    id: UUID
    name: str
    token: str


class ProxiedBroker(Broker):
    """A broker that tells its clients to come through a proxy."""

    def __init__(self, folder: Path, proxy_port: int) -> None:
        super().__init__(folder)
        self._proxy_port = proxy_port

    def _write_settings(self) -> None:
        super()._write_settings()
        with (self.folder / "server.properties").open("a") as settings:
            settings.write(f"advertised.listeners=PLAINTEXT://127.0.0.1:{self._proxy_port}\n")


@dataclass(slots=True)
class Stage:
    """`web` is in front of all HTTP processes; `line` is the same for the followers of the stream, who are cut more."""

    ground: Ground
    postgres: Postgres
    database: PostgresProxy
    web: Proxy
    line: Proxy
    gmail: SimulatedGmail
    twilio: SimulatedTwilio
    fleet: Fleet
    broker: Broker | None
    kafka: Proxy | None
    notes: Notes = field(default_factory=Notes)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web.port}"

    @property
    def bootstrap(self) -> str:
        assert self.kafka is not None
        return f"127.0.0.1:{self.kafka.port}"

    async def hire(self, *names: str, role: str = "lead") -> list[Hired]:
        """Let operators in."""
        pool = await Pool.open(self.postgres.url, size=1)
        hired = []
        for name in names:
            token = await operators.add(pool, name, role)
            view = await operators.by_token(pool, token)
            assert view is not None
            hired.append(Hired(view.id, name, token))
        await pool.close()
        return hired

    @contextlib.asynccontextmanager
    async def looking(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of our own, past the proxy."""
        connection = await asyncpg.connect(self.postgres.url)
        try:
            yield connection
        finally:
            connection.terminate()

    async def watched(self) -> None:
        """Wait until the mailbox is being read: what arrived before is not answered."""
        try:
            await until(lambda: self.gmail.mailbox(MAILBOX).watch is not None, deadline=60)
        except AssertionError:
            logs = "\n".join(member.tail() for member in self.fleet.of("mailbox"))
            raise AssertionError(f"the mailbox is not being read:\n{logs}") from None

        async def placed() -> bool:
            async with self.looking() as database:
                return await database.fetchval("select max(history_id) from mailboxes") is not None

        await until(placed, deadline=60)

    async def note_mail_places(self, every: float = 1.0) -> None:
        """Note how far the mailbox is read, until cancelled. While the database is away nothing is noted."""
        while True:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                async with self.looking() as database:
                    while True:
                        place = await database.fetchval("select max(history_id)::text from mailboxes")
                        if place is not None:
                            self.notes.mail_places.append(int(place))
                        await asyncio.sleep(every)
            await asyncio.sleep(every)

    def heal(self) -> None:
        """The providers, proxies and stopped processes are well again. Whoever killed something starts it again."""
        self.gmail.clear()
        self.twilio.clear()
        self.database.clear()
        self.fleet.resume_all()

    async def settled(self, deadline: float, *, also_unacknowledged: bool = False) -> float:
        """Wait until nothing is under way any more. Returns the seconds it took; raises AssertionError otherwise.

        What nobody acknowledged, as when a webhook was lost, is found in the provider's list within minutes; it is
        waited for only when asked.
        """
        begun = time.monotonic()
        open_: dict[str, int] = {}

        async def nothing_open() -> bool:
            await asyncio.sleep(0.2)
            now = await self.open(also_unacknowledged=also_unacknowledged)
            if still := {what: count for what, count in now.items() if count}:
                open_.clear()
                open_.update(still)
            return not still

        try:
            await until(nothing_open, deadline=deadline)
            await self.twilio.settled()
        except AssertionError:
            raise AssertionError(f"after {deadline:g} s there are still {open_}") from None
        took = time.monotonic() - begun
        print(f"settled in {took:.1f} s, last: {open_ or 'nothing'}")
        return took

    async def open(self, *, also_unacknowledged: bool = False) -> dict[str, int]:
        """How much is still under way, by what it is."""
        due = [one for one in self.notes.written if one.accepted_at is not None or also_unacknowledged]
        try:
            async with self.looking() as database:
                row = await database.fetchrow(
                    _OPEN, [one.channel for one in due], [one.provider_id for one in due]
                )
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return {"no database": 1}
        assert row is not None
        return dict(row)

    async def history(self) -> History:
        """All that is left of the run, for the judge."""
        async with self.looking() as database:
            return await read(
                database,
                acknowledged=self.notes.acknowledged,
                accepts=[*self.gmail.accepted.sends, *self.twilio.accepted.sends],
                acted=self.notes.acted,
                arrived=self._arrived(),
                alike=self._alike(),
                mail_places=self.notes.mail_places,
                followed=self.notes.followed,
                carried=await self._carried() if self.broker is not None else None,
                lost_topics=frozenset(self.notes.lost_topics),
                pushed_on=frozenset(self.notes.pushed_on),
                groups=await self._groups() if self.broker is not None else (),
            )

    def _alike(self) -> frozenset[str]:
        same: dict[tuple[str, str], list[str]] = {}
        for sent in self.twilio.outbox:
            same.setdefault((sent.recipient, sent.text), []).append(sent.reply_id or "")
        return frozenset(reply for replies in same.values() if len(replies) > 1 for reply in replies)

    def _arrived(self) -> list[Arrived]:
        records = self.gmail.mailbox(MAILBOX).history
        return [
            Arrived(id=record.message_id, place=record.id)
            for record in records
            if record.kind == "messagesAdded" and "INBOX" in record.labels
        ]

    async def _groups(self) -> set[str]:
        """The groups the broker knows."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            return {name for name, *_ in await admin.list_consumer_groups()}
        finally:
            await admin.close()

    async def _carried(self) -> dict[str, list[tuple[str, UUID]]]:
        """What the broker holds: every topic read from its beginning to its end."""
        carried: dict[str, list[tuple[str, UUID]]] = {topic: [] for topic in TOPICS}
        async with self.reader() as reader:
            parts = await self.partitions(reader)
            reader.assign(parts)
            ends = await reader.end_offsets(parts)
            left = {part for part, end in ends.items() if end > 0}
            while left:
                for part, records in (await reader.getmany(*left, timeout_ms=1000)).items():
                    for record in records:
                        event = msgspec.json.decode(record.value)
                        carried[part.topic].append((event["key"], UUID(event["id"])))
                left = {part for part in left if await reader.position(part) < ends[part]}
        return carried

    @contextlib.asynccontextmanager
    async def reader(self, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
        """A consumer that does nothing by itself."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        await consumer.start()
        try:
            yield consumer
        finally:
            await consumer.stop()

    async def partitions(self, reader: AIOKafkaConsumer) -> list[TopicPartition]:
        """Every partition of our topics. One that was deleted has none until there is something to carry again."""
        there = await reader.topics()
        return [
            TopicPartition(topic, number)
            for topic in TOPICS
            if topic in there or topic not in self.notes.lost_topics
            for number in await reader._client._wait_on_metadata(topic)
        ]


_OPEN: Final = """
select (select count(*) from unnest($1::text[], $2::text[]) as written (channel, id)
         where not exists (select from inbound i where i.channel = written.channel and i.provider_id = written.id)
       ) as not_stored,
       (select count(*) from messages where direction = 'inbound' and outcome is null) as without_outcome,
       (select count(*) from turns where state in ('due', 'running')) as open_turns,
       (select count(*) from replies where state in ('queued', 'sending')) as unsent_replies
"""


@contextlib.asynccontextmanager
async def stage(
    layout: Mapping[str, Sequence[str] | None], *, kafka: bool = False, **settings: str
) -> AsyncIterator[Stage]:
    """Build everything and start the processes, with two pages of knowledge; take it all down afterwards."""
    async with contextlib.AsyncExitStack() as stack:
        ground = stack.enter_context(Ground.laid())
        postgres = await stack.enter_async_context(Postgres.installed(ground))
        database = await stack.enter_async_context(PostgresProxy([postgres.address]).running())
        broker, broker_line = await _broker(stack, ground) if kafka else (None, None)
        web = await stack.enter_async_context(Proxy([]).running())
        line = await stack.enter_async_context(Proxy([]).running())
        url = f"http://127.0.0.1:{web.port}"
        gmail = await stack.enter_async_context(SimulatedGmail(MAILBOX).running())
        gmail.push_to(MAILBOX, f"{url}/webhooks/gmail")
        twilio = await stack.enter_async_context(SimulatedTwilio(f"{url}/webhooks/whatsapp").running())
        environment = {
            **gmail.environment(ground.folder),
            **twilio.environment(),
            "FTE_GMAIL_POLL": "2",
            "FTE_PUBLIC_URL": url,
            "FTE_DATABASE_URL": postgres.url_at(database.port),
            **settings,
        }
        if broker_line is not None:
            environment["FTE_KAFKA_BOOTSTRAP_SERVERS"] = f"127.0.0.1:{broker_line.port}"
        fleet = Fleet(ground, layout, environment)
        stack.callback(fleet.kill_all)
        web.targets = line.targets = [("127.0.0.1", member.port) for member in fleet.of("http")]
        built = Stage(ground, postgres, database, web, line, gmail, twilio, fleet, broker, broker_line)
        await fleet.start()
        await fleet.import_pages()
        await built.watched()
        yield built


async def _broker(stack: contextlib.AsyncExitStack, ground: Ground) -> tuple[Broker, Proxy]:
    proxy = await stack.enter_async_context(Proxy([]).running())
    broker = ProxiedBroker(ground.folder / "kafka", proxy.port)
    host, _, port = broker.bootstrap.partition(":")
    proxy.targets = [(host, int(port))]
    await asyncio.to_thread(broker.start)
    stack.callback(broker.kill)
    return broker, proxy


def seeded(seed: int | None) -> random.Random:
    """The run's chance, its seed printed."""
    chosen = random.randrange(10**9) if seed is None else seed
    print(f"seed {chosen}")
    return random.Random(chosen)
