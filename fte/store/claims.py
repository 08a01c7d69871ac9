"""Claims whose holder is gone: they end with a new epoch, and colleagues hear of it."""

from typing import Any, Final
from uuid import UUID

from fte.domain.conversations import Control, Owner
from fte.domain.events import CONVERSATIONS, ESCALATIONS
from fte.domain.handover import Handover
from fte.domain.presence import Loss, Member, falls_to, loses_claim
from fte.pg import queries
from fte.pg.log import Event, emit
from fte.pg.pool import Connection, Pool
from fte.store.control import left_behind
from fte.store.turns import control_of
from fte.wire import JSON

FREED_MAX: Final = 200
"""Conversations freed in one go; what is left waits for the next."""
_REASONS: Final[dict[Loss, str]] = {
    "vanished": "operator_vanished",
    "revoked": "operator_left",
    "expired": "operator_left",
    "demoted": "operator_left",
}
_sql = queries.load(__file__)


async def free_lost(pool: Pool, lease: float, operator: UUID | None = None) -> list[UUID]:
    """End every claim whose holder has not been heard of for `lease` seconds, or may no longer act.

    With `operator` only theirs. Each is one transaction, so what was begun twice or cut off does no harm. Returns the
    conversations freed, at most FREED_MAX.
    """
    rows = await pool.fetch(_sql.lost, lease, operator, FREED_MAX)
    return [row["id"] for row in rows if await _free(pool, row["id"], lease)]


async def _free(pool: Pool, conversation: UUID, lease: float) -> bool:
    async with pool.transaction() as connection:
        await connection.fetchval(_sql.lock, conversation)
        # A statement of its own: one that had to wait for the lock would still see what was before.
        row: Any = await connection.fetchrow(_sql.facts, conversation)
        if row is None or row["owner"] != "human":
            return False
        loss = loses_claim(_member(row), row["held_since"], row["now"], lease)
        if loss is None:
            return False
        await _lose(connection, conversation, row, control_of(row), loss)
    return True


def _member(row: Any) -> Member:
    return Member(
        row["name"],
        row["role"],
        row["duty"],
        row["duty_at"],
        row["seen_at"],
        row["revoked"],
        row["ends_at"],
    )


async def _lose(connection: Connection, conversation: UUID, row: Any, control: Control, loss: Loss) -> None:
    owner = falls_to(control)
    epoch, reason = control.epoch + 1, _REASONS[loss]
    urgency = "high" if control.unanswered else "normal"
    await connection.execute(_sql.lock_turn, conversation)
    if owner == "human":
        left = await left_behind(connection, conversation, control)
        brief = _brief(row["escalation_brief"], left, row["name"], reason, urgency)
        await connection.execute(_sql.to_team, conversation, row["ticket_id"], epoch, reason, urgency, brief)
    else:
        await connection.execute(_sql.to_ai, conversation, row["ticket_id"], epoch)
    await connection.execute(_sql.whose_doing, conversation, epoch, loss)
    status = "escalated" if owner == "human" else "open"
    outcome = {"owner": owner, "epoch": epoch, "status": status}
    details = {"by": "system", "holder": row["name"], "why": loss}
    await connection.execute(_sql.record, conversation, details, outcome)
    await emit(connection, _events(conversation, row, outcome, owner, loss, urgency))


def _events(
    conversation: UUID, row: Any, outcome: JSON, owner: Owner, loss: Loss, urgency: str
) -> list[Event]:
    key = str(conversation)
    fact: JSON = {
        "conversation_id": conversation,
        "ticket_id": row["ticket_id"],
        "channel": row["channel"],
        "operator": row["name"],
        "why": loss,
        "seq": row["last_seq"],
    } | outcome
    events = [Event(CONVERSATIONS, key, "claim.lost", fact)]
    if owner == "human":
        raised = fact | {"reason": _REASONS[loss], "urgency": urgency, "number": row["number"]}
        events.append(Event(CONVERSATIONS, key, "conversation.escalated", raised))
        events.append(Event(ESCALATIONS, key, "escalation.raised", raised))
    return events


def _brief(earlier: JSON | None, left: Handover, holder: str, reason: str, urgency: str) -> JSON:
    """The brief of the escalation before, with what the holder left behind."""
    told = earlier or {"asked": "", "tried": [], "sources": [], "mood": ""}
    return told | {
        "asked": "\n".join(left.open) or told["asked"],
        "tried": [
            *told["tried"],
            *([f"handed over before: {earlier['reason']}"] if earlier else []),
            f"{holder} held it until the claim ended",
            *(f"{holder} wrote: {text}" for text in left.said),
            *(f"{holder} promised: {text}" for text in left.promised),
        ],
        "reason": reason,
        "urgency": urgency,
    }


async def sends_after_takeover(pool: Pool) -> int:
    """AI replies that a provider accepted although a person had taken over before their sending began: must be 0."""
    count: int = await pool.fetchval(_sql.breaches)
    return count
