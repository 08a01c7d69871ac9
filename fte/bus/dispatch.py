"""Handing events to a handler: keys beside each other, each key in order, retries, and what is safely done.

A bus feeds a Dispatcher and stores the place it reports. The rules of delivery are here, once, for every bus.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import structlog

from fte.domain.errors import Unavailable
from fte.domain.retry import pause
from fte.ports import Handler
from fte.wire import Envelope

IN_FLIGHT_MAX: Final = 1_000
"""Events read but not finished; reading stops there."""
TRIES_MAX: Final = 5
"""Times a handler may fail on an event before it becomes a dead letter."""

Place = TypeVar("Place")
_log = structlog.get_logger("fte.bus")


class Dispatcher(Generic[Place]):
    """Handles events at least once, one at a time per key, and knows up to which place everything is finished.

    An event whose handler keeps failing is given to `bury` and passed over. Unavailable is nobody's fault: it is
    retried for as long as it takes and never buries an event.
    """

    def __init__(
        self,
        handler: Handler,
        bury: Callable[[Envelope, BaseException, int], Awaitable[None]],
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._handler = handler
        self._bury = bury
        self._tasks = tasks
        self._waiting: dict[str, deque[_Entry[Place]]] = {}
        self._order: deque[_Entry[Place]] = deque()
        self._room = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._idle = asyncio.Event()
        self._idle.set()

    async def submit(self, place: Place, event: Envelope) -> None:
        """Take an event over; waits while too many are unfinished. `place` lies just after the event."""
        await self._room.acquire()
        self._idle.clear()
        entry = _Entry(place, event)
        self._order.append(entry)
        queue = self._waiting.get(event.key)
        if queue is not None:
            queue.append(entry)
        else:
            self._waiting[event.key] = deque([entry])
            self._tasks.create_task(self._work_off(event.key))

    def pass_over(self, place: Place) -> None:
        """Note that up to `place` nothing else is to be handled."""
        if self._order and self._order[-1].event is None:
            self._order[-1].place = place
        else:
            self._order.append(_Entry(place, None, done=True))

    def finished(self) -> Place | None:
        """The newest place with nothing unfinished before it; None when there is no newer one than last time."""
        place = None
        while self._order and self._order[0].done:
            place = self._order.popleft().place
        return place

    async def drained(self) -> None:
        """Wait until everything submitted is finished."""
        await self._idle.wait()

    async def _work_off(self, key: str) -> None:
        queue = self._waiting[key]
        while queue:
            entry = queue[0]
            assert entry.event is not None
            await self._handle(entry.event)
            entry.done = True
            queue.popleft()
            self._room.release()
        del self._waiting[key]
        if not self._waiting:
            self._idle.set()

    async def _handle(self, event: Envelope) -> None:
        failures = outages = 0
        while True:
            try:
                await self._handler(event)
                return
            except Unavailable:
                outages += 1
                await asyncio.sleep(pause(outages))
            except Exception as error:
                failures += 1
                _log.warning(
                    "event failed",
                    event_id=str(event.id),
                    type=event.type,
                    tries=failures,
                    error=type(error).__name__,
                )
                if failures >= TRIES_MAX:
                    await self._lay_to_rest(event, error, failures)
                    return
                await asyncio.sleep(pause(failures))

    async def _lay_to_rest(self, event: Envelope, error: Exception, failures: int) -> None:
        attempt = 0
        while True:
            try:
                await self._bury(event, error, failures)
                return
            except Unavailable:
                attempt += 1
                await asyncio.sleep(pause(attempt))


class _Entry(Generic[Place]):
    __slots__ = ("done", "event", "place")

    def __init__(self, place: Place, event: Envelope | None, done: bool = False) -> None:
        self.place = place
        self.event = event
        self.done = done
