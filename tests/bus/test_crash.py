"""A server that is killed forgets transactions it has not written down, and gives their numbers to others."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from fte.bus import cursors
from fte.bus.cursors import Displaced
from fte.pg import log
from fte.pg.pool import Pool
from tests.bus.contract import TOPIC
from tests.chaos.fleet import Ground, Postgres

pytestmark = pytest.mark.process

FORGOTTEN = 20
"""Transactions that come to nothing before the crash."""


@pytest.fixture
async def own() -> AsyncIterator[tuple[Postgres, Pool]]:
    """A server of our own that writes down only what has to be, and a pool on it."""
    with Ground.laid() as ground:
        async with Postgres.installed(ground) as postgres:
            connection = await asyncpg.connect(postgres.url)
            await connection.execute("alter system set wal_writer_delay = '10s'")
            await connection.execute("select pg_reload_conf()")
            await connection.close()
            pool = await Pool.open(postgres.url, size=3)
            yield postgres, pool
            await pool.close()


async def come_to_nothing(pool: Pool) -> None:
    for _ in range(FORGOTTEN):
        async with pool.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("select pg_current_xact_id()")
            await transaction.rollback()


async def announced(pool: Pool, key: str) -> None:
    async with pool.transaction() as connection:
        await log.emit(connection, [log.Event(TOPIC, key, "thing", {"key": key})])


async def crash(postgres: Postgres, pool: Pool) -> None:
    await asyncio.to_thread(postgres.stop)
    await asyncio.to_thread(postgres.start)
    await asyncio.gather(*(_reconnected(pool) for _ in range(3)))


async def _reconnected(pool: Pool) -> None:
    async with pool.connection() as connection:
        await connection.execute("select pg_sleep(0.05)")


async def test_a_reader_goes_back_to_its_stored_place_after_a_crash(own: tuple[Postgres, Pool]) -> None:
    postgres, pool = own
    await announced(pool, "before")
    async with cursors.held(pool, "g") as held:
        _, place = await log.read(pool, [TOPIC], held.place)
        await held.save(place, at_once=True)
        stored = await cursors.current(pool, "g")
        await come_to_nothing(pool)
        _, ahead = await log.read(pool, [TOPIC], place)
        await crash(postgres, pool)
        await announced(pool, "after")
        with pytest.raises(Displaced), held.reading(ahead):
            await log.read(pool, [TOPIC], ahead)
        for _ in range(FORGOTTEN):
            await announced(pool, "after")
        with pytest.raises(Displaced):
            await held.save(ahead, at_once=True)
    assert await cursors.current(pool, "g") == stored
    async with cursors.held(pool, "g") as held:
        events, _ = await log.read(pool, [TOPIC], held.place)
    assert [event.key for _, event in events] == ["after"] * (FORGOTTEN + 1)
