"""Intake: a message of a customer becomes durable, with everything that follows from it, in one transaction."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from fte.domain.channels import STYLES, Channel
from fte.domain.events import INBOUND
from fte.domain.ids import hashed, new_id, public_ticket_id
from fte.domain.sentiment import sentiment
from fte.domain.text import one_line, storable
from fte.domain.tickets import Category, Priority
from fte.pg import queries
from fte.pg.pool import Pool

_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage:
    """A customer's message as a channel understood it.

    `provider_id` is unique within (channel, account): a second delivery of the same id changes nothing.
    `verified` says the identifier was proven by the channel, not just claimed. `into_ticket` names the ticket
    whose conversation the message continues, when the channel knows it.
    """

    channel: Channel
    account: str
    provider_id: str
    identifier_type: Literal["email", "phone", "whatsapp"]
    identifier: str
    verified: bool
    name: str
    body: str
    subject: str = ""
    category: Category = "general"
    priority: Priority = "medium"
    into_ticket: UUID | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """Where a message went. `ticket_id` is the public id, the one a customer may see."""

    duplicate: bool
    conversation: UUID
    ticket: UUID
    message: UUID
    ticket_id: str


async def take_in(pool: Pool, secret: bytes, message: InboundMessage) -> Received:
    """Store a message: customer, conversation, ticket, turn and events, or nothing at all.

    When it returns, the message is durable. Raises Unavailable when the database is away; the caller cannot know
    then whether the message was stored, and delivering it again is safe.
    """
    body = storable(message.body)
    ticket = message.into_ticket or new_id()
    ticket_id = public_ticket_id(secret, ticket)
    style = STYLES[message.channel]
    row: Any = await pool.fetchrow(
        _sql.intake,
        message.channel,
        message.account,
        message.provider_id,
        message.body.encode("utf-8", "surrogatepass") if body != message.body else None,
        message.identifier_type,
        message.identifier,
        message.verified,
        one_line(message.name),
        message.into_ticket,
        new_id(),
        new_id(),
        ticket,
        hashed(ticket_id),
        new_id(),
        new_id(),
        one_line(message.subject),
        message.category,
        message.priority,
        body,
        sentiment(body),
        timedelta(seconds=style.quiet),
        timedelta(seconds=style.quiet_limit),
        INBOUND[message.channel],
    )
    if row["o_ticket"] != ticket:
        ticket_id = public_ticket_id(secret, row["o_ticket"])
    return Received(row["o_duplicate"], row["o_conversation"], row["o_ticket"], row["o_message"], ticket_id)
