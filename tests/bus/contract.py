"""What every bus promises, written once. An adapter's test module inherits BusContract and makes a bus.

Subclasses give `open_bus(pool, hints)`, a context manager yielding a Bus whose events come from the pool's log.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator

import pytest

from fte.bus import dead_letters, dispatch
from fte.domain.errors import NotFound, Rejected, Unavailable
from fte.domain.ids import new_id
from fte.pg import log
from fte.pg.hints import Hints
from fte.pg.log import Event
from fte.pg.pool import Pool
from fte.ports import Bus, Handler
from fte.wire import Envelope
from tests.support import until

TOPIC = "fte.conversations"
OTHER = "fte.metrics"


async def announce(pool: Pool, hints: Hints, key: str, *numbers: int, topic: str = TOPIC) -> None:
    for number in numbers:
        async with pool.transaction() as connection:
            await log.emit(connection, [Event(topic, key, "step", {"n": number})])
        hints.ring()


@contextlib.asynccontextmanager
async def consuming(bus: Bus, handler: Handler, group: str = "g") -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(bus.consume([TOPIC], group, handler))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Collector:
    """A handler that remembers, and may be told to fail or to wait."""

    def __init__(self) -> None:
        self.seen: list[Envelope] = []
        self.by_key: dict[str, list[int]] = defaultdict(list)

    async def __call__(self, event: Envelope) -> None:
        self.seen.append(event)
        self.by_key[event.key].append(event.payload["n"])


class BusContract:
    def open_bus(self, pool: Pool, hints: Hints) -> contextlib.AbstractAsyncContextManager[Bus]:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def quick_retries(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dispatch, "pause", lambda attempt: 0.001 * attempt)

    @pytest.fixture
    async def bus(self, pool: Pool, hints: Hints) -> AsyncIterator[Bus]:
        async with self.open_bus(pool, hints) as bus:
            yield bus

    async def test_a_new_group_starts_at_the_oldest_event(self, bus: Bus, pool: Pool, hints: Hints) -> None:
        await announce(pool, hints, "a", 1, 2)
        got = Collector()
        async with consuming(bus, got):
            await until(lambda: got.by_key["a"] == [1, 2])
            await announce(pool, hints, "a", 3)
            await until(lambda: got.by_key["a"] == [1, 2, 3])

    async def test_only_the_topics_asked_for_arrive(self, bus: Bus, pool: Pool, hints: Hints) -> None:
        await announce(pool, hints, "a", 1, topic=OTHER)
        await announce(pool, hints, "a", 2)
        got = Collector()
        async with consuming(bus, got):
            await until(lambda: got.seen)
        assert [event.topic for event in got.seen] == [TOPIC]

    async def test_an_event_arrives_as_it_was_announced(self, bus: Bus, pool: Pool, hints: Hints) -> None:
        await announce(pool, hints, "the key", 7)
        got = Collector()
        async with consuming(bus, got):
            await until(lambda: got.seen)
        event = got.seen[0]
        assert (event.topic, event.key, event.type, event.payload) == (TOPIC, "the key", "step", {"n": 7})
        assert event.id == await pool.fetchval("select id from log")
        assert event.at == await pool.fetchval("select at from log")

    async def test_a_key_is_handled_in_order_one_at_a_time(self, bus: Bus, pool: Pool, hints: Hints) -> None:
        at_once: dict[str, int] = defaultdict(int)
        got: dict[str, list[int]] = defaultdict(list)
        most = 0

        async def handler(event: Envelope) -> None:
            nonlocal most
            at_once[event.key] += 1
            most = max(most, at_once[event.key])
            for _ in range((7 * event.payload["n"]) % 5):
                await asyncio.sleep(0)
            got[event.key].append(event.payload["n"])
            at_once[event.key] -= 1

        for number in range(20):
            await announce(pool, hints, str(number % 3), number)
        async with consuming(bus, handler):
            await until(lambda: sum(map(len, got.values())) == 20)
        assert all(numbers == sorted(numbers) for numbers in got.values())
        assert most == 1

    async def test_a_slow_key_holds_up_no_other(self, bus: Bus, pool: Pool, hints: Hints) -> None:
        free = asyncio.Event()
        got = Collector()

        async def handler(event: Envelope) -> None:
            if event.key == "slow":
                await free.wait()
            await got(event)

        await announce(pool, hints, "slow", 1)
        await announce(pool, hints, "quick", 2)
        async with consuming(bus, handler):
            await until(lambda: got.by_key["quick"] == [2])
            assert got.by_key["slow"] == []
            free.set()
            await until(lambda: got.by_key["slow"] == [1])

    async def test_a_failing_handler_is_tried_again(self, bus: Bus, pool: Pool, hints: Hints) -> None:
        tries = 0

        async def handler(event: Envelope) -> None:
            nonlocal tries
            tries += 1
            if tries < 3:
                raise ValueError("not yet")

        await announce(pool, hints, "a", 1)
        async with consuming(bus, handler):
            await until(lambda: tries == 3)
        assert await pool.fetchval("select count(*) from dead_letters") == 0

    async def test_poison_becomes_one_dead_letter_and_its_key_goes_on(
        self, bus: Bus, pool: Pool, hints: Hints
    ) -> None:
        got = Collector()

        async def handler(event: Envelope) -> None:
            if event.payload["n"] == 1:
                raise ValueError("secret words of a customer")
            await got(event)

        await announce(pool, hints, "a", 1, 2)
        async with consuming(bus, handler):
            await until(lambda: got.by_key["a"] == [2])
        letters = await pool.fetch("select * from dead_letters")
        assert len(letters) == 1
        assert (letters[0]["topic"], letters[0]["key"], letters[0]["group_name"]) == (TOPIC, "a", "g")
        assert letters[0]["event"]["payload"] == {"n": 1}
        assert "secret" not in str(dict(letters[0]))
        assert await pool.fetchval("select count(*) from log where topic = 'fte.dlq'") == 1

    async def test_a_dead_letter_sent_again_reaches_only_its_group(
        self, bus: Bus, pool: Pool, hints: Hints
    ) -> None:
        healed = False
        failing, other = Collector(), Collector()

        async def handler(event: Envelope) -> None:
            if event.payload["n"] == 1 and not healed:
                raise ValueError
            await failing(event)

        async with consuming(bus, handler, "failing"), consuming(bus, other, "other"):
            await announce(pool, hints, "a", 1, 2)
            letters = await until(lambda: dead_letters.waiting(pool))
            healed = True
            await dead_letters.retry(pool, letters, hints=hints)
            await announce(pool, hints, "a", 3)
            await until(lambda: failing.by_key["a"] == [2, 1, 3])
            await until(lambda: other.by_key["a"][-1:] == [3])
        assert other.by_key["a"] == [1, 2, 3]
        first = await pool.fetchval("select id from log where payload = '{\"n\": 1}' and replay is null")
        assert [event.first_id for event in failing.seen if event.payload["n"] == 1] == [first]
        assert await dead_letters.waiting(pool) == []

    async def test_an_outage_is_waited_out_and_buries_nothing(
        self, bus: Bus, pool: Pool, hints: Hints
    ) -> None:
        tries = 0

        async def handler(event: Envelope) -> None:
            nonlocal tries
            tries += 1
            if tries <= 7:
                raise Unavailable

        await announce(pool, hints, "a", 1)
        async with consuming(bus, handler):
            await until(lambda: tries == 8)
        assert await pool.fetchval("select count(*) from dead_letters") == 0

    async def test_what_was_not_finished_comes_again(self, bus: Bus, pool: Pool, hints: Hints) -> None:
        started = asyncio.Event()

        async def hanging(event: Envelope) -> None:
            started.set()
            await asyncio.Event().wait()

        await announce(pool, hints, "a", 1, 2)
        async with consuming(bus, hanging):
            await started.wait()
        got = Collector()
        async with consuming(bus, got):
            await until(lambda: got.by_key["a"] == [1, 2])

    async def test_groups_do_not_disturb_each_other(self, bus: Bus, pool: Pool, hints: Hints) -> None:
        await announce(pool, hints, "a", 1)
        one, two = Collector(), Collector()
        async with consuming(bus, one, "one"), consuming(bus, two, "two"):
            await until(lambda: one.seen and two.seen)

    async def test_members_of_a_group_share_the_work(self, bus: Bus, pool: Pool, hints: Hints) -> None:
        one, two = Collector(), Collector()
        async with consuming(bus, one), consuming(bus, two):
            await announce(pool, hints, "a", *range(10))
            await until(lambda: sorted(one.by_key["a"] + two.by_key["a"]) == list(range(10)))

    async def test_a_watcher_starts_now_and_resumes_anywhere(
        self, bus: Bus, pool: Pool, hints: Hints
    ) -> None:
        await announce(pool, hints, "a", 0)
        events = await bus.subscribe([TOPIC], None)
        await announce(pool, hints, "a", 1)
        cursor, event = await anext(events)
        assert event.payload["n"] == 1
        await announce(pool, hints, "a", 2, 3)
        await events.aclose()
        again = await bus.subscribe([TOPIC], cursor)
        resumed = [(await anext(again))[1].payload["n"] for _ in range(2)]
        await again.aclose()
        assert resumed == [2, 3]

    async def test_a_watcher_hears_no_replay(self, bus: Bus, pool: Pool, hints: Hints) -> None:
        start = str(await log.end(pool))
        await pool.execute(
            "insert into log (topic, key, type, payload, replay) values ($1, 'a', 'step', $2, $3)",
            TOPIC,
            {"n": 1},
            {"group": "g", "of": str(new_id()), "at": "2026-01-01T00:00:00Z"},
        )
        await announce(pool, hints, "a", 2)
        events = await bus.subscribe([TOPIC], start)
        assert (await anext(events))[1].payload == {"n": 2}
        await events.aclose()

    async def test_a_foreign_cursor_is_rejected(self, bus: Bus) -> None:
        with pytest.raises(Rejected):
            await bus.subscribe([TOPIC], "not a cursor")

    async def test_a_place_that_is_no_longer_kept_is_told_at_once(
        self, bus: Bus, pool: Pool, hints: Hints
    ) -> None:
        start = str(await log.end(pool))
        await announce(pool, hints, "a", 1)
        await pool.execute("update log set at = now() - interval '30 days'")
        await until(lambda: log.prune(pool, 14))
        with pytest.raises(NotFound):
            await bus.subscribe([TOPIC], start)

    async def test_a_watcher_may_leave_before_it_hears_anything(self, bus: Bus) -> None:
        events = await bus.subscribe([TOPIC], None)
        await events.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(events)
