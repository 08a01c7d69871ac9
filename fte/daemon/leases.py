"""Leases: short, so that what a dead process held is soon free, and renewed for as long as the living one works."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from fte.domain.errors import Unavailable

SECONDS: Final = 10.0
"""How long something stays held by a process that says nothing more."""


@contextlib.asynccontextmanager
async def renewing(renew: Callable[[float], Awaitable[None]]) -> AsyncIterator[None]:
    """Call `renew` with SECONDS, three times in that time, while the block runs.

    A lease is for others to know when to go on, and proves nothing to its holder: whoever lost it without noticing is
    turned away where the outcome is stored.
    """
    beating = asyncio.create_task(_beat(renew))
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.wait([beating])


async def _beat(renew: Callable[[float], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(SECONDS / 3)
        with contextlib.suppress(Unavailable):
            await renew(SECONDS)
