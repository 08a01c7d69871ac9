"""How things are put into words: pure functions from what the wire brought to what the terminal shows.

A state is always a symbol and a word; colour only repeats it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from fte.console import model
from fte.console.model import Counts, Filter, Link, Phase, View
from fte.console.safe import Part, SafeText, block, line
from fte.console.saved import SavedView
from fte.domain.attachments import kept, not_kept
from fte.domain.channels import Channel
from fte.domain.errors import FteError, Rejected
from fte.wire import (
    AttachmentView,
    Brief,
    ConversationSummary,
    ConversationView,
    CustomerPage,
    DuplicateView,
    IdentifierView,
    MergeView,
    MessageView,
    OperatorView,
    QueueItem,
    RunView,
)

Mark = Literal["urgent", "person", "turn", "mine", "held", "ai", "done"]

CHANNEL_WORDS: Final[dict[Channel, str]] = {"email": "email", "whatsapp": "WhatsApp", "web_form": "web form"}
VIEW_WORDS: Final[dict[View, str]] = {
    "open": "open",
    "needs_person": "needs a person",
    "mine": "mine",
    "resolved": "resolved",
    "all": "all",
}
_STATES: Final[dict[Mark, str]] = {
    "urgent": "▲ URGENT",
    "person": "△ PERSON",
    "turn": "● MY TURN",
    "mine": "● MINE",
    "held": "◆ ",
    "ai": "○ AI",
    "done": "✓ DONE",
}
LEGEND: Final = (
    ("▲ URGENT", "needs a person, urgent"),
    ("△ PERSON", "needs a person"),
    ("● MY TURN", "yours, and the customer wrote last"),
    ("● MINE", "yours, waiting for the customer"),
    ("◆ name", "a colleague's"),
    ("○ AI", "the AI answers"),
    ("✓ DONE", "resolved"),
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
_MOODS: Final = ((0.3, "angry"), (0.45, "unhappy"), (0.6, "neutral"), (1.1, "pleased"))


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


def clock_time(at: datetime, now: datetime) -> str:
    """A moment in the operator's time zone; the date is left out when it is today."""
    there, here = at.astimezone(), now.astimezone()
    if there.date() == here.date():
        return there.strftime("%H:%M")
    return there.strftime("%d %b %H:%M" if there.year == here.year else "%d %b %Y %H:%M")


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def mood(sentiment: float | None) -> str:
    if sentiment is None:
        return ""
    word = next((word for below, word in _MOODS if sentiment < below), "pleased")
    return f"{word} {sentiment:.2f}"


def reason_words(reason: str | None) -> str:
    return (reason or "").replace("_", " ")


# ---------------------------------------------------------------- the queue


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation as the queue shows it."""

    key: UUID
    mark: Mark
    state: SafeText
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
        return "ai"
    if model.held_by(item, me):
        return "turn" if item.unanswered else "mine"
    return "held"


def row(item: QueueItem, me: str | None, now: datetime) -> Row:
    mark = mark_of(item, me)
    holder = item.operator or "" if mark == "held" else ""
    return Row(
        key=item.conversation_id,
        mark=mark,
        state=line(_STATES[mark] + holder, 40),
        wait=line(span(now - model.waiting_since(item))),
        channel=line(CHANNEL_WORDS.get(item.channel, item.channel)),
        number=line(f"#{item.number}"),
        customer=line(item.customer or "unknown", 60),
        subject=line(item.subject or "(no subject)", 160),
        reason=line(reason_words(item.reason), 80),
        preview=line(item.preview, 200),
    )


def above(waiting: int) -> SafeText:
    """What to say of rows that are out of view at the top: how many of them need a person."""
    return line(f"↑ {waiting} need{'s' if waiting == 1 else ''} a person" if waiting else "")


def counts_line(counts: Counts, view: View, typed: Filter, search: str, marked: int = 0) -> list[Part]:
    """The left of the status line: what needs a person always comes first."""
    waiting = counts.needs_person
    first = f"▲ {waiting} need{'s' if waiting == 1 else ''} a person" if waiting else "✓ nobody waits"
    parts: list[Part] = [(first, "bold $text-error" if waiting else "$text-success")]
    more = "+" if counts.more else ""
    parts.append(f"  {VIEW_WORDS[view]}: {counts.shown:,}{more}")
    if view != "mine" and counts.mine:
        parts.append(f"  ● {counts.mine} mine")
    if search:
        parts.append((f"  found: {line(search, 30)}", "$text-warning"))
    elif typed.words:
        words = " ".join(typed.words)
        parts.append((f"  filter: {'!' if typed.inverse else ''}{line(words, 30)}", "$text-warning"))
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


def headline(view: ConversationView) -> list[Part]:
    item = view.item
    contact = view.customer_email or view.customer_phone or ""
    identity = "✓ verified" if view.verified else "? not verified"
    return [
        (f"#{item.number} ", "$foreground 60%"),
        (line(item.customer or "unknown", 60), "bold"),
        f"  {CHANNEL_WORDS.get(item.channel, item.channel)}  ",
        (line(contact, 80), "$foreground 60%"),
        f"  {identity}  ",
        *_references(view),
        (line(item.subject or "(no subject)", 160), "bold"),
    ]


def _references(view: ConversationView) -> list[Part]:
    """Conversations of others that this one is mentioned with: the customer's word for what is said there is not theirs."""
    others = [*([f"refers to #{view.refers_to}"] if view.refers_to else [])]
    if view.referred_by:
        others.append("referred to by " + ", ".join(f"#{number}" for number in view.referred_by))
    return [(f"{' and '.join(others)}, not the same person  ", "$text-warning")] if others else []


def holder(view: ConversationView, me: str | None, take_over: str, release: str) -> list[Part]:
    """Who speaks for us in this conversation."""
    item, epoch = view.item, f"  epoch {view.epoch}"
    facts = f"  {item.priority} {line(item.category.replace('_', ' '))}"
    facts += f"  {mood(item.sentiment)}" if item.sentiment is not None else ""
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
        case "ai":
            answering = " and is answering now" if item.unanswered else ""
            who = (f"○ The AI answers{answering}; {take_over} takes over", "")
    return [who, (epoch + facts, "$foreground 60%")]


def window(view: ConversationView, now: datetime) -> list[Part]:
    """How long the customer can still be written to freely, where that comes to an end."""
    if view.window_until is None or view.item.status == "resolved":
        return []
    minutes = int((view.window_until - now).total_seconds() // 60)
    if minutes < 0:
        return [("  WhatsApp window closed: only a template can be sent", "bold $text-warning")]
    left = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    return [(f"  WhatsApp window: {left} left", "$text-warning" if minutes < 120 else "$foreground 60%")]


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
    return f"{line(me.name, 24)}{' (read-only)' if read_only else ''}"
