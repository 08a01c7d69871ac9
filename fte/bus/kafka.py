"""The bus between processes: events travel through Kafka, where a relay puts them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid5

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, OffsetOutOfRangeError

from fte.bus import dead_letters, offsets, record, topics_made
from fte.bus.cluster import GONE, START_TIMEOUT, Cluster, unavailable
from fte.bus.dispatch import Dispatcher
from fte.bus.offsets import Offsets
from fte.bus.topics_made import Made
from fte.domain.errors import FteError, Rejected, Unavailable
from fte.domain.recent import Recent
from fte.domain.retry import pause
from fte.pg import log
from fte.pg.hints import Hints
from fte.pg.log import Cursor
from fte.pg.pool import Pool
from fte.ports import Handler
from fte.wire import Envelope

FETCH_WAIT: Final = 0.3
"""Seconds a consumer waits for records before it looks after its place and its partitions."""
FETCH_MAX: Final = 500
"""Records taken at once."""
COMMIT_EVERY: Final = 0.5
"""Seconds of progress a crash may make the group see again."""
COMMIT_TIMEOUT: Final = 5.0
RELEASE_TIMEOUT: Final = 2.0
"""Seconds a member that stops may take to store its place."""
JOIN_TIMEOUT: Final = 40.0
"""Seconds a member may take to get its share: the group waits for members that died, and for slow ones."""
LOOK_EVERY: Final = 5.0
"""Seconds of silence after which a member looks whether it misses something; also what a look may take."""
FOLLOWER_LOOK_EVERY: Final = 1.25
"""The same for a subscription, whose listener must soon know that nothing can be heard."""
LOOKS_MAX: Final = 4
"""Looks in a row that find something missing, or get no answer, after which a consumer counts as stuck."""
FOLLOWER_IDLE_WAIT: Final = 0.5
"""Seconds a broker may keep a subscription's fetch open; a look waits behind it, and must be done within its own."""
SESSION: Final = 10.0
"""Seconds without a sign of life after which the group gives a member's partitions to others."""
PAUSE_MAX: Final = 5.0
REACH: Final = 60.0
"""Seconds a transaction may be open: how much later than its beginning an event may arrive."""
KNOWN_MAX: Final = 5_000
"""Events a subscription knows again: more than a relay that was cut off may send twice."""

_STRANGE: Final = UUID("6b2d2c3e-9a53-4c0b-8f25-6e0f6f2f7a11")
_log = structlog.get_logger("fte.bus")


class Stuck(Unavailable):
    """There is something to be had, and it does not come."""


class KafkaBus:
    """The `Bus` over Kafka. `problems` is told what is wrong with each consumer, for as long as it is."""

    def __init__(
        self, cluster: Cluster, pool: Pool, hints: Hints, problems: MutableMapping[str, str]
    ) -> None:
        self._cluster = cluster
        self._pool = pool
        self._hints = hints
        self._problems = problems

    async def consume(self, topics: Sequence[str], group: str, handler: Handler) -> None:
        failures = 0
        while True:
            member = _Member(self._cluster, self._pool, self._hints, topics, group, handler)
            try:
                await member.run(partial(self._problems.pop, group, None))
            except* Exception as errors:  # whatever broke in the library, a new consumer is the remedy
                failures = 1 if member.moved else failures + 1
                self._report(group, _first(errors))
            await asyncio.sleep(pause(failures, longest=PAUSE_MAX))

    def _report(self, group: str, error: BaseException) -> None:
        problem = error if isinstance(error, FteError) else unavailable(error)
        self._problems[group] = problem.message
        unexpected = not isinstance(error, (FteError, *GONE))
        _log.warning(
            "consumer made anew", group=group, error=problem.message, exc_info=error if unexpected else None
        )

    def check(self, cursor: str) -> None:
        offsets.read(cursor)

    async def subscribe(
        self, topics: Sequence[str], cursor: str | None
    ) -> AsyncGenerator[tuple[str, Envelope], None]:
        place = offsets.read(cursor) if cursor else await log.end(self._pool)
        events = self._following(topics, place)
        await anext(events)  # a generator that never ran would not stop its consumer when it is closed
        return events

    async def _following(self, topics: Sequence[str], place: Cursor | Offsets) -> AsyncGenerator[Any, None]:
        """None when it has begun, and then each event with its cursor."""
        options = {"auto_offset_reset": "none", "fetch_max_wait_ms": round(FOLLOWER_IDLE_WAIT * 1000)}
        try:
            async with self._cluster.consumer(**options) as consumer:
                follower = _Follower(self._cluster, self._pool, consumer, topics)
                await follower.start(place)
                yield None
                async with contextlib.aclosing(follower.events()) as events:
                    async for after, event in events:
                        yield after, event
        except OffsetOutOfRangeError as error:
            raise offsets.no_longer_kept() from error
        except GONE as error:
            raise unavailable(error) from error


# ---------------------------------------------------------------- one member of a group


class _Member(ConsumerRebalanceListener):  # type: ignore[misc]
    """One process's share in a group's work, for as long as the consumer is well."""

    def __init__(
        self,
        cluster: Cluster,
        pool: Pool,
        hints: Hints,
        topics: Sequence[str],
        group: str,
        handler: Handler,
    ) -> None:
        self._cluster = cluster
        self._hints = hints
        self._topics = [cluster.named(topic) for topic in topics]
        self._group = group
        self._handler = handler
        self._bury = partial(dead_letters.bury, pool, group)
        self._shares: dict[TopicPartition, Dispatcher[int]] = {}
        self._unstored: dict[TopicPartition, int] = {}
        self._commit_at = 0.0
        self._commit_lock = asyncio.Lock()
        self.moved = False

    async def run(self, on_well: Callable[[], object]) -> None:
        """Raises (in a group) what the library raises, Stuck, or Unavailable when the database is away."""
        async with (
            self._cluster.consumer(
                group_id=self._cluster.named(self._group),
                auto_offset_reset="earliest",
                session_timeout_ms=round(SESSION * 1000),
                heartbeat_interval_ms=round(SESSION * 300),
            ) as self._consumer,
            asyncio.TaskGroup() as self._tasks,
        ):
            self._consumer.subscribe(self._topics, listener=self)
            async with asyncio.timeout(JOIN_TIMEOUT):
                await self._consumer.start()
            try:
                await self._work(on_well)
            finally:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RELEASE_TIMEOUT):
                        await self._commit(at_once=True)

    async def _work(self, on_well: Callable[[], object]) -> None:
        watch = _Watch(self._consumer, LOOK_EVERY)
        while True:
            taken = await self._consumer.getmany(timeout_ms=round(FETCH_WAIT * 1000), max_records=FETCH_MAX)
            await self._hand_out(taken)
            self._hold_back()
            stored = await self._commit()
            if await watch.is_well(taken) and stored:
                on_well()

    async def _hand_out(self, taken: Mapping[TopicPartition, Sequence[Any]]) -> None:
        for partition, records in taken.items():
            share = self._shares.get(partition)
            if share is None:  # taken away while these were on their way
                continue
            for one in records:
                await self._take(share, one)
        await asyncio.sleep(0)  # a consumer that has records does not let others run by itself

    async def _take(self, share: "Dispatcher[int]", one: Any) -> None:
        after = one.offset + 1
        try:
            share.submit(after, record.read(one).event)
        except Rejected as error:
            await self._bury(_strange(self._cluster, one), error, 1)
            share.pass_over(after)

    def _hold_back(self) -> None:
        """Take no more records of partitions with too much unfinished; the consumer must go on asking for others."""
        for partition, share in self._shares.items():
            paused = partition in self._consumer.paused()
            if share.full and not paused:
                self._consumer.pause(partition)
            elif paused and not share.full:
                self._consumer.resume(partition)

    async def _commit(self, *, at_once: bool = False) -> bool:
        """Store how far everything is finished. Whether all of it is stored; if not, it is tried again."""
        now = time.monotonic()
        if now < self._commit_at and not at_once:
            return True
        self._commit_at = now + COMMIT_EVERY
        async with self._commit_lock:
            for partition, share in self._shares.items():
                if (place := share.finished()) is not None:
                    self._unstored[partition] = place
            if not self._unstored:
                return True
            try:
                async with asyncio.timeout(COMMIT_TIMEOUT):
                    await self._consumer.commit(self._unstored)
            except (CommitFailedError, IllegalStateError):
                pass  # the partitions are somebody else's by now, who sees the same events again
            except GONE as error:
                # The library comes back to the brokers by itself, and sooner than a new member would be let in.
                _log.info("place not stored", group=self._group, error=type(error).__name__)
                return False
            self._unstored.clear()
            self.moved = True
            return True

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        await self._commit(at_once=True)
        self._unstored.clear()
        for share in self._shares.values():
            share.stop()
        self._shares.clear()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        for partition in assigned:
            self._shares[partition] = Dispatcher(self._group, self._handler, self._bury, self._tasks)


def _strange(cluster: Cluster, one: Any) -> Envelope:
    """What is kept of a record nobody can read: where it is, and nothing of what it says."""
    where = f"{one.topic}/{one.partition}/{one.offset}"
    return Envelope(
        id=uuid5(_STRANGE, where),
        topic=cluster.ours(one.topic),
        key="",
        type="unreadable",
        at=datetime.fromtimestamp(max(one.timestamp, 0) / 1000, UTC),
        payload={"partition": one.partition, "offset": one.offset},
    )


class _Watch:
    """Notices when a consumer hears nothing although there is something to be heard.

    It looks after `look_every` seconds of silence, and again as often; a look may take as long. Time in which nobody
    asks it proves nothing, so a process that was held up does not find a healthy consumer stuck.
    """

    def __init__(self, consumer: AIOKafkaConsumer, look_every: float) -> None:
        self._consumer = consumer
        self._look_every = look_every
        self._look_at = time.monotonic() + look_every
        self._missed = 0

    async def is_well(self, taken: Mapping[TopicPartition, Sequence[Any]]) -> bool:
        """Whether it was known to be well just now. Raises Stuck when it has not been for LOOKS_MAX looks."""
        now = time.monotonic()
        if not taken and now < self._look_at:
            return False
        self._look_at = now + self._look_every
        if taken or not await self._misses_something():
            self._missed = 0
            return True
        self._missed += 1
        if self._missed == LOOKS_MAX:
            raise Stuck
        return False

    async def _misses_something(self) -> bool:
        """True also when nobody answers."""
        partitions = self._consumer.assignment() - self._consumer.paused()
        if not partitions:
            return False
        try:
            async with asyncio.timeout(self._look_every):
                ends = await self._consumer.end_offsets(partitions)
                return any([ends[one] > await self._consumer.position(one) for one in partitions])
        except (*GONE, IllegalStateError):
            return True


# ---------------------------------------------------------------- a subscription


class _Follower:
    """Follows topics from a place on, for one listener."""

    def __init__(
        self, cluster: Cluster, pool: Pool, consumer: AIOKafkaConsumer, topics: Sequence[str]
    ) -> None:
        self._cluster = cluster
        self._pool = pool
        self._consumer = consumer
        self._topics = topics
        self._made = topics_made.NEVER
        self._passed = Cursor("3:3:")
        self._offsets: dict[str, dict[int, int]] = {}
        self._recent: Recent[UUID] = Recent(KNOWN_MAX)

    async def start(self, place: Cursor | Offsets) -> None:
        """Find the place. Raises NotFound when what comes after it is no longer kept, Rejected when it is unknown."""
        self._made = await self._made_now()
        async with asyncio.timeout(START_TIMEOUT):
            await self._consumer.start()
            partitions = [part for topic in self._topics for part in await self._partitions(topic)]
            self._consumer.assign(partitions)
            ends = await self._consumer.end_offsets(partitions)
            if isinstance(place, Cursor):
                self._passed = place
                begin = await self._since(place, partitions, ends)
            else:
                begin = await self._checked(place, partitions, ends)
        for part, offset in begin.items():
            self._consumer.seek(part, offset)
            self._offsets.setdefault(self._cluster.ours(part.topic), {})[part.partition] = offset

    async def _partitions(self, topic: str) -> list[TopicPartition]:
        name = self._cluster.named(topic)
        return [
            TopicPartition(name, number) for number in await self._consumer._client._wait_on_metadata(name)
        ]

    async def _since(
        self, place: Cursor, partitions: Sequence[TopicPartition], ends: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """Where the events after a place in the log begin, at the latest; some before it may come, too."""
        oldest = await log.oldest_after(self._pool, self._topics, place)
        if oldest < self._made.gone_before:
            raise offsets.no_longer_kept()
        since = int((oldest.timestamp() - REACH) * 1000)
        found = await self._consumer.offsets_for_times(dict.fromkeys(partitions, since))
        return {part: found[part].offset if found[part] else ends[part] for part in partitions}

    async def _checked(
        self, place: Offsets, partitions: Sequence[TopicPartition], ends: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        if place.get(offsets.MADE, [0]) != [self._made.times]:
            raise offsets.no_longer_kept()
        if unknown := [topic for topic in self._topics if topic not in place]:
            raise Rejected("The cursor is for other topics.", fields={"cursor": f"not for {unknown[0]}"})
        beginnings = await self._consumer.beginning_offsets(partitions)
        begin = {}
        for part in partitions:
            stored = place[self._cluster.ours(part.topic)]
            offset = stored[part.partition] if part.partition < len(stored) else beginnings[part]
            if not beginnings[part] <= offset <= ends[part]:
                raise offsets.no_longer_kept()
            begin[part] = offset
        return begin

    async def events(self) -> AsyncGenerator[tuple[str, Envelope], None]:
        """Raises Stuck when nothing can be heard any more."""
        watch, look_at = _Watch(self._consumer, FOLLOWER_LOOK_EVERY), 0.0
        while True:
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + FOLLOWER_LOOK_EVERY
                if (await self._made_now()).times != self._made.times:
                    raise offsets.no_longer_kept()
            taken = await self._consumer.getmany(timeout_ms=round(FETCH_WAIT * 1000), max_records=FETCH_MAX)
            for part, records in taken.items():
                topic = self._cluster.ours(part.topic)
                for one in records:
                    self._offsets[topic][part.partition] = one.offset + 1
                    event = self._news(one)
                    if event is not None:
                        yield self._cursor(), event
            await watch.is_well(taken)

    def _news(self, one: Any) -> Envelope | None:
        """The event of a record; None for one that lies behind us, came already, is a replay, or no event at all."""
        try:
            appended = record.read(one)
        except Rejected:
            return None
        event = appended.event
        if event.replay is not None or self._passed.passed(appended.tx, appended.position):
            return None
        return event if self._recent.is_new(event.id) else None

    def _cursor(self) -> str:
        places = {topic: [at for _, at in sorted(parts.items())] for topic, parts in self._offsets.items()}
        return offsets.written(places | {offsets.MADE: [self._made.times]})

    async def _made_now(self) -> Made:
        return await topics_made.current(self._pool, self._cluster.prefix)


def _first(errors: BaseExceptionGroup[Any]) -> BaseException:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
