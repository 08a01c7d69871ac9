"""Turns a second of one, two and four worker processes, members of one group over Kafka, with a slow model.

Each may have few turns under way, so it is the model that one waits for, until the cores have no more to give. The
model is a server of its own; the role sweeper and the relay are a process of their own, too.
"""

import asyncio
import contextlib
import itertools
import time
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment as MemberAssignment
from aiokafka.errors import KafkaError

from benchmarks import pages
from benchmarks.broker import broker
from benchmarks.daemon import SECRET
from benchmarks.measure import Figure, steady_rate
from benchmarks.messages import a_message
from benchmarks.stage import database, free_port, running
from fte.bus.cluster import Cluster
from fte.domain.events import PROCESSORS
from fte.pg.pool import Pool
from fte.store.intake import take_in

DEADLINE = 300.0
JOINED_WITHIN = 60.0
"""Seconds until every worker process must be a member of the group, with partitions."""
BUSY = 0.85
"""Share of all cores in use at which they are taken to be the limit: more processes cannot help."""
_OPEN = "select exists (select from turns where state in ('due', 'running'))"
_FINISHED = """
select extract(epoch from finished_at)::float8 as at
  from turns where state = 'done' and finished_at > to_timestamp($1)
"""
_HOLDERS = (
    "select distinct lease_holder::text from turns where state = 'running' and lease_holder is not null"
)


@dataclass(frozen=True, slots=True)
class Size:
    workers: tuple[int, ...] = (1, 2, 4, 8)
    turns: int = 100
    """For each worker."""
    concurrency: int = 8
    delay: float = 0.5


TINY = Size(workers=(1, 2), turns=12, concurrency=2, delay=0.01)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a number of workers did. `cpu` is in cores, by part; `busy` is the share of the machine's that was in use,
    by whomever."""

    workers: int
    rate: float
    cpu: dict[str, float]
    busy: float

    def __str__(self) -> str:
        parts = ", ".join(f"{part} {cores:.2f}" for part, cores in self.cpu.items())
        all_ = sum(self.cpu.values())
        return f"{self.workers}: {parts}, together {all_:.2f} cores, machine {self.busy:.0%} busy"


async def measure(size: Size = Size()) -> list[Figure]:
    """Each number of workers is compared with the one before it."""
    with broker() as kafka:
        async with database() as url:
            await pages.fill(url)
            return await _measure(url, kafka.bootstrap, size)


async def _measure(url: str, bootstrap: str, size: Size) -> list[Figure]:
    port = free_port()
    env = {
        "FTE_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "FTE_WORKER_CONCURRENCY": size.concurrency,
        "FTE_MODEL": "scripted",
        "FTE_MODEL_BASE_URL": f"http://127.0.0.1:{port}/v1",
    }
    pool = await Pool.open(url)
    cluster = Cluster(bootstrap=bootstrap)
    seen = []
    with contextlib.ExitStack() as stack:
        model = stack.enter_context(running("-m", "benchmarks.model_server", port, size.delay))
        others = {"model": [model.pid], "PostgreSQL": await _server(pool)}
        daemon = ("-m", "benchmarks.daemon", url)
        relay = stack.enter_context(running(*daemon, free_port(), "sweeper", "relay", **env))
        others["relay"] = [relay.pid]
        workers: list[int] = []
        for count in size.workers:
            while len(workers) < count:
                workers.append(stack.enter_context(running(*daemon, free_port(), "worker", **env)).pid)
            await _joined(cluster, count)
            seen.append(await _work(pool, size, count, {"workers": workers, **others}))
    await pool.close()
    return [_figure(before, after) for before, after in itertools.pairwise(seen)]


def _figure(before: Seen, after: Seen) -> Figure:
    limited = after.busy >= BUSY
    limit = "the cores are the limit" if limited else "the model is the limit"
    growth = after.workers / before.workers
    return Figure(
        name=f"workers, {before.workers} to {after.workers}",
        ours=after.rate,
        floor=before.rate,
        unit="turns/s",
        bound="at least",
        target=1.0 if limited else 0.9 * growth,
        note=f"{limit}; {before}; {after}",
    )


async def _work(pool: Pool, size: Size, count: int, parts: dict[str, list[int]]) -> Seen:
    """Let so many workers answer their share. Raises RuntimeError when one of them had none."""
    begun = await pool.fetchval("select extract(epoch from now())::float8")
    for _ in range(size.turns * count):
        await take_in(pool, SECRET.encode(), a_message())
    usage = _Usage(parts)
    holders = set()
    async with asyncio.timeout(DEADLINE):
        while await pool.fetchval(_OPEN):
            holders |= {row["lease_holder"] for row in await pool.fetch(_HOLDERS)}
            usage.look()
            await asyncio.sleep(0.1)
    rows = await pool.fetch(_FINISHED, begun)
    if len(rows) != size.turns * count or len(holders) != count:
        raise RuntimeError(
            f"{len(rows)} of {size.turns * count} turns were answered, by {len(holders)} of {count} workers"
        )
    rate = steady_rate([row["at"] for row in rows], size.concurrency * count)
    return Seen(count, rate, *usage.seen())


async def _joined(cluster: Cluster, count: int) -> None:
    """Wait until the group has so many members, each with partitions of the doorbell's topic."""
    async with asyncio.timeout(JOINED_WITHIN), cluster.admin() as admin:
        while await _shares(admin, cluster.named(PROCESSORS)) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def _shares(admin: AIOKafkaAdminClient, group: str) -> int:
    """How many members have partitions; none while the group is not settled."""
    try:
        answer = (await admin.describe_consumer_groups([group]))[0]
    except KafkaError:
        return 0
    _, _, state, _, _, members, *_ = answer.groups[0]
    shares = [MemberAssignment.decode(member[4]).partitions() for member in members if member[4]]
    return len(shares) if state == "Stable" and len(shares) == len(members) and all(shares) else 0


async def _server(pool: Pool) -> list[int]:
    """The database server's first process, whose children do the work."""
    backend = await pool.fetchval("select pg_backend_pid()")
    return [psutil.Process(backend).ppid()]


class _Usage:
    """Processor time of processes with their children, by part, between the beginning and the last look."""

    def __init__(self, parts: dict[str, list[int]]) -> None:
        self._parts = parts
        self._at = time.monotonic()
        self._machine = _machine()
        self._begun = {part: _spent(pids) for part, pids in parts.items()}
        self.look()

    def look(self) -> None:
        self._last = time.monotonic(), _machine(), {p: _spent(pids) for p, pids in self._parts.items()}

    def seen(self) -> tuple[dict[str, float], float]:
        at, machine, spent = self._last
        took = at - self._at
        used, of = machine[0] - self._machine[0], machine[1] - self._machine[1]
        cpu = {part: (spent[part] - self._begun[part]) / took for part in self._parts}
        return cpu, used / of if of else 0.0


def _machine() -> tuple[float, float]:
    """Seconds all cores were busy since the start, and seconds there were."""
    times = psutil.cpu_times()
    total = sum(times[:8])
    return total - times.idle - getattr(times, "iowait", 0.0), total


def _spent(pids: list[int]) -> float:
    spent = 0.0
    for pid in pids:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                spent += times.user + times.system
    return spent
