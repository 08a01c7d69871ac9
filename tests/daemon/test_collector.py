"""The collector counts each event once: redelivered, sent again as a dead letter, or killed in between."""

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from math import inf
from uuid import uuid4

import pytest

from fte.bus import dead_letters, dispatch
from fte.bus.log import LogBus
from fte.daemon.collector import Collector
from fte.domain.events import COLLECTORS, METRICS
from fte.domain.measurements import Measurement
from fte.domain.turns import Outcome, Trace
from fte.pg import log
from fte.pg.hints import Hints
from fte.pg.log import Event
from fte.pg.pool import Pool
from fte.store import agent_metrics, turns
from fte.store.agent_metrics import Reading
from fte.wire import JSON, Envelope
from tests.domain.test_measurements import TURN
from tests.support import receive, until

EVENTS = 3_000
PROGRAM = """
import asyncio, sys
from fte.bus.log import LogBus
from fte.daemon.collector import Collector
from fte.pg.hints import Hints
from fte.pg.pool import Pool

async def main(url):
    pool = await Pool.open(url)
    await Collector(pool, LogBus(pool, Hints(url))).run()

asyncio.run(main(sys.argv[1]))
"""
FILL = """
insert into log (topic, key, type, at, payload)
select $1, (g % 40)::text, case when g % 10 = 0 then 'turn.dreamt_of' else 'turn.finished' end,
       now() - make_interval(secs => g),
       jsonb_build_object('channel', (array['email', 'whatsapp', 'web_form'])[g % 3 + 1],
                          'outcome', case when g % 7 = 0 then 'escalated' else 'answered' end,
                          'reason', case when g % 7 = 0 then (array['refund_request', 'legal'])[g % 2 + 1] end,
                          'failed', g % 11 = 0, 'run_ms', g, 'waiting_since', now() - make_interval(secs => 2 * g),
                          'input_tokens', g * 3, 'output_tokens', g % 50)
  from generate_series(1, $2) as g
"""
SAID = """
select name, payload ->> 'channel' as channel, count(*) as count, sum(value) as sum, min(at) as first
  from log cross join lateral (values
         ('turn', 1::float8),
         ('turn_seconds', extract(epoch from at - (payload ->> 'waiting_since')::timestamptz)::float8),
         ('run_ms', (payload ->> 'run_ms')::float8),
         ('tokens_input', (payload ->> 'input_tokens')::float8),
         ('tokens_output', (payload ->> 'output_tokens')::float8)) as m (name, value)
 where topic = 'fte.metrics' and type = 'turn.finished'
 group by 1, 2 order by 1, 2
"""
COUNTED = """
select metric_name as name, channel, count(*) as count, sum(metric_value) as sum, min(recorded_at) as first
  from agent_metrics group by 1, 2 order by 1, 2
"""
TOTALLED = """
select metric_name as name, channel, sum(count)::bigint as count, sum(sum) as sum from metric_totals
 group by 1, 2 order by 1, 2
"""


async def announce(pool: Pool, hints: Hints, payload: JSON, type_: str = "turn.finished") -> None:
    async with pool.transaction() as connection:
        await log.emit(connection, [Event(METRICS, "a", type_, payload)])
    hints.ring()


@contextlib.asynccontextmanager
async def collecting(pool: Pool, hints: Hints) -> AsyncIterator[None]:
    task = asyncio.create_task(Collector(pool, LogBus(pool, hints)).run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def counted(pool: Pool, name: str = "turn") -> int:
    count: int = await pool.fetchval("select count(*) from agent_metrics where metric_name = $1", name)
    return count


async def test_a_finished_turn_is_counted(pool: Pool, hints: Hints) -> None:
    await receive(pool)
    [claim] = await turns.claim(pool, uuid4(), 1, 60.0)
    trace = Trace(model="m", instructions_version="1", input_tokens=12, output_tokens=3, latency_ms=450)
    await turns.finish(pool, claim, Outcome(reply="An answer.", trace=trace))
    event = await pool.fetchrow("select id, at from log where type = 'turn.finished'")
    assert event is not None
    async with collecting(pool, hints):
        await until(lambda: counted(pool))
    rows = await pool.fetch("select * from agent_metrics where metric_name not in ('message', 'delivery')")
    assert {(row["event_id"], row["recorded_at"], row["channel"]) for row in rows} == {
        (event["id"], event["at"], "web_form")
    }
    values = {row["metric_name"]: row["metric_value"] for row in rows}
    assert values.pop("turn_seconds") == pytest.approx(
        (event["at"] - claim.waiting_since).total_seconds(), abs=1e-5
    )
    assert values == {"turn": 1, "run_ms": 450, "tokens_input": 12, "tokens_output": 3}
    [dimensions] = [row["dimensions"] for row in rows if row["metric_name"] == "turn"]
    assert dimensions == {"outcome": "answered", "failed": False}


async def test_what_comes_again_counts_once(pool: Pool) -> None:
    event, at = uuid4(), datetime.now(UTC)
    measured = [Measurement("turn", 1.0, "email"), Measurement("run_ms", 7.0, "email")]
    for _ in range(3):
        await agent_metrics.record(pool, [Reading(event, at, measured), Reading(event, at, measured)])
    await agent_metrics.record(pool, [Reading(uuid4(), at, measured), Reading(event, at, measured)])
    rows = await pool.fetch("select metric_value from agent_metrics where metric_name = 'run_ms'")
    assert [row["metric_value"] for row in rows] == [7.0, 7.0]
    totals = {total.name: total for total in await agent_metrics.totals(pool)}
    assert {name: (total.count, total.sum) for name, total in totals.items()} == {
        "turn": (2, 2.0),
        "run_ms": (2, 14.0),
    }
    assert (totals["turn"].bucket, totals["run_ms"].bucket) == (inf, 100.0)


async def test_one_that_cannot_be_written_does_not_spoil_the_others(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = Collector(pool, LogBus(pool, Hints("")))
    at = datetime.now(UTC)
    poison, others = uuid4(), [uuid4() for _ in range(5)]
    record = agent_metrics.record

    async def picky(pool: Pool, readings: Sequence[Reading]) -> None:
        if any(reading.event == poison for reading in readings):
            raise ValueError("poison")
        await record(pool, readings)

    monkeypatch.setattr(agent_metrics, "record", picky)
    events = [
        Envelope(id=id_, topic=METRICS, key="a", type="turn.finished", at=at, payload=TURN)
        for id_ in (*others[:2], poison, *others[2:])
    ]
    done = await asyncio.gather(*map(collector._on_event, events), return_exceptions=True)
    assert [type(one) for one in done if one] == [ValueError]
    assert await counted(pool) == len(others)


async def test_what_is_not_understood_is_a_dead_letter_or_passed_over(
    pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "pause", lambda attempt: 0.001 * attempt)
    async with collecting(pool, hints):
        await announce(pool, hints, {"channel": "telepathy"}, "turn.dreamt_of")
        await announce(pool, hints, TURN | {"run_ms": "long"})
        await announce(pool, hints, TURN)
        await until(lambda: counted(pool))
    [letter] = await dead_letters.listed(pool)
    assert (letter.group, letter.topic, letter.error) == (COLLECTORS, METRICS, "Malformed")
    assert await counted(pool) == 1


async def test_a_replay_counts_as_the_event_it_was(pool: Pool, hints: Hints) -> None:
    await announce(pool, hints, TURN)
    await pool.execute("update log set at = '2026-03-01 12:00:30+00'")
    event = await pool.fetchrow("select id, at from log")
    assert event is not None
    async with collecting(pool, hints):
        await until(lambda: counted(pool))
        buried = {"type": "turn.finished", "at": event["at"], "payload": TURN}
        await pool.execute(
            "insert into dead_letters (event_id, group_name, topic, key, event, error, attempts)"
            " values ($1, $2, $3, 'a', $4, 'ValueError', 5), ($5, $2, $3, 'a', $4, 'ValueError', 5)",
            event["id"],
            COLLECTORS,
            METRICS,
            buried,
            other := uuid4(),
        )
        await dead_letters.retry(pool, await dead_letters.waiting(pool), hints=hints)
        await until(lambda: pool.fetchval("select count(*) from agent_metrics where event_id = $1", other))
    rows = await pool.fetch("select * from agent_metrics where metric_name = 'turn_seconds' order by id")
    assert [row["event_id"] for row in rows] == [event["id"], other]
    assert [row["metric_value"] for row in rows] == [pytest.approx(2.5)] * 2
    assert {row["recorded_at"] for row in rows} == {event["at"]}


@pytest.mark.process
async def test_killed_again_and_again_it_counts_what_the_log_says(
    pool: Pool, hints: Hints, database_url: str
) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)
    await pool.execute(FILL, METRICS, EVENTS)
    killed_at = 0
    for _ in range(3):
        goal = min(killed_at + dice.randint(100, 700), EVENTS // 2)
        killed_at = await _count_until_killed(pool, database_url, goal)
        await _let_the_lease_run_out(pool)
    assert killed_at < EVENTS * 9 // 10, "the last one was killed with nothing left to do"
    async with collecting(pool, hints):
        await until(lambda: _counted_to_the_end(pool), deadline=60)
    said, got = await pool.fetch(SAID), await pool.fetch(COUNTED)
    assert [(row["name"], row["channel"], row["count"], row["first"]) for row in got] == [
        (row["name"], row["channel"], row["count"], row["first"]) for row in said
    ]
    assert [row["sum"] for row in got] == pytest.approx([row["sum"] for row in said], abs=1e-3)
    totals = await pool.fetch(TOTALLED)
    assert [(row["name"], row["channel"], row["count"]) for row in totals] == [
        (row["name"], row["channel"], row["count"]) for row in said
    ]
    assert [row["sum"] for row in totals] == pytest.approx([row["sum"] for row in said], abs=1e-3)
    assert sum(row["count"] for row in got if row["name"] == "turn") == EVENTS * 9 // 10
    assert await pool.fetchval("select count(*) from dead_letters") == 0


async def _count_until_killed(pool: Pool, url: str, goal: int) -> int:
    """Let a process of its own collect, and kill it once so many turns are counted."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, url)
    try:

        async def enough() -> bool:
            assert process.returncode is None, "it ended by itself"
            return await counted(pool) >= goal

        await until(enough)
    finally:
        process.kill()
        await process.wait()
    return await counted(pool)


async def _let_the_lease_run_out(pool: Pool) -> None:
    await pool.execute("update cursors set held_until = $1", datetime.now(UTC) - timedelta(seconds=1))


async def _counted_to_the_end(pool: Pool) -> bool:
    turn_of_the_last: int = await pool.fetchval(
        "select count(*) from agent_metrics m join log l on l.id = m.event_id and m.metric_name = 'turn'"
    )
    return turn_of_the_last >= EVENTS * 9 // 10
