"""A database brought back from a backup is a past: what it holds as unsent or unanswered may have been sent since.

So it says nothing of its own accord about that past. Replies that were on their way are in doubt, and the provider is
asked; whoever was owed an answer, and whoever's message from before is delivered again, is left to a person.
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from fte.domain.errors import Conflict
from fte.pg import queries
from fte.pg.pool import Connection, Pool
from fte.wire import JSON

TIMEOUT: Final = 3_600.0
"""Seconds a statement may take that touches the whole log."""
BRIEF: Final[JSON] = {
    "asked": "",
    "tried": [
        "This was brought back from a backup. Since that was made the customer may have had an answer that is not shown"
        " here: look at what was sent before you write."
    ],
    "sources": [],
    "mood": "",
    "reason": "restored",
    "urgency": "high",
}
_sql = queries.load(__file__)


async def check_home(pool: Pool) -> None:
    """Raises Conflict on a database that was copied or restored since a daemon last ran on it: it must not send.

    Where the server does not say who it is, nothing is checked.
    """
    place = await _here(pool)
    if place is None:
        return
    await pool.execute(_sql.home, *place)
    if not await pool.fetchval(_sql.is_home, *place):
        raise Conflict(
            "This database was restored from a backup, or copied: what it holds as unsent may have been sent.",
            remedy="Run `fte backup restored` once, before any daemon.",
        )


async def settle(pool: Pool, *, nothing_lost: bool = False) -> dict[str, int]:
    """Make a restored database one a daemon may run on, in one transaction. Returns how much was left to people.

    `nothing_lost` says that no daemon has run since the copy was made: then all goes on where it was. Raises Conflict
    while a daemon is connected.
    """
    place = await _here(pool)
    async with pool.transaction() as connection:
        if await connection.fetchval(_sql.others):
            raise Conflict("A daemon is connected to this database.", remedy="Stop every daemon first.")
        await connection.execute(_sql.rebase_log, timeout=TIMEOUT)
        for name in (
            "restart_groups",
            "end_streams",
            "remake_topics",
            "read_mailboxes_again",
            "read_numbers_again",
        ):
            await connection.execute(getattr(_sql, name))
        counts = {} if nothing_lost else await _doubt(connection)
        if place is not None:
            await connection.execute(_sql.move_home, *place)
        await connection.execute(_sql.audited, counts | {"nothing_lost": nothing_lost})
    return counts


async def _doubt(connection: Connection) -> dict[str, int]:
    await connection.execute(_sql.record)
    return {
        "messages_in_doubt": _count(await connection.execute(_sql.question, timeout=TIMEOUT)),
        "codes_and_notices_cancelled": _count(await connection.execute(_sql.cancel_codes, timeout=TIMEOUT)),
        "conversations_handed_over": _count(await connection.execute(_sql.hand_over, BRIEF, timeout=TIMEOUT))
        // 2,
    }


def _count(done: str) -> int:
    return int(done.rpartition(" ")[2])


async def hand_over_past(connection: Connection, conversation: UUID, sent_at: datetime) -> None:
    """Leave a message to a person if it was sent before this database was restored. In intake's transaction."""
    await connection.execute(_sql.hand_over_past, conversation, sent_at, BRIEF)


async def _here(pool: Pool) -> tuple[int, int] | None:
    try:
        row: Any = await pool.fetchrow(_sql.here)
    except asyncpg.InsufficientPrivilegeError:
        return None
    return row["cluster"], row["database"]
