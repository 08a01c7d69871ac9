"""How far the groups are behind in Kafka."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fte.bus.cluster import GONE, Cluster, unavailable

LAG_TIMEOUT: Final = 4.0
"""Seconds the cluster may take to answer."""


async def lag(cluster: Cluster, groups: Sequence[str]) -> Mapping[tuple[str, str], int]:
    """Records each group has not put behind itself, by group and topic, where it has a place at all.

    Raises Unavailable when the cluster does not answer in time.
    """
    try:
        async with asyncio.timeout(LAG_TIMEOUT), cluster.admin() as admin, cluster.consumer() as consumer:
            await consumer.start()
            return await _lag(cluster, groups, admin, consumer)
    except GONE as error:
        raise unavailable(error) from error


async def _lag(
    cluster: Cluster, groups: Sequence[str], admin: Any, consumer: Any
) -> dict[tuple[str, str], int]:
    behind: dict[tuple[str, str], int] = defaultdict(int)
    for group in groups:
        places = await admin.list_consumer_group_offsets(cluster.named(group))
        ours = {part: place.offset for part, place in places.items() if part.topic.startswith(cluster.prefix)}
        consumer.assign(list(ours))
        ends = await consumer.end_offsets(list(ours)) if ours else {}
        for part, offset in ours.items():
            behind[group, cluster.ours(part.topic)] += max(0, ends[part] - max(offset, 0))
    return dict(behind)
