"""Mail no person wrote to us: why it must not be answered, and what a bounce reports (RFC 3834, RFC 3464)."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from fte.channels.gmail.mime import Mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """What a delivery report says of a mail of ours.

    `message_ids` are those of the reported mail and of what it refers to: give them to `reference.reply_of`, which
    checks that they are ours. `reply_id` is its X-FTE-Reply header, which anybody may have written.
    """

    message_ids: tuple[str, ...]
    reply_id: UUID | None
    recipient: str
    status: str
    diagnostic: str
    permanent: bool


def machine(mail: Mail, *, own: Collection[str]) -> str | None:
    """Why the mail must not be answered, or None. `own` are our mailboxes' addresses, in lower case."""
    raise NotImplementedError


def bounce(mail: Mail) -> Bounce | None:
    """The delivery report a mail is, or None."""
    raise NotImplementedError
