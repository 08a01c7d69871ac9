"""The sweeper: finishes what a dead process left behind, and removes what is no longer needed."""

import asyncio
import time
from typing import Final

import structlog

from fte.domain.errors import Unavailable
from fte.pg import log
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store import deadlines, identity, replies, turns

EVERY: Final = 2.0
PRUNE_EVERY: Final = 3600.0
SHOWN_MAX: Final = 500
"""Replies put on the form's page by one sweep."""
SHOW_EVERY: Final = 0.5
"""Seconds between two looks for replies that have waited long enough for the form's page."""

_log = structlog.get_logger("fte.sweeper")


class Sweeper:
    def __init__(self, pool: Pool, hints: Hints, *, log_retention_days: int) -> None:
        self._pool = pool
        self._hints = hints
        self._retention = log_retention_days
        self._prune_at = 0.0

    async def run(self) -> None:
        """Sweep every few seconds until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._show())
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

    async def _sweep_for_ever(self) -> None:
        while True:
            try:
                await self._sweep()
            except Unavailable as error:
                _log.warning("sweep put off", error=error.message)
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
        if time.monotonic() >= self._prune_at:
            self._prune_at = time.monotonic() + PRUNE_EVERY
            await log.prune(self._pool, self._retention)
