"""How things are put into words: pure functions from what the wire brought to what the terminal shows.

A state is always a symbol and a word; colour only repeats it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from rich.cells import cell_len

from fte.console import model, past
from fte.console.model import Counts, Filter, Link, Phase, View
from fte.console.past import Moment
from fte.console.safe import Part, SafeText, block, line
from fte.console.saved import SavedView
from fte.domain.attachments import kept, not_kept
from fte.domain.channels import CHANNEL_WORDS, Channel
from fte.domain.deadlines import DueKind, Policy, next_opening
from fte.domain.drafts import LATE_AFTER, REPLACED
from fte.domain.errors import FteError, Rejected
from fte.domain.history import Change
from fte.domain.mood import mood_trend, mood_word
from fte.wire import (
    JSON,
    AttachmentView,
    Attending,
    Brief,
    CannedReply,
    ConversationSummary,
    ConversationView,
    CustomerPage,
    DraftView,
    DuplicateView,
    IdentifierView,
    MergeView,
    MessageView,
    OperatorView,
    QueueItem,
    RunView,
    TeamView,
    TicketView,
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
    ("● MY TURN", "yours, and the customer wrote last"),
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
_DELIVERY: Final = {
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
    when = (
        f"It is asked again once the console is connected, {retry} asks now"
        if by_itself
        else f"{retry} asks again"
    )
    return f"{when}; it never acts twice."


def reason_words(reason: str | None) -> str:
    return (reason or "").replace("_", " ")


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
        return "turn" if item.unanswered else "mine"
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


def row(item: QueueItem, me: str | None, now: datetime) -> Row:
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
        subject=line(_subject(item, me), 160),
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


def counts_line(counts: Counts, view: View, typed: Filter, search: str, marked: int = 0) -> list[Part]:
    """The left of the status line: what needs a person always comes first."""
    waiting = counts.needs_person
    first = f"▲ {waiting} need{'s' if waiting == 1 else ''} a person" if waiting else "✓ nobody waits"
    parts: list[Part] = [(first, "bold $text-error" if waiting else "$text-success")]
    if counts.drafts:
        parts.append((f"  ◇ {plural(counts.drafts, 'draft')}", "$text-warning"))
    more = "+" if counts.more else ""
    parts.append(f"  {VIEW_WORDS[view]}: {counts.shown:,}{more}")
    if view != "mine" and counts.mine:
        parts.append(f"  ● {counts.mine} mine")
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
    if link.phase is Phase.CONNECTING:
        return "◌ CONNECTING", "$text-warning"
    if paused:
        return f"‖ PAUSED{f', {waiting} new' if waiting else ''}", "bold $text-warning"
    return "● LIVE", "$text-success"


def trouble(link: Link, url: str, retry_key: str) -> list[Part]:
    """The sentence under the status line while the daemon is away."""
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


def holder(view: ConversationView, me: str | None, take_over: str, release: str) -> list[Part]:
    """Who speaks for us in this conversation; then what matters most, as the end is cut off where there is no room."""
    item = view.item
    facts = f"  {mood(item.sentiment)} {trend(view.messages)}".rstrip()
    facts += f"  {item.priority} {line(item.category.replace('_', ' '))}  epoch {view.epoch}"
    match mark_of(item, me):
        case "done":
            who = ("✓ DONE: resolved", "$text-success")
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
    return (f"  {_DELIVERY.get(status, line(status, 30))}", "bold $text-error" if bad else "$foreground 60%")


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


# ---------------------------------------------------------------- drafts


_EARLIER: Final = 2
"""Messages before those a draft answers that are shown with it."""


def fate(draft: DraftView) -> str:
    """What became of a draft, as a sentence; empty while it waits."""
    who = line(draft.operator or "", 60)
    match draft.state:
        case "pending":
            return ""
        case "approved":
            return f"{who or 'Somebody'} has approved it."
        case "rejected":
            return f"{who or 'Somebody'} has rejected it: {line(draft.reason or 'no reason given', 160)}."
        case "retired":
            why = REPLACED.get(draft.reason or "", "the conversation has gone on")
            return f"Void: {why}{f' ({who})' if who else ''}."


def draft_head(draft: DraftView, place: int | None, total: int, now: datetime) -> list[Part]:
    """Which draft this is, whose, and how long the customer has waited."""
    number = f"◇ Draft {place} of {total}" if place is not None else "✗ Draft"
    waited = now - (draft.waiting_since or draft.created_at)
    wait = span(waited)
    late = draft.state == "pending" and waited.total_seconds() > LATE_AFTER
    return [
        (f"{number}  ", "bold $text-warning" if place is not None else "bold $text-error"),
        (
            f"{'▲ late, ' if late else ''}{'new' if wait == 'now' else f'waits {wait}'}  ",
            "bold $text-error" if late else "$foreground 60%",
        )
        if draft.state == "pending"
        else "",
        (f"#{draft.number} ", "$foreground 60%"),
        (line(draft.customer or "unknown", 60), "bold"),
        f"  {CHANNEL_WORDS.get(draft.channel, draft.channel)}  ",
        line(draft.subject or "(no subject)", 160),
    ]


def draft_why(draft: DraftView, now: datetime) -> list[Part]:
    """Why it is held, or why it cannot be sent any more."""
    if draft.state != "pending":
        when = f" {clock_time(draft.decided_at, now)}" if draft.decided_at else ""
        return [(f"✗ {fate(draft)}{when}", "bold $text-error")]
    sure = f"confidence {draft.confidence:.2f}"
    category = line(draft.category.replace("_", " "))
    match draft.held_because:
        case "low_confidence":
            why = f"Held: {sure} is below {draft.threshold or 0:.2f}"
        case "regenerated":
            why = f"Held: written anew, “{line(draft.hint or '', 80)}”, {sure}"
        case _:
            why = f"Held: every answer here is, {sure}"
    return [why, (f"  {draft.priority} {category}", "$foreground 60%")]


def draft_asked(draft: DraftView, now: datetime) -> list[Part]:
    """What the customer wrote that is to be answered, after a few lines of what was said before."""
    asked = [m for m in draft.messages if m.direction == "inbound" and m.outcome in (None, "drafted")]
    asked = asked or [m for m in draft.messages if m.direction == "inbound"][-1:]
    first = asked[0].seq if asked else 0
    earlier = [m for m in draft.messages if m.seq < first][-_EARLIER:]
    parts: list[Part] = []
    for message in earlier:
        mark = "▸" if message.direction == "inbound" else "○" if message.role == "agent" else "●"
        parts.append(
            (f"{mark} {line(message.author, 30)}: {line(message.content, 120)}\n", "$foreground 60%")
        )
    for index, message in enumerate(asked):
        parts += [
            "\n" if index else "",
            (f"▸ {line(message.author, 60)}", "bold"),
            (f"  {clock_time(message.created_at, now)}", "$foreground 60%"),
            "\n",
            message_body(message),
        ]
    return parts


def draft_answer(draft: DraftView) -> list[Part]:
    """The text that is approved, whole."""
    head = "○ The answer that would be sent" if draft.state == "pending" else "○ The answer it was about"
    return [(f"{head}\n", "bold $text-secondary"), block(draft.body)]


def draft_sources(draft: DraftView) -> list[Part]:
    """What the answer rests on."""
    run = draft.run
    if run is None or not run.passages:
        return [("No source: nothing was found, or nothing was looked up.", "$text-warning")]
    parts: list[Part] = [(f"Sources ({len(run.passages)})\n", "bold")]
    for passage in run.passages:
        parts += [
            f"  {passage.score:.2f}  {line(passage.title)}",
            (f"  {line(passage.source)}\n", "$foreground 60%"),
            (f"        {line(passage.excerpt, 200)}\n", "$foreground 60%"),
        ]
    broken = [verdict for verdict in run.verdicts if verdict.startswith(("refused:", "reminded:"))]
    if broken:
        parts.append((f"Checks: {', '.join(line(verdict, 80) for verdict in broken)}\n", "$text-warning"))
    return parts


# ---------------------------------------------------------------- files


_KINDS: Final = {
    "jpeg": "jpg",
    "plain": "text",
    "quicktime": "mov",
    "mpeg": "mp3",
    "x-vcard": "contact",
    "vcard": "contact",
}


def size_words(size: int | None) -> str:
    """Bytes in a number one can read at a glance; empty when nobody knows."""
    if size is None:
        return ""
    if size < 1_000:
        return f"{size} B"
    if size < 999_500:
        return f"{size / 1_000:.0f} kB"
    return f"{size / 1_000_000:.1f} MB"


def file_kind(file: AttachmentView) -> SafeText:
    """What kind of file it is, in a word."""
    kind = file.media_type.lower().rpartition("/")[2]
    kind = _KINDS.get(kind, kind)
    if len(kind) > 8 or not kind.isalnum():
        kind = file.name.rpartition(".")[2].lower()
    return line(kind, 8) if kind.isalnum() and len(kind) <= 8 else line("file")


def file_parts(file: AttachmentView) -> list[Part]:
    """A file on one line: its name, and what it is or why it is not there."""
    name: Part = f"📎 {line(file.name, 80) or line('a file')}"
    reason = line(file.reason or "no reason is known", 160)
    match file.state:
        case "stored":
            facts = f"  {file_kind(file)}  {size_words(file.size)}"
            return [name, (facts.rstrip(), "$foreground 60%")]
        case "pending":
            return [name, (f"  {file_kind(file)}  being fetched", "$text-warning")]
        case "refused":
            return [name, (f"  not kept: {reason}", "$text-warning")]
        case "lost":
            return [name, (f"  could not be fetched: {reason}", "$text-error")]


def file_lines(message: MessageView) -> list[Part]:
    """The lines under a message, one for each of its files."""
    return [part for file in message.attachments for part in ("\n", *file_parts(file))]


def no_file(file: AttachmentView) -> SafeText:
    """Why a file cannot be saved; empty when it can."""
    match file.state:
        case "stored":
            return line("")
        case "pending":
            return line("It is still being fetched; it shows here as soon as it is there.")
        case _:
            return line(f"It was not kept: {file.reason or 'no reason is known'}.")


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
        (f"  ;{line(reply.key, 30)}", "bold $text-primary"),
        f"  {line(reply.title, 60)}{language}  ",
        (line(reply.body, 120), "$foreground 60%"),
    ]


# ---------------------------------------------------------------- a ticket's past


def ticket_head(ticket: TicketView) -> list[Part]:
    """What the ticket is now, on one line."""
    item = ticket.item
    holder = past.holder_words(item.owner, str(ticket.holder) if ticket.holder else None, ticket)
    whose = "" if item.status == "resolved" else f"with {line(holder, 60)}  "
    resolution = f" as {reason_words(ticket.resolution)}" if ticket.resolution else ""
    return [
        (f"#{item.number} ", "bold"),
        f"{reason_words(item.ticket_status)}{resolution}, {item.priority}, {reason_words(item.category)}, ",
        (whose, "bold"),
        *_merged_row(item),
        (tags_words(item.tags), "bold $text-accent"),
        (line(f"{item.customer}: {item.subject or '(no subject)'}", 160), "$foreground 60%"),
    ]


def _merged_row(item: QueueItem) -> list[Part]:
    return [(f"part of #{item.merged_into}  ", "bold $text-warning")] if item.merged_into is not None else []


def moment_head(index: int, ticket: TicketView, now: datetime) -> list[Part]:
    """Where in time one is."""
    event, count = ticket.events[index], len(ticket.events)
    place = "now" if index == count - 1 else f"{index + 1} of {count}"
    style = "bold $text-success" if index == count - 1 else "bold reverse $text-warning"
    at = event.at.astimezone().strftime("%H:%M:%S")
    day = (
        ""
        if event.at.astimezone().date() == now.astimezone().date()
        else event.at.astimezone().strftime("%d %b ")
    )
    return [
        ("◀ ", "bold"),
        (f" {place} ", style),
        f"  {day}{at}  ",
        (line(past.event_words(event), 120), "bold"),
        (" ▶", "bold"),
    ]


def then_lines(moment: Moment, ticket: TicketView, now: datetime) -> list[Part]:
    """What the conversation looked like then: what had just changed is marked."""
    state, before = moment.state, moment.before
    parts: list[Part] = []
    for name, value, old in (
        (
            "with",
            past.holder_words(state.owner, state.holder, ticket),
            past.holder_words(before.owner, before.holder, ticket),
        ),
        ("conversation", reason_words(state.status), reason_words(before.status)),
        ("ticket", reason_words(state.ticket_status), reason_words(before.ticket_status)),
        ("epoch", _known(state.epoch), _known(before.epoch)),
        ("\npriority", reason_words(state.priority), reason_words(before.priority)),
        ("category", reason_words(state.category), reason_words(before.category)),
        ("tags", " ".join(state.tags or ()) or "none", " ".join(before.tags or ()) or "none"),
    ):
        parts += _fact(name, value, old)
    parts.append("\n")
    parts += _deadlines(moment, now)
    parts += _knew(moment, now) if moment.run is not None else []
    parts.append((f"\nMessages so far ({len(moment.told)})\n", "bold"))
    for message in moment.told[-_TOLD_MAX:]:
        parts += _told(message, moment, now)
    return parts


def _deadlines(moment: Moment, now: datetime) -> list[Part]:
    """What was due at that moment, by today's opening hours and goals, and why the resolution's clock stood still."""
    timing, policy, at = moment.timing, moment.policy, moment.event.at
    if policy is None:  # an older daemon, or a newer one
        return []
    if timing is None:
        return ["\n", ("Deadlines then ", "bold"), ("not known\n", "$foreground 60%")]
    parts: list[Part] = [
        "\n",
        ("Deadlines then", "bold"),
        (f"  {_opening(policy, at, now)}\n", "$foreground 60%"),
    ]
    for due in moment.due:
        name, span, when = DUE_WORDS[due.kind].capitalize(), left(due.at - at), clock_time(due.at, now)
        if due.at <= at:
            parts.append((f"  ▲ {name} LATE by {span} (since {when})\n", "bold $text-error"))
        elif due.warn_at <= at:
            parts.append((f"  △ {name} SOON: {span} left ({when})\n", "bold $text-warning"))
        else:
            parts.append(f"  ◷ {name} in {span} ({when})\n")
    if timing.resting_since is not None:
        if timing.status == "resolved":
            why = "resolved, nothing is due"
        elif timing.snoozed_until is not None:
            why = f"put aside until {clock_time(timing.snoozed_until, now)}, the resolution's clock stands still"
        else:
            why = "the customer is to write, the resolution's clock stands still"
        parts.append(f"  ‖ {why}, since {clock_time(timing.resting_since, now)}\n")
    elif not moment.due:
        parts.append("  nothing is due\n")
    if rested := sum((end - start for start, end in timing.pauses), timedelta()):
        parts.append((f"  it stood still for {left(rested)} before\n", "$foreground 60%"))
    return parts


def _opening(policy: Policy, at: datetime, now: datetime) -> str:
    if policy.hours is None:
        return "always open"
    opens = next_opening(policy.hours, at)
    return "open then" if opens <= at else f"closed then, open from {clock_time(opens, now)}"


def _known(number: int | None) -> str:
    return "" if number is None else str(number)


def _fact(name: str, value: str, old: str) -> list[Part]:
    """A fact of a moment, and what it was until then where that is something else."""
    shown = line(value, 60) or "not known"
    if value == old:
        return [(f"{name} ", "$foreground 60%"), f"{shown}  "]
    was = f" (was {line(old, 60)})" if old else ""
    return [
        (f"{name} ", "$foreground 60%"),
        (f"»{shown}", "bold $text-warning"),
        (f"{was}  ", "$foreground 60%"),
    ]


_TOLD_MAX: Final = 30
"""Messages of a moment that are shown, the newest."""


def _told(message: MessageView, moment: Moment, now: datetime) -> list[Part]:
    fresh = message.seq > moment.before.last_seq
    reached = moment.state.delivery.get(message.id)
    who = {"note": "✎", "customer": "▸", "agent": "○", "operator": "●", "system": "∙"}[kind_of(message)]
    parts: list[Part] = [
        (
            f"{'»' if fresh else ' '}{who} {line(message.author, 40)}",
            "bold $text-warning" if fresh else "bold",
        ),
        (f"  {clock_time(message.created_at, now)}", "$foreground 60%"),
    ]
    if reached is not None:
        was = moment.before.delivery.get(message.id)
        look = "bold $text-warning" if reached != was and not fresh else "$foreground 60%"
        parts.append((f"  {_DELIVERY.get(reached, line(reached, 30))}", look))
    return [*parts, f"\n    {line(message.content, 160)}\n"]


def _knew(moment: Moment, now: datetime) -> list[Part]:
    """What the AI knew when it gave the answer of this moment."""
    parts: list[Part] = [
        (f"\nWhat the AI knew: {plural(len(moment.known), 'message')}\n", "bold $text-secondary")
    ]
    for message in moment.known:
        parts += [
            (f"  {line(message.author, 30)} {clock_time(message.created_at, now)}: ", "$foreground 60%"),
            f"{line(message.content, 110)}\n",
        ]
    return [*parts, *(run_lines(moment.run) if moment.run is not None else [])]


def life_lines(ticket: TicketView, changes: Sequence[Change], index: int) -> list[Part]:
    """Each change of who has the ticket, and of its status."""
    parts: list[Part] = []
    here = max((change.index for change in changes if change.index <= index), default=-1)
    for change in changes:
        when = change.at.astimezone().strftime("%d %b %H:%M:%S")
        words = line(past.change_words(change, ticket, when))
        parts += [("▶ " if change.index == here else "  ", "bold $text-warning"), f"{words}\n"]
    return parts or ["Nothing is known of it any more.\n"]


def audit_lines(ticket: TicketView, now: datetime) -> list[Part]:
    """What operators did, and why."""
    parts: list[Part] = []
    for entry in ticket.audit:
        details = ", ".join(past.detail_words(entry.details))
        parts += [
            (f"  {clock_time(entry.at, now)}  ", "$foreground 60%"),
            (line(entry.operator or "somebody", 40), "bold"),
            f"  {reason_words(entry.action)}",
            (f"  {line(details, 200)}\n", "$foreground 60%"),
        ]
    return parts or ["No operator has done anything here yet.\n"]


def delivery_lines(ticket: TicketView, now: datetime) -> list[Part]:
    """How each message of ours fared, part by part."""
    numbers = {message.id: message.seq for message in ticket.messages}
    parts: list[Part] = []
    for one in ticket.deliveries:
        kind = "" if one.kind == "answer" else f" ({line(one.kind, 20)})"
        parts += [
            (f"  message {numbers.get(one.message_id, '?')}, part {one.part + 1}{kind}", "bold"),
            f"  {CHANNEL_WORDS.get(one.channel, one.channel)}  {_DELIVERY.get(one.state, line(one.state, 30))}",
            (
                f"  {plural(one.attempts, 'try', 'tries')}, {clock_time(one.updated_at, now)}",
                "$foreground 60%",
            ),
            (f"  {line(one.error, 120)}" if one.error else "", "$text-error"),
            "\n",
        ]
    return parts or ["Nothing was sent yet.\n"]


def event_lines(ticket: TicketView, index: int) -> list[Part]:
    """The events around this one as the log has them, this one whole."""
    begin = max(0, index - _EVENTS_AROUND)
    parts: list[Part] = [(f"  {begin} earlier\n", "$foreground 60%")] if begin else []
    for number, event in enumerate(ticket.events[begin : index + _EVENTS_AROUND + 1], begin):
        here = number == index
        at = event.at.astimezone().strftime("%H:%M:%S")
        parts += [
            ("▶ " if here else "  ", "bold $text-warning"),
            (f"{event.position} {at} {line(event.type, 60)}\n", "bold" if here else ""),
        ]
        if here:
            facts = [
                f"    {line(str(name), 40)} = {line(str(value), 100)}\n"
                for name, value in event.payload.items()
            ]
            parts += [(fact, "$foreground 60%") for fact in facts]
    return parts


_EVENTS_AROUND: Final = 100
"""Events before and after the present one that are listed."""


# ---------------------------------------------------------------- a customer


_PROOF_WORDS: Final = {"code": "proven by a code", "operator": "by hand"}


def customer_name(customer: CustomerPage) -> SafeText:
    """The customer in a sentence: a name that nobody proved stands in question marks."""
    name = line(customer.name or "", 60)
    contact = line(customer.email or customer.phone or "", 80)
    if not name:
        return SafeText(contact or "unknown")
    shown = name if customer.proven else f"{name} (?)"
    return SafeText(f"{shown}, {contact}" if contact else shown)


def identifier_lines(identifiers: Sequence[IdentifierView]) -> list[Part]:
    """What identifies a customer, what was proven first."""
    parts: list[Part] = []
    for known in sorted(identifiers, key=lambda known: not known.verified):
        state = ("  ✓ verified  ", "$text-success") if known.verified else ("  ? claimed   ", "$text-warning")
        kind = CHANNEL_WORDS.get(_CHANNEL_OF.get(known.identifier_type, "email"), known.identifier_type)
        parts += [state, f"{kind:<9} {line(known.identifier_value, 80)}\n"]
    return parts or [("  nothing any more: it belongs to another customer\n", "$foreground 60%")]


_CHANNEL_OF: Final[dict[str, Channel]] = {"email": "email", "whatsapp": "whatsapp"}


def earlier_conversation(summary: ConversationSummary, here: bool, now: datetime) -> list[Part]:
    """A conversation of a customer on one line."""
    state = {"resolved": "✓ done", "escalated": "△ person"}.get(summary.status, "○ open")
    identity = "" if summary.verified else "  ? claimed"
    return [
        f"{state:<9} #{summary.number}  {CHANNEL_WORDS.get(summary.initial_channel, summary.initial_channel)}  ",
        (clock_time(summary.last_message_at, now), "$foreground 60%"),
        (identity, "$text-warning"),
        f"  {line(summary.subject or '(no subject)', 80)}",
        ("  (this one)" if here else "", "$foreground 60%"),
    ]


def duplicate(other: DuplicateView) -> list[Part]:
    """Somebody who may be the same person, on one line."""
    known = ", ".join(line(i.identifier_value, 60) for i in other.identifiers[:3])
    return [
        (f"= {other.why}: ", "bold"),
        line(other.name or "unknown", 60),
        (f"  {known}", "$foreground 60%"),
    ]


def merged(merge: MergeView, now: datetime) -> list[Part]:
    """A merge on one line."""
    how = _PROOF_WORDS.get(merge.proof, line(merge.proof, 20))
    who = f", {line(merge.operator, 40)}" if merge.operator else ""
    names = f"{line(merge.merged_name or 'unknown', 40)} → {line(merge.kept_name or 'unknown', 40)}"
    undone = f", undone {clock_time(merge.undone_at, now)}" if merge.undone_at else ""
    facts = f"  {how}{who}, {clock_time(merge.merged_at, now)}{undone}"
    return [("⇄ ", "bold"), names, (facts, "$foreground 60%")]


def sentence(error: FteError) -> str:
    """What went wrong, and the remedy."""
    parts = [error.message]
    if isinstance(error, Rejected) and error.fields:
        parts = list(error.fields.values())
    return " ".join([*parts, error.remedy] if error.remedy else parts)


def who_am_i(me: OperatorView | None, read_only: bool) -> str:
    if me is None:
        return ""
    away = " (off duty)" if me.duty == "off" else ""
    return f"{line(me.name, 24)}{away}{' (read-only)' if read_only else ''}"


def team_lines(team: TeamView, now: datetime) -> list[Part]:
    """Who is there and what they hold, who is on duty first."""
    parts: list[Part] = []
    for one in sorted(team.members, key=lambda one: (not one.on_duty, not one.present, one.name)):
        state: Part = (
            ("● on duty  ", "bold $text-success") if one.on_duty else ("○ off duty ", "$foreground 60%")
        )
        if one.on_duty and not one.present:
            state = ("● on call  ", "bold $text-warning")
        seen = f"seen {clock_time(one.seen_at, now)}" if one.seen_at else "never seen"
        held = ", ".join(f"#{number}" for number in one.numbers) + (
            "…" if one.held > len(one.numbers) else ""
        )
        parts += [
            state,
            f"{line(one.name, 24):<24}  {one.role:<8}  ",
            (f"{seen}\n", "$foreground 60%"),
            *([f"           holds {held}\n"] if one.held else []),
        ]
    if not team.somebody_on_duty:
        parts.append(("\nNobody is on duty: customers who are handed over are told so.", "$text-warning"))
    return parts
