"""How metrics, channels, dead letters and search results are put into words. Pure."""

import textwrap
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from fte.console import plots
from fte.console.present import clock_time, mood, plural, reason_words, span
from fte.console.safe import Part, block, line
from fte.domain.channels import CHANNEL_WORDS
from fte.wire import (
    Backlog,
    ChannelState,
    ChannelsView,
    CustomerHit,
    KnowledgeHits,
    LettersDone,
    LetterView,
    MetricsView,
    Series,
    SuggestionView,
)

_LABEL: Final = 10
_REASONS_MAX: Final = 6
_BAR: Final = 30
_BEHIND_MAX: Final = 6
"""Lags that are shown, the greatest."""
_BEHIND_MUCH: Final = 1_000
"""Events from which on a lag stands out, as in the alert KafkaConsumerLag."""
_TEXT: Final = 76
"""Columns of a passage."""
_STATES: Final = {
    "active": ("✓ works", "$text-success"),
    "unhealthy": ("✗ ILL", "bold $text-error"),
    "inactive": ("– not set up", "$text-muted"),
}
_REPLY_WORDS: Final = {
    "queued": "queued",
    "sending": "being sent",
    "unknown": "UNKNOWN, for a person to check",
}
_LETTER_WORDS: Final = {"waiting": "△ waiting", "replayed": "↻ replayed", "dropped": "✗ dropped"}


# ---------------------------------------------------------------- metrics


def _channel(name: str) -> str:
    return "all channels" if name == "all" else CHANNEL_WORDS.get(name, line(name, 20))  # type: ignore[call-overload]


def metrics(view: MetricsView, series: Series, now: datetime) -> list[Part]:
    """The whole screen: curves of one channel, a table of all, reasons, and what waits."""
    whole = "the last hour" if view.span == "1h" else "the last 24 hours"
    step = "1 minute" if view.step == 60 else f"{view.step // 60} minutes"
    parts: list[Part] = [
        (f"{_channel(series.channel).capitalize()}, {whole}", "bold"),
        (f"  since {clock_time(view.start, now)}, a column is {step}\n", "$text-muted"),
        ("Waiting now: ", "bold"),
        *backlog(view.backlog, now),
        *_behind(view),
        "\n\n",
    ]
    parts += _curve("received", series.received, f"{sum(series.received):,}")
    parts += _curve("answered", _answered(series), f"{sum(_answered(series)):,}")
    parts += _curve("to people", series.escalations, f"{sum(series.escalations):,}")
    parts += _curve("half in", series.p50, plots.seconds(series.p50_all))
    parts += _curve("95 % in", series.p95, plots.seconds(series.p95_all))
    mean = "–" if series.sentiment_all is None else f"{series.sentiment_all:.2f}"
    parts += _curve("mood", series.sentiment, mean, top=1.0)
    parts += _table(view.series, series.channel)
    parts += _reasons(series)
    return parts


def _behind(view: MetricsView) -> list[Part]:
    """How far the consumers of events are behind, the furthest first."""
    if view.bus is None:
        return []
    label: list[Part] = [("\nConsumer lag: ", "bold")]
    if view.bus == "log":
        return [*label, ("none, there is no Kafka: consumers read the log itself", "$text-muted")]
    if view.lag is None:
        return [*label, ("? not known, Kafka does not answer", "$text-warning")]
    late = sorted((one for one in view.lag if one.events), key=lambda one: -one.events)
    if not late:
        return [*label, "0, all events are handled"]
    for one in late[:_BEHIND_MAX]:
        words = f"\n  {line(one.group, 26):<26} {line(one.topic, 32):<32} {plural(one.events, 'event')}"
        label.append((words, "$text-warning" if one.events >= _BEHIND_MUCH else ""))
    return label


def _answered(series: Series) -> list[int]:
    return [max(0, turns - over) for turns, over in zip(series.turns, series.escalations, strict=True)]


def _curve(name: str, values: Sequence[float | None], total: str, top: float | None = None) -> list[Part]:
    return [
        f"{name:<{_LABEL}}",
        (plots.spark(values, top), "$text-primary"),
        (f" {total}\n", "bold"),
    ]


def _table(all_: Sequence[Series], chosen: str) -> list[Part]:
    head = f"\n{'':<14}{'received':>9}{'answered':>10}{'to people':>11}{'half in':>9}{'95 % in':>9}  mood\n"
    parts: list[Part] = [(head, "$text-muted")]
    for series in all_:
        figures = (
            f"{sum(series.received):>9,}{sum(_answered(series)):>10,}{sum(series.escalations):>11,}"
            f"{plots.seconds(series.p50_all):>9}{plots.seconds(series.p95_all):>9}  {mood(series.sentiment_all) or '–'}"
        )
        marker = "▶ " if series.channel == chosen else "  "
        words = f"{marker}{_channel(series.channel):<12}{figures}\n"
        parts.append((words, "bold") if series.channel == chosen else words)
    return parts


def _reasons(series: Series) -> list[Part]:
    """Why people were needed, the most frequent reason first."""
    if not series.reasons:
        return [("\nNobody needed a person.\n", "$text-muted")]
    found = sorted(series.reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    parts: list[Part] = [("\nWhy a person was needed\n", "$text-muted")]
    for reason, count in found[:_REASONS_MAX]:
        parts += [
            f"  {line(reason_words(reason), 26):<26} {count:>5,} ",
            (plots.bar(count, found[0][1], _BAR) + "\n", "$text-warning"),
        ]
    if len(found) > _REASONS_MAX:
        rest = sum(count for _, count in found[_REASONS_MAX:])
        parts.append((f"  {plural(len(found) - _REASONS_MAX, 'other reason')}: {rest:,}\n", "$text-muted"))
    return parts


def backlog(waits: Backlog, now: datetime) -> list[Part]:
    """What waits, in a sentence."""
    parts: list[Part] = [plural(waits.owed, "answer") + " owed by the AI"]
    if waits.owed_since is not None and waits.owed_since < now:
        parts.append(f" (oldest {span(now - waits.owed_since)})")
    for one in waits.replies:
        words = f"; {CHANNEL_WORDS.get(one.channel, one.channel)}: {one.count:,} {_REPLY_WORDS.get(one.state, one.state)}"
        parts.append((words, "bold $text-error") if one.state == "unknown" else words)
    letters = f"; {plural(waits.dead_letters, 'dead letter')}"
    parts.append((letters, "bold $text-error") if waits.dead_letters else letters)
    return parts


# ---------------------------------------------------------------- channels and dead letters


def channels(view: ChannelsView, now: datetime) -> list[Part]:
    """How each channel is, and what is on its way."""
    parts: list[Part] = []
    for one in view.channels:
        parts += [*_state(one, now), "\n"]
    for name, words in sorted(view.problems.items()):
        parts.append((f"✗ {line(name, 20)}: {line(words, 200)}\n", "bold $text-error"))
    parts += [("Waiting: ", "bold"), *backlog(view.backlog, now)]
    if view.relay_delay is not None:
        late = view.relay_delay > 5
        words = f"; Kafka is {plots.seconds(view.relay_delay)} behind"
        parts.append((words, "bold $text-error") if late else words)
    return parts


def _state(one: ChannelState, now: datetime) -> list[Part]:
    parts: list[Part] = [f"{CHANNEL_WORDS.get(one.channel, one.channel):<10}", _STATES[one.state]]
    if one.account:
        parts.append((f"  {line(one.account, 40)}", "$text-muted"))
    if one.changed_at is not None:
        parts.append((f"  since {clock_time(one.changed_at, now)}", "$text-muted"))
    if one.until is not None:
        left = one.until - now
        soon = left < timedelta(days=1)
        words = f"  watch ends {clock_time(one.until, now)}" if left > timedelta(0) else "  WATCH HAS ENDED"
        parts.append((words, "bold $text-warning" if soon else "$text-muted"))
    if one.detail:
        parts.append((f"\n          {line(one.detail, 200)}", "$text-error"))
    return parts


def letter(one: LetterView, now: datetime) -> list[Part]:
    """A dead letter on one line."""
    return [
        f"{one.id:>5}  {_LETTER_WORDS[one.state]:<10}  {clock_time(one.created_at, now)}  ",
        (f"{line(one.group.removeprefix('fte-'), 20)}  ", "$text-muted"),
        line(one.type, 24),
        (f"  {line(one.error, 30)} ×{one.attempts}", "$text-error"),
    ]


def letter_whole(one: LetterView, payload: str, now: datetime) -> list[Part]:
    """A dead letter with its event."""
    facts = {
        "state": f"{_LETTER_WORDS[one.state]}, since {clock_time(one.changed_at, now)}",
        "reason": one.reason,
        "group": one.group,
        "topic": one.topic,
        "type": one.type,
        "key": one.key,
        "event": f"{one.event_id}, {clock_time(one.at, now)}",
        "failed": f"{plural(one.attempts, 'time')}, last with {one.error}",
        "replays": str(one.replays),
    }
    parts: list[Part] = []
    for name, value in facts.items():
        if value:
            parts += [(f"{name:<9}", "$text-muted"), f"{line(value, 200)}\n"]
    return [*parts, "\n", block(payload, 10_000)]


def letters_done(what: str, done: LettersDone) -> tuple[str, bool]:
    """What became of them, and whether all went well."""
    refused = "; ".join(f"{line(letter, 12)}: {line(why, 120)}" for letter, why in done.refused.items())
    words = f"{what}: {', '.join(map(str, done.done))}." if done.done else ""
    return " ".join(filter(None, (words, f"Not done: {refused}." if refused else ""))), not refused


# ---------------------------------------------------------------- customers and knowledge


def customer(hit: CustomerHit, now: datetime) -> list[Part]:
    """Somebody who was found, on one line."""
    name = line(hit.name or "", 30) or "unknown"
    known = ", ".join(line(text, 50) for text in (hit.email, hit.phone) if text)
    last = f", last {clock_time(hit.last_message_at, now)}" if hit.last_message_at else ""
    return [
        (name if hit.proven or not hit.name else f"{name} (?)", "bold"),
        f"  {known}",
        (f"  {plural(hit.conversations, 'conversation')}{last}", "$text-muted"),
    ]


def suggestion(one: SuggestionView, title: str, body: str) -> list[Part]:
    """A page that answers could become, with what was asked and answered."""
    parts: list[Part] = []
    for source in (one, *one.others):
        who = line(source.operator or "Somebody", 60)
        did = "changed what the AI wrote" if source.kind == "edited" else "answered what no page had"
        parts += [(f"{who} {did}", "bold"), (f"  #{source.number}\n\n", "$text-muted")]
        for name, text in (
            ("Asked", source.question),
            ("The AI had written", source.draft),
            ("Was answered", source.answer),
        ):
            if text.strip():
                parts += [(f"{name}\n", "$text-muted"), f"{block(text, 4_000).strip()}\n\n"]
    parts += [("The page\n", "$text-muted"), (f"{line(title, 200) or '(no title)'}\n\n", "bold")]
    return [*parts, f"{block(body, 20_000).strip()}\n"]


def hits(found: KnowledgeHits) -> list[Part]:
    """What the knowledge base has on a question, with the line below which the AI sees nothing."""
    if not found.hits:
        return ["Nothing was found. The AI would hand this question to a person."]
    parts: list[Part] = []
    above = True
    if found.hits[0].score < found.floor:
        parts.append(
            (
                "Nothing reaches the floor: the AI would hand this question to a person.\n",
                "bold $text-warning",
            )
        )
    for hit in found.hits:
        if above and hit.score < found.floor:
            above = False
            parts.append(
                (
                    f"──── below {found.floor:.2f}: the AI does not see what follows ────\n",
                    "bold $text-warning",
                )
            )
        parts += [
            (f"{hit.score:.2f} {plots.bar(hit.score, 1.0, 10):<10} ", "bold" if above else "$text-muted"),
            (line(hit.title, 100), "bold" if above else ""),
            (f"  [{line(hit.category, 30)}]  {line(hit.source, 80)}\n", "$text-muted"),
            textwrap.fill(line(hit.excerpt, 300), _TEXT, initial_indent="     ", subsequent_indent="     ")
            + "\n",
        ]
    return parts
