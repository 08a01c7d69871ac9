"""An operator hands a conversation of the AI's over to people; the customer is told of it, once."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from fte.domain import modes
from fte.domain.conversations import Actor, check_escalate
from fte.domain.delivery import DeliveryState, first_state
from fte.domain.errors import Conflict
from fte.domain.escalation import ReasonToAsk, priority
from fte.domain.events import CONVERSATIONS, ESCALATIONS, OUTBOUND
from fte.domain.ids import new_id
from fte.domain.turns import Assignment, Escalation, Urgency
from fte.pg import queries
from fte.pg.log import Event
from fte.pg.pool import Pool
from fte.store import turns
from fte.store.control import Case, Done, act, hand_to
from fte.wire import JSON, ActionDone

HandedOn = Callable[[Assignment], tuple[Escalation, str]]
"""What people read and what the customer is told, of the conversation as it is under the lock."""
_sql = queries.load(__file__)


async def escalate(
    pool: Pool,
    key: str,
    conversation: UUID,
    actor: Actor,
    reason: ReasonToAsk,
    urgency: Urgency | None,
    note: str,
    handed_on: HandedOn,
) -> ActionDone:
    """People have the conversation, and nobody of them holds it yet; the AI's unfinished work in it is void.

    `message_id` of the result is what the customer is told; None where the AI is off. Raises Conflict when people have
    it already or it is resolved.
    """

    async def apply(case: Case) -> Done:
        return await _escalate(case, reason, handed_on)

    details: JSON = {"reason": reason, "urgency": urgency} | ({"text": note} if note else {})
    return await act(pool, key, "escalate", conversation, actor, details, apply)


async def _escalate(case: Case, reason: ReasonToAsk, handed_on: HandedOn) -> Done:
    check_escalate(case.control, case.actor)
    epoch = case.control.epoch + 1
    in_flight = await hand_to(case, None, epoch, "escalated")
    # After that: what was withdrawn is unanswered again, and belongs to what is handed over.
    row = await turns.newest(case.connection, case.conversation)
    if row is None:
        raise Conflict(
            "The AI owed no answer here, ever: nothing is to hand over.", remedy="Assign it to nobody."
        )
    assignment = replace(turns.assignment(row), channel=case.channel)
    raised, words = handed_on(assignment)
    message, seq, state = None, case.control.last_seq, first_state(case.channel)
    if modes.rule_for(row["config"], assignment.category).mode != "off":
        message, seq = new_id(), seq + 1
        await _tell(case, message, seq, words, epoch, state)
    number = await case.connection.fetchval(
        _sql.hand_over,
        case.conversation,
        case.ticket,
        reason,
        raised.urgency,
        turns.brief_of(raised),
        priority(reason, raised.urgency),
    )
    done = case.done(
        "reply.sent" if state == "sent" else "reply.queued",
        message=message,
        in_flight=in_flight,
        owner="human",
        holder=None,
        epoch=epoch,
        status="escalated",
        last_seq=seq,
    )
    return Done(done.result, _events(case, done.events[0], raised, number))


async def _tell(case: Case, message: UUID, seq: int, text: str, epoch: int, state: DeliveryState) -> None:
    await case.connection.execute(
        _sql.tell,
        message,
        case.conversation,
        seq,
        case.channel,
        text,
        state,
        epoch,
        *turns.reply_parts(case.channel, text),
    )


def _events(case: Case, said: Event, escalation: Escalation, number: int) -> list[Event]:
    """The words to the customer, if there are any, and then that people have it."""
    raised = said.payload | {"reason": escalation.reason, "urgency": escalation.urgency, "number": number}
    events = [
        Event(CONVERSATIONS, said.key, "conversation.escalated", raised),
        Event(ESCALATIONS, said.key, "escalation.raised", raised),
    ]
    if "message_id" not in said.payload:
        return events
    said.payload["role"] = raised["role"] = "agent"
    if case.channel in OUTBOUND:
        events.insert(0, Event(OUTBOUND[case.channel], said.key, said.type, said.payload))
    return [said, *events]
