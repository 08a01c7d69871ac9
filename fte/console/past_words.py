"""What the inspector shows of a ticket's past, in words. Pure, without widgets."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from fte.console import past
from fte.console.past import Moment
from fte.console.present import (
    DELIVERY_WORDS,
    DUE_WORDS,
    clock_time,
    kind_of,
    left,
    plural,
    reason_words,
    run_lines,
    tags_words,
)
from fte.console.safe import Part, line
from fte.domain.channels import CHANNEL_WORDS
from fte.domain.deadlines import Policy, next_opening
from fte.domain.history import Change
from fte.wire import MessageView, QueueItem, TicketView


def ticket_head(ticket: TicketView) -> list[Part]:
    """What the ticket is now, on one line."""
    item = ticket.item
    holder = past.holder_words(item.owner, str(ticket.holder) if ticket.holder else None, ticket)
    ended = item.status == "resolved"
    by = next((one.operator for one in reversed(ticket.audit) if one.action == "resolve"), None)
    whose = f"by {line(by, 40)}  " if ended and by else "" if ended else f"with {line(holder, 60)}  "
    why = f"{line(ticket.resolution_notes, 100)}  " if ended and ticket.resolution_notes else ""
    resolution = f" as {reason_words(ticket.resolution)}" if ticket.resolution else ""
    return [
        (f"#{item.number} ", "bold"),
        f"{reason_words(item.ticket_status)}{resolution}, {item.priority}, {reason_words(item.category)}, ",
        (whose, "bold"),
        why,
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
        parts.append((f"  {DELIVERY_WORDS.get(reached, line(reached, 30))}", look))
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
            f"  {CHANNEL_WORDS.get(one.channel, one.channel)}  {DELIVERY_WORDS.get(one.state, line(one.state, 30))}",
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
