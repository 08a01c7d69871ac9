"""Export: everything held about a customer as one JSON document, read and handed on piece by piece."""

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from fte.pg import queries
from fte.pg.pool import Pool
from fte.store import erasure
from fte.wire import encode

FORMAT: Final = "fte.customer/1"
"""The document's shape, in docs/howto/privacy.md. The number grows when a field goes or changes its meaning."""

_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True)
class Export:
    """Whose data, and in which conversations; the first part is the customer, the others were merged into them."""

    customer: UUID
    parts: list[UUID]
    conversations: list[UUID]
    addresses: list[str]
    at: datetime


async def begin(pool: Pool, customer: UUID, operator: UUID) -> Export:
    """Note in the audit that it is exported. Raises NotFound, and Conflict for who is part of another customer."""
    async with pool.transaction() as connection:
        held = await erasure.held(connection, customer)
        await connection.execute(_sql.audited, operator, {"customer_id": customer})
    return Export(customer, *held, datetime.now(UTC))


async def document(pool: Pool, export: Export) -> AsyncIterator[bytes]:
    """The document, in pieces no larger than a conversation or a file; no connection is held between two of them.

    It ends with `"complete":true`: what was cut off has no end. A conversation that came later is not in it, one that
    was erased meanwhile neither.
    """
    ids = [str(part) for part in export.parts]
    yield b'{"format":' + encode(FORMAT) + b',"exported_at":' + encode(export.at)
    yield b',"customer_id":' + encode(export.customer)
    for name, query, argument in (
        ("customers", _sql.customers, export.parts),
        ("identifiers", _sql.identifiers, export.parts),
        ("merges", _sql.merges, export.parts),
        ("audit", _sql.audit, ids),
        ("set_aside", _sql.set_aside, export.addresses),
    ):
        yield b',"' + name.encode() + b'":' + encode(await pool.fetchval(query, argument))
    yield b',"conversations":['
    comma = b""
    for conversation in export.conversations:
        found = await pool.fetchval(_sql.conversation, conversation, export.parts)
        if found is not None:
            yield comma + encode({name: value for name, value in found.items() if value is not None})
            comma = b","
    yield b'],"files":['
    async for piece in _contents(pool, export):
        yield piece
    yield b'],"originals":['
    async for piece in _originals(pool, export):
        yield piece
    yield b'],"complete":true}\n'


async def _contents(pool: Pool, export: Export) -> AsyncIterator[bytes]:
    comma = b""
    for conversation in export.conversations:
        for row in await pool.fetch(_sql.files, conversation):
            content = await pool.fetchval(_sql.file, row["id"])
            if content is not None:
                yield comma + encode({"attachment_id": row["id"], "base64": _text(content)})
                comma = b","


async def _originals(pool: Pool, export: Export) -> AsyncIterator[bytes]:
    comma = b""
    for conversation in export.conversations:
        for row in await pool.fetch(_sql.originals, conversation):
            named: dict[str, Any] = dict(row)
            raw = await pool.fetchval(_sql.original, *named.values())
            if raw is not None:
                yield comma + encode(named | {"base64": _text(raw)})
                comma = b","


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
