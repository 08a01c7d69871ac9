"""Drafts: answers held for approval, and what people decide about them, each once and under the conversation's lock."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from fte.domain.channels import Channel
from fte.domain.conversations import Actor
from fte.domain.delivery import first_state
from fte.domain.drafts import Decision, Draft, check_pending, check_seen, fingerprint
from fte.domain.errors import NotFound
from fte.domain.events import CONVERSATIONS, ESCALATIONS, METRICS, OUTBOUND
from fte.domain.ids import new_id
from fte.domain.text import one_line, storable
from fte.pg import queries
from fte.pg.log import Event
from fte.pg.pool import Pool
from fte.store.control import Case, Done, act
from fte.store.turns import open_turn, reply_parts
from fte.wire import JSON, ActionDone, DraftsPage, DraftView, MessageView, RunView

PAGE_MAX: Final = 100
"""Drafts of one page."""
CONTEXT_MAX: Final = 6
"""Messages shown with a draft: the newest ones."""
CONTENT_MAX: Final = 10_000
"""Characters of each of them; the conversation has them whole."""
REJECTED: Final = "draft_rejected"
"""The reason a conversation goes to a person after a rejection."""

_sql = queries.load(__file__)


async def pending(pool: Pool, limit: int = PAGE_MAX, after: UUID | None = None) -> DraftsPage:
    """What waits for a decision, the longest waiting first; `after` names the last draft of the page before.

    Raises NotFound when there is no such draft.
    """
    since: Any = None
    if after is not None:
        since = await pool.fetchrow(_sql.place, after)
        if since is None:
            raise NotFound("There is no such draft.")
    at, id_ = (since["created_at"], since["id"]) if since else (None, None)
    rows = await pool.fetch(_sql.waiting, at, id_, min(limit, PAGE_MAX))
    return DraftsPage(
        items=await _views(pool, [row["id"] for row in rows]), total=await pool.fetchval(_sql.count)
    )


async def one(pool: Pool, draft: UUID) -> DraftView:
    """A draft, whatever became of it. Raises NotFound."""
    found = await _views(pool, [draft])
    if not found:
        raise NotFound("There is no such draft.")
    return found[0]


async def ages(pool: Pool) -> dict[Channel, tuple[int, float]]:
    """How many drafts wait, and for how many seconds the oldest of them has, by channel."""
    return {row["channel"]: (row["count"], row["oldest"]) for row in await pool.fetch(_sql.ages)}


async def _views(pool: Pool, ids: list[UUID]) -> list[DraftView]:
    return [_view(dict(row)) for row in await pool.fetch(_sql.views, ids, CONTEXT_MAX, CONTENT_MAX)]


def _view(row: JSON) -> DraftView:
    run = row.pop("run")
    messages = msgspec.convert(row.pop("messages"), list[MessageView])
    trace = {} if run is None else run.pop("trace")
    return DraftView(
        **row,
        hash=fingerprint(row["body"]),
        messages=messages,
        run=None if run is None else msgspec.convert(run | trace, RunView),
    )


async def approve(
    pool: Pool,
    key: str,
    draft: UUID,
    actor: Actor,
    seen: str,
    text: str | None = None,
    *,
    undo: float = 0.0,
) -> ActionDone:
    """Send the draft, or `text` in its place, kept back for `undo` seconds in which it can be taken back.

    `seen` is the fingerprint of the draft as the operator read it. Raises Conflict when it is another text, when the
    draft is decided or out of date, saying what became of it.
    """
    text = None if text is None else storable(text)
    details: JSON = {"draft": draft, "seen": storable(seen)} | ({} if text is None else {"text": text})

    async def apply(case: Case, row: Any) -> Done:
        check_seen(_draft(row), seen)
        return await _approve(case, row, row["body"] if text is None else text, undo)

    return await _decide(pool, key, "approve", draft, actor, details, apply)


async def reject(pool: Pool, key: str, draft: UUID, actor: Actor, reason: str) -> ActionDone:
    """The draft is not sent, and a person has to answer. Raises Conflict like `approve`."""

    reason = storable(reason)

    async def apply(case: Case, row: Any) -> Done:
        return await _reject(case, row, reason)

    return await _decide(pool, key, "reject", draft, actor, {"draft": draft, "reason": reason}, apply)


async def regenerate(pool: Pool, key: str, draft: UUID, actor: Actor, hint: str) -> ActionDone:
    """The AI writes another draft, which is held too, with the operator's hint. Raises Conflict like `approve`."""

    hint = storable(hint)

    async def apply(case: Case, row: Any) -> Done:
        return await _regenerate(case, row, hint)

    return await _decide(pool, key, "regenerate", draft, actor, {"draft": draft, "hint": hint}, apply)


async def _decide(
    pool: Pool,
    key: str,
    decision: Decision,
    draft: UUID,
    actor: Actor,
    details: JSON,
    apply: Callable[[Case, Any], Awaitable[Done]],
) -> ActionDone:
    conversation = await pool.fetchval(_sql.conversation_of, draft)
    if conversation is None:
        raise NotFound("There is no such draft.")

    async def locked(case: Case) -> Done:
        row: Any = await case.connection.fetchrow(_sql.lock, draft)
        check_pending(_draft(row), case.control)
        return await apply(case, row)

    return await act(pool, key, decision, conversation, actor, details, locked)


def _draft(row: Any) -> Draft:
    return Draft(
        row["state"],
        row["epoch"],
        row["answers_seq"],
        row["body"],
        row["operator"],
        row["reason"],
        row["decided_at"],
    )


async def _approve(case: Case, row: Any, text: str, undo: float) -> Done:
    channel, message = row["channel"], new_id()
    state = first_state(channel, undo)
    seq = case.control.last_seq + 1
    await case.connection.execute(
        _sql.decide, row["id"], "approved", case.actor.id, None, bytes.fromhex(fingerprint(text))
    )
    await case.connection.execute(
        _sql.send,
        message,
        case.conversation,
        seq,
        channel,
        text,
        row["run_id"],
        case.actor.id,
        state,
        row["id"],
        case.control.epoch,
        case.ticket,
        row["answers_seq"],
        undo,
        *reply_parts(channel, text),
    )
    done = case.done("reply.sent" if state == "sent" else "reply.queued", message=message, last_seq=seq)
    said = done.events[0]
    said.payload.update(role="agent", approved_by=case.actor.name)
    if channel in OUTBOUND:
        done.events.append(Event(OUTBOUND[channel], said.key, said.type, said.payload))
    edited = text != row["body"]
    return _decided(case, row, done, "edited" if edited else "approved")


async def _reject(case: Case, row: Any, reason: str) -> Done:
    epoch = case.control.epoch + 1
    await case.connection.execute(_sql.decide, row["id"], "rejected", case.actor.id, reason, None)
    brief: JSON = {
        "asked": row["asked"] or "",
        "tried": [
            f"draft rejected by {one_line(case.actor.name)}: {one_line(reason)}",
            f"draft not sent: {row['body'][:1_000]}",
        ],
        "sources": list(dict.fromkeys(passage["title"] for passage in row["passages"] or []))[:10],
        "mood": "",
        "reason": REJECTED,
        "urgency": "normal",
    }
    await case.connection.execute(_sql.hand_over, case.conversation, case.ticket, epoch, REJECTED, brief)
    done = case.done("conversation.escalated", owner="human", epoch=epoch, status="escalated")
    raised = done.events[0]
    raised.payload.update(reason=REJECTED, urgency="normal", number=row["number"])
    done.events.append(Event(ESCALATIONS, raised.key, "escalation.raised", raised.payload))
    return _decided(case, row, done, "rejected")


async def _regenerate(case: Case, row: Any, hint: str) -> Done:
    await case.connection.execute(_sql.decide, row["id"], "retired", case.actor.id, "regenerated", None)
    await case.connection.execute(_sql.owe_again, case.conversation)
    await open_turn(case.connection, case.conversation, case.ticket, row["channel"], hint)
    return _decided(case, row, case.done("draft.retired"), "regenerated")


def _decided(case: Case, row: Any, done: Done, decision: str) -> Done:
    """The decision is announced before what follows from it, and measured."""
    fact = done.events[0].payload | {"draft_id": row["id"], "decision": decision}
    follows = done.events if decision != "regenerated" else []
    held_at: datetime = row["created_at"]
    measured: JSON = {"channel": row["channel"], "decision": decision, "held_at": held_at}
    key = str(case.conversation)
    events = [Event(CONVERSATIONS, key, "draft.decided", fact), *follows]
    return Done(done.result, [*events, Event(METRICS, key, "draft.decided", measured)])
