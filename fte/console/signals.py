"""What the feed tells the application, in the order in which it happened."""

from dataclasses import dataclass
from uuid import UUID

from fte.console.errors import BadToken
from fte.console.model import Link
from fte.wire import Envelope, OperatorView


@dataclass(frozen=True, slots=True)
class Welcome:
    """The daemon knows us."""

    operator: OperatorView


@dataclass(frozen=True, slots=True)
class Denied:
    """The daemon does not accept our token; the feed has ended."""

    error: BadToken


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of the queue were fetched."""


@dataclass(frozen=True, slots=True)
class Happened:
    """An event, once. `conversation` is what it is about."""

    event: Envelope
    conversation: UUID | None


@dataclass(frozen=True, slots=True)
class Missed:
    """Events were missed: whatever is shown must be loaded anew."""


Signal = Welcome | Denied | Rows | Happened | Missed | Link
