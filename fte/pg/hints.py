"""Hints that something was appended: a ring wakes whoever waits in this process, and soon after in the others.

Hints save waiting; nothing depends on them. PostgreSQL takes one lock for all notifications, so many rings become
one notification, and whoever waits also looks by itself now and then.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

import asyncpg

from fte.pg.pool import CONNECT_TIMEOUT, LOST

CHANNEL: Final = "fte_log"
GATHER = 0.05
"""Seconds in which rings become one notification."""
HEARTBEAT = 5.0
RECONNECT_PAUSE = 1.0


class Hints:
    """Rings, and bells that hear them."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._bells: set[asyncio.Event] = set()
        self._to_send = asyncio.Event()

    def ring(self) -> None:
        """Say that something was committed."""
        self._to_send.set()
        self._wake()

    @contextlib.contextmanager
    def bell(self) -> Iterator[asyncio.Event]:
        """An event that is set by every ring; the owner clears it before looking."""
        bell = asyncio.Event()
        self._bells.add(bell)
        try:
            yield bell
        finally:
            self._bells.discard(bell)

    def _wake(self) -> None:
        for bell in self._bells:
            bell.set()

    async def run(self) -> None:
        """Carry rings to and from other processes until cancelled."""
        while True:
            with contextlib.suppress(*LOST, asyncpg.PostgresError):
                await self._exchange()
            self._wake()
            await asyncio.sleep(RECONNECT_PAUSE)

    async def _exchange(self) -> None:
        connection = await asyncpg.connect(
            self._url, timeout=CONNECT_TIMEOUT, command_timeout=CONNECT_TIMEOUT
        )
        try:
            own = connection.get_server_pid()
            await connection.add_listener(
                CHANNEL, lambda _c, pid, _n, _p: None if pid == own else self._wake()
            )
            self._wake()
            while True:
                if not await heard(self._to_send, HEARTBEAT):
                    await connection.execute("select 1")
                    continue
                self._to_send.clear()
                await connection.execute(f"notify {CHANNEL}")
                await asyncio.sleep(GATHER)
        finally:
            connection.terminate()


async def heard(bell: asyncio.Event, seconds: float) -> bool:
    """Wait for a bell at most so long. Whether it rang."""
    try:
        async with asyncio.timeout(seconds):
            return await bell.wait()
    except TimeoutError:
        return False
