"""A reader with a slow handler stays small: it says when no more should be taken."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

from fte.bus.dispatch import IN_FLIGHT_MAX, Dispatcher
from fte.wire import Envelope


async def test_a_dispatcher_is_full_while_so_many_events_are_unfinished() -> None:
    finish = asyncio.Event()

    async def handler(_: Envelope) -> None:
        await finish.wait()

    async def bury(*_: object) -> None:
        raise AssertionError("nothing failed")

    async with asyncio.TaskGroup() as tasks:
        dispatcher: Dispatcher[int] = Dispatcher("group", handler, bury, tasks)
        taken = 0
        while not dispatcher.full and taken < 2 * IN_FLIGHT_MAX:
            taken += 1
            dispatcher.submit(taken, event(str(taken % 7)))
        finish.set()
        await dispatcher.room()
    assert taken == IN_FLIGHT_MAX
    assert dispatcher.finished() == taken


def event(key: str) -> Envelope:
    now = datetime.now(UTC)
    return Envelope(id=uuid4(), topic="fte.metrics", key=key, type="turn.finished", at=now, payload={})
