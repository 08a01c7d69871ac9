"""What messages that break the agent do to everybody else's answers: their times with and without such company."""

import asyncio
import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import structlog
from agents import ModelResponse

from benchmarks import pages
from benchmarks.measure import Figure, middle, quantile
from benchmarks.messages import a_message
from benchmarks.scripted import ScriptedModel
from benchmarks.stage import database
from fte.agent.agent import SupportAgent
from fte.agent.company import Company
from fte.bus.log import LogBus
from fte.daemon.worker import Worker
from fte.knowledge.embed import WordLlamaEmbedder
from fte.knowledge.search import search
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store.intake import take_in

MARK: Final = "poison"
SECRET: Final = b"s" * 32
DEADLINE: Final = 120.0
_OPEN = "select exists (select from turns where state in ('due', 'running'))"
_WAITED = """
select extract(epoch from a.created_at - q.created_at)::float8 as waited
  from messages q join messages a on a.conversation_id = q.conversation_id and a.role = 'agent'
 where q.role = 'customer' and q.id > $1 and q.content not like '%poison%'
"""


@dataclass(frozen=True, slots=True)
class Size:
    rounds: int = 3
    messages: int = 300
    rate: float = 20.0
    one_in: int = 10


TINY = Size(rounds=1, messages=10, rate=50.0, one_in=5)


class Fragile(ScriptedModel):
    """Breaks at every message that holds the mark."""

    async def get_response(
        self, system_instructions: Any, input: Any, *args: Any, **kwargs: Any
    ) -> ModelResponse:
        if MARK in str(input):
            raise RuntimeError("this message breaks me")
        return await super().get_response(system_instructions, input, *args, **kwargs)


async def measure(size: Size = Size()) -> list[Figure]:
    """A round measures both within half a minute of each other; the figure is the round with the middle ratio."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        async with database() as url:
            await pages.fill(url)
            rounds = await _rounds(url, size)
    finally:
        structlog.reset_defaults()
    ours, floor = middle(rounds)
    return [
        Figure(
            name="poison, others' p95",
            ours=ours * 1000,
            floor=floor * 1000,
            unit="ms",
            bound="at most",
            target=2.0,
            note=f"every {size.one_in}th message breaks the agent, at {size.rate:g}/s; floor: none does",
        )
    ]


async def _rounds(url: str, size: Size) -> list[tuple[float, float]]:
    pool = await Pool.open(url)
    embedder = WordLlamaEmbedder()
    hints = Hints(url)
    agent = SupportAgent(Fragile(), partial(search, pool, embedder), Company("Tallywren", "", "", ""))
    worker = Worker(pool, LogBus(pool, hints), hints, agent, concurrency=400)
    running = [asyncio.create_task(hints.run()), asyncio.create_task(worker.run())]
    await _p95(pool, hints, replace(size, messages=10), 0)
    rounds = []
    for _ in range(size.rounds):
        clean = await _p95(pool, hints, size, 0)
        rounds.append((await _p95(pool, hints, size, size.one_in), clean))
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    await pool.close()
    return rounds


async def _p95(pool: Pool, hints: Hints, size: Size, one_in: int) -> float:
    """Seconds within which 95 % of the harmless messages are answered."""
    newest = await pool.fetchval(
        "select coalesce(max(id::text), '00000000-0000-0000-0000-000000000000')::uuid from messages"
    )
    for number in range(size.messages):
        message = a_message()
        if one_in and number % one_in == 0:
            message = replace(message, body=f"{message.body} {MARK}")
        await take_in(pool, SECRET, message)
        hints.ring()
        await asyncio.sleep(1 / size.rate)
    async with asyncio.timeout(DEADLINE):
        while await pool.fetchval(_OPEN):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return quantile([row["waited"] for row in await pool.fetch(_WAITED, newest)], 0.95)
