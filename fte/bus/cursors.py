"""How far each group has come in the log, and which process reads for it: one at a time, under a lease."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from fte.domain.errors import FteError, NotFound
from fte.domain.ids import new_id
from fte.pg import queries
from fte.pg.log import Cursor
from fte.pg.pool import Pool

LEASE: Final = 15.0
"""Seconds a group's reader may be silent before another process takes its place."""
LOOK_EVERY: Final = 1.0
"""Seconds between two looks whether the place is free."""
SAVE_EVERY: Final = 0.5
"""Seconds of progress a crash may make the group see again."""
RELEASE_TIMEOUT: Final = 2.0

_sql = queries.load(__file__)


class Displaced(FteError):
    """Another process reads for this group now, or the server was restarted: the stored place is where to go on."""


class Held:
    """A group's place, held by this process for as long as it says so often enough. `place` is where to go on."""

    def __init__(self, pool: Pool, group: str, holder: UUID, place: Cursor, server: datetime) -> None:
        self._pool = pool
        self._group = group
        self._holder = holder
        self._server = server
        self._unsaved: Cursor | None = None
        self._save_at = 0.0
        self.place = place
        self.moved = False

    async def save(self, place: Cursor | None, *, at_once: bool = False) -> None:
        """Store how far the group has come (None: no further), and keep the lease; once per interval, or at once.

        Raises Displaced when another process has the place or the server was restarted, Unavailable when the database
        is away.
        """
        self._unsaved = place or self._unsaved
        now = time.monotonic()
        if now < self._save_at and not at_once:
            return
        self._save_at = now + SAVE_EVERY
        saved = await self._pool.fetchval(
            _sql.save, self._group, self._holder, LEASE, *_columns(self._unsaved), self._server
        )
        if saved is None:
            raise Displaced
        self._unsaved = None
        self.moved = True

    async def release(self) -> None:
        """Let others have the place, at once."""
        await self._pool.execute(
            _sql.release, self._group, self._holder, *_columns(self._unsaved), self._server
        )

    @contextlib.contextmanager
    def reading(self, place: Cursor) -> Iterator[None]:
        """Around a read from a place: raises Displaced for one in memory that a server, restarted since, is behind.

        Raises NotFound when what comes after the stored place is no longer kept.
        """
        try:
            yield
        except NotFound:
            if place == self.place:
                raise
            raise Displaced from None


@contextlib.asynccontextmanager
async def held(pool: Pool, group: str) -> AsyncIterator[Held]:
    """A group's place, once nobody else holds it; released at the end. Raises Unavailable."""
    place = await _claim(pool, group, new_id())
    try:
        yield place
    finally:
        with contextlib.suppress(FteError, TimeoutError):
            async with asyncio.timeout(RELEASE_TIMEOUT):
                await place.release()


async def _claim(pool: Pool, group: str, holder: UUID) -> Held:
    while True:
        row: Any = await pool.fetchrow(_sql.claim, group, holder, LEASE)
        if row is not None:
            place = Cursor(row["seen"], row["until"], row["position"])
            return Held(pool, group, holder, place, row["server"])
        await asyncio.sleep(LOOK_EVERY)


def _columns(place: Cursor | None) -> tuple[str | None, str | None, int | None]:
    return (place.seen, place.until, place.position) if place else (None, None, None)


async def silent_for(pool: Pool, group: str) -> float | None:
    """Seconds since the group last said how far it has come; None for a group that never did."""
    seconds: float | None = await pool.fetchval(_sql.silent_for, group)
    return seconds


async def current(pool: Pool, group: str) -> Cursor:
    """How far the group has come; the beginning for one that never read."""
    row: Any = await pool.fetchrow(_sql.current, group)
    return Cursor() if row is None else Cursor(row["seen"], row["until"], row["position"])
