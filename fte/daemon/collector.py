"""The collector: reads measurements off the events of the metrics' topic and keeps them."""

from fte.domain.events import COLLECTORS, METRICS
from fte.domain.measurements import measurements
from fte.pg.pool import Pool
from fte.ports import Bus
from fte.store import agent_metrics
from fte.wire import Envelope


class Collector:
    """Counts each event once, however often it comes, also as a dead letter that is sent again."""

    def __init__(self, pool: Pool, bus: Bus) -> None:
        self._pool = pool
        self._bus = bus

    async def run(self) -> None:
        """Collect until cancelled."""
        await self._bus.consume([METRICS], COLLECTORS, self._on_event)

    async def _on_event(self, event: Envelope) -> None:
        """Raises Malformed for an event that makes no sense, Unavailable when the database is away."""
        if measured := measurements(event.type, event.first_at, event.payload):
            await agent_metrics.record(self._pool, event.first_id, event.first_at, measured)
