"""A question to the database, asked once for all who want to know, and given up in time."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fte.domain.errors import Unavailable

T = TypeVar("T")


@dataclass(slots=True)
class Question(Generic[T]):
    """Nobody waits for the answer longer than `patience` seconds, nor asks again while another does.

    A server that was frozen, or that is behind a network which drops everything, is silent: a statement then waits for
    its own, longer deadline, and lets itself be cancelled no sooner. So it is left to that.
    """

    patience: float
    _asking: "asyncio.Task[T] | None" = None
    _left: "set[asyncio.Task[T]]" = field(default_factory=set)

    async def answer(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `ask` gives or raises. Raises Unavailable when there is no answer in time."""
        if self._asking is None:
            self._asking = asyncio.create_task(ask())
            self._asking.add_done_callback(self._ended)
        asking = self._asking
        await asyncio.wait({asking}, timeout=self.patience)
        if asking.done():
            return asking.result()
        if self._asking is asking:  # the next one asks anew: the server may be back
            self._asking = None
            self._left.add(asking)
        raise Unavailable

    def _ended(self, asking: "asyncio.Task[T]") -> None:
        self._left.discard(asking)
        if self._asking is asking:
            self._asking = None
        if not asking.cancelled():
            asking.exception()  # who gave it up does not ask for it
