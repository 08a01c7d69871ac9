"""Answers of people that no page had: found among the messages, decided on once."""

from collections.abc import Sequence
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
SOURCES_MAX: Final = 100
"""Answers that are looked at, the newest ones: pages are suggested from these."""

_sql = queries.load(__file__)


async def waiting(pool: Pool, now: datetime) -> list[Source]:
    """What nobody has decided on, the newest first."""
    rows = await pool.fetch(_sql.sources, first_id(now - BACK), ANSWER_MIN, None, SOURCES_MAX)
    return [_source(row) for row in rows]


async def some(pool: Pool, messages: Sequence[UUID], now: datetime) -> list[Source]:
    """These, in this order. Raises NotFound, and Conflict when one is decided on."""
    rows = await pool.fetch(_sql.sources, first_id(now - BACK), ANSWER_MIN, messages, len(messages))
    found = {row["id"]: _source(row) for row in rows}
    for message in messages:
        if message not in found:
            await _check_open(pool, message)
            raise NotFound("There is no such suggestion.")
    return [found[message] for message in messages]


async def decide(
    connection: Connection, sources: Sequence[Source], operator: UUID, document: str | None = None
) -> None:
    """Approve all of them as `document`, or reject them; in the caller's transaction.

    Raises Conflict when somebody else has decided on one.
    """
    state = "rejected" if document is None else "approved"
    # In one order everywhere, so that two who decide on the same wait for each other in one order.
    for found in sorted(sources, key=lambda source: source.id):
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
