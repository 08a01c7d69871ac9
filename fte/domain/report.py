"""What happened in a day, for the people who run the desk: numbers, and what nobody could answer."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from fte.domain.channels import CHANNEL_WORDS
from fte.domain.gaps import Gap
from fte.domain.resolution import RESOLUTIONS, Resolution
from fte.domain.text import unmarked

ALL: Final = "all"
"""The name of the row that is of all channels together."""
GAPS_SHOWN: Final = 10
_RESOLUTIONS: Final[dict[Resolution, str]] = {
    "confirmed": "Confirmed: the customer's last word was thanks",
    "assumed": "Assumed: silent for {hours} h since the AI's answer",
    "reopened": "Reopened: had counted as one of these, then wrote again within 7 days",
    "handed_over": "Handed over to a person",
    "undecided": "Not decided yet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDay:
    """The day on one channel, or on all. Times are seconds from the first unanswered message to the answer, the AI's or a
    person's."""

    channel: str
    messages: int = 0
    conversations: int = 0
    customers: int = 0
    sentiment: float | None = None
    answers_ai: int = 0
    answers_people: int = 0
    answer_p50: float | None = None
    answer_p95: float | None = None
    people_p50: float | None = None
    people_p95: float | None = None
    escalations: dict[str, int] = field(default_factory=dict)
    resolutions: dict[Resolution, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageUse:
    """A page of the knowledge base, and how many answers came from it first of all."""

    source: str
    title: str
    answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NearPage:
    """The page that came nearest to a question, and how near: its relevance from 0 to 1."""

    source: str
    title: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestion:
    """A subject without a page, and the page that came nearest to it, if there is any."""

    gap: Gap
    nearest: NearPage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A period's numbers: from `since`, included, to `until`, not included; what became of whom as it was at `made_at`."""

    since: datetime
    until: datetime
    made_at: datetime
    assumed_after: timedelta
    channels: tuple[ChannelDay, ...]
    categories: dict[str, int] = field(default_factory=dict)
    pages: tuple[PageUse, ...] = ()
    gaps: tuple[OpenQuestion, ...] = ()


def markdown(report: Report) -> str:
    """The report as Markdown. Customers' words in it are on one line and cannot be taken for markup."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# Support on {report.since:%A, %d %B %Y}"
    yield ""
    yield f"From {report.since:%Y-%m-%d %H:%M %Z} to {report.until:%Y-%m-%d %H:%M %Z}."
    shown = [day for day in report.channels if day.channel == ALL or day.messages]
    if not any(day.messages for day in shown):
        yield ""
        yield "No customer wrote."
        return
    yield from _table(
        (
            "",
            "Messages",
            "Conversations",
            "Customers",
            "Mood",
            "Answers of the AI",
            "median",
            "95 %",
            "of people",
            "median",
            "95 %",
        ),
        (
            (
                _named(day.channel),
                str(day.messages),
                str(day.conversations),
                str(day.customers),
                "–" if day.sentiment is None else f"{day.sentiment:.2f}",
                str(day.answers_ai),
                _seconds(day.answer_p50),
                _seconds(day.answer_p95),
                str(day.answers_people),
                _seconds(day.people_p50),
                _seconds(day.people_p95),
            )
            for day in shown
        ),
    )
    yield ""
    yield "Mood is from 0 (angry) to 1 (glad). Median and 95 % are of the time from a message to its answer."
    total = next(day for day in shown if day.channel == ALL)
    yield from _section("What became of the conversations", _became(shown, report.assumed_after))
    yield from _section(
        "Handed to a person, by reason",
        [f"- {_words(reason)}: {n}" for reason, n in total.escalations.items()],
    )
    yield from _section("Topics", [f"- {_words(name)}: {n}" for name, n in report.categories.items()])
    yield from _section(
        "Pages that answered most",
        [f"- {unmarked(page.title)} ({unmarked(page.source)}): {page.answers}" for page in report.pages],
    )
    yield from _section("Questions without an answer in the knowledge base", [*_open(report.gaps)])


def _became(days: list[ChannelDay], assumed_after: timedelta) -> list[str]:
    hours = f"{assumed_after / timedelta(hours=1):g}"
    rows = [
        (_RESOLUTIONS[kind].format(hours=hours), *(str(day.resolutions.get(kind, 0)) for day in days))
        for kind in RESOLUTIONS
    ]
    return [*_table(("", *(_named(day.channel) for day in days)), rows)][1:]


def _open(gaps: tuple[OpenQuestion, ...]) -> Iterator[str]:
    for found in gaps[:GAPS_SHOWN]:
        numbers = ", ".join(f"#{number}" for number in found.gap.conversations[:5])
        more = len(found.gap.conversations) - 5
        times = "once" if found.gap.asked == 1 else f"{found.gap.asked} times"
        yield f"- {unmarked(found.gap.example)} ({times}: {numbers}{f' and {more} more' if more > 0 else ''})"
        if found.nearest is not None:
            near = found.nearest
            yield f"  Nearest page: {unmarked(near.title)} ({unmarked(near.source)}), relevance {near.score:.2f}"
    if len(gaps) > GAPS_SHOWN:
        yield f"- {len(gaps) - GAPS_SHOWN} more: `fte kb gaps`"


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield from ("", f"## {title}", "", *lines)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    heads = list(head)
    yield ""
    yield f"| {' | '.join(heads)} |"
    yield f"|{'|'.join('---' if place == 0 else '---:' for place in range(len(heads)))}|"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _named(channel: str) -> str:
    words = next((words for name, words in CHANNEL_WORDS.items() if name == channel), channel)
    return words[:1].upper() + words[1:]


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds >= 3 * 3_600:
        return f"{seconds / 3_600:.0f} h"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.0f} min"


def _words(code: str) -> str:
    return unmarked(code.replace("_", " ").capitalize())
