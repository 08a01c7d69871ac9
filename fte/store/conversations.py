"""Conversations as operators see them: the queue, and one conversation whole."""

from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

import msgspec

from fte.domain.deadlines import DUE_KINDS
from fte.domain.errors import NotFound
from fte.domain.tags import named
from fte.domain.text import storable
from fte.pg import log, queries
from fte.pg.pool import Pool
from fte.wire import (
    Brief,
    ClockView,
    ConversationView,
    Ended,
    Merged,
    MessageView,
    QueueItem,
    QueuePage,
    RunView,
)

View = Literal["open", "needs_person", "mine", "mentions", "snoozed", "resolved", "all"]
VIEWS: Final[tuple[View, ...]] = get_args(View)
QUEUE_MAX: Final = 500
IDS_MAX: Final = 100
MESSAGES_MAX: Final = 50
SEARCH_MAX: Final = 200

_sql = queries.load(__file__)
ITEMS: Final[str] = _sql.items
MESSAGES: Final[str] = _sql.messages
"""What the inspector reads, too."""


async def queue(
    pool: Pool,
    operator: UUID,
    view: View = "open",
    search: str = "",
    limit: int = 200,
    ids: list[UUID] | None = None,
) -> QueuePage:
    """A page of the queue: what is due first, then who waits for a person, what people hold, and the AI's, newest first.

    The console orders alike (`fte.console.model.order`).

    `ids` asks for those conversations (at most IDS_MAX), whatever the view. At most QUEUE_MAX rows.
    """
    cursor = str(await log.end(pool))
    if ids is not None:
        chosen = ids
    else:
        words, tags = searched(search[:SEARCH_MAX])
        like = f"%{_escaped(words)}%" if words or tags else None
        rows = await pool.fetch(_sql.pick, view, operator, like, min(limit, QUEUE_MAX), tags)
        chosen = [row["id"] for row in rows]
    return await _page(pool, chosen, cursor)


async def walk(pool: Pool, operator: UUID, view: View, before: int, limit: int = QUEUE_MAX) -> QueuePage:
    """The conversations of a view whose numbers are below `before`, the highest first, at most QUEUE_MAX.

    Asked again with the lowest number it answered, it comes to every row of the view, however many there are.
    """
    cursor = str(await log.end(pool))
    rows = await pool.fetch(_sql.walk, view, operator, before, min(limit, QUEUE_MAX))
    return await _page(pool, [row["id"] for row in rows], cursor)


async def _page(pool: Pool, chosen: list[UUID], cursor: str) -> QueuePage:
    items = [msgspec.convert(dict(row), QueueItem) for row in await pool.fetch(_sql.items, chosen)]
    return QueuePage(
        items=items,
        needs_person=await pool.fetchval(_sql.needs_person),
        cursor=cursor,
        drafts=await pool.fetchval(_sql.drafts),
    )


def searched(text: str) -> tuple[str, list[str]]:
    """What is searched for: words, and the tags that stand in it as `#name` or `tag:name`; `#12` is a number."""
    asked = [(word, named(word)) for word in text.split()]
    tags = [storable(tag) for _, tag in asked if tag is not None]
    return (" ".join(word for word, tag in asked if tag is None) if tags else text).removeprefix("#"), tags


def _escaped(text: str) -> str:
    return storable(text).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def one(pool: Pool, conversation: UUID, before: int | None = None) -> ConversationView:
    """A conversation with its newest MESSAGES_MAX messages, or those before a sequence number. Raises NotFound."""
    cursor = str(await log.end(pool))
    async with pool.connection() as connection:
        head: Any = await connection.fetchrow(_sql.items, [conversation])
        if head is None:
            raise NotFound("There is no such conversation.")
        facts: Any = await connection.fetchrow(_sql.facts, conversation)
        rows = await connection.fetch(_sql.messages, conversation, before, MESSAGES_MAX)
        messages = [message_of(row) for row in rows]
        runs = await connection.fetch(
            _sql.runs, conversation, [m.run_id for m in messages if m.run_id], MESSAGES_MAX
        )
    return ConversationView(
        item=msgspec.convert(dict(head), QueueItem),
        epoch=facts["epoch"],
        verified=facts["verified"],
        customer_id=facts["customer_id"],
        customer_email=facts["email"],
        customer_phone=facts["phone"],
        brief=msgspec.convert(facts["brief"], Brief) if facts["brief"] else None,
        messages=messages,
        earlier=messages[0].seq - 1 if messages else 0,
        runs=[msgspec.convert(dict(row) | row["trace"], RunView) for row in runs],
        cursor=cursor,
        window_until=facts["window_until"],
        clocks=_clocks(facts),
        refers_to=facts["refers_to"],
        referred_by=facts["referred_by"],
        merged_into=facts["merged_id"],
        merged=[msgspec.convert(one, Merged) for one in facts["merged"]],
        ended=msgspec.convert(facts["ended"], Ended | None),
    )


def _clocks(facts: Any) -> list[ClockView]:
    due = {
        kind: datetime.fromisoformat(facts["clocks"][kind]) for kind in DUE_KINDS if kind in facts["clocks"]
    }
    return [
        ClockView(kind=kind, due_at=at, warned=kind in facts["warned"], breached=kind in facts["breached"])
        for kind, at in sorted(due.items(), key=lambda clock: clock[1])
    ]


def message_of(row: Any) -> MessageView:
    """A row of MESSAGES."""
    return msgspec.convert(dict(row) | {"attachments": row["attachments"] or []}, MessageView)
