"""What a message costs: processor time by role, and what PostgreSQL writes and keeps. `python -m benchmarks.cost`.

Each role is a process of its own, on the embedded bus and with the offline model. Forms come in at a steady rate, and the
clocks of the processes are read before the first and after the last is answered: processor time hardly depends on what
else the machine does.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import psutil  # type: ignore[import-untyped]

from benchmarks import pages
from benchmarks.answer import Size as Load
from benchmarks.answer import paced_waits
from benchmarks.measure import Figure
from benchmarks.stage import database, free_port, running

PROCESSES: Final = {"http": ("http",), "worker": ("worker",), "the rest": ("sender", "sweeper", "metrics")}
_SIZES: Final = """
select sum(pg_total_relation_size(oid)) from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
"""
_EVENTS: Final = "select count(*) from log"
_WRITTEN: Final = "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"
_COMMITS: Final = "select xact_commit from pg_stat_database where datname = current_database()"


@dataclass(frozen=True, slots=True)
class Size:
    warm_up: int = 50
    messages: int = 1_000
    rate: float = 10.0


TINY = Size(warm_up=5, messages=10)


async def measure(size: Size = Size()) -> list[Figure]:
    """One figure for each part; the targets are what docs/scaling.md reckons with."""
    async with database(track_commit_timestamp="on", track_counts="on") as url:
        await pages.fill(url)
        return await asyncio.to_thread(_measured, url, size)


def _measured(url: str, size: Size) -> list[Figure]:
    port, server = free_port(), asyncio.run(_server(url))
    with _started(url, port) as processes:
        paced_waits(url, port, Load(messages=size.warm_up), size.rate, "warm-")
        before = _counts(url), _clocks(processes, server)
        paced_waits(url, port, Load(messages=size.messages), size.rate, "cost-")
        after = _counts(url), _clocks(processes, server)
    spent = {name: (after[1][name] - before[1][name]) / size.messages * 1000 for name in before[1]}
    kept, events, written, commits = (
        (new - old) / size.messages for new, old in zip(after[0], before[0], strict=True)
    )
    return [
        *(_figure(f"cost, {name}", value, "ms of CPU", 100.0) for name, value in spent.items()),
        _figure("cost, written ahead", written / 1000, "kB", 200.0),
        _figure("cost, kept", kept / 1000, "kB", 100.0),
        _figure("cost, events", events, "events", 30.0),
        _figure("cost, transactions", commits, "commits", 60.0),
    ]


def _figure(name: str, value: float, unit: str, target: float) -> Figure:
    return Figure(name=name, ours=value, unit=unit, bound="at most", target=target, note="for each message")


@contextlib.contextmanager
def _started(url: str, port: int) -> Iterator[dict[str, psutil.Process]]:
    with contextlib.ExitStack() as stack:
        found = {}
        for name, roles in PROCESSES.items():
            own = port if name == "http" else free_port()
            found[name] = psutil.Process(
                stack.enter_context(running("-m", "benchmarks.daemon", url, own, *roles)).pid
            )
        yield found


def _clocks(processes: dict[str, psutil.Process], server: psutil.Process) -> dict[str, float]:
    """Seconds of processor time so far, by part; PostgreSQL's are those of all its processes, also of those that ended."""
    clocks = {name: sum(_seconds(process)[:2]) for name, process in processes.items()}
    backends = sum(sum(_seconds(backend)[:2]) for backend in server.children(recursive=True))
    return clocks | {"PostgreSQL": sum(_seconds(server)) + backends}


def _seconds(process: psutil.Process) -> tuple[float, ...]:
    """A process's own time, by itself and in the kernel, and the same of its children that ended."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return (0.0,)
    return times.user, times.system, times.children_user, times.children_system


async def _server(url: str) -> psutil.Process:
    connection: Any = await asyncpg.connect(url)
    backend = psutil.Process(await connection.fetchval("select pg_backend_pid()"))
    server = backend.parent()
    await connection.close()
    return server


def _counts(url: str) -> tuple[float, ...]:
    return asyncio.run(_read(url))


async def _read(url: str) -> tuple[float, ...]:
    connection: Any = await asyncpg.connect(url)
    found = [float(await connection.fetchval(query)) for query in (_SIZES, _EVENTS, _WRITTEN, _COMMITS)]
    await connection.close()
    return tuple(found)


if __name__ == "__main__":
    from benchmarks.__main__ import row

    for figure in asyncio.run(measure()):
        print(row(figure))
