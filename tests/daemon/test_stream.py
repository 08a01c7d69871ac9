"""The operators' stream while what carries the events is away, and the console's client that follows it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence

import pytest
from httpx_sse import aconnect_sse

from fte.bus.log import LogBus
from fte.console.client import Client, Heard
from fte.console.model import Link, Phase
from fte.daemon import stream
from fte.pg import log
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store import operators
from fte.wire import Envelope
from tests.bus.contract import announce
from tests.bus.support_kafka import carried, own_cluster
from tests.daemon.support import backend
from tests.kafka.broker import Broker
from tests.support import until


class HangingBus(LogBus):
    """A bus on which no subscription begins."""

    asked = given_up = 0

    async def subscribe(
        self, topics: Sequence[str], cursor: str | None
    ) -> AsyncGenerator[tuple[str, Envelope], None]:
        self.asked += 1
        try:
            return await asyncio.Future()
        finally:
            self.given_up += 1


async def test_a_subscription_that_does_not_begin_is_never_ready_and_given_up(
    pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "BEGIN_MAX", 0.1)
    bus = HangingBus(pool, hints)
    async with (
        backend(pool, hints, bus) as daemon,
        await daemon.client() as sam,
        aconnect_sse(sam, "GET", "/operator/stream") as source,
        asyncio.timeout(10),
    ):
        assert [event async for event in source.aiter_sse()] == []
    assert (bus.asked, bus.given_up) == (1, 1)


async def test_a_stop_does_not_wait_for_a_subscription_to_begin(pool: Pool, hints: Hints) -> None:
    bus = HangingBus(pool, hints)
    async with contextlib.AsyncExitStack() as running:
        daemon = await running.enter_async_context(backend(pool, hints, bus))
        async with await daemon.client() as sam, aconnect_sse(sam, "GET", "/operator/stream") as source:
            await until(lambda: bus.asked)
            async with asyncio.timeout(stream.BEGIN_MAX / 2):
                await running.aclose()
            assert [event async for event in source.aiter_sse()] == []
    assert bus.given_up == 1


async def test_while_kafka_is_frozen_a_console_says_so_and_then_goes_on_without_a_gap(
    own_kafka: Broker, pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "BEGIN_MAX", 3.0)
    said: list[Link] = []
    heard: list[int] = []

    async def follow(client: Client) -> None:
        async with contextlib.aclosing(client.follow(str(await log.end(pool)))) as following:
            async for one in following:
                if isinstance(one, Link):
                    said.append(one)
                elif isinstance(one, Heard):
                    heard.append(one.event.payload["n"])

    async with (
        carried(own_cluster(own_kafka.bootstrap), pool, hints) as running,
        backend(pool, hints, running.bus) as daemon,
    ):
        client = Client(daemon.url, await operators.add(pool, "Sam", "agent"))
        following = asyncio.create_task(follow(client))
        try:
            await until(lambda: said == [Link(Phase.LIVE)])
            await announce(pool, hints, "a", 1)
            await until(lambda: heard == [1])
            own_kafka.pause()
            await announce(pool, hints, "a", 2)
            await until(lambda: said[-1].attempt == 2, deadline=30)
            assert [link.phase for link in said[1:]] == [Phase.RECONNECTING] * 2
            own_kafka.resume()
            await announce(pool, hints, "a", 3)
            await until(lambda: heard[-1] == 3, deadline=30)
            assert heard == [1, 2, 3]
            assert said[-1] == Link(Phase.LIVE)
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
            await client.aclose()
