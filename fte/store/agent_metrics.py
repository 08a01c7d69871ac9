"""Measurements, kept: a few rows for each finished turn, never removed, and their totals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fte.domain.channels import CHANNELS, Channel
from fte.domain.measurements import Measurement
from fte.pg import queries
from fte.pg.pool import Pool

_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read off an event of that time."""

    event: UUID
    at: datetime
    measured: Sequence[Measurement]


@dataclass(frozen=True, slots=True)
class Total:
    """All that was ever measured of that name, channel and dimensions, in one bucket (see `Measurement.bucket`)."""

    name: str
    channel: Channel
    dimensions: dict[str, str | bool]
    bucket: float
    count: int
    sum: float


@dataclass(frozen=True, slots=True)
class ChannelDay:
    """A channel's last 24 hours.

    `total_conversations` began on it and were written in; `avg_sentiment` (0 to 1) is theirs, as of each one's newest
    message of the customer. `answered` counts the AI's answers; seconds are from the customer's first unanswered
    message to the answer. None where there is nothing to tell.
    """

    channel: Channel
    total_conversations: int
    avg_sentiment: float | None
    escalations: int
    messages: int
    answered: int
    failed_deliveries: int
    avg_answer_seconds: float | None
    p95_answer_seconds: float | None


async def record(pool: Pool, readings: Sequence[Reading]) -> None:
    """Keep what was read off these events, all of it or nothing; what is kept already stays as it is."""
    whole = {reading.event: reading for reading in readings}.values()
    rows = [(reading, one) for reading in whole for one in reading.measured]
    await pool.execute(
        _sql.record,
        [reading.event for reading, _ in rows],
        [reading.at for reading, _ in rows],
        [one.name for _, one in rows],
        [one.value for _, one in rows],
        [one.channel for _, one in rows],
        [one.dimensions for _, one in rows],
        [one.bucket for _, one in rows],
    )


async def totals(pool: Pool) -> list[Total]:
    """Everything that was ever measured, added up."""
    return [Total(**row) for row in await pool.fetch(_sql.totals)]


async def last_day(pool: Pool) -> list[ChannelDay]:
    """The last 24 hours of every channel, also of one without traffic."""
    return [ChannelDay(**row) for row in await pool.fetch(_sql.last_day, list(CHANNELS))]
