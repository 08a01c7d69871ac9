"""The bus on one machine, or wherever Kafka is not configured: consumers read the log in PostgreSQL themselves."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final
from uuid import UUID

from fte.bus.dispatch import Dispatcher
from fte.domain.errors import FteError, Unavailable
from fte.domain.events import DEAD_LETTERS
from fte.domain.ids import new_id
from fte.domain.retry import pause
from fte.pg import log, queries
from fte.pg.hints import Hints, heard
from fte.pg.log import Cursor
from fte.pg.pool import Pool
from fte.ports import Handler
from fte.wire import Envelope

POLL: Final = 1.0
"""Seconds without a hint after which a reader looks by itself."""
LEASE: Final = 15.0
"""Seconds a group's reader may be silent before another process takes its place."""
RELEASE_TIMEOUT: Final = 2.0
SAVE_EVERY: Final = 0.5
"""Seconds of progress a crash may make the group see again."""

_sql = queries.load(__file__)


class _Displaced(FteError):
    """Another process reads for this group now."""


class LogBus:
    """The `Bus` whose events stay in the database."""

    def __init__(self, pool: Pool, hints: Hints) -> None:
        self._pool = pool
        self._hints = hints

    async def consume(self, topics: Sequence[str], group: str, handler: Handler) -> None:
        failures = 0
        while True:
            reader = _GroupReader(self._pool, self._hints, topics, group)
            try:
                await reader.run(handler)
            except* (_Displaced, Unavailable):
                failures = 1 if reader.moved else failures + 1
            await asyncio.sleep(pause(failures, longest=LEASE / 3))

    async def subscribe(
        self, topics: Sequence[str], cursor: str | None
    ) -> AsyncGenerator[tuple[str, Envelope], None]:
        place = Cursor.parse(cursor) if cursor else await log.end(self._pool)
        with self._hints.bell() as bell:
            while True:
                bell.clear()
                events, place = await log.read(self._pool, topics, place)
                for after, event in events:
                    yield str(after), event
                if len(events) < log.READ_MAX:
                    await heard(bell, POLL)


class _GroupReader:
    """Reads for one group for as long as this process is the one to do it."""

    def __init__(self, pool: Pool, hints: Hints, topics: Sequence[str], group: str) -> None:
        self._pool = pool
        self._hints = hints
        self._topics = topics
        self._group = group
        self._me = new_id()
        self._done: Cursor | None = None
        self._save_at = 0.0
        self.moved = False

    async def run(self, handler: Handler) -> None:
        """Raises (in a group) _Displaced when another process took over, Unavailable when the database is away."""
        place = await self._claim()
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._follow(place, Dispatcher(handler, self._bury, tasks))
        finally:
            with contextlib.suppress(FteError, TimeoutError):
                async with asyncio.timeout(RELEASE_TIMEOUT):
                    await self._pool.execute(_sql.release_group, self._group, self._me)

    async def _follow(self, place: Cursor, dispatcher: Dispatcher[Cursor]) -> None:
        with self._hints.bell() as bell:
            while True:
                bell.clear()
                events, place = await log.read(self._pool, self._topics, place)
                for after, event in events:
                    await dispatcher.submit(after, event)
                full = len(events) == log.READ_MAX
                if not full:
                    dispatcher.pass_over(place)
                self._done = dispatcher.finished() or self._done
                await self._save()
                if not full:
                    await heard(bell, POLL)

    async def _claim(self) -> Cursor:
        while True:
            row: Any = await self._pool.fetchrow(_sql.claim_group, self._group, self._me, LEASE)
            if row is not None:
                return Cursor(row["seen"], row["until"], row["position"])
            await asyncio.sleep(POLL)

    async def _save(self) -> None:
        """Store progress, and keep the lease, once per interval."""
        now = time.monotonic()
        if now < self._save_at:
            return
        self._save_at = now + SAVE_EVERY
        place = self._done
        columns = (place.seen, place.until, place.position) if place else (None, None, None)
        saved: UUID | None = await self._pool.fetchval(
            _sql.save_group, self._group, self._me, LEASE, *columns
        )
        if saved is None:
            raise _Displaced
        self.moved = True

    async def _bury(self, event: Envelope, error: BaseException, tries: int) -> None:
        await self._pool.execute(
            _sql.bury,
            event.id,
            self._group,
            event.topic,
            event.key,
            {"type": event.type, "at": event.at, "payload": event.payload},
            type(error).__name__,
            tries,
            DEAD_LETTERS,
        )
        self._hints.ring()
