"""The relay: carries the log to Kafka, in order, one process at a time."""

import asyncio
from collections.abc import MutableMapping, Sequence
from typing import Final

import structlog
from aiokafka import AIOKafkaProducer

from fte.bus import cursors, topics
from fte.bus.cluster import GONE, Cluster, unavailable
from fte.bus.cursors import Displaced, Held
from fte.bus.record import Record
from fte.domain.errors import FteError, Refused, Unavailable
from fte.domain.events import RELAY, TOPICS
from fte.domain.retry import pause
from fte.pg import log
from fte.pg.hints import Hints, heard
from fte.pg.log import Appended
from fte.pg.pool import Pool

POLL: Final = 1.0
"""Seconds without a hint after which the log is looked at, and the brokers are asked whether they are there."""
PUBLISH_TIMEOUT: Final = 10.0
"""Seconds the brokers may take for what one read of the log gave; then the producer is given up."""
PAUSE_MAX: Final = 3.0

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
            await topics.create_missing(self._cluster, self._plan)
        except Refused as error:  # somebody else makes the topics, then
            _log.warning("topics not made", error=error.message)
        async with self._cluster.producer() as producer:
            with self._hints.bell() as bell:
                place = held.place
                while True:
                    bell.clear()
                    events, place = await log.read_appended(self._pool, TOPICS, place)
                    async with asyncio.timeout(PUBLISH_TIMEOUT):
                        await (self._publish(producer, events) if events else self._probe(producer))
                    await held.save(place)
                    self._problems.pop(RELAY, None)
                    if len(events) < log.READ_MAX:
                        await heard(bell, POLL)

    async def _publish(self, producer: AIOKafkaProducer, events: Sequence[Appended]) -> None:
        sent = []
        for appended in events:
            record = Record.of(appended)
            topic = self._cluster.named(appended.event.topic)
            sent.append(
                await producer.send(
                    topic,
                    record.value,
                    record.key,
                    timestamp_ms=record.timestamp,
                    headers=record.headers,
                )
            )
        await asyncio.gather(*sent)

    async def _probe(self, producer: AIOKafkaProducer) -> None:
        """Raises TimeoutError when no broker answers."""
        if not await producer.client.force_metadata_update():
            raise TimeoutError("no broker answers")
