"""Who speaks for us in a conversation: the AI or a person, never both.

`epoch` counts changes of owner. Whatever was prepared in an older epoch is void.
"""

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from fte.domain.errors import Conflict, Refused
from fte.domain.operators import RELEASES_FOR_OTHERS, OperatorRole

Owner = Literal["ai", "human"]
ConversationStatus = Literal["open", "escalated", "resolved"]
Direction = Literal["inbound", "outbound", "note"]
Role = Literal["customer", "agent", "operator", "system"]

REPLY_MAX: Final = 10_000
"""Characters in one reply or note of an operator."""
REASON_MAX: Final = 500
"""Characters in the reason an operator gives for a release or a resolution."""
_ASK_THEM: Final = "Ask them; a lead or an admin can release it for them."


@dataclass(frozen=True, slots=True)
class Change:
    """How a conversation came into other hands: what was done, by whom (None: nobody's key press), how long ago.

    `ago` is in seconds; `operator` is who had it from then on, None for the AI or nobody.
    """

    why: str | None
    by: str | None
    owner: Owner
    operator: str | None
    ago: float


@dataclass(frozen=True, slots=True)
class Control:
    """The facts, read under the conversation's row lock, on which every decision about speaking rests.

    `seen` counters are message sequence numbers: `last_seq` of any message, `last_inbound_seq` of the customer's.
    """

    owner: Owner
    epoch: int
    status: ConversationStatus
    operator_id: UUID | None
    operator_name: str | None
    last_seq: int
    last_inbound_seq: int
    answered_seq: int
    latest: Change | None = None
    """How the conversation came to whom it is with now; None when it was never with anybody else."""
    after_seen: Change | None = None
    """The first change of hands after what the actor's screen shows; None when it shows the newest one."""

    @property
    def unanswered(self) -> bool:
        return self.last_inbound_seq > self.answered_seq


@dataclass(frozen=True, slots=True)
class Actor:
    """The operator who acts, and what their screen showed: the newest message and the epoch."""

    id: UUID
    name: str
    role: OperatorRole
    seen: int
    epoch: int

    def holds(self, control: Control) -> bool:
        return control.owner == "human" and control.operator_id == self.id


def check_take_over(control: Control, actor: Actor) -> None:
    """Anybody may take over from the AI or from nobody. Raises Conflict, naming who was first, otherwise."""
    if control.owner == "human" and control.operator_id not in (None, actor.id):
        when = f" {ago(control.latest.ago)}" if control.latest else ""
        raise Conflict(f"{control.operator_name} has taken over this conversation{when}.", remedy=_ASK_THEM)


def check_escalate(control: Control, actor: Actor) -> None:
    """Anybody who may act hands the AI's conversation to people, once: who has been told of it is not told again.

    Raises Conflict when people have it already, it is resolved, or it changed hands since.
    """
    if control.owner == "human":
        holder = control.operator_name or "nobody"
        raise Conflict(
            f"People have this conversation already; {holder} holds it.{_told(control.latest, actor)}",
            remedy="Write a note for them.",
        )
    if control.status == "resolved":
        raise Conflict(
            "This conversation is resolved: nobody waits in it.",
            remedy="Write a note, if people should know.",
        )
    check_hands(control, actor)


def check_reply(control: Control, actor: Actor) -> None:
    """Only the holder speaks, and only to what they have seen. Raises Conflict otherwise."""
    if not actor.holds(control):
        raise _not_yours(control, actor)
    _check_current(control, actor)


def check_release(control: Control, actor: Actor) -> None:
    """The holder gives the conversation back; a lead or an admin may do it for the holder they saw.

    Raises Conflict or Refused.
    """
    if control.owner == "ai":
        raise Conflict(f"The AI has this conversation already.{_told(control.latest, actor)}")
    if actor.holds(control):
        return
    if control.operator_id is not None and actor.role not in RELEASES_FOR_OTHERS:
        raise Refused(
            f"{control.operator_name} holds this conversation; only they, a lead or an admin release it."
            f"{_told(control.latest, actor)}"
        )
    check_hands(control, actor)


def check_resolve(control: Control, actor: Actor) -> None:
    """The holder resolves, or anybody when no person holds it. Raises Conflict otherwise."""
    if control.status == "resolved":
        raise Conflict(f"This conversation is resolved already.{_told(control.latest, actor)}")
    if control.operator_id is not None and not actor.holds(control):
        raise _not_yours(control, actor)
    _check_current(control, actor)


def check_snooze(control: Control, actor: Actor) -> None:
    """The holder puts it aside or brings it back, or anybody when no person holds it. Raises Conflict otherwise."""
    if control.status == "resolved":
        raise Conflict("This conversation is resolved: it comes back by itself when the customer writes.")
    if control.operator_id is not None and not actor.holds(control):
        raise _not_yours(control, actor)
    _check_current(control, actor)


def check_assign(control: Control, actor: Actor, to: UUID | None, name: str | None) -> None:
    """Who holds it may hand it on; what the AI or nobody holds, anybody may give away; a lead or an admin all of it.

    `to` is None for nobody: then it needs a person. Raises Conflict, also when it changed hands since, or Refused.
    """
    check_hands(control, actor)
    if control.owner == "human" and control.operator_id == to and control.status != "resolved":
        raise Conflict(f"{name or 'Nobody'} holds this conversation already.")
    held = control.owner == "human" and control.operator_id is not None
    if held and not actor.holds(control) and actor.role not in RELEASES_FOR_OTHERS:
        raise Refused(
            f"{control.operator_name} holds this conversation; only they, a lead or an admin assign it."
        )


@dataclass(frozen=True, slots=True)
class Side:
    """One of two conversations that are to be one. `merged_into` is the number of the one it is part of already.

    `claims` is the key of the address that was typed into the form, where all of it came over the form and nothing is
    proven. `asked` says that a code is on its way that would prove an address.
    """

    number: int
    customer: UUID
    verified: bool
    merged_into: int | None
    claims: str | None = None
    asked: bool = False


def check_merge_in(
    kept: Side, kept_control: Control, merged: Side, merged_control: Control, actor: Actor
) -> None:
    """Whether one conversation may go on in another: both of one customer, and no customer left waiting.

    Both are proven, or nothing is proven of either and one address was typed into the form for both: then it is the
    operator who says that one person wrote them, and each ticket's page goes on showing only what was written on it.
    A conversation that a colleague holds is theirs to merge. Where the customer waits for an answer in the merged
    one, only a person can give it in the kept one. Raises Conflict or Refused.
    """
    _check_current(kept_control, actor)
    for side in (kept, merged):
        if side.merged_into is not None:
            raise Conflict(
                f"#{side.number} is part of #{side.merged_into} already.", remedy="Undo that first."
            )
    if kept.customer != merged.customer:
        raise Conflict(
            f"#{kept.number} and #{merged.number} are two customers'.",
            remedy="If they are one person, merge the customers first.",
        )
    _check_one_writer(kept, merged)
    for control in (kept_control, merged_control):
        held = control.owner == "human" and control.operator_id is not None
        if held and not actor.holds(control) and actor.role not in RELEASES_FOR_OTHERS:
            raise Refused(
                f"{control.operator_name} holds one of them; only they, a lead or an admin merge it."
            )
    if actor.holds(kept_control):
        return
    take = f"Take #{kept.number} over first, and go on there."
    if merged_control.unanswered:
        raise Conflict(
            f"The customer waits for an answer in #{merged.number}, which the AI would not see in #{kept.number}.",
            remedy=take,
        )
    if merged_control.owner == "human" and merged_control.status != "resolved":
        raise Conflict(f"#{merged.number} is with people; #{kept.number} is not with you.", remedy=take)


def _check_one_writer(kept: Side, merged: Side) -> None:
    if kept.verified and merged.verified:
        return
    if kept.verified or merged.verified or kept.claims is None or merged.claims is None:
        unproven = merged if kept.verified or kept.claims is not None else kept
        raise Conflict(
            f"Nothing proves who wrote #{unproven.number}: what one claimed stays apart from what was proven.",
            remedy="Have the customer prove it with a code.",
        )
    if kept.claims != merged.claims:
        raise Conflict(
            f"#{kept.number} and #{merged.number} were written under two addresses, and nothing proves either.",
            remedy="Have the customer prove them with a code.",
        )
    for side in (kept, merged):
        if side.asked:
            raise Conflict(
                f"A code is on its way for #{side.number}: written back, it must prove that one alone.",
                remedy="Wait until it is used, or half an hour.",
            )


def check_hands(control: Control, actor: Actor) -> None:
    """Whether the actor's screen shows who has it now. Raises Conflict otherwise."""
    if control.epoch != actor.epoch:
        raise Conflict(
            f"The conversation has changed hands since.{_told(control.latest, actor)}",
            remedy="Look at it again, then decide.",
        )


def _check_current(control: Control, actor: Actor) -> None:
    check_hands(control, actor)
    if control.last_inbound_seq > actor.seen:
        raise Conflict("The customer has written again: read that first, then decide.")


def _not_yours(control: Control, actor: Actor) -> Conflict:
    free = control.owner == "ai" or control.operator_id is None
    holder = "The AI" if control.owner == "ai" else control.operator_name or "Nobody"
    lost, now = control.after_seen, control.latest
    told = _told(lost, actor) + (_told(now, actor) if now != lost else "")
    return Conflict(
        f"{holder} holds this conversation.{told}",
        remedy="Take the conversation over first." if free else _ASK_THEM,
    )


_CHANGES: Final = {
    "take_over": "took it over",
    "escalate": "handed it to people",
    "release": "gave it back to the AI",
    "resolve": "resolved it",
}
_LOSSES: Final = {
    "vanished": "Nothing was heard of whoever held it, so they lost it",
    "revoked": "Its holder's access was taken away",
    "expired": "Its holder's access ran out",
    "demoted": "Its holder may no longer answer customers",
    "elsewhere": "A colleague answered from another client",
}


def _told(change: Change | None, actor: Actor) -> str:
    """What happened, who did it and when, as a sentence to add; empty when nobody knows."""
    if change is None:
        return ""
    when = ago(change.ago)
    if change.why in _LOSSES:
        return f" {_LOSSES[change.why]}, {when}."
    if change.by is not None:
        who = "You" if change.by == actor.name else change.by
        return f" {who} {_CHANGES.get(change.why or '', 'changed it')} {when}."
    return f" The AI handed it to a person {when}." if change.owner == "human" else ""


def ago(seconds: float) -> str:
    """How long ago something was, as people say it."""
    if seconds < 60:
        return "just now"
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
