"""Tickets as their customers see them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from fte.domain.errors import NotFound
from fte.domain.ids import PUBLIC_ID_LENGTH, hashed
from fte.domain.tickets import Category, TicketStatus
from fte.pg import queries
from fte.pg.pool import Pool

PAGE: Final = "page"
"""In the envelope of what was written on a ticket's page: that ticket's id."""
_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True)
class TicketMessage:
    """One message as the customer may see it. `sender` is "customer", "agent" (the AI) or "operator"."""

    sender: str
    name: str
    content: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketView:
    """A ticket, without anything internal: no notes, no traces, nobody's address."""

    ticket: UUID
    conversation: UUID
    identifier: str
    status: TicketStatus
    subject: str
    category: Category
    created_at: datetime
    last_updated: datetime
    messages: tuple[TicketMessage, ...]
    shared: bool
    """Several people may read the answers, whom nothing proves to be one: see `modes.decide`."""


async def by_public_id(pool: Pool, ticket_id: str) -> TicketView:
    """The ticket a customer's id opens. Raises NotFound, the same for unknown and for malformed ids.

    Holds the newest 200 messages.
    """
    row: Any = await pool.fetchrow(_sql.by_public_hash, hashed(ticket_id[: PUBLIC_ID_LENGTH + 1]))
    if row is None:
        raise NotFound("There is no such ticket.")
    messages = tuple(
        TicketMessage(m["sender"], m["name"], m["content"], datetime.fromisoformat(m["at"]))
        for m in row["messages"]
    )
    return TicketView(
        row["ticket"],
        row["conversation"],
        row["identifier"],
        row["status"],
        row["subject"],
        row["category"],
        row["created_at"],
        row["last_updated"],
        messages,
        row["shared"],
    )
