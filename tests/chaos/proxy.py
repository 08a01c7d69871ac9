"""A TCP proxy that breaks connections on command: in front of PostgreSQL, of Kafka, or of our own HTTP.

async with Proxy([("127.0.0.1", 5432)]).running() as proxy:
    proxy.abort()                  # every connection ends with RST
    proxy.blackhole(5.0)           # what is sent is swallowed, in both directions, for so long
async with PostgresProxy([…]).running() as proxy:
    proxy.drop_commit_reply()      # the next transaction commits, and its client never hears of it
"""

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from typing import Final, Self

Address = tuple[str, int]

BUFFER_MAX: Final = 1024 * 1024
"""Bytes that may wait for a slow reader before its sender is held up."""
CONNECT_TIMEOUT: Final = 2.0
WRITES: Final = re.compile(rb"\b(insert|update|delete|intake)\b", re.IGNORECASE)
SSL_REQUEST: Final = struct.pack("!II", 8, 80877103)


class Proxy:
    """Listens on 127.0.0.1 and passes connections on to the first of `targets` that takes one, turn by turn."""

    def __init__(self, targets: Sequence[Address]) -> None:
        self.targets = list(targets)
        self.cuts = 0
        """Connections that were broken so far."""
        self.port = 0
        self._turn = 0
        self._lines: set[_Line] = set()
        self._dark_until = 0.0

    @property
    def address(self) -> Address:
        return ("127.0.0.1", self.port)

    @contextlib.asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator[Self]:
        """Listen until the block is left, on a free port unless one is named."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Client(self), "127.0.0.1", port, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.abort()
            await asyncio.sleep(0)

    # ------------------------------------------------------------ faults

    def abort(self) -> int:
        """Reset every connection. Returns how many there were."""
        lines = list(self._lines)
        for line in lines:
            line.abort()
        return len(lines)

    def blackhole(self, seconds: float) -> None:
        """Swallow everything for so long. New connections are taken, and nothing comes back on them.

        A connection of which something was swallowed is reset afterwards: what is missing cannot be made up for.
        """
        loop = asyncio.get_running_loop()
        self._dark_until = max(self._dark_until, loop.time() + seconds)
        loop.call_at(self._dark_until, self._light)

    async def cut_every(self, seconds: float) -> None:
        """Reset every connection every so many seconds, until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            self.abort()

    @property
    def dark(self) -> bool:
        return asyncio.get_running_loop().time() < self._dark_until

    def _light(self) -> None:
        if not self.dark:
            for line in [line for line in self._lines if line.swallowed]:
                line.abort()

    # ------------------------------------------------------------ connections

    def line(self, client: asyncio.Transport) -> "_Line":
        line = self._made(client)
        self._lines.add(line)
        return line

    def _made(self, client: asyncio.Transport) -> "_Line":
        return _Line(self, client)

    def gone(self, line: "_Line") -> None:
        self._lines.discard(line)

    def next_targets(self) -> list[Address]:
        """All targets, beginning with the one whose turn it is."""
        self._turn = (self._turn + 1) % len(self.targets)
        return self.targets[self._turn :] + self.targets[: self._turn]


class _Line:
    """One client's connection and the one to the target."""

    def __init__(self, proxy: Proxy, client: asyncio.Transport) -> None:
        self._proxy = proxy
        self._client = client
        self._target: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._over = False
        self.swallowed = False
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        for host, port in self._proxy.next_targets():
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    target, _ = await loop.create_connection(lambda: _Target(self), host, port)
            except (OSError, TimeoutError):
                continue
            if self._over:
                target.abort()
                return
            self._target = target
            for data in self._early:
                target.write(data)
            self._early.clear()
            return
        self.abort()

    def from_client(self, data: bytes) -> None:
        if self._proxy.dark:
            self.swallowed = True
        elif self._target is None:
            self._early.append(data)
        else:
            self._target.write(data)

    def from_target(self, data: bytes) -> None:
        if self._proxy.dark:
            self.swallowed = True
        else:
            self._client.write(data)

    def abort(self) -> None:
        """End both connections with a reset."""
        if self._over:
            return
        self._proxy.cuts += 1
        for transport in (self._client, self._target):
            if transport is not None:
                _reset(transport)
        self._end()

    def closed(self, which: asyncio.BaseTransport | None) -> None:
        """One side has ended: what is on its way is delivered, then the other one ends too."""
        if self._over:
            return
        if self._proxy.dark:
            self.swallowed = True
            return
        for transport in (self._client, self._target):
            if transport is not None and transport is not which:
                transport.close()
        self._end()

    def hold(self, sender: str, held: bool) -> None:
        """Stop, or go on, reading from one side, because the other one is slow."""
        transport = self._client if sender == "client" else self._target
        if transport is None or transport.is_closing():
            return
        with contextlib.suppress(RuntimeError):
            (transport.pause_reading if held else transport.resume_reading)()

    def _end(self) -> None:
        self._over = True
        self._connecting.cancel() if not self._connecting.done() else None
        self._proxy.gone(self)


class _Client(asyncio.Protocol):
    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._line: _Line | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=BUFFER_MAX)
        self._transport = transport
        self._line = self._proxy.line(transport)

    def data_received(self, data: bytes) -> None:
        assert self._line is not None
        self._line.from_client(data)

    def pause_writing(self) -> None:
        if self._line is not None:
            self._line.hold("target", True)

    def resume_writing(self) -> None:
        if self._line is not None:
            self._line.hold("target", False)

    def connection_lost(self, error: Exception | None) -> None:
        if self._line is not None:
            self._line.closed(self._transport)


class _Target(asyncio.Protocol):
    def __init__(self, line: _Line) -> None:
        self._line = line
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=BUFFER_MAX)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._line.from_target(data)

    def pause_writing(self) -> None:
        self._line.hold("client", True)

    def resume_writing(self) -> None:
        self._line.hold("client", False)

    def connection_lost(self, error: Exception | None) -> None:
        self._line.closed(self._transport)


def _reset(transport: asyncio.Transport) -> None:
    """A linger time of zero makes the kernel send RST instead of FIN."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


# ---------------------------------------------------------------- PostgreSQL


class PostgresProxy(Proxy):
    """A proxy that understands enough of PostgreSQL's protocol to cut a connection just after a commit."""

    def __init__(self, targets: Sequence[Address]) -> None:
        super().__init__(targets)
        self.dropped = 0
        """Replies to a commit that were swallowed so far."""
        self._to_drop = 0

    def drop_commit_reply(self, times: int = 1) -> None:
        """Let the next transactions that write commit, swallow the server's reply, and cut the connection."""
        self._to_drop += times

    def clear(self) -> None:
        self._to_drop = 0

    def take_drop(self) -> bool:
        if not self._to_drop:
            return False
        self._to_drop -= 1
        return True

    def _made(self, client: asyncio.Transport) -> _Line:
        return _PostgresLine(self, client)


class _PostgresLine(_Line):
    """Follows which statement is a commit: an explicit one, or one that writes outside a transaction."""

    def __init__(self, proxy: PostgresProxy, client: asyncio.Transport) -> None:
        super().__init__(proxy, client)
        self._postgres = proxy
        self._client_frames = Frames(first_untyped=True)
        self._server_frames = Frames(first_untyped=False)
        self._writing: dict[bytes, bool] = {}
        self._writes = False
        self._in_transaction = False
        self._wrote = False
        self._dropping = False

    def from_client(self, data: bytes) -> None:
        if data == SSL_REQUEST:
            self._client.write(b"N")  # no encryption: it would hide the commits from us
            return
        for kind, body in self._client_frames.feed(data):
            self._heard(kind, body)
        super().from_client(data)

    def _heard(self, kind: bytes, body: bytes) -> None:
        if kind == b"P":
            name, query, _ = body.split(b"\0", 2)
            self._writing[name] = WRITES.search(query) is not None
        elif kind == b"B":
            name = body.split(b"\0", 2)[1]
            self._writes = self._writing.get(name, False)
            self._wrote = self._wrote or self._writes
        elif kind == b"S":
            if self._writes and not self._in_transaction:
                self._dropping = self._dropping or self._postgres.take_drop()
                self._wrote = False
            self._writes = False
        elif kind == b"Q" and body[:6].upper() == b"COMMIT":
            if self._wrote:
                self._dropping = self._dropping or self._postgres.take_drop()
            self._wrote = False

    def from_target(self, data: bytes) -> None:
        ready = False
        for kind, body in self._server_frames.feed(data):
            if kind == b"Z":
                self._in_transaction = body != b"I"
                ready = True
        if not self._dropping:
            super().from_target(data)
        elif ready:  # the server is done: the transaction has been committed
            self._postgres.dropped += 1
            self.abort()


class Frames:
    """Cuts a stream of PostgreSQL's messages into (type, body); of long bodies only the beginning is kept.

    A client's first message has no type.
    """

    KEPT: Final = 8192

    def __init__(self, *, first_untyped: bool) -> None:
        self._header = 4 if first_untyped else 5
        self._waiting = b""
        self._skip = 0

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        if self._skip >= len(data):
            self._skip -= len(data)
            return []
        stream = self._waiting + data[self._skip :]
        self._skip = 0
        at, found = 0, []
        while len(stream) - at >= self._header:
            typed = self._header == 5
            kind = stream[at : at + 1] if typed else b""
            (length,) = struct.unpack_from("!I", stream, at + typed)
            end = at + typed + length
            kept = min(end, at + self._header + self.KEPT)
            if len(stream) < kept:
                break
            found.append((kind, stream[at + self._header : kept]))
            self._header = 5
            if end > len(stream):
                self._skip = end - len(stream)
                end = len(stream)
            at = end
        self._waiting = stream[at:]
        return found
