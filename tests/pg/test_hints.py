"""Hints: heard here at once, elsewhere soon, and never in the way of a cancellation."""

import asyncio
import contextlib

import pytest

from fte.pg.hints import Hints, heard
from fte.pg.pool import Pool


async def test_a_ring_is_heard_in_another_process(database_url: str) -> None:
    here, there = Hints(database_url), Hints(database_url)
    carriers = [asyncio.create_task(here.run()), asyncio.create_task(there.run())]
    with there.bell() as bell:
        async with asyncio.timeout(20):
            while not await heard(bell, 0.05):  # both ring themselves once when they connect
                pass
            bell.clear()
            here.ring()
            while not bell.is_set():
                await heard(bell, 1)
    for carrier in carriers:
        carrier.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await carrier


async def test_the_carrier_comes_back_after_its_connection_is_cut(database_url: str, pool: Pool) -> None:
    hints = Hints(database_url)
    carrier = asyncio.create_task(hints.run())

    async def listening() -> int | None:
        return await pool.fetchval(
            "select pid from pg_stat_activity where datname = current_database() and query = 'listen \"fte_log\"'"
            " or query like 'LISTEN %' and datname = current_database()"
        )

    from tests.support import until

    first = await until(listening)
    await pool.execute("select pg_terminate_backend($1)", first)
    assert await until(lambda: _another(listening, first)) != first
    carrier.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await carrier


async def _another(listening, first: int) -> int | None:
    found = await listening()
    return found if found != first else None


async def test_a_cancelled_listener_stops_even_when_the_bell_rings_in_the_same_moment() -> None:
    bell = asyncio.Event()
    listener = asyncio.create_task(heard(bell, 30))
    await asyncio.sleep(0)
    bell.set()
    listener.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listener
