"""Past turns as they stood when they were answered, with what became of them."""

from datetime import datetime
from typing import Any, Final

from fte.domain.ids import first_id
from fte.domain.shadow import Past, Said
from fte.domain.turns import HISTORY_MAX
from fte.pg import queries
from fte.pg.pool import Pool
from fte.store.turns import assignment

PAST_MAX: Final = 10_000
"""Turns that are looked at, the newest ones."""
_ESCALATED: Final = "escalated: "

_sql = queries.load(__file__)


async def past(pool: Pool, since: datetime, until: datetime, limit: int) -> list[Past]:
    """The turns the AI answered or handed over in that time, the newest first.

    Subject, category and the customer's name are what they are now; all else is as it was.
    """
    rows = await pool.fetch(_sql.past, first_id(since), since, until, HISTORY_MAX, min(limit, PAST_MAX))
    return [_past(row) for row in rows]


def _past(row: Any) -> Past:
    trace = row["trace"]
    reasons = [verdict for verdict in trace.get("verdicts", []) if verdict.startswith(_ESCALATED)]
    was = Said(
        row["reply"],
        reasons[-1].removeprefix(_ESCALATED) if reasons else "?" if row["outcome"] == "escalated" else "",
        tuple(dict.fromkeys(passage["source"] for passage in trace.get("passages", []))),
        row["input_tokens"] + row["output_tokens"],
        row["latency_ms"],
    )
    return Past(row["conversation"], row["channel"], row["created_at"], row["model"], assignment(row), was)
