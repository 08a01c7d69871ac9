"""A ticket's past: what it looked like after each of its events, and what the AI knew. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from fte.domain.deadlines import DueTime, Policy, parse_policy
from fte.domain.history import Change, Happening, Labels, Said, State, knew, life, project
from fte.domain.timing import Timing, timing
from fte.wire import JSON, HistoryEvent, MessageView, RunView, TicketView

_WORDS: Final = {
    "message.received": "the customer wrote",
    "turn.started": "the AI began to think",
    "reply.queued": "a reply was written",
    "reply.sent": "a reply was written",
    "reply.withdrawn": "a reply was taken back",
    "delivery.changed": "a reply went on its way",
    "note.added": "a note was added",
    "operator.mentioned": "colleagues were named",
    "ticket.changed": "it was sorted anew",
    "attachment.changed": "a file arrived",
    "conversation.escalated": "handed over to people",
    "conversation.taken_over": "taken over",
    "conversation.assigned": "assigned",
    "conversation.released": "handed back to the AI",
    "conversation.resolved": "resolved",
    "conversation.merged": "merged",
    "conversation.parted": "parted again",
    "customer.merged": "the customer was merged",
    "conversation.erased": "it was erased",
    "customer.parted": "the customer was parted",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """The ticket right after one event. `before` is how it was until then.

    `told` holds the messages there were, `delivery` how far ours had come. Where the event is an answer of the AI, `run`
    is what made it and `known` are the messages it was given. `timing` is what the deadlines depended on and `due` what
    was due by `policy`, today's; both are None where they are not known.
    """

    event: HistoryEvent
    state: State
    before: State
    told: list[MessageView]
    run: RunView | None
    known: list[MessageView]
    timing: Timing | None = None
    policy: Policy | None = None

    @property
    def due(self) -> tuple[DueTime, ...]:
        if self.timing is None or self.policy is None:
            return ()
        return self.timing.due(self.state.priority, self.policy)


class Past:
    """A ticket, ready to be looked at after any of its events."""

    def __init__(self, ticket: TicketView) -> None:
        self.ticket = ticket
        self._happenings = [Happening(event.type, event.at, event.payload) for event in ticket.events]
        self._said = [_said(message) for message in ticket.messages]
        self._labels = Labels(ticket.item.priority, ticket.item.category, tuple(ticket.item.tags))
        self._policy = _policy(ticket)

    def __len__(self) -> int:
        return len(self._happenings)

    def at(self, index: int) -> Moment:
        """The moment right after event number `index`, from 0."""
        event, state = self.ticket.events[index], self._project(index)
        messages = {message.seq: message for message in self.ticket.messages}
        answer = messages.get(_seq(event)) if event.type in ("reply.queued", "reply.sent") else None
        run = next((run for run in self.ticket.runs if answer and run.id == answer.run_id), None)
        known = knew(state, self._said, answer.seq) if answer is not None and run is not None else []
        return Moment(
            event=event,
            state=state,
            before=self._project(index - 1),
            told=[message for message in self.ticket.messages if message.seq <= state.last_seq],
            run=run,
            known=[messages[said.seq] for said in known],
            timing=timing(self._happenings, self._said, index) if self.ticket.complete else None,
            policy=self._policy,
        )

    def _project(self, upto: int) -> State:
        return project(self._happenings, self._said, self._labels, upto=upto, complete=self.ticket.complete)

    def life(self) -> list[Change]:
        """The events that changed whose the ticket is, or its status."""
        return life(self._happenings, self._said, self._labels, complete=self.ticket.complete)


def _policy(ticket: TicketView) -> Policy | None:
    """The policy in force now; None where the daemon does not say, or says what this console does not understand."""
    if ticket.hours is None or ticket.deadlines is None:
        return None
    try:
        return parse_policy(ticket.hours, ticket.deadlines)
    except ValueError:
        return None


def _said(message: MessageView) -> Said:
    inbound = message.direction == "inbound"
    return Said(message.id, message.seq, inbound, message.direction == "note", message.reason is None)


def _seq(event: HistoryEvent) -> int:
    seq = event.payload.get("seq")
    return seq if isinstance(seq, int) else 0


# ---------------------------------------------------------------- words


def event_words(event: HistoryEvent) -> str:
    """What happened, in words; what is not known here goes by its own name."""
    words = _WORDS.get(event.type, event.type.replace(".", " ").replace("_", " "))
    who = event.payload.get("operator")
    if event.type in ("reply.queued", "reply.sent"):
        role = event.payload.get("role")
        return f"{who or 'a person'} answered" if role == "operator" else "the AI answered" if role else words
    state = event.payload.get("message_state") or event.payload.get("state")
    if event.type == "delivery.changed" and state:
        words = f"a reply is {state}"
    return f"{words} by {who}" if who else words


def holder_words(owner: str | None, holder: str | None, ticket: TicketView) -> str:
    """Who has the conversation."""
    if owner is None:
        return "not known"
    if owner == "ai":
        return "the AI"
    if holder is None:
        return "nobody yet"
    try:
        return ticket.operators.get(UUID(holder), "a colleague")
    except ValueError:
        return "a colleague"


def change_words(change: Change, ticket: TicketView, when: str = "") -> str:
    """A step of the life on one line. `when` is its time in words, otherwise UTC."""
    status = (change.status or "not known").replace("_", " ")
    words = event_words(ticket.events[change.index])
    holder = holder_words(change.owner, change.holder, ticket)
    whose = "" if change.status == "resolved" and change.owner == "ai" else f", with {holder}"
    return f"{when or _moment(change.at)} {words}: {status}{whose}"


def detail_words(details: JSON) -> list[str]:
    """What an action was asked with; what was left empty is left out."""
    return [
        f"{name} {' '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in details.items()
        if value not in (None, "", [])
    ]


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")
