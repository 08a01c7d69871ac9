"""The seams with more than one implementation, on one page."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Protocol

from fte.domain import channels
from fte.domain.delivery import Outgoing
from fte.wire import Envelope

Handler = Callable[[Envelope], Awaitable[None]]


class Bus(Protocol):
    """Carries committed events to whoever follows them.

    Both methods deliver every event of the topics that was committed, and deliver the events of one topic and key in
    the order in which their transactions committed. An event may come twice, and is known by its id then.
    """

    async def consume(self, topics: Sequence[str], group: str, handler: Handler) -> None:
        """Hand every event to `handler` at least once, until cancelled.

        One event per topic and key is handled at a time, different keys concurrently. A handler that raises is tried
        again with growing pauses; after the last try the event is written to the dead letters and passed over. A new
        group starts at the oldest event kept. Progress is stored, so a restart continues where the group was.
        """
        ...

    async def subscribe(
        self, topics: Sequence[str], cursor: str | None
    ) -> AsyncGenerator[tuple[str, Envelope], None]:
        """Every event after `cursor` (an opaque string from an earlier pair; None: from now on), each with its own.

        It has begun when this returns, and whoever got it closes it. Replays of dead letters, which are for one group,
        are left out. A cursor of the log (`fte.pg.log.Cursor`) is one, too, whatever carries the events. Raises
        Rejected for a cursor that is not one of ours, NotFound for one whose events are no longer kept, Unavailable
        when what carries the events is away; following raises the last two as well, when it comes to that later.
        """
        ...

    def check(self, cursor: str) -> None:
        """Raises Rejected for a cursor that is not one of ours."""
        ...


class Embedder(Protocol):
    """Turns text into vectors of `dimensions` numbers, of length one."""

    name: str
    dimensions: int

    async def embed(self, texts: Sequence[str]) -> list[list[float]]: ...


KeepDraft = Callable[[str], Awaitable[None]]


class Channel(Protocol):
    """A way to a customer, through a provider."""

    name: channels.Channel

    async def send(self, reply: Outgoing, keep_draft: KeepDraft) -> str:
        """Hand a reply to the provider, once. Returns the provider's id of it.

        A provider's draft, where there is one, is kept before it is sent; a reply that comes with `draft_id` sends
        that draft. Raises Unavailable when the provider certainly did not take it and may later; Rejected, naming
        the cause, when it never will; InDoubt when it may have taken it. Anything else counts as InDoubt.
        """
        ...

    async def find(self, reply: Outgoing) -> str | None:
        """The provider's id of a reply whose sending was cut off; None when the provider certainly does not have it.

        Raises InDoubt when the provider cannot tell, Unavailable when it cannot be asked now.
        """
        ...
