"""What a conversation looked like at any moment of its life, rebuilt from its events.

An event says what it changed: owner, holder, epoch, status, the newest message. What it does not say follows from its
type. Without its beginning, which the log no longer keeps after a while, a conversation is unknown until an event says
something; unknown is None.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from fte.domain.turns import HISTORY_MAX

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Happening:
    """An event of the conversation, in the log's order."""

    type: str
    at: datetime
    facts: Facts


@dataclass(frozen=True, slots=True)
class Said:
    """A message, as far as its place in time needs it. `reopens` is False for one that nobody owed an answer."""

    id: UUID
    seq: int
    inbound: bool
    note: bool
    reopens: bool = True


@dataclass(slots=True)
class State:
    """A conversation at one moment. `heard` is the newest message when the AI last began to think.

    `delivery` holds how far each message of ours had come, by its id.
    """

    owner: str | None = None
    holder: str | None = None
    epoch: int | None = None
    status: str | None = None
    ticket_status: str | None = None
    priority: str | None = None
    category: str | None = None
    tags: tuple[str, ...] | None = None
    merged_into: str | None = None
    last_seq: int = 0
    heard: int = 0
    delivery: dict[UUID, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Labels:
    """What operators or the AI said about the ticket."""

    priority: str
    category: str
    tags: tuple[str, ...]


def beginning(happenings: Sequence[Happening], now: Labels) -> Labels:
    """The labels before the first of these events: what the first change of them says, or what they are now."""
    for happening in happenings:
        was = happening.facts.get("was") if happening.type == "ticket.changed" else None
        if was is not None:
            return Labels(str(was["priority"]), str(was["category"]), tuple(was["tags"]))
    return now


def project(
    happenings: Sequence[Happening], said: Sequence[Said], now: Labels, *, upto: int, complete: bool
) -> State:
    """The conversation right after event number `upto` (from 0; -1: before the first)."""
    labels = beginning(happenings, now)
    state = State(priority=labels.priority, category=labels.category, tags=labels.tags)
    if complete:
        state.owner, state.epoch, state.status, state.ticket_status = "ai", 0, "open", "open"
    elif happenings:
        state.last_seq = _before(happenings[0])
    messages = {message.id: message for message in said}
    for happening in happenings[: upto + 1]:
        _step(state, happening, messages)
    return state


def knew(state: State, said: Sequence[Said], answer: int) -> list[Said]:
    """The messages the AI was given for the answer with that sequence number, oldest first."""
    heard = state.heard or answer - 1
    return [m for m in said if not m.note and m.seq <= heard and m.seq < answer][-HISTORY_MAX:]


def _before(first: Happening) -> int:
    """How many messages there were before the first event that is known."""
    seq = int(first.facts.get("seq") or 0)
    return seq - 1 if "message_id" in first.facts and first.type in _ADDS and seq else seq


def _step(state: State, happening: Happening, messages: Mapping[UUID, Said]) -> None:
    facts = happening.facts
    was = state.status
    for name in ("owner", "epoch", "status"):
        if facts.get(name) is not None:
            setattr(state, name, facts[name])
    if "holder" in facts:
        state.holder = facts["holder"] and str(facts["holder"])
    elif state.owner == "ai":
        state.holder = None
    state.last_seq = max(state.last_seq, int(facts.get("seq") or 0))
    rule = _RULES.get(happening.type)
    if rule is not None:
        rule(state, facts, was, messages)
    if "ticket_status" in facts:
        state.ticket_status = facts["ticket_status"]
    if "merged_into" in facts:
        state.merged_into = facts["merged_into"] and str(facts["merged_into"])


# ---------------------------------------------------------------- what follows from an event's type


def _received(state: State, facts: Facts, was: str | None, messages: Mapping[UUID, Said]) -> None:
    message = messages.get(_id(facts, "message_id"))
    if message is not None and not message.reopens:
        return
    if "status" not in facts and was == "resolved":
        state.status = "open"
    state.ticket_status = "escalated" if state.owner == "human" else "open"


def _started(state: State, facts: Facts, was: str | None, messages: Mapping[UUID, Said]) -> None:
    state.heard = state.last_seq
    if state.ticket_status == "open":
        state.ticket_status = "processing"


def _replied(state: State, facts: Facts, was: str | None, messages: Mapping[UUID, Said]) -> None:
    known = state.delivery.get(_id(facts, "message_id"))
    if known is None:
        state.ticket_status = "waiting_customer"


def _queued(state: State, facts: Facts, was: str | None, messages: Mapping[UUID, Said]) -> None:
    _replied(state, facts, was, messages)
    state.delivery[_id(facts, "message_id")] = "queued"


def _sent(state: State, facts: Facts, was: str | None, messages: Mapping[UUID, Said]) -> None:
    _replied(state, facts, was, messages)
    state.delivery[_id(facts, "message_id")] = "sent"


def _delivered(state: State, facts: Facts, was: str | None, messages: Mapping[UUID, Said]) -> None:
    if facts.get("kind", "answer") != "answer":
        return
    message, reached = _id(facts, "message_id"), str(facts.get("state"))
    if facts.get("message_state") is not None:
        state.delivery[message] = str(facts["message_state"])
    elif reached in ("superseded", "sent") or (
        reached == "sending" and state.delivery.get(message, "queued") in ("queued", "sending")
    ):
        state.delivery[message] = reached


def _withdrawn(state: State, facts: Facts, was: str | None, messages: Mapping[UUID, Said]) -> None:
    state.delivery[_id(facts, "message_id")] = "cancelled"
    state.ticket_status = "escalated" if state.owner == "human" else "processing"


def _with_people(state: State, facts: Facts, was: str | None, messages: Mapping[UUID, Said]) -> None:
    state.ticket_status = "escalated"


def _released(state: State, facts: Facts, was: str | None, messages: Mapping[UUID, Said]) -> None:
    if state.status == "resolved":
        state.ticket_status = "resolved"
    elif state.ticket_status == "escalated":
        state.ticket_status = "open"


def _resolved(state: State, facts: Facts, was: str | None, messages: Mapping[UUID, Said]) -> None:
    state.ticket_status = "resolved"


def _labelled(state: State, facts: Facts, was: str | None, messages: Mapping[UUID, Said]) -> None:
    state.priority, state.category, state.tags = facts["priority"], facts["category"], tuple(facts["tags"])


Rule = Callable[[State, Facts, str | None, Mapping[UUID, Said]], None]
_RULES: Final[dict[str, Rule]] = {
    "message.received": _received,
    "turn.started": _started,
    "reply.queued": _queued,
    "reply.sent": _sent,
    "reply.withdrawn": _withdrawn,
    "delivery.changed": _delivered,
    "conversation.escalated": _with_people,
    "conversation.taken_over": _with_people,
    "conversation.assigned": _with_people,
    "conversation.released": _released,
    "conversation.resolved": _resolved,
    "ticket.changed": _labelled,
}
_ADDS: Final = frozenset({"message.received", "reply.queued", "reply.sent", "note.added"})


def _id(facts: Facts, name: str) -> UUID:
    value = facts.get(name)
    return value if isinstance(value, UUID) else UUID(str(value or UUID(int=0)))


# ---------------------------------------------------------------- a life in steps


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a ticket's life: what became of it with an event, and who did it, where the event says so."""

    index: int
    at: datetime
    type: str
    who: str | None
    status: str | None
    owner: str | None
    holder: str | None


def life(
    happenings: Sequence[Happening], said: Sequence[Said], now: Labels, *, complete: bool
) -> list[Change]:
    """The events that changed the status or the holder, in order, with what they changed it to."""
    labels = beginning(happenings, now)
    state = State(priority=labels.priority, category=labels.category, tags=labels.tags)
    if complete:
        state.owner, state.epoch, state.status = "ai", 0, "open"
    messages = {message.id: message for message in said}
    changes: list[Change] = []
    shown: tuple[Any, ...] = ()
    for index, happening in enumerate(happenings):
        _step(state, happening, messages)
        shows = (state.ticket_status, state.owner, state.holder, state.merged_into)
        if shows != shown:
            who = happening.facts.get("operator")
            changes.append(
                Change(
                    index,
                    happening.at,
                    happening.type,
                    who and str(who),
                    state.ticket_status,
                    state.owner,
                    state.holder,
                )
            )
        shown = shows
    return changes
