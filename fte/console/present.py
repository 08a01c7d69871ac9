"""How the queue and a conversation are put into words: pure functions from what the wire brought to what is shown.

A state is always a symbol and a word; colour only repeats it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from rich.cells import cell_len

from fte.console import model
from fte.console.model import Counts, Filter, Link, Phase, View
from fte.console.safe import Part, SafeText, block, line
from fte.console.saved import SavedView
from fte.domain.attachments import kept, not_kept
from fte.domain.channels import CHANNEL_WORDS
from fte.domain.deadlines import DueKind
from fte.domain.errors import FteError, Rejected
from fte.domain.mood import mood_trend, mood_word
from fte.wire import (
    JSON,
    Attending,
    Brief,
    CannedReply,
    ConversationView,
    Ended,
    MessageView,
    QueueItem,
    RunView,
)

Pressing = Literal["", "late", "soon"]
Mark = Literal["urgent", "person", "turn", "mine", "held", "draft", "ai", "done"]

VIEW_WORDS: Final[dict[View, str]] = {
    "open": "open",
    "needs_person": "needs a person",
    "mine": "mine",
    "mentions": "you are named",
    "snoozed": "put aside",
    "resolved": "resolved",
    "all": "all",
}
_STATES: Final[dict[Mark, str]] = {
    "urgent": "▲ URGENT",
    "person": "△ PERSON",
    "turn": "● MY TURN",
    "mine": "● MINE",
    "held": "◆ ",
    "draft": "◇ DRAFT",
    "ai": "○ AI",
    "done": "✓ DONE",
}
LEGEND: Final = (
    ("▲ URGENT", "needs a person, urgent"),
    ("△ PERSON", "needs a person"),
    ("● MY TURN", "yours, and the customer waits for an answer"),
    ("● MINE", "yours, waiting for the customer"),
    ("◆ name", "a colleague's"),
    ("◇ DRAFT", "an answer of the AI waits for approval"),
    ("○ AI", "the AI answers"),
    ("✓ DONE", "resolved"),
)
DUE_WORDS: Final[dict[DueKind, str]] = {
    "first_response": "first response",
    "next_response": "next response",
    "resolution": "resolution",
    "window": "WhatsApp window",
}
DUE_LEGEND: Final = (
    ("late 5m", "a time has passed; see the headline for which"),
    ("soon 5m", "a time is near: it was warned of"),
    ("in 5h", "time left until the next one"),
    ("free 5h", "nothing is due; WhatsApp takes free text for so long"),
    ("back 5h", "put aside, and back in that time"),
)
DELIVERY_WORDS: Final = {
    "draft": "◌ draft",
    "queued": "◌ queued",
    "sending": "◌ sending",
    "sent": "✓ sent",
    "delivered": "✓ delivered",
    "read": "✓ read",
    "failed": "✗ FAILED",
    "unknown": "? UNKNOWN: a person must check",
    "superseded": "✗ superseded, not sent",
    "cancelled": "✗ cancelled, not sent",
}
_TRENDS: Final = {"falling": "↘ worse", "rising": "↗ better"}


# ---------------------------------------------------------------- words


def span(passed: timedelta) -> str:
    """A length of time in at most four characters."""
    seconds = max(0, int(passed.total_seconds()))
    if seconds < 60:
        return "now"
    if seconds < 3600:
        return f"{seconds // 60}m"
    if seconds < 48 * 3600:
        return f"{seconds // 3600}h"
    return f"{min(seconds // 86400, 999)}d"


def left(time: timedelta) -> str:
    """Time that is left, or that something is late by, in at most five characters."""
    minutes = abs(int(time.total_seconds())) // 60
    if minutes < 1:
        return "<1m"
    if minutes < 100:
        return f"{minutes}m"
    if minutes < 48 * 60:
        return f"{minutes // 60}h"
    return f"{min(minutes // 1440, 9999)}d"


def clock_time(at: datetime, now: datetime) -> str:
    """A moment in the operator's time zone; the date is left out when it is today."""
    there, here = at.astimezone(), now.astimezone()
    if there.date() == here.date():
        return there.strftime("%H:%M")
    return there.strftime("%d %b %H:%M" if there.year == here.year else "%d %b %Y %H:%M")


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def mood(sentiment: float | None) -> str:
    return "" if sentiment is None else f"{mood_word(sentiment)} {sentiment:.2f}"


def trend(messages: Sequence[MessageView]) -> str:
    """Where the customer's mood goes: the newest message against those before it; empty while it stays about the same."""
    moods = [one.sentiment for one in messages if one.direction == "inbound" and one.sentiment is not None]
    return _TRENDS.get(mood_trend(moods), "")


def asking_again(retry: str, *, by_itself: bool) -> str:
    """How one comes to know the outcome of an action whose answer was lost."""
    when = f"It is asked again by itself, {retry} asks now" if by_itself else f"{retry} asks again"
    return f"{when}; it never acts twice."


def reason_words(reason: str | None) -> str:
    return (reason or "").replace("_", " ")


def sentence(error: FteError) -> str:
    """What went wrong, and the remedy."""
    parts = [error.message]
    if isinstance(error, Rejected) and error.fields:
        parts = list(error.fields.values())
    return " ".join([*parts, error.remedy] if error.remedy else parts)


# ---------------------------------------------------------------- the queue


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation as the queue shows it."""

    key: UUID
    mark: Mark
    state: SafeText
    due: SafeText
    pressing: Pressing
    wait: SafeText
    channel: SafeText
    number: SafeText
    customer: SafeText
    subject: SafeText
    reason: SafeText
    preview: SafeText


def mark_of(item: QueueItem, me: str | None) -> Mark:
    if item.status == "resolved":
        return "done"
    if model.needs_person(item):
        return "urgent" if item.urgency == "high" else "person"
    if item.owner == "ai":
        return "draft" if item.draft_since is not None else "ai"
    if model.held_by(item, me):
        return "turn" if model.is_owed(item) else "mine"
    return "held"


def due(item: QueueItem, now: datetime) -> tuple[str, Pressing]:
    """The clock that matters most, in at most nine characters, and how much it presses."""
    if item.status == "resolved":
        return "", ""
    if item.snoozed_until is not None:
        return f"back {left(item.snoozed_until - now)}", ""
    if item.due_at is not None:
        words = left(item.due_at - now)
        if item.due_at <= now:
            return f"late {words}", "late"
        return (f"soon {words}", "soon") if item.warned else (f"in {words}", "")
    if item.window_until is not None and item.window_until > now:
        return f"free {left(item.window_until - now)}", ""
    return "", ""


def row(item: QueueItem, me: str | None, now: datetime, more: int = 0) -> Row:
    """A row in words; `more` of the same customer's wait for a person further down."""
    mark = mark_of(item, me)
    holder = item.operator or "" if mark == "held" else ""
    words, pressing = due(item, now)
    return Row(
        key=item.conversation_id,
        mark=mark,
        state=line(_STATES[mark] + holder, 40),
        due=line(words),
        pressing=pressing,
        wait=line(span(now - model.waiting_since(item))),
        channel=line(CHANNEL_WORDS.get(item.channel, item.channel)),
        number=line(f"#{item.number}"),
        customer=line(item.customer or "unknown", 60),
        subject=line((f"+{more} more: " if more else "") + _subject(item, me), 160),
        reason=line(reason_words(item.reason), 80),
        preview=line(_attending_words(item, me, now) + item.preview, 200),
    )


def _attending_words(item: QueueItem, me: str | None, now: datetime) -> str:
    words = [f"✎ {one.operator} is {_DOING[one.doing]}  " for one in attending(item, me, now)]
    return "".join(words[:2])


def attending(item: QueueItem, me: str | None, now: datetime) -> list[Attending]:
    """Colleagues who look at the conversation or write in it now, writers first."""
    there = [one for one in item.attending if one.until > now and one.operator != me and one.doing in _DOING]
    return sorted(there, key=lambda one: one.doing != "writing")


_DOING: Final = {"writing": "writing", "viewing": "looking"}


def _subject(item: QueueItem, me: str | None) -> str:
    """What it is about, after a mark for who is named in a note there, and before the tags."""
    named = "@you " if me is not None and me in item.mentions else ""
    return f"{named}{tags_words(item.tags)}{item.subject or '(no subject)'}"


def tags_words(tags: Sequence[str]) -> str:
    """Tags in front of what they belong to."""
    return "".join(f"#{line(tag, 30)} " for tag in tags)


def above(waiting: int, late: int = 0) -> SafeText:
    """What to say of rows that are out of view at the top: how many are late, and how many need a person."""
    said = [f"{late} late"] if late else []
    if waiting:
        said.append(f"{waiting} need{'s' if waiting == 1 else ''} a person")
    return line(f"↑ {', '.join(said)}" if said else "")


def counts_line(counts: Counts, view: View | None, typed: Filter, search: str, marked: int = 0) -> list[Part]:
    """The left of the status line: what needs a person always comes first.

    `view` is None where the queue is not on the screen: what it shows would only leave less room for where one is.
    """
    waiting = counts.needs_person
    first = f"▲ {waiting} need{'s' if waiting == 1 else ''} a person" if waiting else "✓ nobody waits"
    parts: list[Part] = [(first, "bold $text-error" if waiting else "$text-success")]
    if counts.drafts:
        parts.append((f"  ◇ {plural(counts.drafts, 'draft')}", "$text-warning"))
    if view is not None:
        parts.append(f"  {VIEW_WORDS[view]}: {counts.shown:,}{'+' if counts.more else ''}")
    if view != "mine" and counts.mine:
        parts.append(f"  ● {counts.mine} mine")
    if view is None:
        return parts
    if search:
        out = "".join(f" !{word}" for word in typed.out)
        parts.append((f"  found: {line(search + out, 30)}", "$text-warning"))
    elif typed:
        parts.append((f"  filter: {line(str(typed), 30)}", "$text-warning"))
    if marked:
        parts.append((f"  * {marked:,} marked", "bold $text-primary"))
    return parts


def view_words(kept: SavedView) -> str:
    """What a kept view shows, in a few words."""
    words = VIEW_WORDS[kept.view]
    words += f", found: {line(kept.search, 30)}" if kept.search else ""
    return words + (f", filter: {line(kept.filter, 30)}" if kept.filter else "")


def crumbs(names: Sequence[str]) -> list[Part]:
    """The way from the queue to the screen one is on."""
    return [(f"  › {line(name, 40)}", "bold") for name in names if name]


def link_words(link: Link, paused: bool, waiting: int) -> tuple[str, str]:
    """The state of the connection and its style."""
    if link.phase is Phase.RECONNECTING:
        return f"✗ RECONNECTING, try {link.attempt}", "bold $text-error"
    if link.phase is Phase.REFUSED:
        return "✗ SIGNED OUT", "bold $text-error"
    if link.phase is Phase.CONNECTING:
        return "◌ CONNECTING", "$text-warning"
    if paused:
        return f"‖ PAUSED{f', {waiting} new' if waiting else ''}", "bold $text-warning"
    return "● LIVE", "$text-success"


def trouble(link: Link, url: str, retry_key: str) -> list[Part]:
    """The sentence under the status line while the daemon is away, or lets us in no more."""
    if link.phase is Phase.REFUSED:
        return [
            (f"You are signed out. {line(link.why, 200)} ", "bold"),
            "What you see is not kept up to date; your drafts are kept. Start the console again with a new "
            f"token; {retry_key} tries this one again.",
        ]
    return [
        (f"Not connected to {line(url, 80)}: {line(link.why, 200)} ", "bold"),
        f"What you see may be out of date. Trying again by itself; {retry_key} tries now.",
    ]


# ---------------------------------------------------------------- a conversation


def headline(view: ConversationView, width: int = 1_000) -> list[Part]:
    """Who writes, and about what: on a line of its own where both do not fit into `width`."""
    item = view.item
    contact = view.customer_email or view.customer_phone or ""
    identity = "✓ verified" if view.verified else "? not verified"
    who: list[Part] = [
        (f"#{item.number} ", "$foreground 60%"),
        (line(item.customer or "unknown", 60), "bold"),
        f"  {CHANNEL_WORDS.get(item.channel, item.channel)}  ",
        (line(contact, 80), "$foreground 60%"),
        f"  {identity}",
    ]
    what: list[Part] = [
        *_references(view),
        *_merged(view),
        (tags_words(item.tags), "bold $text-accent"),
        (line(item.subject or "(no subject)", 160), "bold"),
    ]
    needed = sum(cell_len(part if isinstance(part, str) else part[0]) for part in (*who, *what)) + 2
    return [*who, "  " if needed <= width else "\n", *what]


def _merged(view: ConversationView) -> list[Part]:
    """What this conversation is one with."""
    if view.item.merged_into is not None:
        return [(f"part of #{view.item.merged_into}  ", "bold $text-warning")]
    names = _joined(view)
    if not names or view.verified:
        return [(f"with {names}  ", "$text-accent")] if names else []
    return [(f"with {names}, unproven  ", "$text-warning")]


def _joined(view: ConversationView) -> str:
    return ", ".join(f"#{one.number}" for one in view.merged)


def also_read_by(view: ConversationView) -> str:
    """Whose pages show a reply beside the customer's own, where nothing proves that they are one person's."""
    return f", also on the page of {_joined(view)}" if view.merged and not view.verified else ""


def _references(view: ConversationView) -> list[Part]:
    """Conversations of others that this one is mentioned with: the customer's word for what is said there is not theirs."""
    others = [*([f"refers to #{view.refers_to}"] if view.refers_to else [])]
    if view.referred_by:
        others.append("referred to by " + ", ".join(f"#{number}" for number in view.referred_by))
    return [(f"{' and '.join(others)}, not the same person  ", "$text-warning")] if others else []


def how_it_ended(ended: Ended | None, now: datetime) -> str:
    """As what, by whom and when, as far as it is known."""
    if ended is None:  # an older daemon
        return "resolved"
    by = f" by {ended.operator}" if ended.operator else ""
    at = f", {clock_time(ended.at, now)}" if ended.at else ""
    return line(f"{reason_words(ended.resolution) or 'resolved'}{by}{at}", 120)


def why_it_ended(view: ConversationView) -> list[Part]:
    """What whoever ended it said to that; nothing where they said nothing, or it goes on."""
    if view.ended is None or not view.ended.reason:
        return []
    return [("Why: ", "$foreground 60%"), line(view.ended.reason, 500)]


def holder(view: ConversationView, me: str | None, now: datetime, take_over: str, release: str) -> list[Part]:
    """Who speaks for us in this conversation; then what matters most, as the end is cut off where there is no room."""
    item = view.item
    facts = f"  {mood(item.sentiment)} {trend(view.messages)}".rstrip()
    facts += f"  {item.priority} {line(item.category.replace('_', ' '))}  epoch {view.epoch}"
    match mark_of(item, me):
        case "done":
            who = (f"✓ DONE: {how_it_ended(view.ended, now)}", "$text-success")
        case "urgent" | "person":
            who = (f"△ NEEDS A PERSON: {take_over} takes over", "bold $text-error")
        case "turn":
            who = ("● YOU hold it, and the customer waits for you", "bold $text-warning")
        case "mine":
            who = (f"● YOU hold it; {release} hands it back to the AI", "bold $text-primary")
        case "held":
            who = (f"◆ {line(item.operator or 'a colleague', 60)} holds it", "bold $text-accent")
        case "draft":
            who = (f"◇ An answer of the AI waits for approval; {take_over} takes over", "bold $text-warning")
        case "ai":
            answering = " and is answering now" if item.unanswered else ""
            who = (f"○ The AI answers{answering}; {take_over} takes over", "")
    return [who, (facts, "$foreground 60%")]


def company(view: ConversationView, me: str | None, now: datetime) -> list[Part]:
    """Who else looks at the conversation or writes in it."""
    parts: list[Part] = []
    for one in attending(view.item, me, now)[:3]:
        style = "bold $text-warning" if one.doing == "writing" else "$foreground 60%"
        parts.append((f"  ✎ {line(one.operator, 40)} is {_DOING[one.doing]}", style))
    return parts


def window(view: ConversationView, now: datetime) -> list[tuple[str, str]]:
    """How long the customer can still be written to freely, where that comes to an end."""
    if view.window_until is None or view.item.status == "resolved":
        return []
    minutes = int((view.window_until - now).total_seconds() // 60)
    if minutes < 0:
        return [("  WhatsApp window closed: only a template can be sent", "bold $text-warning")]
    left = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    return [(f"  WhatsApp window: {left} left", "$text-warning" if minutes < 120 else "$foreground 60%")]


def clocks(view: ConversationView, now: datetime, wake: str, width: int = 1_000) -> list[Part]:
    """All that is due, the soonest first, and how long the customer can be written to; nothing where nothing runs.

    A line of `width` is broken only between two of them.
    """
    parts: list[tuple[str, str]] = []
    if view.item.snoozed_until is not None:
        back = clock_time(view.item.snoozed_until, now)
        parts.append((f"z Put aside until {back}; {wake} brings it back", "bold $text-accent"))
    for clock in view.clocks:
        if clock.kind == "window":
            continue
        name, words = DUE_WORDS[clock.kind].capitalize(), left(clock.due_at - now)
        at = clock_time(clock.due_at, now)
        if clock.due_at <= now:
            parts.append((f"▲ {name} LATE by {words}", "bold $text-error"))
        elif clock.warned:
            parts.append((f"△ {name} SOON: {words} left ({at})", "bold $text-warning"))
        else:
            parts.append((f"◷ {name} in {words} ({at})", "$foreground 60%"))
    shown: list[Part] = []
    room = 0
    for words, style in parts + window(view, now):
        text = words.strip()
        if shown:
            shown.append("  " if len(text) + 2 <= room else "\n")
        room = (room - 2 if shown and shown[-1] == "  " else width) - len(text)
        shown.append((text, style))
    return shown


def deadline_words(type_: str, payload: JSON) -> SafeText:
    """A deadline that is near or missed, for the bell."""
    kind = line(DUE_WORDS.get(payload.get("due_kind", ""), "an answer"), 40)
    number = line(str(payload.get("number", "?")), 20)
    return line(
        f"▲ #{number}: {kind} is late."
        if type_ == "deadline.breached"
        else f"△ #{number}: {kind} is due soon."
    )


def brief_lines(brief: Brief) -> list[Part]:
    """The hand-over brief, most needed first."""
    urgency = line(brief.urgency, 20)
    parts: list[Part] = [
        ("Why: ", "bold"),
        f"{line(reason_words(brief.reason))} ({urgency})   ",
        ("Mood: ", "bold"),
        line(brief.mood or "not known"),
        ("\nAsked: ", "bold"),
        block(brief.asked, 2_000).strip(),
    ]
    if brief.tried:
        parts += [("\nTried: ", "bold"), "; ".join(line(step) for step in brief.tried)]
    if brief.sources:
        parts += [("\nSources: ", "bold"), ", ".join(line(source) for source in brief.sources)]
    return parts


Kind = Literal["customer", "agent", "operator", "note", "system"]


def kind_of(message: MessageView) -> Kind:
    return "note" if message.direction == "note" else message.role


def message_head(message: MessageView, item: QueueItem, run: RunView | None, now: datetime) -> list[Part]:
    """The line over a message: who, when, how it fared."""
    author = line(message.author, 60)
    match kind_of(message):
        case "customer":
            who = (f"▸ {author or line(item.customer, 60)}", "bold")
        case "agent":
            who = ("○ AI", "bold $text-secondary")
        case "operator":
            who = (f"● {author}", "bold $text-primary")
        case "note":
            who = (f"✎ NOTE by {author}, not sent", "bold $text-warning")
        case "system":
            who = ("∙ system", "bold $foreground 60%")
    parts: list[Part] = [who, (f"  {clock_time(message.created_at, now)}", "$foreground 60%")]
    if message.channel != item.channel:
        parts.append((f"  {CHANNEL_WORDS.get(message.channel, message.channel)}", "$foreground 60%"))
    if message.direction == "outbound" and message.delivery_status:
        parts.append(_delivery(message.delivery_status))
        if message.delivery_error:
            parts.append((f"  {line(message.delivery_error, 160)}", "$text-error"))
    if message.outcome == "suppressed" and message.reason:
        parts.append((f"  not answered: {line(message.reason, 80)}", "$foreground 60%"))
    if message.direction == "inbound" and message.sentiment is not None and message.sentiment < 0.45:
        parts.append((f"  {mood(message.sentiment)}", "$text-warning"))
    if message.approved_by:
        parts.append((f"  approved by {line(message.approved_by, 60)}", "$foreground 60%"))
    if run is not None:
        parts.append((f"  {_run_summary(run)}", "$foreground 60%"))
    return parts


def _delivery(status: str) -> Part:
    bad = status in ("failed", "unknown")
    return (
        f"  {DELIVERY_WORDS.get(status, line(status, 30))}",
        "bold $text-error" if bad else "$foreground 60%",
    )


def _run_summary(run: RunView) -> str:
    best = max((passage.score for passage in run.passages), default=None)
    sources = plural(len(run.passages), "source") + (f" (best {best:.2f})" if best is not None else "")
    return f"{sources}, {plural(len(run.tools), 'tool')}"


def message_body(message: MessageView) -> SafeText:
    text = SafeText(block(_own_words(message)).strip("\n"))
    return text or SafeText("" if message.attachments else "(empty)")


def _own_words(message: MessageView) -> str:
    """The text without the lines at its end that stand for the files listed under it."""
    stand_ins = {kept(file.name) for file in message.attachments}
    stand_ins |= {not_kept(file.name, file.reason or "") for file in message.attachments}
    lines = message.content.rstrip().split("\n") if stand_ins else []
    if not stand_ins.intersection(lines):
        return message.content
    while lines and lines[-1] in stand_ins:
        lines.pop()
    return "\n".join(lines)


def run_lines(run: RunView) -> list[Part]:
    """Why the AI said what it said."""
    parts: list[Part] = [
        (f"{line(run.outcome, 40)}", "bold"),
        f"  attempt {run.attempt}  {run.latency_ms:,} ms",
        f"  {run.input_tokens:,} + {run.output_tokens:,} tokens\n",
        (f"{line(run.model, 80)}, instructions {line(run.instructions_version, 40)}\n", "$foreground 60%"),
    ]
    if run.error:
        parts += [("\n✗ Error\n", "bold $text-error"), block(run.error, 2_000), "\n"]
    parts.append((f"\nSources ({len(run.passages)})\n", "bold"))
    for passage in run.passages:
        parts += [
            f"  {passage.score:.2f}  {line(passage.title)}",
            (f"  {line(passage.source)}\n", "$foreground 60%"),
            f"        {line(passage.excerpt, 300)}\n",
        ]
    parts.append((f"\nTools ({len(run.tools)})\n", "bold"))
    for tool in run.tools:
        arguments = ", ".join(
            f"{line(name, 40)}={line(repr(value), 200)}" for name, value in tool.arguments.items()
        )
        parts += [
            f"  {line(tool.name, 60)}({arguments})\n",
            (f"        {line(tool.result, 300)}\n", "$foreground 60%"),
        ]
    parts.append((f"\nChecks ({len(run.verdicts)})\n", "bold"))
    parts += [f"  {line(verdict)}\n" for verdict in run.verdicts]
    return parts


# ---------------------------------------------------------------- canned replies


def canned_parts(reply: CannedReply) -> list[Part]:
    """A canned reply on one line."""
    language = f" ({line(reply.language, 10)})" if reply.language else ""
    return [
        (f";{line(reply.key, 30)}", "bold $text-primary"),
        f"  {line(reply.title, 60)}{language}  ",
        (line(reply.body, 120), "$foreground 60%"),
    ]
