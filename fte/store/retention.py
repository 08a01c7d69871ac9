"""Retention: what is older than is wanted goes, in small transactions, by a clock that is passed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from fte.domain.ids import first_id_at
from fte.domain.metrics import RETAINED
from fte.pg import queries
from fte.pg.pool import Pool
from fte.store import erasure, merges

CONVERSATIONS_MAX: Final = 20
"""Conversations one sweep removes at most."""
BATCH: Final = 200
"""Rows of anything else that one sweep removes, or empties, at most."""
MEASUREMENTS_MAX: Final = 5_000
"""Measurements one sweep removes at most: each message makes several."""
_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """Days things are kept; 0: for ever.

    `conversations` counts from the last message of a settled conversation, `originals` (mails as they came, and files)
    from their arrival, `traces` (what runs of the agent looked up and did), `audit` and `measurements` (single ones; their
    totals stay) from when they were written.
    """

    conversations: int = 0
    originals: int = 0
    traces: int = 0
    audit: int = 0
    measurements: int = 0


async def sweep(pool: Pool, periods: Periods, now: datetime) -> dict[str, int]:
    """Remove some of what is too old. Returns how much of what went; there may be more when it is much."""
    removed = dict.fromkeys(RETAINED, 0)
    if periods.conversations:
        removed["conversations"] = await _conversations(pool, _before(now, periods.conversations))
    if periods.originals:
        before = _before(now, periods.originals)
        removed["originals"] = await _some(pool, _sql.originals, before)
        removed["files"] = await _some(pool, _sql.files, first_id_at(before))
    if periods.traces:
        removed["traces"] = await _some(pool, _sql.traces, first_id_at(_before(now, periods.traces)))
    if periods.audit:
        removed["audit"] = await _some(pool, _sql.audit, _before(now, periods.audit))
    if periods.measurements:
        before = _before(now, periods.measurements)
        removed["measurements"] = await _some(pool, _sql.measurements, before, MEASUREMENTS_MAX)
    return removed


def is_full(removed: dict[str, int]) -> bool:
    """Whether a sweep may have left something."""
    return removed["conversations"] >= CONVERSATIONS_MAX or max(removed.values()) >= BATCH


def _before(now: datetime, days: int) -> datetime:
    return now - timedelta(days=days)


async def _some(pool: Pool, query: str, before: datetime | UUID, most: int = BATCH) -> int:
    done = await pool.execute(query, before, most)
    return int(done.rpartition(" ")[2])


async def _conversations(pool: Pool, before: datetime) -> int:
    """Settled conversations go whole, as in an erasure, and with the last one its customer."""
    customers = _ids(await pool.fetch(_sql.settled_customers, before, CONVERSATIONS_MAX))
    if not customers:
        return 0
    async with pool.transaction() as connection:
        await merges.lock(connection, customers)
        talks = _ids(await connection.fetch(_sql.settled, before, CONVERSATIONS_MAX, customers))
        if talks:
            await erasure.remove_conversations(connection, talks)
        await erasure.remove_left_alone(connection, customers)
    return len(talks)


def _ids(rows: Sequence[object]) -> list[UUID]:
    return [row["id"] for row in rows]  # type: ignore[index]
