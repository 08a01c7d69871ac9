"""From a submission to its stored answer, at half of the load one process can sustain.

One process with every role, as `fte up`, with the offline model. An answer is stored when its transaction commits:
the server is told to note that time, so nothing polls during the measurement.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import asyncpg

from benchmarks import pages
from benchmarks.measure import Figure, quantile
from benchmarks.stage import database, free_port, result, running

DEADLINE = 120.0
_UNANSWERED = "select count(*) from turns where state in ('due', 'running')"
_ANSWERED = """
select cu.email, extract(epoch from min(pg_xact_commit_timestamp(m.xmin)))::float8 as at
  from messages m join conversations c on c.id = m.conversation_id join customers cu on cu.id = c.customer_id
 where m.role = 'agent' and cu.email like $1 || '%'
 group by cu.email
"""


@dataclass(frozen=True, slots=True)
class Size:
    burst: int = 150
    messages: int = 600
    connections: int = 16


TINY = Size(burst=20, messages=10, connections=4)


async def measure(size: Size = Size()) -> list[Figure]:
    """A burst tells what is sustainable: its messages over the seconds until the last is answered."""
    async with database(track_commit_timestamp="on") as url:
        await pages.fill(url)
        return await asyncio.to_thread(_against_daemon, url, size)


def _against_daemon(url: str, size: Size) -> list[Figure]:
    port = free_port()
    with running("-m", "benchmarks.daemon", url, port, "http", "worker", "sweeper"):
        sustainable = sustainable_rate(url, port, size)
        rate = sustainable / 2
        waits = paced_waits(url, port, size, rate, "paced-")
    return [
        Figure(
            name="answer, p95",
            ours=quantile(waits, 0.95) * 1000,
            unit="ms",
            bound="at most",
            target=250,
            note=f"median {quantile(waits, 0.5) * 1000:.0f} ms, at {rate:.0f}/s, half of {sustainable:.0f}/s",
        )
    ]


def sustainable_rate(url: str, port: int, size: Size) -> float:
    """Messages a second, as a burst shows after a warm-up."""
    _answer_times(url, _load(port, size, "warm-", size.connections), "warm-")
    burst = _load(port, size, "burst-", size.burst)
    begun = min(burst["sent"].values())
    return size.burst / max(_answer_times(url, burst, "burst-", since=begun))


def paced_waits(url: str, port: int, size: Size, rate: float, prefix: str) -> list[float]:
    """Seconds from each submission to its answer at a rate."""
    return _answer_times(url, _load(port, size, prefix, size.messages, rate), prefix)


def _load(port: int, size: Size, prefix: str, count: int, rate: float | None = None) -> Any:
    arguments = ["--port", port, "--connections", size.connections, "--count", count, "--prefix", prefix]
    return result("-m", "benchmarks.load", *arguments, *(["--rate", rate] if rate else []))


def _answer_times(url: str, load: Any, prefix: str, since: float | None = None) -> list[float]:
    """Seconds from each submission's first byte, or from `since`, to its stored answer."""
    answered = asyncio.run(_answered(url, prefix))
    if answered.keys() != load["sent"].keys():
        raise RuntimeError(f"{len(answered)} of {len(load['sent'])} submissions were answered")
    return [at - (since or load["sent"][address]) for address, at in answered.items()]


async def _answered(url: str, prefix: str) -> dict[str, float]:
    """When each sender's answer was committed, once nothing is owed any more."""
    connection = await asyncpg.connect(url)
    deadline = time.monotonic() + DEADLINE
    while await connection.fetchval(_UNANSWERED):
        if time.monotonic() > deadline:
            raise RuntimeError(f"turns are still open after {DEADLINE:.0f} s")
        await asyncio.sleep(0.25)
    rows = await connection.fetch(_ANSWERED, prefix)
    await connection.close()
    return {row["email"]: row["at"] for row in rows}
