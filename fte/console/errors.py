"""What can go wrong between the console and the daemon, beyond the domain's errors."""

from fte.domain.errors import Refused, Unavailable


class OutcomeUnknown(Unavailable):
    """The connection was lost in the middle: whether it took effect is not known."""


class BadToken(Refused):
    """The daemon does not accept this token."""
