"""Shared by the tests of the web form: a stack to talk to, and what a valid form holds."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette

from fte.daemon.responses import EXCEPTION_HANDLERS
from fte.daemon.support import Support, routes
from fte.pg.pool import Pool
from fte.settings import Settings

SECRET = b"a secret of the tests, 32 bytes!"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def valid(**changes: Any) -> dict[str, Any]:
    form = {
        "name": "Ann Example",
        "email": "ann@example.com",
        "subject": "Wrong invoice",
        "category": "billing",
        "message": "The invoice of October is wrong.",
    }
    return form | changes


class FakeClock:
    """Stands still until told to go on."""

    def __init__(self) -> None:
        self.now = 1_000_000_000_000

    def __call__(self) -> int:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += int(seconds * 1_000_000_000)


@dataclass
class Stack:
    """The routes over a real database, and a client of them."""

    client: httpx.AsyncClient
    pool: Pool
    clock: FakeClock
    stored: list[None] = field(default_factory=list)

    async def count(self, table: str) -> int:
        number: int = await self.pool.fetchval(f"select count(*) from {table}")
        return number

    async def submit(self, **changes: Any) -> str:
        answer = await self.client.post("/support/submit", json=valid(**changes))
        assert answer.status_code == 200, answer.text
        ticket_id: str = answer.json()["ticket_id"]
        return ticket_id


@contextlib.asynccontextmanager
async def stack(pool: Pool, *, peer: str = "192.0.2.1", **settings: Any) -> AsyncIterator[Stack]:
    """A stack with generous limits; `settings` change them."""
    generous = {"form_rate_per_ip": 100_000, "form_rate_per_address": 100_000}
    clock = FakeClock()
    stored: list[None] = []
    app = application(pool, Settings(**(generous | settings)), lambda: stored.append(None), clock)
    transport = httpx.ASGITransport(app=app, client=(peer, 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://support.test") as client:
        yield Stack(client, pool, clock, stored)


def application(
    pool: Pool, settings: Settings, on_stored: Callable[[], None], clock: Callable[[], int]
) -> Starlette:
    support = Support(pool=pool, secret=SECRET, settings=settings, on_stored=on_stored, clock=clock)
    return Starlette(routes=routes(support), exception_handlers=dict(EXCEPTION_HANDLERS))


async def answer(pool: Pool, ticket_id: str, text: str, *, status: str = "waiting_customer") -> None:
    """What a worker and a sender leave behind when the AI has answered."""
    from fte.domain.ids import hashed

    await pool.execute(
        """
        with t as (update tickets set status = $3, updated_at = now() where public_hash = $1
                   returning conversation_id),
             c as (update conversations set last_seq = last_seq + 1, last_message_at = now()
                    where id = (select conversation_id from t) returning id, last_seq)
        insert into messages (id, conversation_id, seq, channel, direction, role, content, delivery_status)
        select gen_random_uuid(), id, last_seq, 'web_form', 'outbound', 'agent', $2, 'sent' from c
        """,
        hashed(ticket_id),
        text,
        status,
    )


class _Server(uvicorn.Server):
    """Leaves the signals to the tests' own process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """An ASGI application behind a real uvicorn on a free port. Gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, proxy_headers=False, lifespan="off"
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            async with asyncio.timeout(10):
                await serving
