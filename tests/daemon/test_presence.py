"""Being there over HTTP: heartbeats, the stream, the team; and a token that is taken away, or changed, while it is used."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from httpx_sse import aconnect_sse

from fte.daemon.stream import RECHECK
from fte.daemon.sweeper import Sweeper
from fte.domain.ids import new_id
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store import operators
from fte.wire import OperatorView, TeamView, decode
from tests.daemon.support import Backend, backend
from tests.support import receive, until


@pytest.fixture
async def daemon(pool: Pool, hints: Hints) -> AsyncIterator[Backend]:
    async with backend(pool, hints) as running:
        yield running


@pytest.fixture
async def sam(daemon: Backend) -> AsyncIterator[httpx.AsyncClient]:
    async with await daemon.client() as client:
        yield client


async def act(client: httpx.AsyncClient, conversation: object, action: str) -> httpx.Response:
    return await client.post(
        f"/operator/conversations/{conversation}/{action}",
        json={"seen": 99, "epoch": 0, "text": "hi"},
        headers={"Idempotency-Key": str(new_id())},
    )


async def team(client: httpx.AsyncClient) -> TeamView:
    return decode((await client.get("/operator/team")).content, TeamView)


async def test_any_request_is_a_sign_of_life_and_few_are_written(
    daemon: Backend, sam: httpx.AsyncClient
) -> None:
    for _ in range(10):
        assert (await sam.get("/operator/me")).status_code == 200
    first = await daemon.pool.fetchrow("select seen_at, xmin::text as version from operators")
    assert first is not None and first["seen_at"] is not None
    await asyncio.gather(*(sam.get("/operator/queue") for _ in range(20)))
    again = await daemon.pool.fetchval("select xmin::text from operators")
    assert again == first["version"]


async def test_an_open_stream_alone_keeps_the_claim(
    daemon: Backend, sam: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heartbeats are due at once here, so that the test need not wait for ten seconds."""
    monkeypatch.setattr("fte.daemon.operator_api.HEARTBEAT", 0.0)
    monkeypatch.setattr("fte.domain.presence.HEARTBEAT", 0.0)
    async with aconnect_sse(sam, "GET", "/operator/stream"):
        await daemon.pool.execute("update operators set seen_at = now() - interval '1 hour'")
        await until(
            lambda: daemon.pool.fetchval("select seen_at > now() - interval '5 seconds' from operators")
        )


async def test_the_team_shows_who_is_there_and_what_they_hold(
    daemon: Backend, sam: httpx.AsyncClient
) -> None:
    first = await receive(daemon.pool)
    await act(sam, first.conversation, "take_over")
    await operators.add(daemon.pool, "Olga", "observer")
    shown = await team(sam)
    assert [(m.name, m.on_duty, m.held, m.numbers) for m in shown.members] == [
        ("Olga", False, 0, []),
        ("Sam", True, 1, [1]),
    ]
    assert shown.somebody_on_duty
    response = await sam.post(
        "/operator/duty", json={"duty": "off"}, headers={"Idempotency-Key": str(new_id())}
    )
    assert decode(response.content, OperatorView).duty == "off"
    assert not (await team(sam)).somebody_on_duty
    assert decode((await sam.get("/operator/me")).content, OperatorView).duty == "off"
    for body in ({"duty": "later"}, {}, {"duty": "on", "more": 1}):
        bad = await sam.post("/operator/duty", json=body, headers={"Idempotency-Key": str(new_id())})
        assert bad.status_code == 422


async def test_the_sweeper_frees_what_a_vanished_operator_holds_and_says_so_on_the_stream(
    daemon: Backend, sam: httpx.AsyncClient
) -> None:
    first = await receive(daemon.pool)
    await act(sam, first.conversation, "take_over")
    async with (
        await daemon.client("Kim") as kim,
        aconnect_sse(kim, "GET", "/operator/stream") as stream,
    ):
        await daemon.pool.execute(
            "update operators set seen_at = now() - interval '1 hour' where name = 'Sam'"
        )
        await daemon.pool.execute("update hands set at = now() - interval '1 hour'")
        sweeper = Sweeper(daemon.pool, daemon.hints, log_retention_days=1, operator_lease=900)
        sweeper._free_at = 0.0  # nothing has just started here
        sweeping = asyncio.create_task(sweeper.run())
        try:
            async with asyncio.timeout(20):
                async for event in stream.aiter_sse():
                    if event.event == "event" and event.json()["type"] == "escalation.raised":
                        payload = event.json()["payload"]
                        break
        finally:
            sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sweeping
    assert (payload["reason"], payload["operator"], payload["epoch"]) == ("operator_vanished", "Sam", 2)
    late = await act(sam, first.conversation, "reply")
    assert late.status_code == 409
    assert "Nothing was heard" in late.json()["error"]


async def test_just_after_a_start_nobody_loses_a_claim(daemon: Backend, sam: httpx.AsyncClient) -> None:
    """After an outage of ours every console was silent: they come back first."""
    first = await receive(daemon.pool)
    await act(sam, first.conversation, "take_over")
    await daemon.pool.execute("update operators set seen_at = now() - interval '1 hour'")
    await daemon.pool.execute("update hands set at = now() - interval '1 hour'")
    sweeper = Sweeper(daemon.pool, daemon.hints, log_retention_days=1, operator_lease=900)
    await sweeper._sweep()
    assert await daemon.pool.fetchval("select epoch from conversations") == 1


TAKEN: dict[str, Callable[[Pool], Awaitable[object]]] = {
    "revoked": lambda pool: operators.revoke(pool, "Kim"),
    "rotated": lambda pool: operators.rotate(pool, "Kim"),
    "expired": lambda pool: pool.execute("update operators set expires_at = now() where name = 'Kim'"),
}


@pytest.mark.parametrize("how", TAKEN)
async def test_a_token_that_no_longer_counts_ends_the_stream_within_about_a_second(
    daemon: Backend, sam: httpx.AsyncClient, how: str
) -> None:
    """Also while events keep coming."""
    first = await receive(daemon.pool)

    async def chatter() -> None:
        while True:
            await act(sam, first.conversation, "note")
            await asyncio.sleep(0.02)

    async with await daemon.client("Kim") as kim:
        talking = asyncio.create_task(chatter())
        async with aconnect_sse(kim, "GET", "/operator/stream") as source:
            events = source.aiter_sse()
            while (await anext(events)).event != "event":
                pass
            await TAKEN[how](daemon.pool)
            since = time.monotonic()
            async with asyncio.timeout(RECHECK + 4):  # what it waits for is the end of the stream
                async for _ in events:
                    pass
            ended = time.monotonic() - since
        talking.cancel()
        assert (await kim.get("/operator/me")).status_code == 401
    assert ended < RECHECK + 2
