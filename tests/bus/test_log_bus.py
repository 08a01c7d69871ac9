"""The log bus keeps the bus contract, and hands its group over when its reader dies."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from fte.bus import cursors
from fte.bus import log as bus_log
from fte.bus.log import LogBus
from fte.domain.errors import NotFound
from fte.pg import log
from fte.pg.hints import Hints
from fte.pg.log import Cursor
from fte.pg.pool import Pool
from fte.ports import Bus
from tests.bus.contract import TOPIC, BusContract, Collector, announce, consuming
from tests.support import until


class TestLogBus(BusContract):
    @contextlib.asynccontextmanager
    async def open_bus(self, pool: Pool, hints: Hints) -> AsyncIterator[Bus]:
        yield LogBus(pool, hints)


async def test_progress_is_stored(pool: Pool, hints: Hints) -> None:
    got = Collector()
    async with consuming(LogBus(pool, hints), got):
        await announce(pool, hints, "a", 1, 2, 3)
        await until(lambda: got.by_key["a"] == [1, 2, 3])
        await until(lambda: _passed_everything(pool))
    again = Collector()
    async with consuming(LogBus(pool, hints), again):
        await announce(pool, hints, "a", 4)
        await until(lambda: again.by_key["a"] == [4])


async def _passed_everything(pool: Pool) -> bool:
    row = await pool.fetchrow("select seen::text, until::text, position from cursors where group_name = 'g'")
    if row is None:
        return False
    events, _ = await log.read(pool, [TOPIC], Cursor(row["seen"], row["until"], row["position"]))
    return not events


async def test_another_process_takes_over_from_a_dead_reader(
    pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cursors, "LOOK_EVERY", 0.02)
    await pool.execute(
        "insert into cursors (group_name, holder, held_until) values ('g', gen_random_uuid(), now() + interval '1 hour')"
    )
    await announce(pool, hints, "a", 1)
    got = Collector()
    async with consuming(LogBus(pool, hints), got):
        await pool.execute("update cursors set held_until = now() - interval '1 second'")
        await until(lambda: got.by_key["a"] == [1])


async def test_a_displaced_reader_stops_reading(
    pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cursors, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(bus_log, "POLL", 0.02)
    got = Collector()
    async with consuming(LogBus(pool, hints), got):
        await announce(pool, hints, "a", 1)
        await until(lambda: got.seen)
        await pool.execute(
            "update cursors set holder = gen_random_uuid(), held_until = now() + interval '1 hour'"
        )
        await announce(pool, hints, "a", 2)
        await until(lambda: pool.fetchval("select held_until > now() + interval '50 minutes' from cursors"))


async def test_old_events_are_pruned_only_behind_every_group(pool: Pool, hints: Hints) -> None:
    await announce(pool, hints, "a", 1, 2)
    await pool.execute("update log set at = now() - interval '30 days'")
    start = Cursor()
    events, after = await log.read(pool, [TOPIC], start)
    await announce(pool, hints, "a", 3)
    await pool.execute("insert into cursors (group_name) values ('slow')")
    assert await log.prune(pool, 14) == 0
    await pool.execute("update cursors set seen = $1::text::pg_snapshot", after.seen)
    assert await log.prune(pool, 14) == 2
    with pytest.raises(NotFound):
        await log.read(pool, [TOPIC], events[0][0])
    rest, _ = await log.read(pool, [TOPIC], after)
    assert [event.payload["n"] for _, event in rest] == [3]
