"""A daemon whose database goes away while it starts."""

import asyncio

import asyncpg
import pytest

from fte.daemon.app import Daemon
from fte.daemon.http import bind
from fte.daemon.roles import Role
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.settings import Settings
from tests.databases import created_database
from tests.support import SECRET, until


async def rename(server: str, old: str, new: str) -> None:
    admin = await asyncpg.connect(server.replace("/fte?", "/postgres?"))
    await admin.execute(f"alter database {old} rename to {new}")
    await admin.close()


@pytest.mark.parametrize("role", ["worker", "sender"])
async def test_a_role_waits_for_a_database_that_went_away(
    server: str, pool: Pool, hints: Hints, role: Role
) -> None:
    settings = Settings(
        model="offline",
        public_url="http://x",
        twilio_account_sid="AC" + "0" * 32,
        twilio_auth_token="0" * 32,
        twilio_whatsapp_number="whatsapp:+14155238886",
    )
    async with created_database(server) as url:
        name = url.rpartition("/")[2].partition("?")[0]
        await rename(server, name, f"{name}_away")
        stop = asyncio.Event()
        daemon = Daemon(settings, url, pool, hints, SECRET, stop)
        running = asyncio.create_task(daemon.run((role,), bind("127.0.0.1", 0), lambda: None))
        await until(lambda: running.done() or role in daemon.problems)
        await rename(server, f"{name}_away", name)
        await until(lambda: running.done() or role not in daemon.problems)
        assert not running.done()
        stop.set()
        await running
