"""What an outage of Kafka costs: forms taken meanwhile, memory of our processes, and how soon the backlog is carried.

The roles http, worker and relay (with the sweeper) are processes of their own. Forms come at a steady rate all the
time; the broker is killed after a warm-up, and started again on its data at the end.
`python -m benchmarks.outage --minutes N` measures an outage of that length alone.
"""

import argparse
import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psutil  # type: ignore[import-untyped]

from benchmarks import pages
from benchmarks.broker import Broker, broker
from benchmarks.measure import Figure
from benchmarks.stage import database, free_port, result, running
from fte.domain.events import RELAY
from fte.pg.pool import Pool

DEADLINE = 300.0
"""Seconds the backlog may take to be carried."""
SAMPLE_EVERY = 0.5
MB = 2**20
_BACKLOG = """
select count(*) from log l, cursors c
 where c.group_name = $1 and not pg_visible_in_snapshot(l.tx, c.seen)
   and not (c.until is not null and l.position <= c.position and pg_visible_in_snapshot(l.tx, c.until))
"""
_CARRIED = f"select exists (select from cursors where group_name = $1) and ({_BACKLOG}) = 0"
_ANSWERED = "select not exists (select from turns where state in ('due', 'running'))"


@dataclass(frozen=True, slots=True)
class Size:
    warm_up: float = 60.0
    outage: float = 600.0
    rate: float = 50.0
    connections: int = 16


TINY = Size(warm_up=2.0, outage=4.0, rate=20.0, connections=4)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes a process had resident before the outage, and at most in it."""

    before: int
    most: int


async def measure(size: Size = Size()) -> list[Figure]:
    with broker() as kafka:
        async with database() as url:
            await pages.fill(url)
            pool = await Pool.open(url, size=2)
            try:
                return await _measure(pool, url, kafka, size)
            finally:
                await pool.close()


async def _measure(pool: Pool, url: str, kafka: Broker, size: Size) -> list[Figure]:
    port = free_port()
    env = {"FTE_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap}
    with contextlib.ExitStack() as stack:
        starter = stack.enter_context(ThreadPoolExecutor(1))
        parts = {
            name: stack.enter_context(running("-m", "benchmarks.daemon", url, at, *roles, **env)).pid
            for name, at, roles in (
                ("http", port, ("http",)),
                ("worker", free_port(), ("worker",)),
                ("relay", free_port(), ("relay", "sweeper")),
            )
        }
        await asyncio.to_thread(_load, port, size, 1 / size.rate, "first")
        await _until(pool, _ANSWERED)  # the worker has loaded the agent
        await _carried(pool)
        before = dict.fromkeys(parts, 0)
        async for sizes in _samples(parts, starter.submit(_load, port, size, size.warm_up, "before")):
            before = {name: max(before[name], sizes[name]) for name in parts}
        await _carried(pool)

        await asyncio.to_thread(kafka.kill)
        most = dict(before)
        load = starter.submit(_load, port, size, size.outage, "outage")
        async for sizes in _samples(parts, load):
            most = {name: max(most[name], sizes[name]) for name in parts}
        seen = load.result()
        backlog = await pool.fetchval(_BACKLOG, RELAY)

        await asyncio.to_thread(kafka.start)
        back = time.monotonic()
        left = await _moved(pool, backlog)
        moved = time.monotonic()
        await _carried(pool)
        drained = time.monotonic()
    memory = {name: Memory(before[name], most[name]) for name in parts}
    rate = left / (drained - moved) if left else backlog / (drained - back)
    return _figures(size, memory, seen, backlog, drained - back, rate)


def _figures(
    size: Size, memory: dict[str, Memory], seen: Any, backlog: int, drained: float, rate: float
) -> list[Figure]:
    lasting = f"{size.rate:g}/s for {size.outage:g} s without a broker"
    return [
        *[
            Figure(
                name=f"outage, memory of {name}",
                ours=used.most / MB,
                floor=used.before / MB,
                unit="MB",
                bound="at most",
                target=1.2,
                note=f"the most in {lasting}; floor: the most in the {size.warm_up:g} s before",
            )
            for name, used in memory.items()
        ],
        Figure(
            name="outage, forms accepted",
            ours=100 * (seen["count"] - seen["refused"]) / round(size.rate * size.outage),
            unit="%",
            bound="at least",
            target=100.0,
            note=f"{seen['count']:,} forms, p95 {seen['p95'] * 1000:.0f} ms",
        ),
        Figure(
            name="outage, backlog carried",
            ours=drained,
            unit="s",
            bound="at most",
            target=30.0,
            note=f"{backlog:,} events, {rate:,.0f}/s once the relay had its producer again",
        ),
    ]


def _load(port: int, size: Size, seconds: float, prefix: str) -> Any:
    count = round(size.rate * seconds)
    arguments = ["--port", port, "--connections", size.connections, "--count", count, "--rate", size.rate]
    return result(
        "-m", "benchmarks.load", *arguments, "--prefix", f"{prefix}-", "--refusals", timeout=seconds + 120
    )


async def _samples(parts: dict[str, int], until: "Future[Any]") -> AsyncIterator[dict[str, int]]:
    """Resident bytes of each process, now and then until something is done."""
    processes = {name: psutil.Process(pid) for name, pid in parts.items()}
    while not until.done():
        yield {name: process.memory_info().rss for name, process in processes.items()}
        await asyncio.sleep(SAMPLE_EVERY)


async def _carried(pool: Pool) -> None:
    """Wait until the relay has nothing left to carry."""
    await _until(pool, _CARRIED, RELAY)


async def _until(pool: Pool, question: str, *arguments: Any) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await pool.fetchval(question, *arguments):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _moved(pool: Pool, backlog: int) -> int:
    """What is left as soon as the relay carries again."""
    async with asyncio.timeout(DEADLINE):
        while (left := await pool.fetchval(_BACKLOG, RELAY)) >= backlog > 0:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return int(left)


def main() -> None:
    from benchmarks.__main__ import row

    parser = argparse.ArgumentParser(prog="python -m benchmarks.outage", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    for figure in asyncio.run(measure(Size(outage=parser.parse_args().minutes * 60))):
        print(row(figure))


if __name__ == "__main__":
    main()
