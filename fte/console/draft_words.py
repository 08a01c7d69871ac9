"""What the drafts show of held answers, in words. Pure, without widgets."""

from datetime import datetime
from typing import Final

from fte.console.present import clock_time, message_body, span
from fte.console.safe import Part, SafeText, block, line
from fte.domain.channels import CHANNEL_WORDS
from fte.domain.drafts import LATE_AFTER, became
from fte.wire import DraftView

_EARLIER: Final = 2
"""Messages before those a draft answers that are shown with it."""


def fate(draft: DraftView) -> SafeText:
    """What became of a draft, as a sentence."""
    return line(became(draft.state, draft.operator, draft.reason), 240)


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
