"""What the runs share: things going on beside each other, and waiting for the last follower."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from tests.chaos.customers import Follower
from tests.chaos.history import History
from tests.chaos.stage import Stage
from tests.support import until


@contextlib.asynccontextmanager
async def beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these while the block does. One that breaks is raised at the block's end."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


async def caught_up(stage: Stage, follower: Follower) -> History:
    """The history once the follower has heard all there is, and the broker has it. Within a minute; else it is the
    judge's."""

    async def all_there() -> History | None:
        history = await stage.history()
        due = history.missed[history.followed[-1].since]
        if due <= set(follower.heard) and not history.problems("I11", "I12"):
            return history
        await asyncio.sleep(0.5)
        return None

    try:
        return await until(all_there, deadline=60)
    except AssertionError:
        return await stage.history()
