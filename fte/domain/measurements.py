"""What is measured: numbers read off the events of the metrics' topic."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import msgspec

from fte.domain.channels import Channel
from fte.domain.errors import Malformed

TURN_FINISHED: Final = "turn.finished"
_DEADLINES: Final = {"deadline.warning": "deadline_warning", "deadline.breached": "deadline_breached"}

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


class _Deadline(msgspec.Struct, frozen=True):
    channel: Channel
    due_kind: _Word
    priority: _Word
    owner: _Word


def measurements(type_: str, at: datetime, payload: Any) -> list[Measurement]:
    """What an event announced `at` that time says; nothing for a type that is not known here.

    Of a finished turn: `turn` and, where it was handed over, `escalation` (1 each, to be summed up), `turn_seconds`
    (from the customer's first unanswered message to the answer), `run_ms` (the agent's part of that),
    `tokens_input` and `tokens_output`. Of a deadline: `deadline_warning` or `deadline_breached`, 1 each.

    Raises Malformed for a payload that lacks something or makes no sense.
    """
    if type_ == TURN_FINISHED:
        return _of_turn(at, _read(payload, _Turn))
    if type_ in _DEADLINES:
        due = _read(payload, _Deadline)
        facts: dict[str, str | bool] = {"kind": due.due_kind, "priority": due.priority, "owner": due.owner}
        return [Measurement(_DEADLINES[type_], 1.0, due.channel, facts)]
    return []


def _read(payload: Any, type_: type[_T]) -> _T:
    try:
        return msgspec.convert(payload, type_)
    except msgspec.ValidationError as error:
        raise Malformed(f"An event of the metrics is not understood: {error}.") from None


def _of_turn(at: datetime, turn: _Turn) -> list[Measurement]:
    found = [
        Measurement("turn", 1.0, turn.channel, {"outcome": turn.outcome, "failed": turn.failed}),
        Measurement("turn_seconds", max(0.0, (at - turn.waiting_since).total_seconds()), turn.channel),
        Measurement("run_ms", float(turn.run_ms), turn.channel),
        Measurement("tokens_input", float(turn.input_tokens), turn.channel),
        Measurement("tokens_output", float(turn.output_tokens), turn.channel),
    ]
    if turn.reason is not None:
        found.append(Measurement("escalation", 1.0, turn.channel, {"reason": turn.reason}))
    return found
