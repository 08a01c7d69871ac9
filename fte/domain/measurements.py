"""What is measured: numbers read off the events of the metrics' topic."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec

from fte.domain.channels import Channel
from fte.domain.errors import Malformed

TURN_FINISHED: Final = "turn.finished"
DRAFT_DECIDED: Final = "draft.decided"

_T = TypeVar("_T")
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


class _Turn(msgspec.Struct, frozen=True):
    channel: Channel
    outcome: _Word
    reason: _Word | None
    failed: bool
    run_ms: _Count
    waiting_since: _Time
    input_tokens: _Count
    output_tokens: _Count


class _Draft(msgspec.Struct, frozen=True):
    channel: Channel
    decision: _Word
    held_at: _Time


def measurements(type_: str, at: datetime, payload: Any) -> list[Measurement]:
    """What an event announced `at` that time says; nothing for a type that is not known here.

    Of a finished turn: `turn` and, where it was handed over, `escalation` (1 each, to be summed up), `turn_seconds`
    (from the customer's first unanswered message to the answer), `run_ms` (the agent's part of that),
    `tokens_input` and `tokens_output`; `turn_seconds` is missing where the answer waits for approval.
    Of a decision on a held answer: `draft` (1) and `draft_seconds`, how long it had waited.

    Raises Malformed for a payload that lacks something or makes no sense.
    """
    if type_ == TURN_FINISHED:
        return _of_turn(at, _read(payload, _Turn, "A finished turn"))
    if type_ == DRAFT_DECIDED:
        return _of_draft(at, _read(payload, _Draft, "A decision on a draft"))
    return []


def _read(payload: Any, type_: type[_T], what: str) -> _T:
    try:
        return msgspec.convert(payload, type_)
    except msgspec.ValidationError as error:
        raise Malformed(f"{what} is not understood: {error}.") from None


def _of_draft(at: datetime, draft: _Draft) -> list[Measurement]:
    waited = max(0.0, (at - draft.held_at).total_seconds())
    return [
        Measurement("draft", 1.0, draft.channel, {"decision": draft.decision}),
        Measurement("draft_seconds", waited, draft.channel, {"decision": draft.decision}),
    ]


def _of_turn(at: datetime, turn: _Turn) -> list[Measurement]:
    found = [
        Measurement("turn", 1.0, turn.channel, {"outcome": turn.outcome, "failed": turn.failed}),
        Measurement("run_ms", float(turn.run_ms), turn.channel),
        Measurement("tokens_input", float(turn.input_tokens), turn.channel),
        Measurement("tokens_output", float(turn.output_tokens), turn.channel),
    ]
    if turn.outcome != "drafted":
        waited = max(0.0, (at - turn.waiting_since).total_seconds())
        found.insert(1, Measurement("turn_seconds", waited, turn.channel))
    if turn.reason is not None:
        found.append(Measurement("escalation", 1.0, turn.channel, {"reason": turn.reason}))
    return found
