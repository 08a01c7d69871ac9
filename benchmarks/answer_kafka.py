"""From a submission to its stored answer, with events carried by Kafka, against the same with the embedded bus.

Two processes with every role, as `fte up`, each on a database of its own; the one over Kafka is its own relay, too.
Both run all the time, and one has load at a time: at half of what the slower can sustain.
"""

import asyncio
from dataclasses import dataclass

from benchmarks import answer, pages
from benchmarks.answer import paced_waits, sustainable_rate
from benchmarks.broker import broker
from benchmarks.measure import Figure, middle, quantile
from benchmarks.stage import copy, database, free_port, running

ROLES = ("http", "worker", "sweeper", "relay")


@dataclass(frozen=True, slots=True)
class Size(answer.Size):
    rounds: int = 3
    messages: int = 300


TINY = Size(rounds=1, burst=20, messages=10, connections=4)


async def measure(size: Size = Size()) -> list[Figure]:
    """A round measures both within half a minute of each other; the figure is the round with the middle ratio."""
    with broker() as kafka:
        async with database(track_commit_timestamp="on") as url:
            await pages.fill(url)
            over_kafka = await copy(url, "fte_kafka")
            return await asyncio.to_thread(_compare, over_kafka, url, kafka.bootstrap, size)


def _compare(over_kafka: str, embedded: str, bootstrap: str, size: Size) -> list[Figure]:
    port, beside = free_port(), free_port()
    with (
        running("-m", "benchmarks.daemon", over_kafka, port, *ROLES, FTE_KAFKA_BOOTSTRAP_SERVERS=bootstrap),
        running("-m", "benchmarks.daemon", embedded, beside, *ROLES),
    ):
        sustainable = [
            sustainable_rate(url, at, size) for url, at in ((over_kafka, port), (embedded, beside))
        ]
        rate = min(sustainable) / 2
        rounds = []
        for number in range(size.rounds):
            ours = paced_waits(over_kafka, port, size, rate, f"paced{number}-")
            floor = paced_waits(embedded, beside, size, rate, f"paced{number}-")
            rounds.append((quantile(ours, 0.95), quantile(floor, 0.95)))
    ours_p95, floor_p95 = middle(rounds)
    ratios = sorted(one / other for one, other in rounds)
    return [
        Figure(
            name="answer over Kafka, p95",
            ours=ours_p95 * 1000,
            floor=floor_p95 * 1000,
            unit="ms",
            bound="at most",
            target=1.5,
            note=f"at {rate:.0f}/s, half of the slower of {sustainable[0]:.0f}/s and {sustainable[1]:.0f}/s; "
            f"ratios {ratios[0]:.2f} to {ratios[-1]:.2f}; floor: the embedded bus",
        )
    ]
