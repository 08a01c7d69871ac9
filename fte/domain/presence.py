"""Who is there: what being present, being on duty and vanishing mean. A claim lasts as long as its holder is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from fte.domain.conversations import Control, Owner
from fte.domain.operators import OperatorRole, allowed

Duty = Literal["auto", "on", "off"]
DUTIES: Final[tuple[Duty, ...]] = get_args(Duty)
Doing = Literal["viewing", "writing", "left"]
Loss = Literal["vanished", "revoked", "expired", "demoted"]
"""Why somebody no longer holds what they held."""

LEASE: Final = 900.0
"""Seconds without a word from an operator after which they lose what they hold, unless set otherwise."""
HEARTBEAT: Final = 10.0
"""Seconds between two notes that an operator is there, however much they ask for meanwhile."""
HINT: Final = 25.0
"""Seconds for which somebody counts as looking or writing after they last said so."""
TELL_EVERY: Final = 2.0
"""Seconds between two announcements of what one operator does in one conversation."""


@dataclass(frozen=True, slots=True)
class Member:
    """An operator as far as being there goes. `ends_at` is when their token stops; `revoked` that it has been taken."""

    name: str
    role: OperatorRole
    duty: Duty
    duty_at: datetime
    seen_at: datetime | None
    revoked: bool = False
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OnDuty:
    """What may be told a customer: whether somebody is there now, and otherwise when people read messages."""

    here: bool
    hours: str = ""


def is_in(member: Member, now: datetime) -> bool:
    """Whether their token is good."""
    return not member.revoked and (member.ends_at is None or member.ends_at > now)


def is_present(member: Member, now: datetime, lease: float) -> bool:
    """Whether something was heard of them within `lease` seconds."""
    since = member.seen_at
    return is_in(member, now) and since is not None and since > now - timedelta(seconds=lease)


def is_on_duty(member: Member, now: datetime, lease: float) -> bool:
    """Whether customers may count on them: they are there, or said so within the lease, and did not say off.

    Somebody who may not answer is never on duty.
    """
    if member.duty == "off" or not is_in(member, now) or not allowed(member.role, "reply"):
        return False
    said = member.duty == "on" and member.duty_at > now - timedelta(seconds=lease)
    return said or is_present(member, now, lease)


def on_duty(team: Sequence[Member], now: datetime, lease: float, hours: str = "") -> OnDuty:
    """Whether somebody is on duty. `hours` is the phrase that says when people read messages; empty: not known.

    People decide, not the clock: outside their hours somebody who is there is there, and within them an empty
    office is empty.
    """
    return OnDuty(any(is_on_duty(member, now, lease) for member in team), hours)


def loses_claim(member: Member, held_since: datetime | None, now: datetime, lease: float) -> Loss | None:
    """Why the holder of a conversation loses it now; None while they keep it. Taking over counts as being heard of."""
    if member.revoked:
        return "revoked"
    if not is_in(member, now):
        return "expired"
    if not allowed(member.role, "reply"):
        return "demoted"
    heard = [at for at in (member.seen_at, held_since) if at is not None]
    if heard and max(heard) < now - timedelta(seconds=lease):
        return "vanished"
    return None


def falls_to(control: Control) -> Owner:
    """Who has a conversation whose holder is gone: people while the customer waits for a person, otherwise the AI."""
    return "human" if control.unanswered or control.status == "escalated" else "ai"
