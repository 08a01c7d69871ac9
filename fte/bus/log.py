"""The bus on one machine, or wherever Kafka is not configured: consumers read the log in PostgreSQL themselves."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Final

from fte.bus import cursors, dead_letters, offsets
from fte.bus.cursors import Displaced, Held
from fte.bus.dispatch import Dispatcher
from fte.domain.errors import Unavailable
from fte.domain.retry import pause
from fte.pg import log
from fte.pg.hints import Hints, heard
from fte.pg.log import Cursor
from fte.pg.pool import Pool
from fte.ports import Handler
from fte.wire import Envelope

POLL: Final = 1.0
"""Seconds without a hint after which a reader looks by itself."""


class LogBus:
    """The `Bus` whose events stay in the database."""

    def __init__(self, pool: Pool, hints: Hints) -> None:
        self._pool = pool
        self._hints = hints

    async def consume(self, topics: Sequence[str], group: str, handler: Handler) -> None:
        failures = 0
        while True:
            moved = False
            try:
                async with cursors.held(self._pool, group) as held:
                    try:
                        await self._follow(held, topics, group, handler)
                    finally:
                        moved = held.moved
            except* (Displaced, Unavailable):
                failures = 1 if moved else failures + 1
            await asyncio.sleep(pause(failures, longest=cursors.LEASE / 3))

    async def _follow(self, held: Held, topics: Sequence[str], group: str, handler: Handler) -> None:
        """Raises (in a group) Displaced when another process took over or the server was restarted, Unavailable
        when the database is away."""
        place = held.place
        bury = partial(dead_letters.bury, self._pool, group)
        async with asyncio.TaskGroup() as tasks:
            dispatcher: Dispatcher[Cursor] = Dispatcher(group, handler, bury, tasks)
            with self._hints.bell() as bell:
                while True:
                    bell.clear()
                    with held.reading(place):
                        events, place = await log.read(self._pool, topics, place)
                    for after, event in events:
                        await dispatcher.room()
                        dispatcher.submit(after, event)
                    full = len(events) == log.READ_MAX
                    if not full:
                        dispatcher.pass_over(place)
                    await held.save(dispatcher.finished())
                    if not full:
                        await heard(bell, POLL)

    def check(self, cursor: str) -> None:
        offsets.read(cursor)

    async def subscribe(
        self, topics: Sequence[str], cursor: str | None
    ) -> AsyncGenerator[tuple[str, Envelope], None]:
        place = offsets.read(cursor) if cursor else await log.end(self._pool)
        if not isinstance(place, Cursor):  # from when events travelled through Kafka
            raise offsets.no_longer_kept()
        await log.check(self._pool, place)
        return self._events(topics, place)

    async def _events(
        self, topics: Sequence[str], place: Cursor
    ) -> AsyncGenerator[tuple[str, Envelope], None]:
        with self._hints.bell() as bell:
            while True:
                bell.clear()
                events, place = await log.read(self._pool, topics, place)
                for after, event in events:
                    if event.replay is None:
                        yield str(after), event
                if len(events) < log.READ_MAX:
                    await heard(bell, POLL)
