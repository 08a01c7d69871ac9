"""Erasure: all that is held about a customer goes, nothing more is said to them, and what came before is not taken in again.

What stays is nobody's any more: ids in the log and the audit, numbers in the metrics, and for each thing that came in or
went out a keyed hash of the provider's id, by which a second delivery is known. A person who writes anew is a new customer.

Locks are taken in intake's order: identifiers, customers, conversations by their ids, turns, replies.
"""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import msgspec

from fte.domain.conversations import Actor
from fte.domain.errors import Conflict, NotFound
from fte.domain.ids import new_id
from fte.pg import queries
from fte.pg.pool import Connection, Pool
from fte.store import merges
from fte.wire import ErasureDone, ErasurePlan

LOCK_TRIES: Final = 3
"""Times the customer is looked at again because they were merged with somebody meanwhile."""

_sql = queries.load(__file__)

_OF_CONVERSATIONS: Final = (
    "mentions",
    "attachments",
    "delivery_reports",
    "inbound",
    "drafts",
    "replies",
    "messages",
    "runs",
    "mail_references",
    "link_codes",
    "releases",
    "hands",
    "turns",
    "tickets",
    "conversation_merges",
)
"""In an order in which nothing refers to what is gone already."""
_OF_CUSTOMERS: Final = ("customer_identifiers", "customer_merges", "customers")
_WITH_THEM: Final = ("attention", "suggestions", "customer_names")
"""What goes by itself with the conversation, message or customer it belongs to."""
_COUNTED: Final = frozenset(
    {
        "conversations",
        "customer_identifiers",
        "tickets",
        "messages",
        "attachments",
        "drafts",
        "replies",
        "runs",
    }
)


async def plan(pool: Pool, customer: UUID) -> ErasurePlan:
    """What an erasure would take, in numbers. Raises NotFound, and Conflict for who is part of another customer."""
    async with pool.transaction() as connection:
        parts = await _parts(connection, customer)
        talks = await connection.fetch(_sql.conversations, parts)
        named: Any = await connection.fetchrow(_sql.names, customer)
        counts: Any = await connection.fetchrow(_sql.plan, parts, [row["id"] for row in talks])
        known = await connection.fetch(_sql.identifiers, parts)
        pages = await _pages(connection, [row["id"] for row in talks])
    return ErasurePlan(
        customer_id=customer,
        name=named["name"],
        identifiers=[row["identifier_value"] for row in known],
        conversations=[row["number"] for row in talks],
        tickets=counts["tickets"],
        messages=counts["messages"],
        attachments=counts["attachments"],
        drafts=counts["drafts"],
        replies=counts["replies"],
        unsent=counts["unsent"],
        runs=counts["runs"],
        pages=pages,
    )


async def erase(pool: Pool, key: str, customer: UUID, actor: Actor | None) -> ErasureDone:
    """Erase a customer in one transaction. Once per key and operator; without one, whoever runs the program does it.

    While a reply to them is being handed to its provider nothing is erased yet: the result names it in `in_flight`, all
    that was not begun is withdrawn for good, and asking again, a moment later, goes on. When `erased` is true, nothing
    is handed to a provider any more. Raises NotFound, and Conflict for who is part of another customer.
    """
    who = None if actor is None else actor.id
    async with pool.transaction() as connection:
        earlier: Any = await connection.fetchrow(_sql.done_before, who, key)
        if earlier is not None:
            if earlier["action"] != "erase" or earlier["details"] != {"customer_id": str(customer)}:
                raise Conflict("This idempotency key was used for another request.", remedy="Use a new key.")
            return msgspec.convert(earlier["result"], ErasureDone)
        parts = await _locked(connection, customer)
        talks = [row["id"] for row in await connection.fetch(_sql.conversations, parts)]
        if in_flight := await _in_flight(connection, talks):
            return ErasureDone(customer_id=customer, erased=False, in_flight=in_flight, counts={})
        pages = await _pages(connection, talks)
        counts = await _erase(connection, parts, talks)
        done = ErasureDone(customer_id=customer, erased=True, in_flight=[], counts=counts, pages=pages)
        await connection.execute(_sql.record, new_id(), customer, who, counts)
        for part in parts:  # in a database of the past they may be customers of their own
            if part != customer:
                await connection.execute(_sql.record, new_id(), part, who, {})
        await connection.execute(_sql.audited, who, key, {"customer_id": customer}, done)
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class CameBack:
    """What became of what was here again of a customer.

    `went` is how many conversations were erased, `gone` whether the customer was with them. `in_flight` says that a reply
    is being sent and nothing was erased yet, `mixed` names the conversations that were left.
    """

    went: int
    gone: bool
    in_flight: bool
    mixed: list[int]


async def erase_known(pool: Pool, customer: UUID) -> CameBack:
    """Erase what is here of a customer and was erased before, in one transaction: it was delivered again, or restored.

    That is whole conversations; one in which the customer has written something else as well is left, with all of it.
    """
    async with pool.transaction() as connection:
        await merges.lock(connection, [customer])
        known = await connection.fetch(_sql.known, customer)
        mixed = [row["number"] for row in known if row["anew"]]
        talks = [row["id"] for row in known if not row["anew"]]
        if await _in_flight(connection, talks):
            return CameBack(went=0, gone=False, in_flight=True, mixed=mixed)
        await remove_conversations(connection, talks)
        gone = await remove_left_alone(connection, [customer] if talks else [])
        for one in gone:
            await connection.execute(_sql.record, new_id(), one, None, {})
    return CameBack(went=len(talks), gone=bool(gone), in_flight=False, mixed=mixed)


async def held(connection: Connection, customer: UUID) -> tuple[list[UUID], list[UUID], list[str]]:
    """The customer and all who are one with them, their conversations, and the addresses they are known by, lower case.

    Raises NotFound, and Conflict for who is part of another customer.
    """
    parts = await _parts(connection, customer)
    talks = [row["id"] for row in await connection.fetch(_sql.conversations, parts)]
    known = await connection.fetch(_sql.addresses, parts, talks)
    return parts, talks, [row["address"] for row in known]


async def _parts(connection: Connection, customer: UUID) -> list[UUID]:
    parts = [row["id"] for row in await connection.fetch(_sql.parts, customer)]
    if not parts:
        raise NotFound("There is no such customer.")
    if (kept := await connection.fetchval(_sql.part_of, customer)) is not None:
        raise Conflict("This customer is part of another one.", remedy=f"Name that one: {kept}.")
    return parts


async def _pages(connection: Connection, talks: list[UUID]) -> list[str]:
    """The sources of pages that were made of these conversations."""
    return [row["source"] for row in await connection.fetch(_sql.pages, talks)]


async def _locked(connection: Connection, customer: UUID) -> list[UUID]:
    """The customer and all who are one with them, locked."""
    for _ in range(LOCK_TRIES):
        parts = await _parts(connection, customer)
        await merges.lock(connection, parts)
        if await _parts(connection, customer) == parts:
            return parts
    raise Conflict("Somebody merges this customer right now.", remedy="Try again.")


async def _in_flight(connection: Connection, talks: list[UUID]) -> list[UUID]:
    """Replies that are being handed to a provider. While there are some, what was not begun is withdrawn for good."""
    await connection.fetch(_sql.lock_turns, talks)
    replies = await connection.fetch(_sql.lock_replies, talks)
    in_flight = [row["message_id"] for row in replies if row["in_flight"]]
    if in_flight:
        await connection.execute(_sql.withdraw, talks)
    return in_flight


async def _erase(connection: Connection, customers: list[UUID], talks: list[UUID]) -> dict[str, int]:
    addresses = [row["address"] for row in await connection.fetch(_sql.addresses, customers, talks)]
    await connection.execute(_sql.set_aside, addresses)
    counts = await remove_conversations(connection, talks) | await _remove_customers(connection, customers)
    return {name: count for name, count in counts.items() if name in _COUNTED}


async def remove_conversations(connection: Connection, talks: list[UUID]) -> dict[str, int]:
    """Everything of these conversations goes, and is not taken in again. The caller holds their locks.

    What is merged into one of them must be among them. Returns how many rows of what went.
    """
    ids = [str(id_) for id_ in talks]
    await connection.execute(_sql.remember, talks)
    await connection.execute(_sql.forget_mail, talks)
    await connection.execute(_sql.announce, talks)
    await connection.execute(_sql.bare_events, ids)
    await connection.execute(_sql.bare_audit, talks)
    await connection.execute(_sql.dead_letters, talks, ids)
    await connection.execute(_sql.unlink, talks)
    counts = {name: await _delete(connection, name, talks) for name in _OF_CONVERSATIONS}
    counts["conversations"] = await _delete(connection, "delete_conversations", talks)
    return counts


async def remove_left_alone(connection: Connection, customers: list[UUID]) -> list[UUID]:
    """Of these customers, those without a conversation go, with all they are known by and all who are one with them.

    The caller holds their locks. Returns who went.
    """
    alone = [row["id"] for row in await connection.fetch(_sql.left_alone, customers)]
    await _remove_customers(connection, alone)
    return alone


async def _remove_customers(connection: Connection, customers: list[UUID]) -> dict[str, int]:
    await connection.execute(_sql.notices, customers)
    return {name: await _delete(connection, name, customers) for name in _OF_CUSTOMERS}


async def _delete(connection: Connection, name: str, ids: list[UUID]) -> int:
    done: str = await connection.execute(getattr(_sql, name), ids)
    return int(done.rpartition(" ")[2])
