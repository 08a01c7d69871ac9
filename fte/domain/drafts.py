"""A draft is an answer of the AI that waits for a person. It answers one version of its conversation and no other."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from fte.domain.conversations import Actor, Control
from fte.domain.errors import Conflict

DraftState = Literal["pending", "approved", "rejected", "retired"]
Decision = Literal["approve", "reject", "regenerate"]

HINT_MAX: Final = 500
"""Characters of the hint a draft is written anew with."""
LATE_AFTER: Final = 900.0
"""Seconds a customer waits after which the draft for them is shown as late. It is never sent by itself."""
UNDO_MAX: Final = 60.0
"""Seconds a message may be kept back, at most, for its sender to take it back."""

REPLACED: Final = {
    "newer_message": "a newer message came, and it answers the older ones only",
    "changed_hands": "the conversation changed hands",
    "regenerated": "it is being written anew",
    "taken_back": "it was taken back, and the customer had written again",
}
"""Why a draft was retired, in words."""
_AGAIN: Final = "Look at the conversation again, then decide."


@dataclass(frozen=True, slots=True)
class Draft:
    """What decides whether a draft may be decided on, read under the conversation's lock."""

    state: DraftState
    epoch: int
    answers_seq: int
    body: str
    operator: str | None = None
    reason: str | None = None
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """The newest message of ours in a conversation, with the states of its parts.

    `speaker` wrote or approved it; None: the AI alone.
    """

    speaker: UUID | None
    epoch: int
    states: tuple[str, ...]


def fingerprint(text: str) -> str:
    """What stands for a text an operator saw: SHA-256 over its UTF-8, in hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def check_pending(draft: Draft, control: Control) -> None:
    """Only a draft that answers the conversation as it is now is decided, and once.

    Raises Conflict, saying what became of it and who did that, otherwise.
    """
    if draft.state != "pending":
        raise Conflict(became(draft.state, draft.operator, draft.reason), remedy=_AGAIN)
    if not is_current(draft, control):
        raise Conflict("The draft is out of date: the conversation has gone on.", remedy=_AGAIN)


def is_current(draft: Draft, control: Control) -> bool:
    """Whether the draft answers the conversation's newest version."""
    return (
        control.owner == "ai"
        and control.status != "resolved"
        and control.epoch == draft.epoch
        and control.last_inbound_seq == draft.answers_seq
    )


def check_seen(draft: Draft, seen: str) -> None:
    """What is approved is what was on the screen. Raises Conflict when its fingerprint is another one's."""
    if fingerprint(draft.body) != seen:
        raise Conflict("This is not the text you saw.", remedy="Load the draft again, read it, then decide.")


def became(state: DraftState, operator: str | None, reason: str | None) -> str:
    """What became of a draft, for somebody who comes to decide on it."""
    who = operator or "Somebody"
    match state:
        case "approved":
            return f"{who} has approved this draft; the answer is on its way."
        case "rejected":
            return f"{who} has rejected this draft: {reason or 'no reason given'}."
        case "retired":
            why = REPLACED.get(reason or "", "the conversation has gone on")
            return f"It is void: {why}{f' ({operator})' if operator else ''}."
        case _:
            return "This draft waits for a decision."


def check_take_back(said: Said | None, control: Control, actor: Actor) -> None:
    """Only one's own newest message is taken back, while all of it still waits in the queue.

    Raises Conflict, saying where it is, otherwise.
    """
    if said is None or said.speaker != actor.id:
        raise Conflict("There is no message of yours here that could be taken back.")
    if any(state in ("sent", "delivered", "read") for state in said.states):
        raise Conflict("Too late: it has left already.")
    if "sending" in said.states or "unknown" in said.states:
        raise Conflict("Too late: it is being handed to the provider and may reach the customer.")
    if any(state != "queued" for state in said.states):
        raise Conflict("It is not waiting to be sent, so there is nothing to take back.")
    if said.epoch != control.epoch or control.status == "resolved":
        raise Conflict("The conversation has changed hands since: the message stays on its way.")
