"""What is measured: numbers read off events."""

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Annotated, Any, Final, TypeVar

import msgspec

from fte.domain.channels import Channel
from fte.domain.errors import Malformed

TURN_FINISHED: Final = "turn.finished"
RUN_WASTED: Final = "run.wasted"
ESCALATION_RAISED: Final = "escalation.raised"
MESSAGE_SETTLED: Final = "message.settled"
REPLY_SETTLED: Final = "reply.settled"
LEASE_EXPIRED: Final = "lease.expired"
DRAFT_DECIDED: Final = "draft.decided"
_DEADLINES: Final = {"deadline.warning": "deadline_warning", "deadline.breached": "deadline_breached"}

SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 1800.0, 3600.0)
"""Bounds between which times are told apart."""
BOUNDS: Final[dict[str, tuple[float, ...]]] = {
    "turn_seconds": SECONDS,
    "run_ms": tuple(bound * 1000 for bound in SECONDS),
}
"""For each measurement whose distribution is kept, the bounds of its buckets."""

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
_Time = Annotated[datetime, msgspec.Meta(tz=True)]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number. `dimensions` are facts of few values each, to group by."""

    name: str
    value: float
    channel: Channel
    dimensions: dict[str, str | bool] = field(default_factory=dict)

    @property
    def bucket(self) -> float:
        """The smallest of its bounds that the value does not exceed; infinity beyond them, and where there are none."""
        bounds = BOUNDS.get(self.name, ())
        place = bisect_left(bounds, self.value)
        return bounds[place] if place < len(bounds) else inf


@dataclass(frozen=True, slots=True)
class Prices:
    """What a million tokens cost, in whatever currency; 0: nothing is counted."""

    input: float = 0.0
    output: float = 0.0


FREE: Final = Prices()


class _Run(msgspec.Struct, frozen=True):
    channel: Channel
    outcome: _Word
    run_ms: _Count
    input_tokens: _Count
    output_tokens: _Count


class _Turn(_Run, frozen=True):
    reason: _Word | None
    failed: bool
    waiting_since: _Time


class _Escalation(msgspec.Struct, frozen=True):
    channel: Channel
    reason: _Word


class _Message(msgspec.Struct, frozen=True):
    channel: Channel
    outcome: _Word


class _Reply(msgspec.Struct, frozen=True):
    channel: Channel
    state: _Word


class _Lease(msgspec.Struct, frozen=True):
    channel: Channel
    of: _Word


class _Draft(msgspec.Struct, frozen=True):
    channel: Channel
    decision: _Word
    held_at: _Time


class _Deadline(msgspec.Struct, frozen=True):
    channel: Channel
    due_kind: _Word
    priority: _Word
    owner: _Word


_Kind = TypeVar("_Kind")


def measurements(type_: str, at: datetime, payload: Any, prices: Prices = FREE) -> list[Measurement]:
    """What an event announced `at` that time says; nothing for a type that is not known here.

    Of a finished turn: `turn` (1, to be summed up), `turn_seconds` (from the customer's first unanswered message to
    the answer). Of it and of every run that was thrown away: `run_ms` (how long the agent took), `tokens_input`,
    `tokens_output`, and their `cost` where there are prices. The others are 1 each: `wasted_run`, `escalation`,
    `message` (a customer's, dealt with), `delivery` (a reply that has come to a state) and `lease_expired`; `turn_seconds`
    is missing where the answer waits for approval. Of a decision on a held answer: `draft` (1) and `draft_seconds`, how
    long it had waited. Of a deadline: `deadline_warning` or `deadline_breached`, 1 each.

    Raises Malformed for a payload that lacks something or makes no sense.
    """
    if type_ == TURN_FINISHED:
        return _of_turn(at, _read(payload, _Turn, "A finished turn"), prices)
    if type_ == RUN_WASTED:
        run = _read(payload, _Run, "A wasted run")
        wasted = Measurement("wasted_run", 1.0, run.channel, {"outcome": run.outcome})
        return [wasted, *_of_run(run, prices)]
    if type_ == ESCALATION_RAISED:
        raised = _read(payload, _Escalation, "An escalation")
        return [Measurement("escalation", 1.0, raised.channel, {"reason": raised.reason})]
    if type_ == MESSAGE_SETTLED:
        message = _read(payload, _Message, "A message's outcome")
        return [Measurement("message", 1.0, message.channel, {"outcome": message.outcome})]
    if type_ == REPLY_SETTLED:
        reply = _read(payload, _Reply, "A reply's state")
        return [Measurement("delivery", 1.0, reply.channel, {"state": reply.state})]
    if type_ == LEASE_EXPIRED:
        lease = _read(payload, _Lease, "An expired lease")
        return [Measurement("lease_expired", 1.0, lease.channel, {"of": lease.of})]
    if type_ == DRAFT_DECIDED:
        return _of_draft(at, _read(payload, _Draft, "A decision on a draft"))
    if type_ in _DEADLINES:
        due = _read(payload, _Deadline, "A deadline")
        facts: dict[str, str | bool] = {"kind": due.due_kind, "priority": due.priority, "owner": due.owner}
        return [Measurement(_DEADLINES[type_], 1.0, due.channel, facts)]
    return []


def _read(payload: Any, kind: type[_Kind], what: str) -> _Kind:
    try:
        return msgspec.convert(payload, kind)
    except msgspec.ValidationError as error:
        raise Malformed(f"{what} is not understood: {error}.") from None


def _of_draft(at: datetime, draft: _Draft) -> list[Measurement]:
    waited = max(0.0, (at - draft.held_at).total_seconds())
    return [
        Measurement("draft", 1.0, draft.channel, {"decision": draft.decision}),
        Measurement("draft_seconds", waited, draft.channel, {"decision": draft.decision}),
    ]


def _of_turn(at: datetime, turn: _Turn, prices: Prices) -> list[Measurement]:
    waited = max(0.0, (at - turn.waiting_since).total_seconds())
    answered = [] if turn.outcome == "drafted" else [Measurement("turn_seconds", waited, turn.channel)]
    return [
        Measurement("turn", 1.0, turn.channel, {"outcome": turn.outcome, "failed": turn.failed}),
        *answered,
        *_of_run(turn, prices),
    ]


def _of_run(run: _Run, prices: Prices) -> list[Measurement]:
    found = [
        Measurement("run_ms", float(run.run_ms), run.channel),
        Measurement("tokens_input", float(run.input_tokens), run.channel),
        Measurement("tokens_output", float(run.output_tokens), run.channel),
    ]
    cost = (run.input_tokens * prices.input + run.output_tokens * prices.output) / 1_000_000
    return [*found, Measurement("cost", cost, run.channel)] if cost else found
