"""The log skips nothing and keeps each key's commit order, whatever transactions do beside each other."""

import asyncio
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fte.pg import log
from fte.pg.log import Cursor, Event
from fte.pg.pool import Pool

KEYS = 3


async def _write(
    pool: Pool, writer: int, rounds: int, dice: random.Random, committed: dict[str, list[int]]
) -> None:
    """Transactions that take an id early, wait, then lock a key, announce, wait, and commit or roll back."""
    for _ in range(rounds):
        key = str(dice.randrange(KEYS))
        keep = dice.random() > 0.15
        try:
            async with pool.transaction() as connection:
                if dice.random() < 0.5:
                    await connection.execute("select pg_current_xact_id()")
                    await asyncio.sleep(dice.random() * 0.004)
                sequence = await connection.fetchval(
                    "update counters set n = n + 1 where key = $1 returning n", key
                )
                await log.emit(connection, [Event("t", key, "step", {"n": sequence, "writer": writer})])
                await asyncio.sleep(dice.random() * 0.003)
                if not keep:
                    raise RuntimeError("changed my mind")
                committed[key].append(sequence)
        except RuntimeError:
            pass
        await asyncio.sleep(0)


async def _follow(pool: Pool, stop: asyncio.Event, read) -> list[tuple[str, int]]:
    seen: list[tuple[str, int]] = []
    cursor = Cursor()
    while True:
        last = stop.is_set()
        events, cursor = await read(pool, ["t"], cursor)
        seen += [(event.key, event.payload["n"]) for _, event in events]
        if last and not events:
            return seen
        await asyncio.sleep(0.001)


async def _history(pool: Pool, seed: int, read) -> tuple[dict[str, list[int]], list[tuple[str, int]]]:
    await pool.execute("drop table if exists counters")
    await pool.execute("create table counters (key text primary key, n bigint not null default 0)")
    await pool.execute("insert into counters (key) select generate_series(0, $1)::text", KEYS)
    await pool.execute("truncate log")
    dice = random.Random(seed)
    committed: dict[str, list[int]] = {str(key): [] for key in range(KEYS)}
    stop = asyncio.Event()
    follower = asyncio.create_task(_follow(pool, stop, read))
    writers = [_write(pool, writer, 12, random.Random(dice.random()), committed) for writer in range(8)]
    await asyncio.gather(*writers)
    stop.set()
    return committed, await follower


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_is_skipped_and_keys_keep_their_commit_order(pool: Pool, seed: int) -> None:
    committed, seen = await _history(pool, seed, log.read)
    for key, numbers in committed.items():
        # The row lock makes the counter grow in commit order, so commit order is ascending order.
        assert [n for k, n in seen if k == key] == sorted(numbers)


async def _read_by_position(pool: Pool, topics: list[str], cursor: Cursor):
    """A mutant: the reader everybody writes first."""
    rows = await pool.fetch(
        "select * from log where position > $1 and topic = any ($2) order by position",
        cursor.position,
        topics,
    )
    events = [(Cursor(position=row["position"]), log._envelope(row)) for row in rows]
    return events, events[-1][0] if events else cursor


async def _read_by_transaction(pool: Pool, topics: list[str], cursor: Cursor):
    """A mutant: nothing is skipped, but a transaction that began first comes first even if it committed last."""
    rows = await pool.fetch(
        """select * from log where (tx, position) > ($1::text::xid8, $2) and topic = any ($3)
              and tx < pg_snapshot_xmin(pg_current_snapshot()) order by tx, position""",
        cursor.seen.partition(":")[0],
        cursor.position,
        topics,
    )
    events = [(Cursor(f"{row['tx']}::", None, row["position"]), log._envelope(row)) for row in rows]
    return events, events[-1][0] if events else cursor


@pytest.mark.parametrize("mutant", [_read_by_position, _read_by_transaction])
async def test_the_property_sees_a_wrong_reader(pool: Pool, mutant) -> None:
    for seed in range(40):
        committed, seen = await _history(pool, seed, mutant)
        if any([n for k, n in seen if k == key] != sorted(numbers) for key, numbers in committed.items()):
            return
    raise AssertionError("the mutant survived")


async def test_reading_goes_on_within_a_large_window(pool: Pool) -> None:
    count = log.READ_MAX * 2 + 7
    async with pool.transaction() as connection:
        await log.emit(connection, [Event("t", "k", "step", {"n": n}) for n in range(count)])
    seen, cursor, reads = [], Cursor(), 0
    while len(seen) < count:
        events, cursor = await log.read(pool, ["t"], cursor)
        seen += [event.payload["n"] for _, event in events]
        reads += 1
    assert seen == list(range(count))
    assert reads == 3


async def test_any_cursor_on_the_way_continues_exactly_there(pool: Pool) -> None:
    for n in range(20):
        async with pool.transaction() as connection:
            await log.emit(connection, [Event("t", "k", "step", {"n": n})])
    events, _ = await log.read(pool, ["t"], Cursor())
    for index, (cursor, _) in enumerate(events):
        rest, _ = await log.read(pool, ["t"], Cursor.parse(str(cursor)))
        assert [event.payload["n"] for _, event in rest] == list(range(index + 1, 20))


@given(st.text(max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_cursor_from_outside_is_parsed_or_rejected(text: str) -> None:
    from fte.domain.errors import Rejected

    try:
        cursor = Cursor.parse(text)
    except Rejected:
        return
    assert Cursor.parse(str(cursor)) == cursor
