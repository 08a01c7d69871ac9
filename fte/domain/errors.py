"""What can go wrong, classed by what the caller should do about it.

    FteError
    ├── Rejected      the request is wrong: correct the named fields and send it again
    │   └── Malformed … it could not even be read
    ├── Refused       the request is not allowed: sign in, wait, or ask somebody with the right role
    │   ├── Unauthorized  … because nobody knows who is asking
    │   └── TooMany       … because of a limit: wait `retry_after` seconds
    ├── NotFound      there is no such thing, or it is not yours to see
    ├── Conflict      the world moved on: look again, then decide
    ├── Unavailable   not your fault: nothing was done, try again later
    └── InDoubt       it may have been done or not: ask before doing it again

Handlers catch the bases. The docstring of a class is its default message.
"""

from collections.abc import Mapping


class FteError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None, *, remedy: str | None = None) -> None:
        self.message = message or (self.__doc__ or "").strip().splitlines()[0]
        self.remedy = remedy
        super().__init__(self.message)


class Rejected(FteError):
    """The request is not valid."""

    def __init__(
        self,
        message: str | None = None,
        *,
        fields: Mapping[str, str] | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.fields: Mapping[str, str] = dict(fields or {})


class Malformed(Rejected):
    """The request could not be read."""


class Refused(FteError):
    """This is not allowed."""


class Unauthorized(Refused):
    """Sign in: this needs a valid operator token."""


class TooMany(Refused):
    """Too many requests: please wait a little."""

    def __init__(self, message: str | None = None, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotFound(FteError):
    """Not found."""


class Conflict(FteError):
    """Something changed in the meantime: look again, then decide."""


class Unavailable(FteError):
    """The service cannot do this right now: try again in a moment."""


class InDoubt(FteError):
    """It is not known whether this was done."""
