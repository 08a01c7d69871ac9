"""Answers of people that no page had: found among the messages, decided on once."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from fte.domain.errors import Conflict, NotFound
from fte.domain.ids import first_id
from fte.domain.suggestions import ANSWER_MIN, Source
from fte.domain.text import one_line
from fte.pg import queries
from fte.pg.pool import Connection, Pool

BACK: Final = timedelta(days=90)
"""Older answers are not suggested."""
PAGE_MAX: Final = 100
"""Suggestions of one page, the newest ones."""

_sql = queries.load(__file__)


async def waiting(pool: Pool, now: datetime) -> list[Source]:
    """What nobody has decided on, the newest first."""
    rows = await pool.fetch(_sql.sources, first_id(now - BACK), ANSWER_MIN, None, PAGE_MAX)
    return [_source(row) for row in rows]


async def one(pool: Pool, message: UUID, now: datetime) -> Source:
    """One of them. Raises NotFound, and Conflict when it is decided on."""
    row = await pool.fetchrow(_sql.sources, first_id(now - BACK), ANSWER_MIN, message, 1)
    if row is None:
        await _check_open(pool, message)
        raise NotFound("There is no such suggestion.")
    return _source(row)


async def decide(connection: Connection, found: Source, operator: UUID, document: str | None = None) -> None:
    """Approve it as `document`, or reject it; in the caller's transaction. Raises Conflict when somebody else has."""
    state = "rejected" if document is None else "approved"
    if await connection.fetchval(_sql.decide, found.id, state, operator, document) is None:
        await _check_open(connection, found.id)
    await connection.execute(
        _sql.audited, operator, found.conversation_id, {"decision": state, "document": document}
    )


async def _check_open(connection: Pool | Connection, message: UUID) -> None:
    row: Any = await connection.fetchrow(_sql.decided, message)
    if row is not None:
        became = f": it is the page {row['source']}" if row["source"] else ""
        raise Conflict(f"{one_line(row['name'])} {row['state']} this suggestion already{became}.")


def _source(row: Any) -> Source:
    facts = dict(row)
    facts["names"] = tuple(facts["names"])
    return Source(**facts)
