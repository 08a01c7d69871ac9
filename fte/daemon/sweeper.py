"""The sweeper: finishes what a dead process left behind, and removes what is no longer needed."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import structlog

from fte.domain.errors import Unavailable
from fte.domain.presence import LEASE
from fte.pg import log
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store import claims, deadlines, identity, presence, replies, retention, turns
from fte.store.retention import Periods

EVERY: Final = 2.0
PRUNE_EVERY: Final = 3600.0
SHOWN_MAX: Final = 500
"""Replies put on the form's page by one sweep."""
SHOW_EVERY: Final = 0.5
"""Seconds between two looks for replies that have waited long enough for the form's page."""
FREE_EVERY: Final = 5.0
"""Seconds between two looks for operators who vanished."""
RETAIN_EVERY: Final = 300.0
"""Seconds between two looks for what is older than it is to be kept."""
RETAIN_PAUSE: Final = 0.5
"""Seconds between two while there is more."""
GRACE: Final = 60.0
"""Seconds after a start, or after the database was away, in which nobody loses a claim: consoles come back first."""

_log = structlog.get_logger("fte.sweeper")


class Sweeper:
    """`operator_lease` is the seconds for which a claim outlives the last word of its holder."""

    def __init__(
        self,
        pool: Pool,
        hints: Hints,
        *,
        log_retention_days: int,
        operator_lease: float = LEASE,
        periods: Periods = Periods(),  # noqa: B008 it is frozen
        on_removed: Callable[[str, int], None] = lambda what, count: None,
    ) -> None:
        self._pool = pool
        self._hints = hints
        self._retention = log_retention_days
        self._prune_at = 0.0
        self._periods = periods
        self._on_removed = on_removed
        self._lease = operator_lease
        self._grace = min(GRACE, operator_lease)
        self._free_at = time.monotonic() + self._grace

    async def run(self) -> None:
        """Sweep every few seconds until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._show())
            tasks.create_task(self._retain())
            tasks.create_task(self._sweep_for_ever())

    async def _show(self) -> None:
        while True:
            try:
                if await replies.show_due(self._pool, SHOWN_MAX):
                    self._hints.ring()
            except Unavailable as error:
                _log.warning("replies on the form put off", error=error.message)
                await asyncio.sleep(EVERY)
            await asyncio.sleep(SHOW_EVERY)

    async def _retain(self) -> None:
        """Beside the other work, so that however much there is to remove, nothing waits for it."""
        while self._periods != Periods():
            wait = RETAIN_EVERY
            try:
                removed = await retention.sweep(self._pool, self._periods, datetime.now(UTC))
                for what, count in removed.items():
                    self._on_removed(what, count)
                if any(removed.values()):
                    _log.info("removed what was too old", **removed)
                if retention.is_full(removed):
                    wait = RETAIN_PAUSE
            except Unavailable as error:
                _log.warning("removing put off", error=error.message)
            await asyncio.sleep(wait)

    async def _sweep_for_ever(self) -> None:
        while True:
            try:
                await self._sweep()
            except Unavailable as error:
                _log.warning("sweep put off", error=error.message)
                self._free_at = time.monotonic() + self._grace
            await asyncio.sleep(EVERY)

    async def _sweep(self) -> None:
        recovered = await turns.recover(self._pool)
        if recovered:
            _log.warning("turns recovered", count=len(recovered))
            self._hints.ring()
        if await identity.read_codes(self._pool):
            self._hints.ring()
        while await deadlines.sweep(self._pool) >= deadlines.SWEEP_MAX:
            self._hints.ring()
        await self._free()
        if time.monotonic() >= self._prune_at:
            self._prune_at = time.monotonic() + PRUNE_EVERY
            await log.prune(self._pool, self._retention)

    async def _free(self) -> None:
        if time.monotonic() < self._free_at:
            return
        self._free_at = time.monotonic() + FREE_EVERY
        freed = await claims.free_lost(self._pool, self._lease)
        if freed:
            _log.warning("claims ended", conversations=[str(id_) for id_ in freed])
            self._hints.ring()
        await presence.forget(self._pool)
