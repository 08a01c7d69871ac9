"""The proxy does what its faults say, or the tests that use it prove nothing."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.chaos.fleet import Ground, Postgres
from tests.chaos.proxy import Frames, PostgresProxy, Proxy
from tests.support import until


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[Proxy]:
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    async with Proxy([server.sockets[0].getsockname()]).running() as proxy:
        yield proxy
    server.close()


class Caller:
    """A bare connection: nothing between us and the reset."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._loop = asyncio.get_running_loop()

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, proxy: Proxy) -> AsyncIterator["Caller"]:
        caller = cls()
        with caller._socket:
            await caller._loop.sock_connect(caller._socket, proxy.address)
            yield caller

    async def say(self, text: bytes) -> None:
        await self._loop.sock_sendall(self._socket, text)

    async def hear(self) -> bytes:
        async with asyncio.timeout(5):
            return await self._loop.sock_recv(self._socket, 100)

    async def echoed(self, text: bytes) -> bool:
        await self.say(text)
        return await self.hear() == text


async def test_what_is_said_comes_through_until_it_is_cut() -> None:
    async with echo() as proxy, Caller.of(proxy) as caller, Caller.of(proxy) as other:
        assert await caller.echoed(b"hello")
        assert await other.echoed(b"hello")
        assert proxy.abort() == 2
        with pytest.raises(ConnectionResetError):
            await caller.hear()
        async with Caller.of(proxy) as again:
            assert await again.echoed(b"again")


async def test_a_black_hole_takes_connections_and_gives_nothing_back() -> None:
    async with echo() as proxy, Caller.of(proxy) as quiet, Caller.of(proxy) as old:
        assert await quiet.echoed(b"quiet")
        assert await old.echoed(b"hello")
        begun = time.monotonic()
        proxy.blackhole(0.3)
        async with Caller.of(proxy) as new:
            for caller in (old, new):
                await caller.say(b"lost")
            for caller in (old, new):
                with pytest.raises(ConnectionResetError):
                    await caller.hear()
        assert time.monotonic() - begun >= 0.3
        assert await quiet.echoed(b"still there")


async def test_the_next_target_is_asked_when_one_is_away() -> None:
    async with echo() as there, Proxy([("127.0.0.1", 9), there.address]).running() as proxy:
        for _ in range(3):
            async with Caller.of(proxy) as caller:
                assert await caller.echoed(b"hello")


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_messages_are_found_however_the_stream_is_cut(size: int) -> None:
    long = b"D" + (20_004).to_bytes(4) + b"x" * 20_000
    stream = (
        b"\0\0\0\x08\0\0\0\0" + b"Q" + (11).to_bytes(4) + b"COMMIT\0" + long + b"Z" + (5).to_bytes(4) + b"I"
    )
    frames = Frames(first_untyped=True)
    found = [pair for at in range(0, len(stream), size) for pair in frames.feed(stream[at : at + size])]
    assert [kind for kind, _ in found] == [b"", b"Q", b"D", b"Z"]
    assert found[1][1] == b"COMMIT\0"
    assert found[3][1] == b"I"


@pytest.mark.process
async def test_a_commit_takes_place_and_its_client_never_hears_of_it() -> None:
    with Ground.laid() as ground:
        async with (
            Postgres.installed(ground) as postgres,
            PostgresProxy([postgres.address]).running() as proxy,
        ):
            url = postgres.url_at(proxy.port)
            direct = await asyncpg.connect(postgres.url)
            await direct.execute("create table said (text text)")
            for explicit in (False, True):
                proxy.drop_commit_reply()
                one = await asyncpg.connect(url)
                assert await one.fetchval("select 1") == 1
                with pytest.raises((OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
                    if explicit:
                        async with one.transaction():
                            await one.execute("insert into said values ($1)", "in a transaction")
                    else:
                        await one.fetchval("insert into said values ($1) returning text", "alone")
                one.terminate()
            assert await until(lambda: proxy.dropped == 2)
            assert (
                await direct.fetchval("select string_agg(text, ', ') from said") == "alone, in a transaction"
            )
            await direct.close()
