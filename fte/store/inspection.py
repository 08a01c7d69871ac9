"""A ticket whole, for operators: its life, what was said and how it arrived, who did what, and what the AI knew."""

from typing import Any, Final
from uuid import UUID

import msgspec

from fte.domain.errors import NotFound
from fte.pg import queries
from fte.pg.pool import Pool
from fte.store import conversations
from fte.wire import AuditView, DeliveryView, HistoryEvent, QueueItem, RunView, TicketView

EVENTS_MAX: Final = 2_000
MESSAGES_MAX: Final = 500
DELIVERIES_MAX: Final = 1_000
AUDIT_MAX: Final = 500
RUNS_MAX: Final = 200
"""The newest of each that are shown."""
_sql = queries.load(__file__)


async def find(pool: Pool, name: str) -> UUID:
    """The conversation of a ticket, named by the number operators see, or by an id. Raises NotFound."""
    digits = name.removeprefix("#")
    found: UUID | None = None
    if digits.isascii() and digits.isdigit() and len(digits) <= 18:
        found = await pool.fetchval(_sql.by_number, int(digits))
    else:
        try:
            found = await pool.fetchval(_sql.by_id, UUID(name))
        except ValueError:
            found = None
    if found is None:
        raise NotFound("There is no such ticket.")
    return found


async def one(pool: Pool, conversation: UUID) -> TicketView:
    """The ticket of a conversation. Raises NotFound."""
    async with pool.connection() as connection:
        head: Any = await connection.fetchrow(conversations.ITEMS, [conversation])
        facts: Any = await connection.fetchrow(_sql.facts, conversation)
        if head is None or facts is None:
            raise NotFound("There is no such ticket.")
        events = await connection.fetch(_sql.events, str(conversation), EVENTS_MAX)
        messages = await connection.fetch(conversations.MESSAGES, conversation, None, MESSAGES_MAX)
        deliveries = await connection.fetch(_sql.deliveries, conversation, DELIVERIES_MAX)
        audit = await connection.fetch(_sql.audit, conversation, AUDIT_MAX)
        runs = await connection.fetch(_sql.runs, conversation, RUNS_MAX)
        operators = await connection.fetch(_sql.operators, _holders(events, facts["holder"]))
    shown = [msgspec.convert(dict(row), HistoryEvent) for row in events]
    return TicketView(
        item=msgspec.convert(dict(head), QueueItem),
        **dict(facts),
        complete=bool(shown) and shown[0].type == "message.received" and shown[0].payload.get("seq") == 1,
        operators={row["id"]: row["name"] for row in operators},
        messages=[conversations.message_of(row) for row in messages],
        deliveries=[msgspec.convert(dict(row), DeliveryView) for row in deliveries],
        events=shown,
        audit=[msgspec.convert(dict(row), AuditView) for row in audit],
        runs=[msgspec.convert(dict(row) | row["trace"], RunView) for row in runs],
    )


def _holders(events: list[Any], now: UUID | None) -> list[UUID]:
    named = {UUID(holder) for row in events if (holder := row["payload"].get("holder"))}
    return list(named | ({now} if now else set()))
