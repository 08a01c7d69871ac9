"""A daemon's HTTP side over the real stack, on a free port: for tests of routes and of the stream."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

from fte.bus.log import LogBus
from fte.daemon.health import Health
from fte.daemon.http import application, bind, serve
from fte.daemon.operator_api import OperatorApi
from fte.daemon.overview import Overview
from fte.daemon.stream import Stream
from fte.daemon.suggestions import Suggestions
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.ports import Bus
from fte.store import operators


@dataclass
class Backend:
    url: str
    pool: Pool
    hints: Hints

    async def client(self, name: str = "Sam", role: str = "agent") -> httpx.AsyncClient:
        """A new operator's own client."""
        token = await operators.add(self.pool, name, role)
        return httpx.AsyncClient(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=10)


@contextlib.asynccontextmanager
async def backend(
    pool: Pool, hints: Hints, bus: Bus | None = None, undo: float = 0.0, lag: Any = None
) -> AsyncIterator[Backend]:
    stop = asyncio.Event()
    listening = bind("127.0.0.1", 0)
    api = OperatorApi(pool, hints.ring, undo)
    stream = Stream(api, bus or LogBus(pool, hints), stop)
    overview = Overview(api, hints, lag=lag)
    app = application(
        [
            *api.routes(),
            *stream.routes(),
            *overview.routes(),
            *Suggestions(api).routes(),
            *Health(pool).routes(),
        ]
    )
    serving = asyncio.create_task(serve(app, listening, stop))
    try:
        yield Backend(f"http://127.0.0.1:{listening.getsockname()[1]}", pool, hints)
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await serving
        listening.close()
