"""Submissions a second: the daemon's web form against a bare form that writes the same rows."""

import asyncio
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import Figure, median
from benchmarks.stage import database, free_port, result, running


@dataclass(frozen=True, slots=True)
class Size:
    rounds: int = 5
    seconds: float = 4.0
    connections: int = 16


TINY = Size(rounds=1, seconds=0.3, connections=4)


async def measure(size: Size = Size()) -> list[Figure]:
    """Both servers run beside each other on one database; only one has load at a time."""
    async with database() as url:
        return await asyncio.to_thread(_compare, url, size)


def _compare(url: str, size: Size) -> list[Figure]:
    ours, floor = free_port(), free_port()
    with (
        running("-m", "benchmarks.daemon", url, ours, "http"),
        running("-m", "benchmarks.floors.submit", url, floor),
    ):
        for port in (ours, floor):
            _load(port, Size(seconds=size.seconds / 4, connections=size.connections), f"warm{port}-")
        rounds = [
            (_load(ours, size, f"ours{n}-"), _load(floor, size, f"floor{n}-")) for n in range(size.rounds)
        ]
    our_p95, floor_p95 = (median([pair[side]["p95"] for pair in rounds]) * 1000 for side in (0, 1))
    return [
        Figure(
            name="submit",
            ours=median([one["rate"] for one, _ in rounds]),
            floor=median([other["rate"] for _, other in rounds]),
            unit="requests/s",
            bound="at least",
            target=0.6,
            note=f"p95 {our_p95:.1f} ms, floor {floor_p95:.1f} ms; {size.connections} connections",
        )
    ]


def _load(port: int, size: Size, prefix: str) -> Any:
    return result(
        "-m",
        "benchmarks.load",
        "--port",
        port,
        "--connections",
        size.connections,
        "--seconds",
        size.seconds,
        "--prefix",
        prefix,
    )
