"""A reply as a mail: plain text, the same as HTML made only by escaping, and headers nobody can add to."""

from fte.channels.gmail.mime import Mail
from fte.domain.delivery import Outgoing
from fte.wire import JSON


def envelope_of(mail: Mail, thread_id: str) -> JSON:
    """What answering this mail will need: thread_id, message_id, references, subject."""
    raise NotImplementedError


def compose(reply: Outgoing, *, from_name: str, from_address: str, secret: bytes) -> bytes:
    """The mail to hand to Gmail. Raises Rejected when an address is none."""
    raise NotImplementedError
