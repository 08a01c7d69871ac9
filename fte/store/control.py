"""Operators' actions: each one transaction, decided under the conversation's lock, audited, and done once per key."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from fte.domain.channels import Channel
from fte.domain.conversations import (
    Actor,
    Control,
    check_release,
    check_reply,
    check_resolve,
    check_snooze,
    check_take_over,
)
from fte.domain.delivery import first_state
from fte.domain.drafts import Draft, Said, check_take_back, is_current
from fte.domain.errors import Conflict, NotFound
from fte.domain.events import CONVERSATIONS, OUTBOUND
from fte.domain.handover import Handover, Spoken, summed_up
from fte.domain.ids import new_id
from fte.domain.mentions import mentioned
from fte.domain.operators import Action
from fte.domain.snooze import check as check_until
from fte.domain.text import storable
from fte.domain.tickets import Resolution
from fte.pg import queries
from fte.pg.log import Event, emit
from fte.pg.pool import Connection, Pool
from fte.store import deadlines
from fte.store.turns import control_of, open_turn, reply_parts
from fte.wire import JSON, ActionDone

SPOKEN_MAX: Final = 100
"""Messages of a conversation that a hand-over looks back on."""
_NOTHING_SEEN: Final = 2**31 - 1
_IN_A_MERGED_ONE: Final[frozenset[Action]] = frozenset({"note", "part"})
_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True)
class Case:
    """One action under way: the locked conversation and who acts."""

    connection: Connection
    conversation: UUID
    ticket: UUID
    channel: Channel
    control: Control
    actor: Actor

    def done(
        self,
        type_: str,
        *,
        message: UUID | None = None,
        in_flight: list[UUID] | None = None,
        more: JSON | None = None,
        **now: Any,
    ) -> "Done":
        """`now` names what of owner, holder, epoch, status and last_seq the action changed; `more` are further facts."""
        result = ActionDone(
            conversation_id=self.conversation,
            epoch=now.get("epoch", self.control.epoch),
            last_seq=now.get("last_seq", self.control.last_seq),
            owner=now.get("owner", self.control.owner),
            status=now.get("status", self.control.status),
            message_id=message,
            in_flight=in_flight or [],
        )
        fact: JSON = {
            "conversation_id": self.conversation,
            "ticket_id": self.ticket,
            "channel": self.channel,
            "operator": self.actor.name,
            "owner": result.owner,
            "holder": now.get("holder", self.control.operator_id) if result.owner == "human" else None,
            "epoch": result.epoch,
            "status": result.status,
            "seq": result.last_seq,
        } | (more or {})
        if message:
            fact |= {"message_id": message, "role": "operator"}
        return Done(result, [Event(CONVERSATIONS, str(self.conversation), type_, fact)])


@dataclass(frozen=True, slots=True)
class Done:
    """What an action came to, and what is announced of it."""

    result: ActionDone
    events: list[Event]


async def take_over(pool: Pool, key: str, conversation: UUID, actor: Actor) -> ActionDone:
    """The operator holds the conversation; the AI's unfinished work in it is void.

    Raises Conflict, naming the winner, when somebody else was faster.
    """
    return await act(pool, key, "take_over", conversation, actor, {}, _take_over)


async def reply(
    pool: Pool, key: str, conversation: UUID, actor: Actor, text: str, *, undo: float = 0.0
) -> ActionDone:
    """The operator's words go to the customer, kept back for `undo` seconds in which they can be taken back.

    Raises Conflict when they do not hold it or have not seen everything.
    """

    async def apply(case: Case) -> Done:
        return await _reply(case, storable(text), undo)

    return await act(pool, key, "reply", conversation, actor, {"text": text}, apply)


async def note(pool: Pool, key: str, conversation: UUID, actor: Actor, text: str) -> ActionDone:
    """A note for colleagues. The customer never sees it; those it names as `@Name` are told."""

    async def apply(case: Case) -> Done:
        message, seq = await say(case, "note", storable(text), None)
        done = case.done("note.added", message=message, last_seq=seq)
        named = await _mention(case, message, text)
        if named:
            fact = {"conversation_id": conversation, "message_id": message, "seq": seq, "operators": named}
            done.events.append(Event(CONVERSATIONS, str(conversation), "operator.mentioned", fact))
        return done

    return await act(pool, key, "note", conversation, actor, {"text": text}, apply)


async def release(
    pool: Pool, key: str, conversation: UUID, actor: Actor, reason: str, word: str = ""
) -> ActionDone:
    """The AI has the conversation again, and owes an answer to what nobody has answered.

    It is told what people said meanwhile, and `word`, what the person adds for it alone.
    """

    async def apply(case: Case) -> Done:
        return await _release(case, word)

    details = {"reason": reason} | ({"text": word} if word else {})
    return await act(pool, key, "release", conversation, actor, details, apply)


async def resolve(
    pool: Pool, key: str, conversation: UUID, actor: Actor, reason: str, resolution: Resolution = "solved"
) -> ActionDone:
    """The matter is settled. A new message of the customer opens it again, with the AI."""

    async def apply(case: Case) -> Done:
        return await _resolve(case, storable(reason), resolution)

    details = {"reason": reason, "resolution": resolution}
    return await act(pool, key, "resolve", conversation, actor, details, apply)


async def snooze(
    pool: Pool, key: str, conversation: UUID, actor: Actor, until: datetime | None
) -> ActionDone:
    """Put the conversation aside until then, or, with None, bring it back. It comes back by itself when the customer
    writes, when it is handed over, and when an answer is nearly late.

    Raises Rejected for a moment that is past or too far, Conflict when a colleague holds it or something is unseen.
    """

    async def apply(case: Case) -> Done:
        return await _snooze(case, until)

    details: JSON = {"until": until}
    return await act(pool, key, "snooze", conversation, actor, details, apply)


async def send_again(pool: Pool, key: str, conversation: UUID, actor: Actor) -> ActionDone:
    """Send the newest message that did not arrive, or of which nobody knows, once more: a person has decided it.

    Raises Conflict when they do not hold the conversation, have not seen everything, or nothing is undelivered.
    """
    return await act(pool, key, "send_again", conversation, actor, {}, _send_again)


async def undo_send(pool: Pool, key: str, conversation: UUID, actor: Actor) -> ActionDone:
    """Take back the operator's newest message, their own or an answer they approved, while it is still queued.

    `message_id` of the result names it: its text goes back to whoever wrote it. An approved answer waits for a decision
    again if it still answers the conversation. Raises Conflict, saying where the message is, when it is too late.
    """
    return await act(pool, key, "undo_send", conversation, actor, {}, _undo_send)


async def reply_from_elsewhere(
    pool: Pool,
    *,
    channel: Channel,
    account: str,
    provider_id: str,
    conversation: UUID,
    text: str,
    sent_at: datetime | None = None,
) -> bool:
    """A colleague answered from another client: their words are shown, and they count as a takeover.

    Nobody here holds the conversation then, so anybody may go on. False when this message was known already.
    What was merged goes on in the conversation that was kept.
    """
    async with pool.transaction() as connection:
        conversation = await connection.fetchval(_sql.standing, conversation) or conversation
        if await connection.fetchval(_sql.lock, conversation) is None:
            raise NotFound("There is no such conversation.")
        ticket: UUID | None = await connection.fetchval(
            _sql.from_elsewhere, channel, account, provider_id, conversation, sent_at or datetime.now(UTC)
        )
        if ticket is None:
            return False
        row: Any = await connection.fetchrow(_sql.facts, conversation, _NOTHING_SEEN)
        control = control_of(row)
        epoch = control.epoch
        if control.owner == "ai":
            epoch += 1
            await connection.execute(_sql.lock_turn, conversation)
            await connection.fetch(_sql.take_over, conversation, ticket, None, epoch, "escalated")
            await connection.execute(_sql.whose_doing, conversation, epoch, "elsewhere", None)
        message = new_id()
        await connection.execute(
            _sql.say_elsewhere,
            message,
            conversation,
            control.last_seq + 1,
            channel,
            storable(text),
            provider_id,
            epoch,
            ticket,
            sent_at or datetime.now(UTC),
        )
        fact: JSON = {
            "conversation_id": conversation,
            "ticket_id": ticket,
            "message_id": message,
            "channel": channel,
            "role": "operator",
            "owner": "human",
            "holder": None if control.owner == "ai" else control.operator_id,
            "epoch": epoch,
            "status": "escalated" if control.owner == "ai" else control.status,
            "seq": control.last_seq + 1,
        }
        key = str(conversation)
        events = [Event(CONVERSATIONS, key, "reply.sent", fact)]
        if control.owner == "ai":
            events.insert(0, Event(CONVERSATIONS, key, "conversation.taken_over", fact))
        await deadlines.recompute(connection, conversation)
        await emit(connection, events)
    return True


async def act(
    pool: Pool,
    key: str,
    action: Action,
    conversation: UUID,
    actor: Actor,
    details: JSON,
    apply: Callable[[Case], Awaitable[Done]],
    also: Sequence[UUID] = (),
) -> ActionDone:
    """Apply an action under the conversation's lock, and those of others it touches, once per key, and audit it.

    In a conversation that is part of another one nothing is done but noting. Raises NotFound and Conflict.
    """
    fingerprint = hashlib.sha256(
        msgspec.json.encode([action, conversation, actor.seen, actor.epoch, details])
    ).digest()
    async with pool.transaction() as connection:
        wanted = {conversation, *also}
        if len(await connection.fetch(_sql.lock_all, list(wanted))) < len(wanted):
            raise NotFound("There is no such conversation.")
        earlier: Any = await connection.fetchrow(_sql.done_before, actor.id, key)
        if earlier is not None:
            if earlier["request_hash"] != fingerprint:
                raise Conflict("This idempotency key was used for another request.", remedy="Use a new key.")
            return msgspec.convert(earlier["result"], ActionDone)
        # A statement of its own: one that had to wait for the lock would still see what was before.
        row: Any = await connection.fetchrow(_sql.facts, conversation, actor.epoch)
        if row["merged_into"] is not None and action not in _IN_A_MERGED_ONE:
            raise Conflict(
                f"This conversation is part of #{row['merged_into']}.",
                remedy="Go on there, or undo the merge.",
            )
        case = Case(connection, conversation, row["ticket_id"], row["channel"], control_of(row), actor)
        done = await apply(case)
        if done.result.epoch != case.control.epoch:
            await connection.execute(_sql.whose_doing, conversation, done.result.epoch, action, actor.id)
        await deadlines.recompute(connection, *wanted)
        await connection.execute(
            _sql.record, actor.id, action, conversation, key, fingerprint, _audited(details), done.result
        )
        await emit(connection, done.events)
    return done.result


def _audited(details: JSON) -> JSON:
    """What the audit keeps: reasons in full, of texts only their length; the message itself is stored once."""
    return {name: len(value) if name == "text" else value for name, value in details.items()}


async def _take_over(case: Case) -> Done:
    check_take_over(case.control, case.actor)
    if case.actor.holds(case.control):  # asked again: what is still on its way is named again
        rows = await case.connection.fetch(_sql.in_flight, case.conversation)
        done = case.done("conversation.taken_over", in_flight=[row["message_id"] for row in rows])
        return Done(done.result, [])  # nothing has changed, so nothing is announced
    epoch = case.control.epoch + 1
    status = "open" if case.control.status == "resolved" else case.control.status
    in_flight = await hand_to(case, case.actor.id, epoch, status)
    return case.done(
        "conversation.taken_over",
        in_flight=in_flight,
        owner="human",
        holder=case.actor.id,
        epoch=epoch,
        status=status,
    )


async def hand_to(case: Case, holder: UUID | None, epoch: int, status: str) -> list[UUID]:
    """A person, or for now nobody, has the conversation; the AI's unfinished work is void. Returns what had left."""
    await case.connection.execute(_sql.lock_turn, case.conversation)
    rows = await case.connection.fetch(_sql.take_over, case.conversation, case.ticket, holder, epoch, status)
    await case.connection.execute(_sql.unsaid, case.conversation)
    return [row["message_id"] for row in rows]


async def _reply(case: Case, text: str, undo: float) -> Done:
    check_reply(case.control, case.actor)
    state = first_state(case.channel, undo)
    message, seq = await say(case, "outbound", text, state)
    await case.connection.execute(
        _sql.answered,
        case.conversation,
        case.ticket,
        message,
        case.control.epoch,
        state,
        case.channel,
        *reply_parts(case.channel, text),
        undo,
    )
    done = case.done("reply.sent" if state == "sent" else "reply.queued", message=message, last_seq=seq)
    if case.channel in OUTBOUND:
        queued = done.events[0]
        done.events.append(Event(OUTBOUND[case.channel], queued.key, queued.type, queued.payload))
    return done


async def _send_again(case: Case) -> Done:
    check_reply(case.control, case.actor)
    rows = await case.connection.fetch(_sql.send_again, case.conversation, case.control.epoch)
    if not rows:
        raise Conflict("Every message of this conversation is delivered or on its way.")
    done = case.done("reply.queued", message=rows[0]["message_id"])
    channel = rows[0]["channel"]
    if channel in OUTBOUND:
        queued = done.events[0]
        done.events.append(Event(OUTBOUND[channel], queued.key, queued.type, queued.payload))
    return done


async def _undo_send(case: Case) -> Done:
    row: Any = await case.connection.fetchrow(_sql.newest_said, case.conversation)
    check_take_back(
        Said(row["speaker"], row["epoch"], tuple(row["states"])) if row else None, case.control, case.actor
    )
    message = row["id"]
    await case.connection.execute(_sql.lock_turn, case.conversation)
    await case.connection.execute(_sql.take_back, case.conversation, case.ticket, message)
    if row["draft_id"] is not None:
        draft = Draft("approved", row["draft_epoch"], row["answers_seq"], "")
        current = is_current(draft, case.control)
        await case.connection.execute(_sql.hold_again, row["draft_id"], case.conversation, current)
    done = case.done("reply.withdrawn", message=message)
    if case.channel in OUTBOUND:
        gone = done.events[0]
        done.events.append(Event(OUTBOUND[case.channel], gone.key, gone.type, gone.payload))
    return done


async def _release(case: Case, word: str) -> Done:
    check_release(case.control, case.actor)
    epoch = case.control.epoch + 1
    brief = await left_behind(case.connection, case.conversation, case.control, word)
    status = "resolved" if case.control.status == "resolved" else "open"
    await case.connection.execute(_sql.release, case.conversation, case.ticket, epoch, status)
    if lines := brief.lines():
        await case.connection.execute(
            _sql.keep_brief, case.conversation, epoch, case.actor.id, {"lines": lines}
        )
    if case.control.unanswered and status == "open":
        await case.connection.execute(_sql.owe_again, case.conversation)
        await open_turn(case.connection, case.conversation, case.ticket, case.channel)
    return case.done("conversation.released", owner="ai", epoch=epoch, status=status)


async def _snooze(case: Case, until: datetime | None) -> Done:
    check_snooze(case.control, case.actor)
    if until is not None:
        check_until(until, datetime.now(UTC))
    changed = await case.connection.fetchval(_sql.snooze, case.conversation, until)
    if until is None and not changed:
        raise Conflict("This conversation is not put aside.")
    done = case.done("conversation.snoozed")
    if until is None:
        return Done(done.result, [])  # that it is back is announced where it is brought back
    done.events[0].payload["until"] = until
    return done


async def left_behind(
    connection: Connection, conversation: UUID, control: Control, word: str = ""
) -> Handover:
    """What people said since the AI last spoke, and what is open."""
    rows: list[Any] = await connection.fetch(_sql.spoken, conversation, SPOKEN_MAX)
    return summed_up([Spoken(**row) for row in reversed(rows)], control.answered_seq, word)


async def _resolve(case: Case, reason: str, resolution: Resolution) -> Done:
    check_resolve(case.control, case.actor)
    await case.connection.execute(_sql.lock_turn, case.conversation)
    epoch = case.control.epoch + 1
    await case.connection.execute(
        _sql.resolve, case.conversation, case.ticket, epoch, reason or None, resolution
    )
    more = {"resolution": resolution}
    return case.done("conversation.resolved", owner="ai", epoch=epoch, status="resolved", more=more)


async def _mention(case: Case, message: UUID, text: str) -> list[UUID]:
    """Remember whom a note names. Returns their ids."""
    if "@" not in text:
        return []
    known = {row["name"]: row["id"] for row in await case.connection.fetch(_sql.colleagues)}
    named = [known[name] for name in mentioned(text, known)]
    await case.connection.execute(_sql.mention, message, case.conversation, named)
    return named


async def say(case: Case, direction: str, text: str, state: str | None) -> tuple[UUID, int]:
    """Add a message of the operator. Returns its id and sequence number."""
    message, seq = new_id(), case.control.last_seq + 1
    await case.connection.execute(
        _sql.say, message, case.conversation, seq, case.channel, direction, text, case.actor.id, state
    )
    return message, seq
