"""Two customers made one, and made two again. Nothing is copied: what belongs to one changes hands, and is noted.

Locks are taken in intake's order: identifiers, customers, conversations by their ids, tickets. While they are held no
message of either customer finds a conversation.
"""

import hashlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from fte.domain.conversations import Actor
from fte.domain.errors import Conflict, NotFound, Rejected
from fte.domain.identity import IdentifierType, identity_key
from fte.domain.ids import new_id
from fte.pg import queries
from fte.pg.pool import Connection, Pool
from fte.wire import JSON, MergeDone

Proof = Literal["code", "operator"]

_FILLABLE: Final = ("email", "phone", "name")
_AGAIN: Final = "Look at the customer again, then decide."
_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True)
class _Before:
    """One of the two customers as they were before, under lock."""

    id: UUID
    name: str | None
    email: str | None
    phone: str | None
    proven: bool


async def merge(pool: Pool, key: str, kept: UUID, merged: UUID, actor: Actor) -> MergeDone:
    """All that is `merged`'s becomes `kept`'s, on the operator's word. Once per key.

    A claimed identifier stays claimed, and leaves again when somebody else proves it. Raises Rejected for a customer
    with itself, NotFound, and Conflict when one of them is part of another customer already.
    """
    if kept == merged:
        raise Rejected("This is one customer already.", fields={"other": "the same customer"})

    async def apply(connection: Connection) -> MergeDone:
        return await join(connection, kept, merged, "operator", actor.id)

    return await _act(pool, key, "merge", actor, [kept, merged], {"kept": kept, "merged": merged}, apply)


async def unmerge(pool: Pool, key: str, merge_id: UUID, actor: Actor) -> MergeDone:
    """What a merge moved goes back, with the messages that came since. Once per key.

    Conversations begun since go to whom their writers belong. Those in which both wrote stay, and count as claimed
    from now on, so that neither reads on in them. Raises NotFound, and Conflict when the merge is undone already, or
    another was built upon it.
    """
    row: Any = await pool.fetchrow(_sql.one, merge_id)
    if row is None:
        raise NotFound("There is no such merge.")

    async def apply(connection: Connection) -> MergeDone:
        return await _part(connection, merge_id, actor)

    both = [row["kept"], row["merged"]]
    return await _act(pool, key, "unmerge", actor, both, {"merge": merge_id}, apply)


async def lock(connection: Connection, customers: Iterable[UUID]) -> None:
    """Hold these customers and all that is theirs, until the transaction ends."""
    wanted = sorted(set(customers))
    await connection.fetch(_sql.lock_identifiers, wanted)
    await connection.fetch(_sql.lock_customers, wanted)
    # What came to them while we waited is only seen now; nothing comes any more.
    await connection.fetch(_sql.lock_identifiers, wanted)
    await connection.fetch(_sql.lock_conversations, wanted)


async def join(
    connection: Connection, kept: UUID, merged: UUID, proof: Proof, operator: UUID | None
) -> MergeDone:
    """Merge two customers whose locks are held. Raises NotFound or Conflict like `merge`."""
    before = {
        row["id"]: _Before(**row) for row in await connection.fetch(_sql.lock_customers, [kept, merged])
    }
    if len(before) < 2:
        raise NotFound("There is no such customer.")
    if await connection.fetchval(_sql.merged_away, [kept, merged]) is not None:
        raise Conflict("One of them is part of another customer already.", remedy=_AGAIN)
    moved: Any = dict(await connection.fetchrow(_sql.move, kept, merged) or {})
    filled = _filled(before[kept], before[merged])
    await connection.execute(_sql.fill, kept, merged)
    merge_id = new_id()
    await connection.execute(_sql.record, merge_id, kept, merged, proof, operator, moved | {"filled": filled})
    await _tell(connection, moved["conversations"], "customer.merged")
    return MergeDone(
        merge_id=merge_id, kept=kept, merged=merged, **{what: len(ids) for what, ids in moved.items()}
    )


def _filled(kept: _Before, merged: _Before) -> list[str]:
    """What the kept customer lacked and the other one has."""
    return [
        what
        for what in _FILLABLE
        if getattr(kept, what) is None
        and getattr(merged, what) is not None
        and (what != "name" or merged.proven)
    ]


async def _part(connection: Connection, merge_id: UUID, actor: Actor) -> MergeDone:
    row: Any = await connection.fetchrow(_sql.one, merge_id)
    kept, merged, moved = row["kept"], row["merged"], row["moved"]
    if row["undone_at"] is not None:
        raise Conflict("This merge is undone already.", remedy=_AGAIN)
    if await connection.fetchval(_sql.built_upon, kept, row["merged_at"], merge_id) is not None:
        raise Conflict("The customer became part of another one since.", remedy="Undo that merge first.")
    back: Any = await connection.fetchrow(
        _sql.move_back, kept, merged, moved["identifiers"], moved["conversations"], moved["tickets"]
    )
    await connection.execute(_sql.unfill, kept, moved.get("filled", []))
    strays, mixed = await _since(connection, [kept, merged], row["merged_at"])
    for owner, talks in strays.items():
        await connection.execute(_sql.hand_over, talks, owner)
    await connection.execute(_sql.close_to_both, mixed)
    await connection.execute(_sql.undone, merge_id, actor.id)
    parted = [*back["conversations"], *(talk for talks in strays.values() for talk in talks)]
    await _tell(connection, {*parted, *mixed}, "customer.parted")
    return MergeDone(
        merge_id=merge_id,
        kept=kept,
        merged=merged,
        identifiers=back["identifiers"],
        conversations=len(parted),
        tickets=back["tickets"],
        mixed=len(mixed),
    )


async def _since(
    connection: Connection, customers: list[UUID], since: datetime
) -> tuple[dict[UUID, list[UUID]], list[UUID]]:
    """Of the conversations written in since: those that are wholly another's, by owner, and those of both."""
    owners: dict[tuple[str, str], UUID] = {
        (row["identifier_type"], row["identifier_value"]): row["customer_id"]
        for row in await connection.fetch(_sql.owners, customers)
    }
    writers: dict[tuple[UUID, UUID, bool], set[UUID]] = defaultdict(set)
    for row in await connection.fetch(_sql.written_since, customers, since):
        type_: IdentifierType = "whatsapp" if row["channel"] == "whatsapp" else "email"
        writer = owners.get((type_, identity_key(type_, row["sender"])), row["customer_id"])
        writers[row["conversation_id"], row["customer_id"], row["begun_since"]].add(writer)
    strays: dict[UUID, list[UUID]] = defaultdict(list)
    mixed: list[UUID] = []
    for (talk, customer, begun_since), wrote in writers.items():
        if wrote == {customer}:
            continue
        if begun_since and len(wrote) == 1:
            strays[wrote.pop()].append(talk)
        else:
            mixed.append(talk)
    return strays, mixed


async def _tell(connection: Connection, conversations: Iterable[Any], type_: str) -> None:
    await connection.execute(_sql.told, [UUID(str(id_)) for id_ in conversations], type_)


async def _act(
    pool: Pool,
    key: str,
    action: str,
    actor: Actor,
    customers: list[UUID],
    details: JSON,
    apply: Callable[[Connection], Awaitable[MergeDone]],
) -> MergeDone:
    fingerprint = hashlib.sha256(msgspec.json.encode([action, details])).digest()
    async with pool.transaction() as connection:
        await lock(connection, customers)
        earlier: Any = await connection.fetchrow(_sql.done_before, actor.id, key)
        if earlier is not None:
            if earlier["request_hash"] != fingerprint:
                raise Conflict("This idempotency key was used for another request.", remedy="Use a new key.")
            return msgspec.convert(earlier["result"], MergeDone)
        done = await apply(connection)
        await connection.execute(_sql.audited, actor.id, action, key, fingerprint, details, done)
    return done
