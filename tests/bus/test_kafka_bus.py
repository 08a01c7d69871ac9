"""The Kafka bus keeps the bus contract, over a real broker that a relay fills from the log, and outlives its faults."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from fte.bus import cluster as bus_cluster
from fte.bus import cursors, topics
from fte.bus import kafka as bus_kafka
from fte.bus.log import LogBus
from fte.domain.errors import NotFound, Rejected, Unavailable
from fte.domain.events import RELAY
from fte.pg import log
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.ports import Bus
from fte.wire import Envelope
from tests.bus.contract import OTHER, TOPIC, BusContract, Collector, announce, consuming
from tests.bus.support_kafka import PLAN, Carried, carried, own_cluster
from tests.kafka.broker import Broker
from tests.support import until


class TestKafkaBus(BusContract):
    @pytest.fixture(autouse=True)
    def broker(self, kafka: str) -> None:
        self.address = kafka

    @contextlib.asynccontextmanager
    async def open_bus(self, pool: Pool, hints: Hints) -> AsyncIterator[Bus]:
        async with carried(own_cluster(self.address), pool, hints) as running:
            yield running.bus


@pytest.fixture
async def running(kafka: str, pool: Pool, hints: Hints) -> AsyncIterator[Carried]:
    async with carried(own_cluster(kafka), pool, hints) as carrying:
        yield carrying


async def everything_carried(pool: Pool, cluster: bus_cluster.Cluster) -> bool:
    row = await pool.fetchrow(
        "select seen::text, until::text, position from cursors where group_name = $1", cluster.named(RELAY)
    )
    if row is None:
        return False
    events, _ = await log.read(pool, [TOPIC, OTHER], log.Cursor(row["seen"], row["until"], row["position"]))
    return not events


async def stored_offset(cluster: bus_cluster.Cluster, group: str) -> int:
    """How many records of the topic the group has put behind itself."""
    async with cluster.admin() as admin:
        places = await admin.list_consumer_group_offsets(cluster.named(group))
    return sum(
        place.offset
        for part, place in places.items()
        if part.topic == cluster.named(TOPIC) and place.offset > 0
    )


async def take(events, count: int) -> list[tuple[str, Envelope]]:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(20):
        return [await anext(events) for _ in range(count)]


# ---------------------------------------------------------------- cursors and subscriptions


async def test_a_place_in_the_log_is_followed_exactly(running: Carried, pool: Pool, hints: Hints) -> None:
    await announce(pool, hints, "a", *range(5))
    page = str(await log.end(pool))
    await announce(pool, hints, "b", *range(5, 8))
    events = await running.bus.subscribe([TOPIC], page)
    got = [event.payload["n"] for _, event in await take(events, 3)]
    await announce(pool, hints, "a", 8)
    got += [event.payload["n"] for _, event in await take(events, 1)]
    await events.aclose()
    assert sorted(got) == [5, 6, 7, 8]


async def test_every_cursor_on_the_way_goes_on_exactly_there(
    running: Carried, pool: Pool, hints: Hints
) -> None:
    start = str(await log.end(pool))
    for number in range(9):
        await announce(pool, hints, str(number % 4), number)
    events = await running.bus.subscribe([TOPIC], start)
    seen = await take(events, 9)
    await events.aclose()
    for index in (0, 3, 8):
        rest = await running.bus.subscribe([TOPIC], seen[index][0])
        expected = {event.id for _, event in seen[index + 1 :]}
        found = {event.id for _, event in await take(rest, len(expected))}
        await rest.aclose()
        assert expected == found


async def test_an_event_the_relay_carries_twice_is_heard_once(
    running: Carried, kafka: str, pool: Pool, hints: Hints
) -> None:
    start = str(await log.end(pool))
    await announce(pool, hints, "a", 1, 2)
    await until(lambda: everything_carried(pool, running.cluster))
    running.relay.cancel()
    await asyncio.wait({running.relay})
    await pool.execute("update cursors set seen = '3:3:', until = null, position = 0")
    async with carried(running.cluster, pool, hints):
        await announce(pool, hints, "a", 3)
        events = await running.bus.subscribe([TOPIC], start)
        assert [event.payload["n"] for _, event in await take(events, 3)] == [1, 2, 3]
        await events.aclose()
    async with running.cluster.consumer() as consumer:
        await consumer.start()
        parts = [TopicPartition(running.cluster.named(TOPIC), number) for number in range(PLAN.partitions)]
        ends = await consumer.end_offsets(parts)
    assert sum(ends.values()) == 5  # 1 and 2 are there twice


async def test_a_cursor_for_other_topics_or_of_the_future_is_refused(
    running: Carried, pool: Pool, hints: Hints
) -> None:
    await announce(pool, hints, "a", 1)
    events = await running.bus.subscribe([TOPIC], str(log.Cursor()))
    ((cursor, _),) = await take(events, 1)
    await events.aclose()
    with pytest.raises(Rejected, match="other topics"):
        await running.bus.subscribe([OTHER], cursor)
    with pytest.raises(NotFound):
        await running.bus.subscribe([TOPIC], bus_kafka.offsets.written({TOPIC: [99, 99, 99]}))
    with pytest.raises(NotFound):  # events do not travel through Kafka any more
        await LogBus(pool, hints).subscribe([TOPIC], cursor)


@pytest.mark.parametrize("text", ["k", "k!", "kW10", "keyJ4IjpbLTFdfQ", "k" + "A" * 9000])
def test_what_only_looks_like_a_cursor_is_rejected(text: str, hints: Hints) -> None:
    for bus in (LogBus(None, hints), bus_kafka.KafkaBus(None, None, hints, {})):  # type: ignore[arg-type]
        with pytest.raises(Rejected):
            bus.check(text)


@pytest.fixture
def consumers(monkeypatch: pytest.MonkeyPatch) -> list[AIOKafkaConsumer]:
    """Every consumer that is started from now on."""
    started: list[AIOKafkaConsumer] = []
    healthy = AIOKafkaConsumer.start

    async def start(self: AIOKafkaConsumer) -> None:
        started.append(self)
        await healthy(self)

    monkeypatch.setattr(AIOKafkaConsumer, "start", start)
    return started


async def test_a_subscription_that_is_over_leaves_no_consumer(
    running: Carried, pool: Pool, hints: Hints, consumers: list[AIOKafkaConsumer]
) -> None:
    await (await running.bus.subscribe([TOPIC], None)).aclose()
    start = str(await log.end(pool))
    events = await running.bus.subscribe([TOPIC], start)
    await announce(pool, hints, "a", 1)
    await take(events, 1)
    await events.aclose()
    with pytest.raises(NotFound):
        await running.bus.subscribe([TOPIC], bus_kafka.offsets.written({TOPIC: [99, 99, 99]}))
    assert [one._closed for one in consumers] == [True] * 3
    assert not any(line.connected() for one in consumers for line in one._client._conns.values())


async def test_where_no_broker_is_no_subscription_begins(
    pool: Pool, hints: Hints, consumers: list[AIOKafkaConsumer]
) -> None:
    nowhere = bus_kafka.KafkaBus(own_cluster("127.0.0.1:1"), pool, hints, {})
    with pytest.raises(Unavailable):
        await nowhere.subscribe([TOPIC], None)
    assert [one._closed for one in consumers] == [True]


async def test_silence_is_no_reason_to_give_up(
    running: Carried, pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    healthy = AIOKafkaConsumer.end_offsets

    async def end_offsets(self: AIOKafkaConsumer, partitions: object) -> object:
        nonlocal looks
        found = await healthy(self, partitions)
        looks += 1
        return found

    events = await running.bus.subscribe([TOPIC], None)
    monkeypatch.setattr(AIOKafkaConsumer, "end_offsets", end_offsets)
    coming = asyncio.ensure_future(anext(events))
    await until(lambda: looks == bus_kafka.LOOKS_MAX + 1)
    held_up = bus_kafka.FOLLOWER_LOOK_EVERY * (bus_kafka.LOOKS_MAX + 1)
    asyncio.get_running_loop().call_soon(time.sleep, held_up)
    await announce(pool, hints, "a", 1)
    assert (await coming)[1].payload == {"n": 1}
    await events.aclose()


# ---------------------------------------------------------------- places


async def test_the_stored_place_never_runs_ahead_of_the_handler(
    running: Carried, pool: Pool, hints: Hints
) -> None:
    free = asyncio.Event()
    got = Collector()

    async def handler(event: Envelope) -> None:
        if event.payload["n"] == 3:
            await free.wait()
        await got(event)

    async with consuming(running.bus, handler):
        await announce(pool, hints, "a", 1, 2, 3, 4)
        await until(lambda: got.by_key["a"] == [1, 2])

        async def two_are_stored() -> bool:
            return await stored_offset(running.cluster, "g") == 2

        await until(two_are_stored)
        await announce(pool, hints, "a", 5)
        await until(lambda: everything_carried(pool, running.cluster))
        assert await stored_offset(running.cluster, "g") == 2
        free.set()
        await until(lambda: got.by_key["a"] == [1, 2, 3, 4, 5])
    assert await stored_offset(running.cluster, "g") == 5


async def test_a_record_nobody_can_read_is_buried_and_passed_over(
    running: Carried, kafka: str, pool: Pool, hints: Hints
) -> None:
    await announce(pool, hints, "a", 1)
    await until(lambda: everything_carried(pool, running.cluster))
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    for value in (b"not JSON", b"\xff\x00", b'{"v":1}', None):
        await producer.send_and_wait(running.cluster.named(TOPIC), value, key=b"a")
    await producer.stop()
    await announce(pool, hints, "a", 2)
    got = Collector()
    async with consuming(running.bus, got):
        await until(lambda: got.by_key["a"] == [1, 2])
    letters = await pool.fetch("select * from dead_letters")
    assert len(letters) == 4
    assert {letter["topic"] for letter in letters} == {TOPIC}
    assert "JSON" not in str([dict(letter) for letter in letters])


# ---------------------------------------------------------------- faults


async def test_members_leave_and_join_and_nothing_is_missed(
    running: Carried, pool: Pool, hints: Hints
) -> None:
    got = Collector()
    async with consuming(running.bus, got):
        await announce(pool, hints, "a", 1)
        await until(lambda: got.by_key["a"])
        async with consuming(running.bus, got), consuming(running.bus, got):
            for number in range(2, 40):
                await announce(pool, hints, str(number), number)
            await until(lambda: len({event.payload["n"] for event in got.seen}) == 39)
        await announce(pool, hints, "a", 40)
        await until(lambda: 40 in got.by_key["a"])


async def test_a_killed_broker_costs_nothing(
    own_kafka: Broker, pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    got = Collector()
    async with carried(own_cluster(own_kafka.bootstrap), pool, hints) as running:
        events = await running.bus.subscribe([TOPIC], str(await log.end(pool)))
        async with consuming(running.bus, got):
            await announce(pool, hints, "a", *range(10))
            await until(lambda: len(got.by_key["a"]) == 10)
            heard = [event.payload["n"] for _, event in await take(events, 10)]
            own_kafka.kill()
            await announce(pool, hints, "a", *range(10, 20))
            await until(lambda: running.problems.get(RELAY))
            await asyncio.to_thread(own_kafka.start)
            await until(lambda: set(got.by_key["a"]) == set(range(20)), deadline=60)
            heard += [event.payload["n"] for _, event in await take(events, 10)]
            await events.aclose()
            first = list(dict.fromkeys(got.by_key["a"]))
            assert first == heard == list(range(20))
            await until(lambda: not running.problems, deadline=30)


async def test_a_frozen_broker_is_told_and_keeps_nobody_from_stopping(
    own_kafka: Broker, pool: Pool, hints: Hints
) -> None:
    got = Collector()
    cluster = own_cluster(own_kafka.bootstrap)
    async with carried(cluster, pool, hints) as running, consuming(running.bus, got) as consumer:
        await announce(pool, hints, "a", 1)
        await until(lambda: got.by_key["a"] == [1])
        own_kafka.pause()
        await until(lambda: running.problems.get(RELAY))
        assert (await cursors.silent_for(pool, cluster.named(RELAY)) or 0) > 0
        consumer.cancel()
        running.relay.cancel()
        _, hanging = await asyncio.wait({consumer, running.relay}, timeout=20)
        own_kafka.resume()
    assert not hanging
    assert not [task for task in asyncio.all_tasks() if "aiokafka" in str(task.get_stack(limit=1))], (
        "it goes on asking"
    )
    with pytest.raises(Unavailable):
        own_kafka.kill()
        await topics.described(cluster)


async def test_a_subscription_says_soon_that_the_broker_is_frozen_and_goes_on_where_it_was(
    own_kafka: Broker, pool: Pool, hints: Hints, consumers: list[AIOKafkaConsumer]
) -> None:
    async with carried(own_cluster(own_kafka.bootstrap), pool, hints) as running:
        events = await running.bus.subscribe([TOPIC], None)
        await announce(pool, hints, "a", 1)
        ((cursor, _),) = await take(events, 1)
        own_kafka.pause()
        await announce(pool, hints, "a", 2)
        with pytest.raises(Unavailable):
            async with asyncio.timeout(10):
                await anext(events)
        assert consumers[-1]._closed
        own_kafka.resume()
        again = await running.bus.subscribe([TOPIC], cursor)
        await announce(pool, hints, "a", 3)
        assert [event.payload["n"] for _, event in await take(again, 2)] == [2, 3]
        await again.aclose()


async def test_a_consumer_that_hears_nothing_although_there_is_something_is_made_anew(
    running: Carried, pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_kafka, "LOOK_EVERY", 0.3)
    deaf: list[AIOKafkaConsumer] = []
    healthy = AIOKafkaConsumer.getmany

    async def getmany(self: AIOKafkaConsumer, *partitions: object, **options: object) -> object:
        if not deaf:
            deaf.append(self)
        if self is deaf[0]:
            await asyncio.sleep(0.05)
            return {}
        return await healthy(self, *partitions, **options)

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", getmany)
    got = Collector()
    async with consuming(running.bus, got):
        await announce(pool, hints, "a", 1)
        await until(lambda: "g" in running.problems)
        await until(lambda: got.by_key["a"] == [1])
        await until(lambda: not running.problems)
    (stuck,) = deaf
    assert stuck._closed


async def test_topics_deleted_in_the_middle_are_made_again(
    own_kafka: Broker, pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_cluster, "METADATA_MAX_AGE", 1.0)
    got = Collector()
    cluster = own_cluster(own_kafka.bootstrap)
    async with carried(cluster, pool, hints) as running, consuming(running.bus, got):
        start = str(await log.end(pool))
        staying = await running.bus.subscribe([TOPIC], start)
        await announce(pool, hints, "a", 1)
        await until(lambda: got.by_key["a"] == [1])
        cursor, _ = await anext(staying)
        async with cluster.admin() as admin:
            await admin.delete_topics([cluster.named(TOPIC)])
        number = 1

        async def something_new_arrives() -> bool:
            nonlocal number
            number += 1
            await announce(pool, hints, "a", number)
            await asyncio.sleep(0.2)
            return got.by_key["a"][-1] > 1

        await until(something_new_arrives, deadline=90)
        await announce(pool, hints, "a", number + 1)
        await until(lambda: got.by_key["a"][-1] == number + 1)
        # Offsets begin again, so that a place from before may be one of the new topic's: whoever has one must be told.
        for place in (cursor, start):
            with pytest.raises(NotFound):
                await running.bus.subscribe([TOPIC], place)
        with pytest.raises(NotFound):
            async for _ in staying:
                pass
        await staying.aclose()


async def test_forgotten_offsets_only_mean_that_events_come_again(
    running: Carried, pool: Pool, hints: Hints
) -> None:
    got = Collector()
    async with consuming(running.bus, got):
        await announce(pool, hints, "a", 1, 2)
        await until(lambda: got.by_key["a"] == [1, 2])
    async with running.cluster.consumer(group_id=running.cluster.named("g")) as consumer:
        await consumer.start()
        parts = [TopicPartition(running.cluster.named(TOPIC), number) for number in range(PLAN.partitions)]
        consumer.assign(parts)
        await consumer.commit(dict.fromkeys(parts, 0))
    async with consuming(running.bus, got):
        await announce(pool, hints, "a", 3)
        await until(lambda: got.by_key["a"] == [1, 2, 1, 2, 3])


# ---------------------------------------------------------------- the relay


async def test_only_one_relay_carries_and_another_takes_over(
    running: Carried, pool: Pool, hints: Hints
) -> None:
    async with carried(running.cluster, pool, hints) as second:
        got = Collector()
        async with consuming(second.bus, got):
            await announce(pool, hints, "a", 1, 2)
            await until(lambda: got.by_key["a"] == [1, 2])
            running.relay.cancel()
            await asyncio.wait({running.relay})
            await announce(pool, hints, "a", 3)
            await until(lambda: got.by_key["a"] == [1, 2, 3])


async def test_what_two_bus_installations_announce_stays_apart(
    running: Carried, kafka: str, pool: Pool, hints: Hints
) -> None:
    other = own_cluster(kafka)
    await topics.create_missing(other, PLAN)
    assert {topic.name for topic in await topics.described(other)} == set(topics.TOPICS)
    got = Collector()
    stranger = bus_kafka.KafkaBus(other, pool, hints, {})
    async with consuming(stranger, got), consuming(running.bus, mine := Collector()):
        await announce(pool, hints, "a", 1)
        await until(lambda: mine.seen)
    assert got.seen == []
