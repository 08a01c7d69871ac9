"""The real worker as a process: `python -m benchmarks.turns URL TURNS CONCURRENCY DELAY…`.

For each delay (seconds a model call takes) it stores TURNS messages, lets a worker answer them all, and prints the
rate at which turns were finished in the steady state, as a JSON list.
"""

import asyncio
import json
import sys
import time
from functools import partial
from pathlib import Path

import structlog
import uvloop

from benchmarks.measure import steady_rate
from benchmarks.messages import a_message
from benchmarks.scripted import ScriptedModel
from fte.agent.agent import SupportAgent
from fte.agent.company import Company
from fte.bus.log import LogBus
from fte.daemon.worker import Worker, spare_the_loaded_code
from fte.knowledge.embed import WordLlamaEmbedder
from fte.knowledge.search import search
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.settings import Settings
from fte.store.intake import take_in

DEADLINE = 300.0
_OPEN = "select exists (select from turns where state in ('due', 'running'))"
SECRET = b"s" * 32


async def measure(url: str, turns: int, concurrency: int, delays: list[float]) -> list[float]:
    pool = await Pool.open(url, size=Settings().database_pool)
    embedder = WordLlamaEmbedder()
    await embedder.embed(["load the weights"])
    spare_the_loaded_code()
    hints = Hints(url)
    carrying = asyncio.create_task(hints.run())
    rates = []
    for delay in delays:
        agent = SupportAgent(
            ScriptedModel(delay), partial(search, pool, embedder), Company("Tallywren", "", "", "")
        )
        worker = Worker(pool, LogBus(pool, hints), hints, agent, concurrency=concurrency)
        rates.append(steady_rate(await _finishes(pool, worker, turns), concurrency))
    carrying.cancel()
    await pool.close()
    return rates


async def _finishes(pool: Pool, worker: Worker, turns: int) -> list[float]:
    """When each of that many turns was finished, by the database's clock."""
    begun = time.time()
    await asyncio.gather(*[_store(pool, turns // 10) for _ in range(10)])
    working = asyncio.create_task(worker.run())
    async with asyncio.timeout(DEADLINE):
        while await pool.fetchval(_OPEN):  # noqa: ASYNC110
            await asyncio.sleep(0.25)
    working.cancel()
    await asyncio.wait([working])
    rows = await pool.fetch(
        "select extract(epoch from m.created_at)::float8 as at from messages m"
        " where m.role = 'agent' and m.outcome is null and m.created_at > to_timestamp($1)"
        " and not exists (select from conversations c where c.id = m.conversation_id and c.owner = 'human')",
        begun,
    )
    if len(rows) != turns // 10 * 10:
        raise RuntimeError(f"{len(rows)} of {turns} turns were answered by the model")
    return [row["at"] for row in rows]


async def _store(pool: Pool, count: int) -> None:
    for _ in range(count):
        await take_in(pool, SECRET, a_message())


def main() -> None:
    url, turns, concurrency, *delays = sys.argv[1:]
    with Path("/dev/null").open("w") as nowhere:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(nowhere))
        rates = uvloop.run(measure(url, int(turns), int(concurrency), [float(delay) for delay in delays]))
    print(json.dumps(rates))


if __name__ == "__main__":
    main()
