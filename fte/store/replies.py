"""Replies on their way out: claimed under the fence, handed over once, and followed until the customer has them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from fte.domain.channels import Channel
from fte.domain.delivery import WINDOW_CLOSED, DeliveryState, Outgoing, settled
from fte.domain.events import CONVERSATIONS, ESCALATIONS, OUTBOUND
from fte.domain.ids import public_ticket_id
from fte.domain.text import one_line
from fte.pg import queries
from fte.pg.log import Event, emit
from fte.pg.pool import Connection, Pool
from fte.store import deadlines
from fte.wire import JSON

ERROR_MAX: Final = 300
"""Characters kept of what went wrong."""
_sql = queries.load(__file__)

_ON_ITS_WAY: Final = ("sending", "unknown")
_ACCEPTED: Final = ("sent", "delivered", "read", "failed")


@dataclass(frozen=True, slots=True)
class Claim:
    """A reply somebody may send, or ask the provider about, until the lease ends.

    `holder` is another one for every claim, also of one process: what an earlier one left unfinished is not this one's.
    `since_began` is in seconds.
    """

    reply: Outgoing
    holder: UUID
    state: DeliveryState
    since_began: float
    answers: tuple[UUID, ...] = ()
    """The customer's messages it answers, the newest of them."""


@dataclass(frozen=True, slots=True)
class Reported:
    """The reply a provider's report is about, and the customer's messages it answers."""

    reply: UUID
    conversation: UUID
    answers: tuple[UUID, ...]


async def claim(
    pool: Pool, secret: bytes, holder: UUID, channels: Collection[Channel], limit: int, lease: float
) -> list[Claim]:
    """Take up to `limit` due replies for `lease` seconds, at most one of a conversation, oldest first.

    From here on a takeover names them as in flight; what an earlier takeover made void is never claimed.
    """
    await pool.execute(_sql.fence, limit)
    await pool.execute(_sql.expire, limit)
    taken = await pool.fetch(_sql.claim, limit, holder, lease, list(channels))
    return await _load(pool, secret, holder, [row["id"] for row in taken])


async def show_due(pool: Pool, limit: int) -> int:
    """Put up to `limit` replies whose time is over on the form's page; no provider is needed. Returns how many."""
    await pool.execute(_sql.fence, limit)
    return len(await pool.fetch(_sql.show_due, limit))


async def claim_overdue(
    pool: Pool, secret: bytes, holder: UUID, channels: Collection[Channel], limit: int, lease: float
) -> list[Claim]:
    """Take replies whose sender vanished or was in doubt, to ask the provider about them."""
    taken = await pool.fetch(_sql.claim_overdue, limit, holder, lease, list(channels))
    return await _load(pool, secret, holder, [row["id"] for row in taken])


async def renew(pool: Pool, claims: Sequence[Claim], seconds: float) -> None:
    """Hold these for so many seconds from now; those that are somebody else's by now stay theirs."""
    if claims:
        await pool.execute(
            _sql.renew, [c.reply.reply_id for c in claims], [c.holder for c in claims], seconds
        )


async def _load(pool: Pool, secret: bytes, holder: UUID, ids: Sequence[UUID]) -> list[Claim]:
    if not ids:
        return []
    claims = []
    for row in await pool.fetch(_sql.load, ids):
        facts = dict(row)
        state, since_began, number = facts.pop("state"), facts.pop("since_began"), facts.pop("number")
        ticket_id = public_ticket_id(secret, facts.pop("ticket"))
        answers = tuple(facts.pop("answers"))
        reply = Outgoing(**facts, ticket_id=ticket_id, reference=f"#{number}")
        claims.append(Claim(reply, holder, state, since_began, answers))
    return claims


async def keep_draft(pool: Pool, claim: Claim, draft_id: str) -> bool:
    """Remember the provider's draft of a reply. False when the reply is no longer the claim's."""
    kept = await pool.fetchval(_sql.keep_draft, claim.reply.reply_id, claim.holder, draft_id)
    return kept is not None


async def ask_in(pool: Pool, claim: Claim, seconds: float) -> None:
    """Have the provider asked about this reply in so many seconds."""
    await pool.execute(_sql.ask_in, claim.reply.reply_id, claim.holder, seconds)


async def accepted(pool: Pool, reply: Outgoing, provider_id: str) -> bool:
    """The provider has it: what it has reported of that id so far counts too. False when that was known."""
    async with pool.transaction() as connection:
        return await _accept(connection, reply.reply_id, reply.channel, provider_id)


async def _accept(connection: Connection, reply: UUID, channel: str, provider_id: str) -> bool:
    await connection.execute(_sql.lock_provider_id, channel, provider_id)
    row = await _locked(connection, reply)
    if row is None or row["state"] not in _ON_ITS_WAY:
        return False
    await _apply_reports(connection, row, provider_id)
    return True


async def put_back(pool: Pool, claim: Claim, wait: float, error: str) -> bool:
    """The provider certainly does not have it: try again in `wait` seconds. False when it is no longer the claim's."""
    async with pool.transaction() as connection:
        row = await _locked(connection, claim.reply.reply_id)
        if row is None or row["state"] not in _ON_ITS_WAY or row["lease_holder"] != claim.holder:
            return False
        await _set(connection, row, "queued", error, wait=wait)
    return True


async def fail(pool: Pool, claim: Claim, error: str) -> bool:
    """The provider will never take it: a person is told why. False when it is no longer the claim's."""
    async with pool.transaction() as connection:
        row = await _locked(connection, claim.reply.reply_id)
        if row is None or row["state"] not in _ON_ITS_WAY or row["lease_holder"] != claim.holder:
            return False
        await _fail(connection, row, error)
    return True


async def park(pool: Pool, claim: Claim, error: str, ask_again: float) -> bool:
    """Nobody can tell whether the provider has it: a person decides, and in `ask_again` seconds it is asked again."""
    async with pool.transaction() as connection:
        row = await _locked(connection, claim.reply.reply_id)
        if row is None or row["lease_holder"] != claim.holder or row["state"] not in _ON_ITS_WAY:
            return False
        newly = row["state"] == "sending"
        await _set(connection, row, "unknown", error, wait=ask_again)
        if newly:
            await _hand_over(connection, row, "delivery_unknown", error)
    return True


async def report(
    pool: Pool, channel: Channel, provider_id: str, status: str, error: str | None, reply_id: UUID | None
) -> Reported | None:
    """Take in a provider's report about a message, in any order and any number of times.

    Returns what it is about; None when it was known already, or is of a message we do not know.

    `reply_id` is what our own callback address named: it tells whose report it is before we know the provider's id.
    A report on a message we do not know yet waits for it.
    """
    async with pool.transaction() as connection:
        await connection.execute(_sql.lock_provider_id, channel, provider_id)
        if await connection.fetchval(_sql.add_report, channel, provider_id, status, error, reply_id) is None:
            return None
        known = await connection.fetchval(_sql.by_provider, channel, provider_id)
        if known is None:
            if reply_id is not None and not await connection.fetchval(
                _sql.spent, channel, provider_id, status
            ):
                await _accept(connection, reply_id, channel, provider_id)
        else:
            row = await _locked(connection, known)
            if row is not None and row["state"] in _ACCEPTED:
                await _apply_reports(connection, row, provider_id)
        about = await connection.fetchrow(_sql.answered, known or reply_id)
    return Reported(about["id"], about["conversation_id"], tuple(about["answers"])) if about else None


async def bounced(pool: Pool, reply_id: UUID, reason: str, permanent: bool) -> bool:
    """A mail came back. A delay is only noted; a final bounce fails the reply. False when there is no such reply."""
    async with pool.transaction() as connection:
        row = await _locked(connection, reply_id)
        if row is None:
            return False
        if permanent and row["state"] not in ("failed", "cancelled", "superseded"):
            await _fail(connection, row, f"returned: {reason}")
    return True


async def is_ours(pool: Pool, channel: Channel, provider_id: str) -> bool:
    """Whether one of our replies has this provider's id, or had it."""
    ours: bool = await pool.fetchval(_sql.is_ours, channel, provider_id)
    return ours


async def counts(pool: Pool) -> dict[tuple[Channel, DeliveryState], int]:
    """How many replies are queued, being sent or parked, by channel and state."""
    return {(row["channel"], row["state"]): row["count"] for row in await pool.fetch(_sql.counts)}


async def next_due(pool: Pool, channels: Collection[Channel]) -> float | None:
    """Seconds until the next reply is due; None when none waits."""
    wait: float | None = await pool.fetchval(_sql.next_due, list(channels))
    return wait


# ---------------------------------------------------------------- under the conversation's lock


async def _locked(connection: Connection, reply: UUID) -> Any:
    if await connection.fetchval(_sql.lock, reply) is None:
        return None
    return await connection.fetchrow(_sql.facts, reply)


async def _apply_reports(connection: Connection, row: Any, provider_id: str) -> None:
    reports = await connection.fetch(_sql.reports, row["channel"], provider_id)
    state = settled({report["status"] for report in reports})
    error = next((report["error"] for report in reports if report["status"] == "failed"), None)
    if state != "failed":
        if (state, provider_id) != (row["state"], row["provider_id"]):
            await _set(connection, row, state, None, provider_id=provider_id)
    elif error == WINDOW_CLOSED and not row["window_closed"]:
        # Never delivered, and as free text it never will be: the next try knows that the window is closed.
        await connection.execute(_sql.close_window, row["id"])
        await _set(connection, row, "queued", WINDOW_CLOSED)
    elif row["state"] != "failed":
        await _fail(connection, row, error or "not delivered", provider_id=provider_id)


async def _set(
    connection: Connection,
    row: Any,
    state: DeliveryState,
    error: str | None,
    *,
    wait: float = 0.0,
    provider_id: str | None = None,
) -> None:
    kept = one_line(error)[:ERROR_MAX] if error else None
    await connection.execute(_sql.set_state, row["id"], state, kept, provider_id, wait)
    fact = _fact(row) | {"state": state}
    if row["kind"] == "answer":
        fact["message_state"] = await connection.fetchval(_sql.show, row["message_id"])
        if state in _ACCEPTED:
            await deadlines.recompute(connection, row["conversation_id"])
    events = [Event(CONVERSATIONS, str(row["conversation_id"]), "delivery.changed", fact)]
    if row["channel"] in OUTBOUND:
        events.append(Event(OUTBOUND[row["channel"]], str(row["conversation_id"]), "delivery.changed", fact))
    await emit(connection, events)


async def _fail(connection: Connection, row: Any, error: str, provider_id: str | None = None) -> None:
    if row["kind"] == "answer":
        await connection.execute(_sql.cancel_rest, row["message_id"], row["part"])
    await _set(connection, row, "failed", error, provider_id=provider_id)
    await _hand_over(connection, row, "delivery_failed", error)


async def _hand_over(connection: Connection, row: Any, reason: str, error: str) -> None:
    """An answer the customer may not have needs a person; one who has the conversation already sees it there."""
    if row["kind"] != "answer" or row["owner"] == "human":
        return
    tried = f"An answer was written, but its delivery is in question: {one_line(error)[:ERROR_MAX]}"
    brief: JSON = {
        "asked": "",
        "tried": [tried],
        "sources": [],
        "mood": "",
        "reason": reason,
        "urgency": "high",
    }
    conversation = row["conversation_id"]
    await connection.execute(_sql.lock_turn, conversation)
    await connection.execute(_sql.hand_over, conversation, row["ticket_id"], reason, brief)
    await deadlines.recompute(connection, conversation)
    raised = _fact(row) | {
        "reason": reason,
        "urgency": "high",
        "number": row["number"],
        "owner": "human",
        "holder": None,
        "epoch": row["epoch"] + 1,
        "status": "escalated",
    }
    key = str(conversation)
    await emit(
        connection,
        [
            Event(CONVERSATIONS, key, "conversation.escalated", raised),
            Event(ESCALATIONS, key, "escalation.raised", raised),
        ],
    )


def _fact(row: Any) -> JSON:
    return {
        "conversation_id": row["conversation_id"],
        "ticket_id": row["ticket_id"],
        "message_id": row["message_id"],
        "reply_id": row["id"],
        "kind": row["kind"],
        "channel": row["channel"],
        "seq": row["seq"],
    }
