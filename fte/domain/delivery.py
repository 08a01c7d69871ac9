"""The life of what we say: from a queued reply to a message the customer has."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from fte.domain.channels import Channel
from fte.domain.conversations import Role
from fte.domain.retry import pause

DeliveryState = Literal[
    "draft", "queued", "sending", "sent", "delivered", "read", "failed", "unknown", "superseded", "cancelled"
]
ReplyKind = Literal["answer", "notice", "code"]
"""An answer in the conversation, a notice by mail that there is one, or a code that proves an address."""

PATIENCE: Final = 6 * 3600.0
"""Seconds a reply may wait for its provider to come back; then a person is told."""

WINDOW_CLOSED: Final = "63016"
"""What a failed report names when free text was sent outside WhatsApp's 24-hour window (a Twilio error code)."""

_RANK: Final[dict[DeliveryState, int]] = {"sent": 1, "failed": 2, "delivered": 3, "read": 4}
"""What a provider may report, by how much it settles: a message that was read cannot have failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One reply, or part of one, with all a channel needs to hand it to its provider.

    `account` is our mailbox or number; `recipient` an address or number in the channel's normal form. `envelope` is
    that of the customer's newest message on the channel, as the channel stored it at intake. `window_until` is when
    the provider stops taking free text (None: it always does). `began_at` is when sending was first tried.
    `ticket_id` is the public one.
    """

    reply_id: UUID
    message_id: UUID
    conversation_id: UUID
    kind: ReplyKind
    channel: Channel
    account: str
    recipient: str
    recipient_name: str
    role: Role
    operator_name: str
    text: str
    part: int
    subject: str
    reference: str
    ticket_id: str
    envelope: dict[str, Any] = field(default_factory=dict)
    window_until: datetime | None = None
    draft_id: str | None = None
    attempts: int = 1
    began_at: datetime
    queued_for: float = 0.0
    """Seconds since it was first to be sent."""


def first_state(channel: Channel, undo: float = 0.0) -> DeliveryState:
    """A reply on the web form is delivered by being stored: the ticket page shows it. Others wait for the sender.

    One that may be taken back for `undo` seconds waits everywhere.
    """
    return "sent" if channel == "web_form" and undo <= 0 else "queued"


def retry_in(attempts: int, queued_for: float, *, chance: float | None = None) -> float | None:
    """Seconds until a provider that did not take a reply is tried again; None when the customer has waited too long."""
    if queued_for > PATIENCE:
        return None
    return pause(attempts, first=1.0, longest=300.0, chance=chance)


def settled(reports: set[str]) -> DeliveryState:
    """The state a set of provider's reports amounts to, whatever their order; `sent` when they say nothing."""
    return max((state for state in _RANK if state in reports), key=_RANK.__getitem__, default="sent")
