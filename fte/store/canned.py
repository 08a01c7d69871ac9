"""Canned replies: kept, listed, removed."""

from uuid import UUID

import msgspec

from fte.domain.canned import CANNED_MAX, check
from fte.domain.errors import Conflict, NotFound
from fte.domain.text import one_line, storable
from fte.pg import queries
from fte.pg.pool import Pool
from fte.wire import CannedReply

_sql = queries.load(__file__)


async def listed(pool: Pool) -> list[CannedReply]:
    """All of them, by their keys."""
    return [msgspec.convert(dict(row), CannedReply) for row in await pool.fetch(_sql.listed, CANNED_MAX)]


async def save(pool: Pool, operator: UUID, reply: CannedReply) -> CannedReply:
    """Add one, or replace that of the same key. Raises Rejected, naming the field, and Conflict when there are too many."""
    title, body = one_line(reply.title), storable(reply.body)
    check(reply.key, title, body, reply.language)
    async with pool.transaction() as connection:
        await connection.execute(_sql.lock)
        if await connection.fetchval(_sql.others, reply.key) >= CANNED_MAX:
            raise Conflict(f"There are {CANNED_MAX} canned replies already.", remedy="Remove one first.")
        await connection.execute(_sql.save, reply.key, title, body, reply.channel, reply.language, operator)
        await connection.execute(_sql.audited, operator, "canned", {"saved": reply.key})
    return msgspec.structs.replace(reply, title=title, body=body)


async def remove(pool: Pool, operator: UUID, key: str) -> None:
    """Raises NotFound."""
    async with pool.transaction() as connection:
        if await connection.fetchval(_sql.remove, storable(key)) is None:
            raise NotFound("There is no such canned reply.", remedy="`fte canned list` shows them.")
        await connection.execute(_sql.audited, operator, "canned", {"removed": key})
