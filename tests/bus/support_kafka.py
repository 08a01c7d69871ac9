"""A bus over the run's broker, with topics of the test's own and a relay that fills them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from fte.bus.cluster import Cluster
from fte.bus.kafka import KafkaBus
from fte.bus.relay import Relay
from fte.bus.topics import Plan
from fte.domain.ids import new_id
from fte.pg.hints import Hints
from fte.pg.pool import Pool

PLAN = Plan(partitions=3, replication=1, retention_days=1)


def own_cluster(address: str) -> Cluster:
    """The broker, with topics and groups nobody else uses."""
    return Cluster(bootstrap=address, prefix=f"t{new_id().hex}.")


@dataclass
class Carried:
    """A bus, its relay as a task, and what both say is wrong."""

    cluster: Cluster
    bus: KafkaBus
    relay: asyncio.Task[None]
    problems: dict[str, str] = field(default_factory=dict)


@contextlib.asynccontextmanager
async def carried(cluster: Cluster, pool: Pool, hints: Hints) -> AsyncIterator[Carried]:
    problems: dict[str, str] = {}
    relay = asyncio.create_task(Relay(cluster, pool, hints, PLAN, problems).run())
    try:
        yield Carried(cluster, KafkaBus(cluster, pool, hints, problems), relay, problems)
    finally:
        relay.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await relay
