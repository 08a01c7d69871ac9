"""A Kafka broker for a benchmark, the one that the tests use, and topics in it."""

import asyncio
import contextlib
from collections.abc import Iterator

from benchmarks.stage import folder
from fte.bus import topics
from fte.bus.cluster import Cluster
from fte.bus.topics import Plan
from fte.domain.events import TOPICS
from tests.kafka.broker import Broker

PLAN = Plan(partitions=12)

__all__ = ["PLAN", "Broker", "broker", "make_topics"]


@contextlib.contextmanager
def broker() -> Iterator[Broker]:
    """A started broker of our own. Raises Missing where the machine cannot have one."""
    with folder() as path, Broker(path / "kafka") as running:
        yield running


async def make_topics(bootstrap: str) -> Cluster:
    """The broker as a cluster that has all topics, each of whose partitions takes records already."""
    cluster = Cluster(bootstrap=bootstrap)
    await topics.create_missing(cluster, PLAN)
    async with cluster.producer() as producer:
        sent = [
            await producer.send(topic, b"{}", partition=partition)
            for topic in TOPICS
            for partition in range(PLAN.partitions)
        ]
        await asyncio.gather(*sent)
    return cluster
