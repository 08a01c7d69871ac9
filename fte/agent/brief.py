"""The brief of a hand-over: what a person needs to take over without reading back. Pure functions."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from fte.agent import format
from fte.agent.company import Company
from fte.agent.secrets import masked
from fte.domain import escalation
from fte.domain.escalation import ReasonToAsk
from fte.domain.mood import mood_trend, mood_word
from fte.domain.sentiment import sentiment
from fte.domain.text import one_line
from fte.domain.turns import Assignment, Escalation, Urgency

ASKED_MAX: Final = 1_000
_ASKED_END: Final = 400
"""Characters of a longer text that are kept of its end: threats and wishes often close a mail."""
_LEFT_OUT: Final = "\n[…]\n"
_SO_FAR_MAX: Final = 4
"""Earlier messages a brief quotes, the newest ones."""
_SO_FAR_LENGTH: Final = 300
"""Characters of each."""
_WROTE: Final = {"customer": "asked before", "agent": "answered", "operator": "a colleague wrote"}


def brief(
    reason: escalation.Reason,
    assignment: Assignment,
    mood: float,
    *,
    wanted: Urgency | None = None,
    summary: str = "",
    tried: Sequence[str] = (),
    sources: Sequence[str] = (),
) -> Escalation:
    """`mood` is that of the messages handed over, `wanted` the urgency asked for, `summary` the model's words."""
    # A model may write what a customer told it to, or make it up: its words never stand in the place of theirs.
    asked = _ends(masked(assignment.question))
    summary = one_line(summary)
    summed_up = [f"the AI's summary: {summary}"] if summary not in one_line(asked) else []
    return Escalation(
        reason=reason,
        urgency=escalation.urgency(reason, wanted, len(assignment.waiting_elsewhere)),
        asked=asked or "(an empty message)",
        tried=(
            *_made_so(reason, assignment, asked),
            *summed_up,
            *assignment.waiting_elsewhere,
            *_so_far(assignment),
            *tried,
        ),
        sources=tuple(dict.fromkeys(sources)),
        mood=_mood_words(assignment, mood),
    )


def handed_on(
    reason: ReasonToAsk,
    wanted: Urgency | None,
    by: str,
    note: str,
    assignment: Assignment,
    *,
    company: Company,
    now: datetime,
    on_duty: bool,
) -> tuple[Escalation, str]:
    """The brief of an operator's hand-over, and what the customer is told: the same as when the AI hands over itself.

    `by` is the operator's name, `note` what they add for whoever takes it; `on_duty`: somebody is there.
    """
    assignment = _with_the_last_word(assignment)
    said = f"{one_line(by)} handed it to people{f': {one_line(note)}' if note else ''}"
    told = brief(reason, assignment, mood_of(assignment), wanted=wanted, tried=[said])
    priority = escalation.priority(reason, told.urgency)
    words = format.handover(reason, assignment, company, now, priority=priority, on_duty=on_duty)
    return told, words


def _with_the_last_word(assignment: Assignment) -> Assignment:
    """Where everything is answered, the customer's newest message is what is handed over."""
    if any(line.new for line in assignment.lines):
        return assignment
    newest = max((line.seq for line in assignment.lines if line.role == "customer"), default=None)
    lines = tuple(replace(line, new=line.seq == newest) for line in assignment.lines)
    return replace(assignment, lines=lines)


def mood_of(assignment: Assignment) -> float:
    """The lowest mood of the messages the answer is owed for."""
    return min(
        (sentiment(line.content) for line in assignment.lines if line.new and line.role == "customer"),
        default=0.5,
    )


def _ends(text: str) -> str:
    """The text, of a longer one its beginning and its end, at most ASKED_MAX characters."""
    if len(text) <= ASKED_MAX:
        return text
    return f"{text[: ASKED_MAX - _ASKED_END - len(_LEFT_OUT)]}{_LEFT_OUT}{text[-_ASKED_END:]}"


def _made_so(reason: escalation.Reason, assignment: Assignment, asked: str) -> list[str]:
    """What a rule found in a text too long to be shown whole, where it is not among what is shown."""
    if len(assignment.question) <= ASKED_MAX:
        return []
    sentence = masked(one_line(escalation.what_says(reason, assignment.question, assignment.channel)))
    return [] if not sentence or sentence in one_line(asked) else [f"what made it so: {sentence}"]


def _so_far(assignment: Assignment) -> list[str]:
    """What was last asked and answered before these messages: a wish for a person seldom says what it is about."""
    spoken = [line for line in assignment.lines if not line.new and line.role in _WROTE]
    return [
        f"{_WROTE[line.role]}: {masked(one_line(line.content))[:_SO_FAR_LENGTH]}"
        for line in spoken[-_SO_FAR_MAX:]
    ]


def _mood_words(assignment: Assignment, mood: float) -> str:
    """The mood now, and where it is going over the conversation."""
    wrote = [line for line in assignment.lines if line.role == "customer"]
    earlier = [sentiment(line.content) for line in wrote if not line.new]
    trend = mood_trend([*earlier, mood]) if earlier else ""
    return f"{mood_word(mood)} ({mood:.2f}{f', {trend}' if trend else ''})"
