"""Intake: a message of a customer becomes durable, with everything that follows from it, in one transaction."""

import contextlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

import asyncpg

from fte.domain import headings
from fte.domain.channels import STYLES, Channel
from fte.domain.errors import Unavailable
from fte.domain.events import INBOUND
from fte.domain.identity import IdentifierType, identity_key
from fte.domain.ids import hashed, new_id, public_ticket_id
from fte.domain.notices import notice_subject
from fte.domain.sentiment import sentiment
from fte.domain.text import one_line, storable
from fte.domain.thanks import only_thanks
from fte.domain.tickets import Category, Priority
from fte.pg import queries
from fte.pg.pool import Connection, Pool
from fte.store import deadlines, identity, restore
from fte.wire import JSON

MERGED_MAX: Final = 5
"""Times a message starts anew because its conversation was merged into another one, or erased, meanwhile."""
_ERASED: Final = (
    asyncpg.ForeignKeyViolationError,
    asyncpg.NoDataFoundError,
    asyncpg.NotNullViolationError,
)
"""What intake meets when a conversation goes while it waits for its lock."""
_sql = queries.load(__file__)


Disposition = Literal["machine", "bounce", "own", "colleague", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that came with a message: stored, still to be fetched from `source`, or refused for `reason`.

    `size` is in bytes, None when it is not known yet.
    """

    name: str
    media_type: str
    size: int | None
    state: Literal["stored", "pending", "refused"]
    reason: str | None = None
    source: str | None = None
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailReference:
    """What a later mail may refer to this one by: a Gmail thread, or a Message-ID."""

    kind: Literal["thread", "message"]
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage:
    """A customer's message as a channel understood it.

    `provider_id` is unique within (channel, account): a second delivery of the same id changes nothing.
    `identifier` is the address or number as the customer uses it, where an answer goes; who they are is its key.
    `verified` says it was proven by the channel, not just claimed. `into_ticket` names the ticket whose conversation
    the message continues, when the channel knows it; it does so only for the ticket's own customer, or on the
    ticket's page. `linked_to` is a conversation it refers to without being part of it. `envelope` is what the
    channel needs to answer this message, opaque to all others. `sent_at` is the provider's time; None means now. A
    message with a reason to `suppress` is stored and shown, and nobody owes it an answer. `raw` is kept when the
    body is not all that came. A `subject` names a new ticket; where the message joins a conversation that has not met
    it, it becomes the first line of the text.
    """

    channel: Channel
    account: str
    provider_id: str
    identifier_type: IdentifierType
    identifier: str
    verified: bool
    name: str
    body: str
    subject: str = ""
    category: Category = "general"
    priority: Priority = "medium"
    into_ticket: UUID | None = None
    linked_to: UUID | None = None
    envelope: JSON = field(default_factory=dict)
    sent_at: datetime | None = None
    suppress: str | None = None
    raw: bytes | None = field(default=None, repr=False)
    attachments: tuple[Attachment, ...] = ()
    references: tuple[MailReference, ...] = ()


class _NewSubject(Exception):
    """The message joins a conversation that has not met its subject: to be taken in anew, with that in its text."""


@dataclass(frozen=True, slots=True)
class Received:
    """Where a message went. `ticket_id` is the public id, the one a customer may see.

    `gone` says that it is a duplicate of what was erased or set aside: the ids then name nothing.
    """

    duplicate: bool
    conversation: UUID
    ticket: UUID
    message: UUID
    ticket_id: str
    gone: bool = False


async def take_in(pool: Pool, secret: bytes, message: InboundMessage) -> Received:
    """Store a message: customer, conversation, ticket, turn and events, or nothing at all.

    When it returns, the message is durable. Raises Unavailable when the database is away; the caller cannot know
    then whether the message was stored, and delivering it again is safe.
    """
    received, may_prove, late = await _stored(pool, secret, message)
    if late:
        # Should this fail, the message is stored all the same, and the sweeper counts.
        with contextlib.suppress(Unavailable):
            await deadlines.recompute_soon(pool, received.conversation)
    if may_prove:
        # Should this fail, the message is stored all the same, and the sweeper looks at it.
        with contextlib.suppress(Unavailable):
            await identity.read_code(pool, received.conversation)
    return received


async def _stored(pool: Pool, secret: bytes, message: InboundMessage) -> tuple[Received, bool, bool]:
    erased: Exception | None = None
    text = headings.headed(message.subject, message.body)
    may_join = message.verified or message.into_ticket is not None
    for _ in range(MERGED_MAX):
        unmet = may_join and text != message.body
        try:
            if not (message.attachments or message.references or message.sent_at or unmet):
                return await _take_in(pool, secret, message)
            async with pool.transaction() as connection:
                received, may_prove, late = await _take_in(connection, secret, message)
                if not received.duplicate:
                    if unmet and await _is_new(connection, message.subject, received):
                        raise _NewSubject
                    await _add(connection, message, received)
                    if message.sent_at is not None and message.suppress is None:
                        await restore.hand_over_past(connection, received.conversation, message.sent_at)
            return received, may_prove, late
        except _NewSubject:
            message = replace(message, body=text)
        except _ERASED as error:  # its conversation, meanwhile: it begins one of its own
            erased = error
        except Unavailable as error:
            if not isinstance(error.__cause__, asyncpg.SerializationError):
                raise
            erased = None
    raise erased or Unavailable


async def _take_in(
    database: Pool | Connection, secret: bytes, message: InboundMessage
) -> tuple[Received, bool, bool]:
    """Where it went, whether it may hold a code, and whether a person's clocks are to be counted anew."""
    body = storable(message.body)
    ticket = new_id()
    address = one_line(message.identifier)
    ticket_id = public_ticket_id(secret, ticket)
    style = STYLES[message.channel]
    as_it_came = message.body.encode("utf-8", "surrogatepass") if body != message.body else None
    row: Any = await database.fetchrow(
        _sql.intake,
        message.channel,
        message.account,
        message.provider_id,
        message.raw or as_it_came,
        message.identifier_type,
        identity_key(message.identifier_type, address),
        message.verified,
        one_line(message.name),
        message.into_ticket,
        message.linked_to,
        address,
        message.envelope,
        message.sent_at,
        message.suppress,
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
        not message.attachments and only_thanks(message.body, message.name),
    )
    if row["o_conversation"] is None:
        return Received(True, new_id(), ticket, new_id(), ticket_id, gone=True), False, False
    if row["o_ticket"] != ticket:
        # Whoever writes on the page of a ticket that was merged stays on it.
        ticket_id = public_ticket_id(secret, message.into_ticket or row["o_ticket"])
    received = Received(
        row["o_duplicate"], row["o_conversation"], row["o_ticket"], row["o_message"], ticket_id
    )
    return received, row["o_code"], row["o_clocks"]


async def _is_new(connection: Connection, subject: str, received: Received) -> bool:
    """Whether the conversation has not met the subject, neither by a customer nor by our notice."""
    rows: list[Any] = await connection.fetch(_sql.subjects, received.conversation, received.message)
    notices = (notice_subject(f"#{row['number']}") for row in rows if row["number"] is not None)
    return headings.is_new(subject, [*(row["subject"] for row in rows), *notices])


async def _add(connection: Connection, message: InboundMessage, received: Received) -> None:
    for ordinal, attachment in enumerate(message.attachments):
        await connection.execute(
            _sql.attach,
            new_id(),
            received.message,
            ordinal,
            one_line(attachment.name),
            attachment.media_type,
            attachment.size,
            attachment.state,
            attachment.reason,
            attachment.source,
            attachment.content,
        )
    kinds = [reference.kind for reference in message.references]
    values = [reference.value for reference in message.references]
    await connection.execute(_sql.refer, message.account, received.ticket, kinds, values)


async def set_aside(
    database: Pool | Connection,
    channel: Channel,
    account: str,
    provider_id: str,
    disposition: Disposition,
    reason: str,
    *,
    ticket: UUID | None = None,
    raw: bytes | None = None,
) -> None:
    """Note that something the provider delivered is not a customer's message, so that it is looked at once."""
    await database.execute(
        _sql.set_aside, channel, account, provider_id, ticket, disposition, one_line(reason), raw
    )
