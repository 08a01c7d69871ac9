"""How often topics were made anew: offsets begin again then, and what was in them before is gone.

The brokers hand out offsets of a topic that was deleted and made again like those of the one before, so a listener who
comes back, or who stays, would pass over what it never heard.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fte.pg import queries
from fte.pg.pool import Pool

_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True)
class Made:
    """How often after the first time; and a time before which no event that is in them now, or will be, was begun."""

    times: int
    gone_before: datetime


NEVER = Made(0, datetime(1970, 1, 1, tzinfo=UTC))


async def note(pool: Pool, prefix: str, gone_before: datetime) -> None:
    """Some topics were made just now. Only what the relay has yet to carry comes into them."""
    await pool.execute(_sql.note, prefix, gone_before)


async def current(pool: Pool, prefix: str) -> Made:
    """The newest note."""
    row: Any = await pool.fetchrow(_sql.current, prefix)
    return Made(row["times"], row["gone_before"]) if row and row["times"] else NEVER
