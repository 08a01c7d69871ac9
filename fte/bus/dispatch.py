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
    """Handles a group's events at least once, one at a time per key, and knows up to which place all is finished.

    An event whose handler keeps failing is given to `bury` and passed over. Unavailable is nobody's fault: it is
    retried for as long as it takes and never buries an event. A dead letter that another group tries again is not
    this group's.
    """

    def __init__(
        self,
        group: str,
        handler: Handler,
        bury: Callable[[Envelope, BaseException, int], Awaitable[None]],
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._group = group
        self._handler = handler
        self._bury = bury
        self._tasks = tasks
        self._waiting: dict[str, deque[_Entry[Place]]] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._order: deque[_Entry[Place]] = deque()
        self._unfinished = 0
        self._has_room = asyncio.Event()
        self._has_room.set()

    @property
    def full(self) -> bool:
        """So many events are unfinished that no more should be submitted."""
        return not self._has_room.is_set()

    async def room(self) -> None:
        """Wait until it is not full."""
        await self._has_room.wait()

    def submit(self, place: Place, event: Envelope) -> None:
        """Take an event over. `place` lies just after it."""
        if event.replay is not None and event.replay.group != self._group:
            self.pass_over(place)
            return
        entry = _Entry(place, event)
        self._order.append(entry)
        self._count(+1)
        queue = self._waiting.get(event.key)
        if queue is not None:
            queue.append(entry)
        else:
            self._waiting[event.key] = deque([entry])
            self._workers[event.key] = self._tasks.create_task(self._work_off(event.key))

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

    def stop(self) -> None:
        """Leave everything unfinished as it is: it is somebody else's to handle now."""
        for worker in self._workers.values():
            worker.cancel()

    def _count(self, change: int) -> None:
        self._unfinished += change
        if self._unfinished < IN_FLIGHT_MAX:
            self._has_room.set()
        else:
            self._has_room.clear()

    async def _work_off(self, key: str) -> None:
        queue = self._waiting[key]
        while queue:
            entry = queue[0]
            assert entry.event is not None
            await self._handle(entry.event)
            entry.done = True
            queue.popleft()
            self._count(-1)
        del self._waiting[key]
        del self._workers[key]

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
                    **event.ids,
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
