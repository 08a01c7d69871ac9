"""The relay: carries the log to Kafka, in order, one process at a time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeVar

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

from fte.bus import cursors, topics, topics_made
from fte.bus.cluster import GONE, Cluster, unavailable
from fte.bus.cursors import Displaced, Held
from fte.bus.record import Record
from fte.domain.errors import FteError, Refused, Unavailable
from fte.domain.events import INBOUND, RELAY, TOPICS
from fte.domain.retry import pause
from fte.pg import log
from fte.pg.hints import Hints, heard
from fte.pg.log import Cursor
from fte.pg.pool import Pool

POLL: Final = 1.0
"""Seconds without a hint after which the log is looked at, and the brokers are asked whether they are there."""
PUBLISH_TIMEOUT: Final = 10.0
"""Seconds the brokers may take for what one read of the log gave; then the producer is given up."""
READ_MAX: Final = 1_000
"""Events read, and then sent, at once. After as many the place is stored: a relay that is cut off leaves fewer than
twice as many to be sent again."""
KEYS_KNOWN: Final = 4_096
"""Keys whose hash is remembered."""
PAUSE_MAX: Final = 3.0
TOLD_MAX: Final = 100
"""Messages one line of the log names."""

K = TypeVar("K")

_ARRIVED: Final = frozenset(INBOUND.values())
_log = structlog.get_logger("fte.relay")


class Relay:
    """Carries every event of the log, at least once. Where it was cut off the events since then come again.

    Of one key, no event comes for the first time before an older one has: what a producer left behind is older than
    what the next one begins with.
    """

    def __init__(
        self,
        cluster: Cluster,
        pool: Pool,
        hints: Hints,
        plan: topics.Plan,
        problems: MutableMapping[str, str],
    ) -> None:
        self._cluster = cluster
        self._pool = pool
        self._hints = hints
        self._plan = plan
        self._problems = problems

    async def run(self) -> None:
        """Carry until cancelled; while another process does, wait."""
        failures = 0
        while True:
            moved = False
            try:
                async with cursors.held(self._pool, self._cluster.named(RELAY)) as held:
                    try:
                        await self._carry(held)
                    finally:
                        moved = held.moved
            except Displaced:
                failures = 0
            except (Unavailable, *GONE) as error:
                failures = 1 if moved else failures + 1
                self._report(error)
            await asyncio.sleep(pause(failures, longest=PAUSE_MAX))

    def _report(self, error: BaseException) -> None:
        problem = error if isinstance(error, FteError) else unavailable(error)
        self._problems[RELAY] = problem.message
        _log.warning("relay put off", error=problem.message)

    async def _carry(self, held: Held) -> None:
        """Raises Displaced, Unavailable, or what the library raises."""
        try:
            if await topics.create_missing(self._cluster, self._plan):
                oldest = await log.oldest_after(self._pool, TOPICS, held.place)
                await topics_made.note(self._pool, self._cluster.prefix, oldest)
        except Refused as error:  # somebody else makes the topics, then
            _log.warning("topics not made", error=error.message)
        async with self._cluster.producer() as producer:
            with self._hints.bell() as bell:
                read = await self._read(held, held.place, bell)
                unsaved = 0
                while True:
                    async with _meanwhile(self._next(held, read, bell)) as reading:
                        async with asyncio.timeout(PUBLISH_TIMEOUT):
                            await (
                                self._publish(producer, read.records)
                                if read.records
                                else self._probe(producer)
                            )
                        read.tell()
                        unsaved += len(read.records)
                        await held.save(read.after, at_once=unsaved >= READ_MAX)
                        unsaved = unsaved if unsaved < READ_MAX else 0
                        self._problems.pop(RELAY, None)
                        read = await reading

    async def _next(self, held: Held, read: "_Read", bell: asyncio.Event) -> "_Read":
        """What comes after, at once or when there may be something."""
        if not read.full:
            await heard(bell, POLL)
        return await self._read(held, read.after, bell)

    async def _read(self, held: Held, place: Cursor, bell: asyncio.Event) -> "_Read":
        bell.clear()
        with held.reading(place):
            events, after = await log.read_appended(self._pool, TOPICS, place, READ_MAX)
        records = [(self._cluster.named(one.event.topic), Record.of(one)) for one in events]
        messages = [one.event.payload.get("message_id") for one in events if one.event.topic in _ARRIVED]
        return _Read(records, after, messages, full=len(events) == READ_MAX)

    async def _publish(self, producer: AIOKafkaProducer, records: Sequence[tuple[str, Record]]) -> None:
        sent: list[asyncio.Future[Any]] = []
        try:
            for topic, of_topic in _grouped(records).items():
                partitions = sorted(await producer.partitions_for(topic))
                shares = _grouped((partitions[_hash(one.key) % len(partitions)], one) for one in of_topic)
                for partition, share in shares.items():
                    for batch in _batches(producer, share):
                        sent.append(await producer.send_batch(batch, topic, partition=partition))
            await asyncio.gather(*sent)
        finally:
            for one in sent:
                if not one.cancel() and not one.cancelled():
                    one.exception()  # it was raised above, or another was

    async def _probe(self, producer: AIOKafkaProducer) -> None:
        """Raises TimeoutError when no broker answers."""
        if not await producer.client.force_metadata_update():
            raise TimeoutError("no broker answers")


def _grouped(pairs: Iterable[tuple[K, Record]]) -> dict[K, list[Record]]:
    groups: dict[K, list[Record]] = {}
    for key, record in pairs:
        groups.setdefault(key, []).append(record)
    return groups


@lru_cache(KEYS_KNOWN)
def _hash(key: bytes) -> int:
    """What every client of Kafka chooses a key's partition by; the library takes long for it."""
    hashed: int = murmur2(key)
    return hashed & 0x7FFFFFFF


def _batches(producer: AIOKafkaProducer, records: Iterable[Record]) -> Iterator[BatchBuilder]:
    """One partition's records in order, in as many batches as they fill.

    Given to the library one by one, each would have an acknowledgement of its own, which costs more than the record.
    """
    batch = producer.create_batch()
    for record in records:
        if not _appended(batch, record):
            batch.close()
            yield batch
            batch = producer.create_batch()
            _appended(batch, record)
    batch.close()
    yield batch


def _appended(batch: BatchBuilder, record: Record) -> bool:
    """False when the batch is full; an empty one takes whatever comes."""
    metadata = batch.append(
        timestamp=record.timestamp, key=record.key, value=record.value, headers=record.headers
    )
    return metadata is not None


@dataclass(frozen=True, slots=True)
class _Read:
    """What one read of the log gave, as records beside their topics; `full` when there may be more already."""

    records: Sequence[tuple[str, Record]]
    after: Cursor
    messages: Sequence[Any]
    """Customers' messages whose arrival is among them."""
    full: bool

    def tell(self) -> None:
        """Say which customers' messages Kafka has now."""
        for first in range(0, len(self.messages), TOLD_MAX):
            _log.info("messages relayed", messages=self.messages[first : first + TOLD_MAX])


@contextlib.asynccontextmanager
async def _meanwhile(work: Coroutine[Any, Any, _Read]) -> AsyncIterator[asyncio.Task[_Read]]:
    """The work as a task beside the block; with the block it is over."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # who does not want the result does not want the error either
