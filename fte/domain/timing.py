"""What a conversation's clocks depended on at any moment of its life, rebuilt from its events.

The database notes it as it happens (the triggers of the migration `deadlines`); this tells it of moments that are past.
Times are those of the events, so they may differ from the database's by what a transaction takes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from fte.domain.deadlines import DueTime, Facts, Policy, running
from fte.domain.history import Happening, Said
from fte.domain.tickets import PRIORITIES, Priority
from fte.domain.turns import WINDOW

_REACHED: Final = ("sent", "delivered", "read")


@dataclass(slots=True)
class Timing:
    """What the clocks depend on, at one moment.

    `resting_since` is when the resolution's clock came to stand still: because the customer is to write, because it was
    put aside until `snoozed_until`, or because the matter is resolved.
    """

    started: datetime
    status: str = "open"
    owner: str = "ai"
    waiting_since: datetime | None = None
    answered_at: datetime | None = None
    snoozed_until: datetime | None = None
    window_until: datetime | None = None
    resting_since: datetime | None = None
    pauses: list[tuple[datetime, datetime]] = field(default_factory=list)
    _heard: int = 0
    _last: int = 0
    _answers: dict[UUID, int] = field(default_factory=dict)
    """Of each answer that has not reached the customer yet: the newest message it answers."""
    _open: dict[int, datetime] = field(default_factory=dict)
    """When each message came that the customer waits for an answer to."""

    def facts(self, priority: str | None) -> Facts:
        """The same for the function that counts."""
        known: Priority = next((one for one in PRIORITIES if one == priority), "medium")
        return Facts(
            priority=known,
            resolved=self.status == "resolved",
            waiting_since=self.waiting_since,
            answered_at=self.answered_at,
            resolution_from=self.started,
            pauses=tuple(self.pauses),
            resting=self.resting_since is not None,
            window_until=self.window_until,
        )

    def due(self, priority: str | None, policy: Policy) -> tuple[DueTime, ...]:
        """The clocks that ran, by that policy, the soonest first."""
        return running(self.facts(priority), policy)


def timing(happenings: Sequence[Happening], said: Sequence[Said], upto: int) -> Timing | None:
    """The timing right after event number `upto` (from 0). None before the first.

    The events must reach back to the conversation's beginning.
    """
    if upto < 0 or not happenings:
        return None
    told = Timing(happenings[0].at)
    messages = {message.id: message for message in said}
    for happening in happenings[: upto + 1]:
        _step(told, happening, messages)
    return told


def _step(told: Timing, happening: Happening, messages: Mapping[UUID, Said]) -> None:
    facts, at = happening.facts, happening.at
    was, owner = told.status, told.owner
    told.status, told.owner = facts.get("status") or was, facts.get("owner") or owner
    told._last = max(told._last, int(facts.get("seq") or 0))
    match happening.type:
        case "message.received":
            _received(told, happening, messages)
        case "turn.started":
            told._heard = told._last
        case "reply.queued" | "reply.sent":
            # Being told that a person takes over is no answer.
            if not (facts.get("role") == "agent" and facts.get("status") == "escalated"):
                own = int(facts.get("seq") or told._last)
                covers = own if facts.get("role") == "operator" else min(own, told._heard or own)
                told._answers[_message(happening)] = covers
                if happening.type == "reply.sent":
                    _reached(told, _message(happening), at)
        case "delivery.changed" if facts.get("kind", "answer") == "answer":
            if (facts.get("message_state") or facts.get("state")) in _REACHED:
                _reached(told, _message(happening), at)
        case "conversation.snoozed":
            until = facts.get("until")
            told.snoozed_until = datetime.fromisoformat(until) if isinstance(until, str) else until
        case "conversation.woken":
            told.snoozed_until = None
    if told.owner != owner:
        told.snoozed_until = None
    if told.status == "resolved":
        told.waiting_since = told.snoozed_until = None
        told._open.clear()
    elif was == "resolved":
        told.started, told.resting_since, told.pauses = at, None, []
    _rest(told, at)


def _received(told: Timing, happening: Happening, messages: Mapping[UUID, Said]) -> None:
    facts, at = happening.facts, happening.at
    told.window_until = at + WINDOW if facts.get("channel") == "whatsapp" else None
    message = messages.get(_message(happening))
    if message is not None and not message.reopens:
        return
    if told.status == "resolved":
        told.status = "open"
    told._open[int(facts.get("seq") or told._last)] = at
    told.waiting_since = told.waiting_since or at
    told.snoozed_until = None


def _reached(told: Timing, answer: UUID, at: datetime) -> None:
    covers = told._answers.pop(answer, None)
    if covers is None:
        return
    told.answered_at = told.answered_at or at
    told._open = {seq: came for seq, came in told._open.items() if seq > covers}
    told.waiting_since = min(told._open.values(), default=None)


def _rest(told: Timing, at: datetime) -> None:
    rests = told.status == "resolved" or told.waiting_since is None or told.snoozed_until is not None
    if rests and told.resting_since is None:
        told.resting_since = at
    elif not rests and told.resting_since is not None:
        if at - told.resting_since > timedelta():
            told.pauses.append((told.resting_since, at))
        told.resting_since = None


def _message(happening: Happening) -> UUID:
    value = happening.facts.get("message_id")
    return value if isinstance(value, UUID) else UUID(str(value or UUID(int=0)))
