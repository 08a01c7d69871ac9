"""Turns a second: the worker, agent and database included, against the bare Agents SDK on the same script."""

import asyncio
from dataclasses import dataclass

from benchmarks import pages
from benchmarks.measure import Figure, middle
from benchmarks.stage import database, result

SLOW = 0.5
"""Seconds each of a turn's three model calls takes in the second figure."""


@dataclass(frozen=True, slots=True)
class Size:
    rounds: int = 5
    turns: int = 1600
    concurrency: int = 400
    floor_turns: int = 500
    floor_concurrency: int = 16
    slow: float = SLOW


TINY = Size(rounds=1, turns=40, concurrency=5, floor_turns=40, floor_concurrency=5, slow=0.01)


async def measure(size: Size = Size()) -> list[Figure]:
    """Each side keeps as many turns under way as it is configured to; see `steady_rate` for what is counted.

    The floor has fewer at a time: with an instant model more gain nothing, and the SDK slows down with them.
    A round measures both sides within half a minute of each other; each figure is the round with the middle ratio.
    """
    async with database() as url:
        await pages.fill(url)
        rounds = [await asyncio.to_thread(_round, url, size) for _ in range(size.rounds)]
    instant, floor = middle([(instant, floor) for instant, _, floor in rounds])
    slow, beside = middle([(slow, instant) for instant, slow, _ in rounds])
    return [
        Figure(
            name="worker",
            ours=instant,
            floor=floor,
            unit="turns/s",
            bound="at least",
            target=0.6,
            note="floor: the bare Agents SDK, same script",
        ),
        Figure(
            name="worker, slow model",
            ours=slow,
            floor=beside,
            unit="turns/s",
            bound="at least",
            target=0.9,
            note=f"{size.slow:g} s a call, {size.concurrency} turns at once; floor: our instant model",
        ),
    ]


def _round(url: str, size: Size) -> tuple[float, float, float]:
    slow, instant = result("-m", "benchmarks.turns", url, size.turns, size.concurrency, size.slow, 0)
    floor = result("-m", "benchmarks.floors.turns", size.floor_turns, size.floor_concurrency)
    return instant, slow, floor
