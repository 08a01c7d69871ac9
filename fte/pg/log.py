"""The log: every announced change, appended in the transaction that makes it, read back without a gap.

Positions are handed out before their transactions commit, so a reader that asks for "everything after the last
position" skips rows; and one that waits for older transactions to finish breaks the order of a key when the
transaction that began first commits last. A reader here goes by snapshots: a window holds the events that one
snapshot shows and the one before did not. Nothing falls between two windows, and no event comes in an earlier window
than one its transaction had waited for. Inside a window, events come by position: whoever appends an event holds
the lock of its key's row, so the positions of one key grow in the order of its commits.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from fte.domain.errors import NotFound, Rejected
from fte.pg import queries
from fte.pg.pool import Connection, Pool
from fte.wire import JSON, Envelope, Replay

READ_MAX: Final = 500
"""Events one read returns at most."""
CURSOR_MAX: Final = 8_000
"""Characters of a cursor: two snapshots of a busy server."""

_CURSOR = re.compile(r"(\d{1,19}:\d{1,19}:[\d,]*)\.((?:\d{1,19}:\d{1,19}:[\d,]*)?)\.(\d{1,18})", re.ASCII)
_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True)
class Event:
    """An event to be announced. `key` orders it among its like: the conversation's id."""

    topic: str
    key: str
    type: str
    payload: JSON


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the log: everything visible in the snapshot `seen` is behind it.

    With `until`, so is what that later snapshot shows up to `position`; without, the next read opens a window.
    """

    seen: str = "3:3:"
    until: str | None = None
    position: int = 0

    def __str__(self) -> str:
        return f"{self.seen}.{self.until or ''}.{self.position}"

    def passed(self, tx: int, position: int) -> bool:
        """Whether an event with this place in the log lies behind the cursor."""
        if _visible(tx, self.seen):
            return True
        return self.until is not None and position <= self.position and _visible(tx, self.until)

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Raises Rejected for anything that is not a cursor of ours."""
        match = _CURSOR.fullmatch(text) if len(text) <= CURSOR_MAX else None
        if match is None or not all(_is_snapshot(part) for part in (match[1], match[2]) if part):
            raise Rejected(
                "This is not a cursor.", fields={"cursor": "Use one the stream gave you, or none."}
            )
        return cls(match[1], match[2] or None, int(match[3]))


def _visible(tx: int, snapshot: str) -> bool:
    low, high, running = snapshot.split(":")
    return tx < int(low) or (tx < int(high) and str(tx) not in running.split(","))


def _is_snapshot(text: str) -> bool:
    low, high, running = text.split(":")
    ids = [int(id_) for id_ in running.split(",") if id_]
    return (
        0 < int(low) <= int(high)
        and ids == sorted(set(ids))
        and all(int(low) <= id_ < int(high) for id_ in ids)
    )


@dataclass(frozen=True, slots=True)
class Appended:
    """An event with its place in the log: the transaction that appended it, and its position."""

    tx: int
    position: int
    event: Envelope


async def emit(connection: Connection, events: Iterable[Event]) -> None:
    """Announce events when, and only when, the surrounding transaction commits.

    The caller holds the lock of each event's key, usually by having updated the conversation's row.
    """
    rows = list(events)
    if rows:
        await connection.execute(
            _sql.append,
            [event.topic for event in rows],
            [event.key for event in rows],
            [event.type for event in rows],
            [event.payload for event in rows],
        )


async def end(pool: Pool) -> Cursor:
    """The cursor after which everything lies that is not committed yet, and nothing else."""
    return Cursor(await pool.fetchval(_sql.snapshot))


async def read(
    pool: Pool, topics: Sequence[str], cursor: Cursor
) -> tuple[list[tuple[Cursor, Envelope]], Cursor]:
    """The next events of the topics, each with the cursor just after it, and the cursor to read on from.

    Raises NotFound when events after the cursor have been removed.
    """
    rows, after = await _next(pool, topics, cursor)
    return [(Cursor(cursor.seen, row["until"], row["position"]), _envelope(row)) for row in rows], after


async def read_appended(
    pool: Pool, topics: Sequence[str], cursor: Cursor, limit: int = READ_MAX
) -> tuple[list[Appended], Cursor]:
    """As `read`, for who carries the events elsewhere: each with its place in the log instead of a cursor."""
    rows, after = await _next(pool, topics, cursor, limit)
    return [Appended(row["tx"], row["position"], _envelope(row)) for row in rows], after


async def _next(
    pool: Pool, topics: Sequence[str], cursor: Cursor, limit: int = READ_MAX
) -> tuple[list[Any], Cursor]:
    if cursor.until is None:
        rows: list[Any] = await pool.fetch(_sql.open_window, list(topics), cursor.seen, limit)
    else:
        rows = await pool.fetch(_sql.read_on, list(topics), cursor.seen, cursor.until, cursor.position, limit)
    if rows[0]["pruned"] and cursor != Cursor():
        raise _no_longer_kept()
    until = rows[0]["until"]
    events = [row for row in rows if row["id"] is not None]
    if len(events) == limit:
        return events, Cursor(cursor.seen, until, events[-1]["position"])
    return events, Cursor(until)


def _no_longer_kept() -> NotFound:
    return NotFound(
        "These events are no longer kept.", remedy="Load the current state and follow from there."
    )


async def check(pool: Pool, cursor: Cursor) -> None:
    """Raises NotFound when events after the cursor have been removed."""
    if cursor != Cursor() and await pool.fetchval(_sql.pruned, cursor.seen):
        raise _no_longer_kept()


async def oldest_after(pool: Pool, topics: Sequence[str], cursor: Cursor) -> datetime:
    """A time before which no event of the topics after the cursor was begun, but by transactions still open.

    Raises NotFound when events after the cursor have been removed.
    """
    await check(pool, cursor)
    time: datetime = await pool.fetchval(_sql.oldest_after, list(topics), cursor.seen)
    return time


def _envelope(row: Any) -> Envelope:
    return Envelope(
        id=row["id"],
        topic=row["topic"],
        key=row["key"],
        type=row["type"],
        at=row["at"],
        payload=row["payload"],
        replay=msgspec.convert(row["replay"], Replay) if row["replay"] else None,
    )


async def waiting_since(pool: Pool, cursor: Cursor) -> datetime | None:
    """When the oldest event after the cursor was begun; None when there is none."""
    at: datetime | None = await pool.fetchval(_sql.waiting_since, cursor.seen, cursor.until, cursor.position)
    return at


async def horizon_age(pool: Pool) -> float:
    """Seconds since the oldest transaction that has written and is still open began: nothing is pruned past it."""
    age: float = await pool.fetchval(_sql.horizon_age)
    return age


async def prune(pool: Pool, keep_days: int) -> int:
    """Remove events older than `keep_days` that every consumer group has passed. Returns how many went.

    A group nobody has read for in that time holds nothing back: its place is forgotten, too.
    """
    removed: int = await pool.fetchval(_sql.prune, keep_days)
    return removed
