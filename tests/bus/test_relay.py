"""What a relay puts into the topics, and how much of it a relay that was cut off leaves to be sent again."""

import contextlib
from collections import defaultdict
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from aiokafka.partitioner import DefaultPartitioner

from fte.bus import cursors, record, relay, topics
from fte.bus.cluster import Cluster
from fte.domain.events import CONVERSATIONS, RELAY
from fte.pg import log
from fte.pg.hints import Hints
from fte.pg.log import Cursor, Event
from fte.pg.pool import Pool
from tests.bus.support_kafka import PLAN, carried, own_cluster

READ = 10
COUNT = 57


async def emit(pool: Pool, count: int) -> None:
    """In one transaction: one window, longer than one read."""
    events = [Event(CONVERSATIONS, f"k{n % 7}", "step", {"n": n}) for n in range(count)]
    async with pool.transaction() as connection:
        await log.emit(connection, events)


async def received(cluster: Cluster, count: int) -> AsyncGenerator[Any, None]:
    async with cluster.consumer(auto_offset_reset="earliest") as consumer:
        await consumer.start()
        consumer.subscribe([cluster.named(CONVERSATIONS)])
        for _ in range(count):
            yield await consumer.getone()


@pytest.fixture
async def cluster(kafka: str) -> Cluster:
    """With its topics: a consumer looks only now and then for those that were not there."""
    cluster = own_cluster(kafka)
    await topics.create_missing(cluster, PLAN)
    return cluster


@pytest.fixture(autouse=True)
def small_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "READ_MAX", READ)


async def test_records_lie_where_every_client_looks_for_their_key_and_in_order(
    cluster: Cluster, pool: Pool, hints: Hints
) -> None:
    await emit(pool, COUNT)
    by_key: defaultdict[bytes, list[int]] = defaultdict(list)
    everywhere = list(range(PLAN.partitions))
    async with carried(cluster, pool, hints), contextlib.aclosing(received(cluster, COUNT)) as records:
        async for one in records:
            by_key[one.key].append(record.read(one).event.payload["n"])
            assert one.partition == DefaultPartitioner()(one.key, everywhere, everywhere)
    assert by_key == {f"k{k}".encode(): list(range(k, COUNT, 7)) for k in range(7)}


async def test_batches_that_fill_up_lose_nothing(
    cluster: Cluster, pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "READ_MAX", 500)
    text = "x" * 2_000  # 400 of them are three batches
    async with pool.transaction() as connection:
        await log.emit(
            connection, [Event(CONVERSATIONS, "k", "step", {"n": n, "x": text}) for n in range(400)]
        )
    async with carried(cluster, pool, hints), contextlib.aclosing(received(cluster, 400)) as records:
        seen = [record.read(one).event.payload["n"] async for one in records]
    assert seen == list(range(400))


async def test_a_relay_that_is_cut_off_leaves_little_to_be_sent_again(
    cluster: Cluster, pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cursors, "SAVE_EVERY", 3600.0)
    async with carried(cluster, pool, hints), contextlib.aclosing(received(cluster, COUNT)) as records:
        await emit(pool, COUNT)
        async for _ in records:
            pass
        # As far as a relay would come back to that ended here without a word.
        row = await pool.fetchrow(
            "select seen::text, until::text, position from cursors where group_name = $1",
            cluster.named(RELAY),
        )
    assert row is not None
    again, _ = await log.read_appended(pool, [CONVERSATIONS], Cursor(*row))
    assert len(again) < 2 * READ
