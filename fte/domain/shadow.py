"""Past answers beside those of another model or other instructions: what would have been different."""

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

from fte.domain.channels import Channel
from fte.domain.text import unmarked
from fte.domain.turns import Assignment, Outcome

Change = Literal["same", "reworded", "answers_instead", "hands_over_instead", "other_reason", "failed"]
CHANGES: Final[tuple[Change, ...]] = get_args(Change)
_WORDS: Final[dict[Change, str]] = {
    "same": "The same answer",
    "reworded": "Another answer",
    "answers_instead": "Answered; a person got it before",
    "hands_over_instead": "Handed to a person; answered before",
    "other_reason": "Handed to a person for another reason",
    "failed": "The run failed",
}


@dataclass(frozen=True, slots=True)
class Said:
    """What became of a turn: the words for the customer, and why a person got it; "": nobody did."""

    text: str
    reason: str = ""
    sources: tuple[str, ...] = ()
    tokens: int = 0
    latency_ms: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Past:
    """A turn as it stood when it was answered, and what became of it."""

    number: int
    channel: Channel
    at: datetime
    model: str
    assignment: Assignment
    was: Said


@dataclass(frozen=True, slots=True)
class Compared:
    past: Past
    now: Said
    change: Change


def said(outcome: Outcome) -> Said:
    """What a run wants to come true."""
    trace = outcome.trace
    return Said(
        outcome.reply,
        outcome.escalation.reason if outcome.escalation else "",
        tuple(dict.fromkeys(passage.source for passage in trace.passages)),
        trace.input_tokens + trace.output_tokens,
        trace.latency_ms,
        trace.error or "",
    )


def compared(past: Past, now: Said) -> Compared:
    """What is different. Of a hand-over the reason counts, not the words: those no model writes."""
    was = past.was
    change: Change
    if now.error:
        change = "failed"
    elif bool(now.reason) != bool(was.reason):
        change = "hands_over_instead" if now.reason else "answers_instead"
    elif now.reason:
        change = "same" if now.reason == was.reason else "other_reason"
    else:
        change = "same" if now.text.split() == was.text.split() else "reworded"
    return Compared(past, now, change)


def markdown(found: Sequence[Compared], model: str) -> str:
    """The differences side by side, those in what was done before those in words."""
    return "\n".join(_lines(found, model)) + "\n"


def _lines(found: Sequence[Compared], model: str) -> Iterator[str]:
    yield f"# {len(found)} past turns with {unmarked(model)}"
    yield ""
    if not found:
        yield "No turn was answered in that time."
        return
    counts = Counter(one.change for one in found)
    yield from (f"- {_WORDS[change]}: {counts[change]}" for change in CHANGES if counts[change])
    tokens = sum(one.now.tokens for one in found), sum(one.past.was.tokens for one in found)
    yield f"- Tokens: {tokens[0]:,}; before {tokens[1]:,}"
    order = {change: place for place, change in enumerate(reversed(CHANGES))}
    for one in sorted(found, key=lambda one: order[one.change]):
        if one.change != "same":
            yield from _difference(one)


def _difference(one: Compared) -> Iterator[str]:
    past = one.past
    yield ""
    yield f"## #{past.number}, {past.channel.replace('_', ' ')}, {past.at:%Y-%m-%d %H:%M} UTC: {_WORDS[one.change].lower()}"
    yield ""
    yield f"Asked: {unmarked(past.assignment.question)}"
    yield ""
    yield f"Before, by {unmarked(past.model)}{_why(past.was)}"
    yield from _quoted(past.was.text)
    yield f"Now{f' ({unmarked(one.now.error)})' if one.now.error else ''}{_why(one.now)}"
    yield from _quoted(one.now.text)
    if one.change == "reworded":
        share = difflib.SequenceMatcher(None, past.was.text.split(), one.now.text.split()).ratio()
        yield f"Words in common: {share:.0%}. Pages before: {_pages(past.was)}; now: {_pages(one.now)}"


def _why(one: Said) -> str:
    return f", handed over: {unmarked(one.reason.replace('_', ' '))}" if one.reason else ""


def _pages(one: Said) -> str:
    return ", ".join(map(unmarked, one.sources)) or "none"


def _quoted(text: str) -> Iterator[str]:
    yield ""
    yield from (f"> {unmarked(line)}" for line in text.strip().splitlines() or ["(nothing)"])
    yield ""
