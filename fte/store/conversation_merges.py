"""Two conversations of one customer made one, and made two again.

Messages stay where they are. The merged conversation points to the kept one, and what comes for it goes there; its
ticket is closed as a duplicate. The conversations are locked in the order of their ids, like everywhere.
"""

from typing import Any
from uuid import UUID

from fte.domain.conversations import Actor, Side, check_hands, check_merge_in
from fte.domain.errors import Conflict, NotFound, Rejected
from fte.domain.events import CONVERSATIONS
from fte.domain.identity import identity_key
from fte.domain.ids import new_id
from fte.pg import queries
from fte.pg.log import Event
from fte.pg.pool import Pool
from fte.store.control import Case, Done, act
from fte.store.turns import control_of
from fte.wire import JSON, ActionDone

_sql = queries.load(__file__)


async def merge_in(pool: Pool, key: str, kept: UUID, actor: Actor, merged: UUID) -> ActionDone:
    """`merged` goes on in `kept`: the AI is silent in it, and what the customer writes there comes here.

    Raises Rejected for a conversation with itself, NotFound, Conflict and Refused.
    """
    if kept == merged:
        raise Rejected("This is one conversation already.", fields={"other": "the same conversation"})

    async def apply(case: Case) -> Done:
        return await _merge_in(case, merged)

    return await act(pool, key, "merge_in", kept, actor, {"other": merged}, apply, (merged,))


async def part(pool: Pool, key: str, merged: UUID, actor: Actor) -> ActionDone:
    """Undo a merge: the conversation is as it was, on its own. What came meanwhile stays in the kept one.

    Where the customer was waiting in it, whoever undoes holds it: the answer may have been given since. Raises NotFound
    and Conflict.
    """
    row: Any = await pool.fetchrow(_sql.open_merge, merged)

    async def apply(case: Case) -> Done:
        return await _part(case)

    return await act(pool, key, "part", merged, actor, {}, apply, (row["kept"],) if row else ())


async def _merge_in(case: Case, merged: UUID) -> Done:
    kept, there = await _side(case, case.conversation), await _side(case, merged)
    control, ticket = control_of(there), there["ticket_id"]
    check_merge_in(_facts(kept), case.control, _facts(there), control, case.actor)
    epoch = control.epoch + 1
    await case.connection.execute(_sql.lock_turn, merged)
    before = {
        name: there[name]
        for name in (
            "owner",
            "operator_id",
            "status",
            "answered_seq",
            "ended_at",
            "resolution_type",
            "waiting_since",
        )
    } | {name: there[name] for name in ("ticket_status", "resolved_at", "resolution", "resolution_notes")}
    await case.connection.execute(
        _sql.merge_in,
        merged,
        case.conversation,
        epoch,
        ticket,
        f"Goes on in #{kept['number']}.",
        there["waiting_since"],
    )
    await case.connection.execute(
        _sql.record,
        new_id(),
        case.conversation,
        merged,
        case.actor.id,
        before | {"waiting": control.unanswered},
    )
    done = case.done("conversation.merged", more={"merged": merged, "number": there["number"]})
    fact: JSON = {
        "conversation_id": merged,
        "ticket_id": ticket,
        "operator": case.actor.name,
        "owner": "ai",
        "holder": None,
        "epoch": epoch,
        "status": "resolved",
        "ticket_status": "resolved",
        "seq": control.last_seq,
        "merged_into": case.conversation,
        "number": kept["number"],
    }
    done.events.append(Event(CONVERSATIONS, str(merged), "conversation.merged", fact))
    return done


async def _part(case: Case) -> Done:
    row: Any = await case.connection.fetchrow(_sql.open_merge, case.conversation)
    if row is None:
        raise Conflict("This conversation is not part of another one.")
    check_hands(case.control, case.actor)
    before, epoch = row["before"], case.control.epoch + 1
    owner, holder, status = before["owner"], before["operator_id"], before["status"]
    ticket_status = before["ticket_status"]
    if before["waiting"] and owner == "ai":
        owner, holder, ticket_status = "human", str(case.actor.id), "escalated"
    elif holder is not None and not await case.connection.fetchval(_sql.at_work, UUID(holder)):
        holder, status = None, "escalated"
    await case.connection.execute(
        _sql.part,
        case.conversation,
        case.ticket,
        owner,
        holder and UUID(holder),
        epoch,
        status,
        before,
        ticket_status,
        row["id"],
        case.actor.id,
    )
    await case.connection.execute(_sql.recount, row["kept"])
    facts = {"merged_into": None, "ticket_status": ticket_status}
    done = case.done(
        "conversation.parted", owner=owner, holder=holder, epoch=epoch, status=status, more=facts
    )
    fact: JSON = {"conversation_id": row["kept"], "operator": case.actor.name, "parted": case.conversation}
    done.events.append(Event(CONVERSATIONS, str(row["kept"]), "conversation.parted", fact))
    return done


async def _side(case: Case, conversation: UUID) -> Any:
    row = await case.connection.fetchrow(_sql.side, conversation)
    if row is None:
        raise NotFound("There is no such conversation.")
    return row


def _facts(row: Any) -> Side:
    claims = identity_key("email", row["claimed"]) if row["claimed"] and not row["verified"] else None
    return Side(row["number"], row["customer_id"], row["verified"], row["merged_into"], claims, row["asked"])
