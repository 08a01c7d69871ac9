"""Measurements, kept: a few rows for each finished turn, never removed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from fte.domain.measurements import Measurement
from fte.pg import queries
from fte.pg.pool import Pool

_sql = queries.load(__file__)


async def record(pool: Pool, event: UUID, at: datetime, measured: Sequence[Measurement]) -> None:
    """Keep what was read off an event of that time, all of it or nothing; what is kept already stays as it is."""
    await pool.execute(
        _sql.record,
        event,
        at,
        [one.name for one in measured],
        [one.value for one in measured],
        [one.channel for one in measured],
        [one.dimensions for one in measured],
    )
