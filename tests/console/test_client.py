"""The client against a real server: silence, doubled and unreadable events, and honest failures."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from fte.console import client as module
from fte.console.client import Client, Heard, Reset, back_off
from fte.console.errors import BadToken, OutcomeUnknown
from fte.console.model import Link, Phase
from fte.domain.errors import TooMany, Unavailable
from fte.wire import ActionRequest, encode
from tests.console.support import TOKEN, Desk, number, problem, serving, sse

NOTE = ActionRequest(seen=1, epoch=1, text="x")


@pytest.fixture
async def url(desk: Desk) -> AsyncIterator[str]:
    async with serving(desk) as address:
        yield address


@pytest.fixture
async def client(url: str) -> AsyncIterator[Client]:
    here = Client(url, TOKEN)
    yield here
    await here.aclose()


async def heard(client: Client, cursor: str, count: int) -> list[Link | Heard | Reset]:
    found: list[Link | Heard | Reset] = []
    async with asyncio.timeout(10), aclosing(client.follow(cursor)) as stream:
        async for item in stream:
            found.append(item)
            if len(found) == count:
                break
    return found


def test_pauses_double_up_to_a_limit_and_are_never_the_same_for_everybody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PAUSE_FIRST", 0.5)
    monkeypatch.setattr(module, "PAUSE_MAX", 15.0)
    assert [back_off(n, lambda: 1.0) for n in (1, 2, 3, 4, 5, 6, 100)] == [
        0.5,
        1.0,
        2.0,
        4.0,
        8.0,
        15.0,
        15.0,
    ]
    assert back_off(3, lambda: 0.0) == 1.0


async def test_every_event_once_across_cuts(desk: Desk, client: Client) -> None:
    key = desk.add(1)
    seen: list[Heard] = []
    async with asyncio.timeout(10), aclosing(client.follow("0")) as stream:
        for index in range(5):
            desk.say(key, f"{index}")
            async for item in stream:
                if isinstance(item, Heard):
                    seen.append(item)
                    break
            desk.cut()
    assert [item.event.payload["seq"] for item in seen] == [2, 3, 4, 5, 6]


async def test_what_comes_again_after_a_cut_is_passed_over(desk: Desk, client: Client) -> None:
    key = desk.add(1)
    async with asyncio.timeout(10), aclosing(client.follow(str(len(desk.log)))) as stream:
        heard_: list[Heard] = []
        desk.say(key, "one")
        async for item in stream:
            if isinstance(item, Heard):
                heard_.append(item)
                if len(heard_) == 2:
                    break
                desk.cut()
                desk.publish(desk.log[-1])
                desk.say(key, "two")
    assert [item.event.payload["seq"] for item in heard_] == [2, 3]


async def test_silence_counts_as_a_cut(desk: Desk, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENCE_MAX", 0.2)
    found = await heard(client, "0", 2)
    assert found[0] == Link(Phase.LIVE)
    assert found[1] == Link(Phase.RECONNECTING, 1, "the daemon did not answer in time.")


async def test_an_event_that_cannot_be_read_means_reload_not_the_end(
    desk: Desk, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def events(position: int, topics: set[str]) -> AsyncIterator[bytes]:
        yield b": keep-alive\n\n"
        yield sse("event", "1", b'{"v": 9}')
        yield sse("future", "1", b"whatever")
        yield sse("notice", "", b'{"kind": "reset", "cursor": "7"}')

    monkeypatch.setattr(desk, "_events", events)
    assert await heard(client, "0", 2) == [Reset(), Reset()]


async def test_it_is_live_only_once_the_daemon_is_ready(
    desk: Desk, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def events(position: int, topics: set[str]) -> AsyncIterator[bytes]:
        desk.streams += 1
        yield b": not yet\n\n"
        if desk.streams == 3:
            yield sse("notice", "", b'{"kind": "ready", "cursor": "0"}')

    monkeypatch.setattr(desk, "_events", events)
    ended = "the daemon ended the stream."
    assert await heard(client, "0", 4) == [
        Link(Phase.RECONNECTING, 1, ended),
        Link(Phase.RECONNECTING, 2, ended),
        Link(Phase.LIVE),
        Link(Phase.RECONNECTING, 1, ended),
    ]


async def test_an_event_says_as_well_that_it_is_live(
    desk: Desk, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.say(desk.add(1), "one")

    async def events(position: int, topics: set[str]) -> AsyncIterator[bytes]:
        yield sse("event", "1", encode(desk.log[-1]))
        yield sse("notice", "", b'{"kind": "ready", "cursor": "1"}')

    monkeypatch.setattr(desk, "_events", events)
    assert await heard(client, "0", 2) == [Link(Phase.LIVE), Heard("1", desk.log[-1])]


async def test_a_refused_token_ends_the_stream(desk: Desk, client: Client) -> None:
    desk.token = "another"
    with pytest.raises(BadToken, match="not known"):
        await heard(client, "0", 1)


async def test_nothing_there_is_surely_nothing_sent(desk: Desk) -> None:
    async with serving(desk) as url:
        pass
    client = Client(url, TOKEN)
    with pytest.raises(Unavailable, match="Nothing was sent") as caught:
        await client.act(number(1), "note", NOTE, number(2))
    assert not isinstance(caught.value, OutcomeUnknown)
    await client.aclose()


async def test_a_lost_answer_is_unknown_and_the_same_key_finds_it_out(desk: Desk, client: Client) -> None:
    key = desk.add(1)
    desk.lose_answers = 3
    with pytest.raises(OutcomeUnknown):
        await client.act(key, "note", NOTE, number(2))
    done = await client.act(key, "note", NOTE, number(2))
    assert done.last_seq == 2
    assert [action for action, _ in desk.performed] == ["note"]


async def test_too_many_requests_says_how_long_to_wait(desk: Desk, client: Client) -> None:
    desk.answer_with = problem(429, "Slowly.")
    desk.answer_with.headers["Retry-After"] = "7"
    with pytest.raises(TooMany) as caught:
        await client.me()
    assert caught.value.retry_after == 7.0


@pytest.mark.parametrize("address", ["http://[::1", "ftp://x", "http://127.0.0.1:1"])
async def test_an_address_that_leads_nowhere_is_unavailable(address: str) -> None:
    try:
        client = Client(address, TOKEN)
    except ValueError:
        return
    with pytest.raises(Unavailable):
        await client.me()
    await client.aclose()
