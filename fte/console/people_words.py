"""Customers, operators and the team, in words. Pure, without widgets."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from fte.console.present import clock_time
from fte.console.safe import Part, SafeText, line
from fte.domain.channels import CHANNEL_WORDS, Channel
from fte.wire import (
    ConversationSummary,
    CustomerPage,
    DuplicateView,
    IdentifierView,
    MergeView,
    OperatorView,
    TeamView,
)

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
