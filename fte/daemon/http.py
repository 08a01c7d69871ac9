"""The HTTP server: every route in one list, every limit set, inside our own event loop and signals."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Generator, Sequence
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from fte.daemon.responses import EXCEPTION_HANDLERS
from fte.daemon.trail import identified
from fte.domain.errors import Unavailable

BODY_MAX: Final = 1024 * 1024
GRACE: Final = 5
"""Seconds open requests are given at a shutdown."""
TICK: Final = 0.1
"""Seconds between two looks at the clock for the Date header; the server library counts ten to a second."""
CONNECTIONS_MAX: Final = 2_000


def application(routes: Sequence[BaseRoute]) -> Starlette:
    return Starlette(routes=list(routes), exception_handlers=dict(EXCEPTION_HANDLERS), max_body_size=BODY_MAX)


class Server(uvicorn.Server):
    """A server that leaves signals to the process it is a part of, and stops when that says so."""

    def __init__(self, config: uvicorn.Config, stop: asyncio.Event) -> None:
        super().__init__(config)
        self._stop = stop

    async def main_loop(self) -> None:
        """The base class's, but for looking at the event instead of sleeping ten times a second."""
        ticks = 0
        while not await self.on_tick(ticks) and not self._stop.is_set():
            ticks += 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._stop.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """Take the address, before anything else starts. Raises Unavailable, naming the remedy, when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(1024)
    except OSError as error:
        bound.close()
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            remedy = "Name an address of this machine with --host or FTE_HOST."
        else:
            remedy = "Stop what uses the port, or choose another one with --port or FTE_PORT."
        raise Unavailable(f"Cannot listen on {host}:{port}: {error.strerror}.", remedy=remedy) from None
    return bound


async def serve(application: ASGIApp, listening: socket.socket, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then let open requests finish within GRACE seconds."""
    config = uvicorn.Config(
        identified(application),
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        lifespan="off",
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE,
        h11_max_incomplete_event_size=32 * 1024,
    )
    await Server(config, stop).serve(sockets=[listening])
