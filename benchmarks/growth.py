"""What a message costs when a million are stored, against what it costs at ten thousand.

A message's whole way through the store on one connection, by the product's own functions: intake, claim and load,
finish. Every second message starts a conversation, every other one continues an old one somewhere in the data.
"""

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from benchmarks.fill import OPEN, fill, ticket
from benchmarks.measure import Figure, median
from benchmarks.messages import a_message
from benchmarks.stage import copy, database
from fte.domain.ids import new_id
from fte.domain.turns import Outcome, Trace
from fte.pg.pool import Pool
from fte.store import turns
from fte.store.intake import take_in

SECRET = b"s" * 32
OUTCOME = Outcome("Select Forgot password? on the sign-in page.", Trace("scripted", "1", latency_ms=5))


@dataclass(frozen=True, slots=True)
class Size:
    few: int = 10_000
    many: int = 1_000_000
    messages: int = 600
    warm_up: int = 100


TINY = Size(few=400, many=2_000, messages=10, warm_up=2)


async def measure(size: Size = Size()) -> list[Figure]:
    """Alternates between the two databases, message by message, in one server."""
    async with _store(size.few, size.many) as (few, many):
        for _ in range(size.warm_up):
            await few.message()
            await many.message()
        pairs = [(await many.message(), await few.message()) for _ in range(size.messages)]
    large, small = (median([cost * 1000 for cost in costs]) for costs in zip(*pairs, strict=True))
    return [
        Figure(
            name="growth",
            ours=large,
            floor=small,
            unit="ms/message",
            bound="at most",
            target=1.2,
            note=f"{size.many:,} messages stored; floor: {size.few:,}",
        )
    ]


class Store:
    """A filled database on one connection."""

    def __init__(self, pool: Pool, stored: int) -> None:
        self._pool = pool
        self._conversations = stored // 4
        self._random = random.Random(stored)
        self._sent = 0

    async def message(self) -> float:
        """Seconds a message takes from its intake to its stored answer."""
        self._sent += 1
        into = None if self._sent % 2 else UUID(ticket(self._old()))
        begun = time.perf_counter()
        await take_in(self._pool, SECRET, a_message(into))
        [claim] = await turns.claim(self._pool, new_id(), 1, 60.0)
        await turns.finish(self._pool, claim, OUTCOME)
        return time.perf_counter() - begun

    def _old(self) -> int:
        """The number of some conversation that is open."""
        return self._random.randrange(self._conversations // 20) * 20 + self._random.choice(OPEN)


@asynccontextmanager
async def _store(few: int, many: int) -> AsyncIterator[tuple[Store, Store]]:
    async with database() as url:
        other = await copy(url, "many")
        await fill(url, few)
        await fill(other, many)
        small, large = await Pool.open(url, size=1), await Pool.open(other, size=1)
        try:
            yield Store(small, few), Store(large, many)
        finally:
            await small.close()
            await large.close()
