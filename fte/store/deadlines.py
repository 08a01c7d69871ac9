"""Due times of conversations: counted in the transaction that changes what they depend on, and rung when they come.

Triggers note what the clocks depend on, whoever changes it, and that they are to be counted anew. Counting is one pure
function (`fte.domain.deadlines.running`). What a transaction forgets to count, the sweeper counts soon after.
"""

from typing import Any, Final
from uuid import UUID

from fte.domain.deadlines import (
    Alarm,
    DueTime,
    Facts,
    Marks,
    Policy,
    alarms,
    kept,
    next_alarm,
    parse_policy,
    paused,
    running,
)
from fte.domain.events import CONVERSATIONS, ESCALATIONS, METRICS
from fte.pg import queries
from fte.pg.log import Event, emit
from fte.pg.pool import Connection, Pool
from fte.wire import JSON

SWEEP_MAX: Final = 100
"""Conversations one sweep counts or wakes at most, of each kind."""
FORGOTTEN_AFTER: Final = 2.0
"""Seconds after which clocks that should be counted anew are counted by the sweeper."""

_sql = queries.load(__file__)


async def recompute(connection: Connection, *conversations: UUID) -> None:
    """Count these conversations' clocks anew where something has changed that they depend on.

    To be called last in a transaction that may have changed something; the caller holds their locks.
    """
    for row in await connection.fetch(_sql.counted, conversations, False):
        await connection.execute(_sql.set_clocks, *_counted(row, ring=False)[0])


async def recompute_soon(pool: Pool, conversation: UUID) -> None:
    """The same in a transaction of its own. Raises Unavailable when the database is away; the sweeper does it then."""
    async with pool.transaction() as connection:
        if await connection.fetchval(_sql.lock, conversation) is not None:
            await recompute(connection, conversation)


async def sweep(pool: Pool) -> int:
    """Announce what is near or past its time, each once, whoever else sweeps; wake what slept long enough.

    Returns how many conversations there was something to do for.
    """
    async with pool.transaction() as connection:
        woken = await connection.fetch(_sql.wake, SWEEP_MAX)
        due = {row["id"] for row in await connection.fetch(_sql.ring, SWEEP_MAX, FORGOTTEN_AFTER)}
        chosen = [*due, *(row["id"] for row in woken if row["id"] not in due)]
        if not chosen:
            return 0
        # A statement of its own: it sees what whoever held a lock before has done.
        found = [
            (row, *_counted(row, ring=True)) for row in await connection.fetch(_sql.counted, chosen, True)
        ]
        await connection.executemany(_sql.set_clocks, [values for _, values, _ in found])
        await emit(connection, [event for row, _, raised in found for event in _events(row, raised)])
    return len(chosen)


async def keep_policy(pool: Pool, hours: str, deadlines: str) -> None:
    """The policy of this installation from now on; when it is another one, open conversations are counted anew.

    Both texts have been checked before (`parse_policy`).
    """
    async with pool.transaction() as connection:
        if await connection.fetchval(_sql.set_policy, hours, deadlines):
            await connection.execute(_sql.count_all_anew)


async def policy(pool: Pool) -> Policy:
    """The policy in force."""
    row: Any = await pool.fetchrow(_sql.policy)
    return parse_policy(row["hours"], row["deadlines"])


def _counted(row: Any, *, ring: bool) -> tuple[tuple[Any, ...], list[Alarm]]:
    """What to store of a conversation's clocks, and what to announce of them."""
    rules = parse_policy(row["hours"], row["deadlines"])
    facts = Facts(
        priority=row["priority"],
        resolved=row["resolved"],
        waiting_since=row["waiting_since"],
        answered_at=row["answered_at"],
        resolution_from=row["resolution_from"],
        paused=row["paused_for"],
        pauses=tuple(zip(row["pauses_from"], row["pauses_until"], strict=True)),
        resting=row["resting"],
        window_until=row["window_until"],
    )
    due, now = running(facts, rules), row["now"]
    marks = kept(Marks(frozenset(row["warned"]), frozenset(row["breached"])), due, now)
    raised: list[Alarm] = []
    if ring:
        raised, marks = alarms(due, marks, now)
    soonest = due[0] if due else None
    values = (
        row["id"],
        {clock.kind: clock.at for clock in due},
        soonest.at if soonest else None,
        soonest.kind if soonest else None,
        sorted(marks.warned),
        sorted(marks.breached),
        next_alarm(due, marks),
        paused(facts, rules),
        bool(raised),
    )
    return values, raised


def _events(row: Any, raised: list[Alarm]) -> list[Event]:
    key = str(row["id"])
    found: list[Event] = []
    for alarm in raised:
        type_ = "deadline.breached" if alarm.breached else "deadline.warning"
        fact = _fact(row, alarm.due)
        found += [Event(topic, key, type_, fact) for topic in (CONVERSATIONS, ESCALATIONS)]
        measured: JSON = {
            "channel": row["channel"],
            "due_kind": alarm.due.kind,
            "priority": row["priority"],
            "owner": row["owner"],
        }
        found.append(Event(METRICS, key, type_, measured))
    return found


def _fact(row: Any, due: DueTime) -> JSON:
    return {
        "conversation_id": row["id"],
        "ticket_id": row["ticket_id"],
        "number": row["number"],
        "channel": row["channel"],
        "owner": row["owner"],
        "epoch": row["epoch"],
        "status": row["status"],
        "seq": row["last_seq"],
        "due_kind": due.kind,
        "due_at": due.at,
        "priority": row["priority"],
    }
