"""How it ends, and that it stays small: SIGTERM with a database that answers nothing, and readers with slow handlers."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from fte.bus.dispatch import IN_FLIGHT_MAX, Dispatcher
from fte.wire import Envelope
from tests.chaos.fleet import STOP_TIMEOUT, Fleet, Ground, Member, Postgres
from tests.chaos.proxy import PostgresProxy


@contextlib.asynccontextmanager
async def hanging(role: str) -> AsyncIterator[Member]:
    """A running process of this role whose database has just stopped answering."""
    with Ground.laid() as ground:
        async with (
            Postgres.installed(ground) as postgres,
            PostgresProxy([postgres.address]).running() as proxy,
        ):
            fleet = Fleet(ground, {role: [role]}, {"FTE_DATABASE_URL": postgres.url_at(proxy.port)})
            await fleet.start()
            proxy.blackhole(120.0)
            await asyncio.sleep(1.5)  # by now it has asked something that is never answered
            yield fleet.members[role]
            fleet.kill_all()


@pytest.mark.process
async def test_a_second_sigterm_ends_a_process_at_once() -> None:
    async with hanging("worker") as worker:
        worker.signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        assert worker.alive
        code, seconds = await worker.terminate(10)
        assert code == 130
        assert seconds < 2.0


@pytest.mark.chaos
@pytest.mark.process
async def test_sigterm_ends_a_process_whatever_hangs() -> None:
    async with hanging("worker") as worker:
        _, seconds = await worker.terminate(STOP_TIMEOUT)
        assert seconds < STOP_TIMEOUT


async def test_a_reader_stops_taking_events_while_so_many_are_unfinished() -> None:
    """What a bus asks before it takes more. Without it a handler that hangs would let everything into memory."""
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
    return Envelope(
        id=uuid4(), topic="fte.metrics", key=key, type="turn.finished", at=datetime.now(UTC), payload={}
    )
