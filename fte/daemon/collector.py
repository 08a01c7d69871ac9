"""The collector: reads measurements off events and keeps them."""

import asyncio
from dataclasses import dataclass
from typing import Final

from fte.domain.errors import Unavailable
from fte.domain.events import COLLECTORS, ESCALATIONS, METRICS
from fte.domain.measurements import FREE, Prices, measurements
from fte.pg.pool import Pool
from fte.ports import Bus
from fte.store import agent_metrics
from fte.store.agent_metrics import Reading
from fte.wire import Envelope

BATCH_MAX: Final = 200
"""Events whose measurements are written at once."""


@dataclass(slots=True, eq=False)
class _Waiting:
    reading: Reading
    kept: bool = False
    error: Unavailable | None = None


class Collector:
    """Counts each event once, however often it comes, also as a dead letter that is sent again.

    While one batch is being written the next one gathers, so that a busy day costs few transactions.
    """

    def __init__(self, pool: Pool, bus: Bus, prices: Prices = FREE) -> None:
        self._pool = pool
        self._bus = bus
        self._prices = prices
        self._waiting: list[_Waiting] = []
        self._writing = asyncio.Lock()

    async def run(self) -> None:
        """Collect until cancelled."""
        await self._bus.consume([METRICS, ESCALATIONS], COLLECTORS, self._on_event)

    async def _on_event(self, event: Envelope) -> None:
        """Raises Malformed for an event that makes no sense, Unavailable when the database is away."""
        measured = measurements(event.type, event.first_at, event.payload, self._prices)
        if measured:
            await self._keep(_Waiting(Reading(event.first_id, event.first_at, measured)))

    async def _keep(self, mine: _Waiting) -> None:
        self._waiting.append(mine)
        async with self._writing:
            if mine.error is not None:
                raise mine.error
            if not mine.kept:
                await self._write(mine)

    async def _write(self, mine: _Waiting) -> None:
        self._waiting.remove(mine)
        batch = [mine, *self._waiting[: BATCH_MAX - 1]]
        del self._waiting[: BATCH_MAX - 1]
        try:
            await agent_metrics.record(self._pool, [one.reading for one in batch])
        except Unavailable as error:
            for one in batch:
                one.error = error
            raise
        except BaseException as error:
            # Whichever it was that cannot be written: each of the others tries for itself.
            self._waiting[:0] = batch[1:]
            if not isinstance(error, Exception):
                raise
            batch = [mine]
            await agent_metrics.record(self._pool, [mine.reading])
        for one in batch:
            one.kept = True
