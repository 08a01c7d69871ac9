"""The life of what we say: from a queued reply to a message the customer has."""

from typing import Literal

from fte.domain.channels import Channel

DeliveryState = Literal[
    "draft", "queued", "sending", "sent", "delivered", "read", "failed", "unknown", "superseded", "cancelled"
]


def first_state(channel: Channel) -> DeliveryState:
    """A reply on the web form is delivered by being stored: the ticket page shows it. Others wait for the sender."""
    return "sent" if channel == "web_form" else "queued"
