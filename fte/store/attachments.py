"""Files that came with messages: claimed while they are with the provider, stored or given up, and read by operators."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import UUID

from fte.domain.channels import Channel
from fte.domain.errors import Conflict, NotFound
from fte.domain.events import CONVERSATIONS
from fte.domain.text import one_line
from fte.pg import queries
from fte.pg.log import Event, emit
from fte.pg.pool import Pool

REASON_MAX: Final = 300
_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True)
class Pending:
    """A file to be fetched from `source`; `attempts` counts this one too."""

    id: UUID
    source: str
    media_type: str
    attempts: int


@dataclass(frozen=True, slots=True)
class File:
    """A file that is there. Name, type and content are the customer's: nothing about them is to be trusted."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


async def one(pool: Pool, attachment: UUID) -> File:
    """A stored file. Raises NotFound when there is none of that id, Conflict when it was never stored or is not yet."""
    row: Any = await pool.fetchrow(_sql.one, attachment)
    if row is None:
        raise NotFound("There is no such attachment.")
    if row["state"] == "pending":
        raise Conflict("The file is still being fetched.", remedy="Try again in a minute.")
    if row["state"] != "stored" or row["content"] is None:
        raise Conflict(f"The file was not kept: {row['reason'] or 'nobody knows why'}.")
    return File(row["name"], row["media_type"], row["content"])


async def claim(pool: Pool, channel: Channel, limit: int, lease: float) -> list[Pending]:
    """Take up to `limit` files that are due, for `lease` seconds: nobody else gets them meanwhile."""
    rows: Sequence[Any] = await pool.fetch(_sql.claim, channel, limit, lease)
    return [Pending(row["id"], row["source"] or "", row["media_type"], row["attempts"]) for row in rows]


async def put_off(pool: Pool, attachment: UUID, wait: float, reason: str) -> None:
    """It could not be had now: try again in `wait` seconds."""
    await pool.execute(_sql.put_off, attachment, wait, one_line(reason)[:REASON_MAX])


async def store(pool: Pool, attachment: UUID, media_type: str, content: bytes) -> None:
    """Keep what was fetched. Nothing happens when the file was settled meanwhile."""
    await _settle(pool, attachment, "stored", media_type, content, None)


async def give_up(pool: Pool, attachment: UUID, reason: str) -> None:
    """It will not be had: say why. Nothing happens when the file was settled meanwhile."""
    await _settle(pool, attachment, "lost", None, None, one_line(reason)[:REASON_MAX])


async def _settle(
    pool: Pool,
    attachment: UUID,
    state: Literal["stored", "lost"],
    media_type: str | None,
    content: bytes | None,
    reason: str | None,
) -> None:
    async with pool.transaction() as connection:
        await connection.execute(_sql.lock, attachment)
        row: Any = await connection.fetchrow(_sql.settle, attachment, state, media_type, content, reason)
        if row is not None:
            fact = dict(row) | {"attachment_id": attachment, "state": state}
            key = str(row["conversation_id"])
            await emit(connection, [Event(CONVERSATIONS, key, "attachment.changed", fact)])
