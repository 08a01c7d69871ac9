"""Whether Gmail vouches for the From address (RFC 8601, RFC 7489)."""

from typing import Final

from fte.channels.gmail.mime import Mail

GMAIL: Final = "mx.google.com"


def authenticated(mail: Mail, authserv: str = GMAIL) -> bool:
    """Whether the mail really comes from the domain of its one From address."""
    raise NotImplementedError
