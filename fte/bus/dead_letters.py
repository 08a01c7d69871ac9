"""Dead letters: events a group could not handle, kept with the reason until a person decides."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec

from fte.domain.dead_letters import REASON_MAX, State, why_not_again, why_not_dropped
from fte.domain.errors import Conflict, NotFound, Rejected
from fte.domain.events import DEAD_LETTERS
from fte.domain.text import one_line
from fte.pg import queries
from fte.pg.hints import Hints
from fte.pg.pool import Connection, Pool
from fte.wire import JSON, Envelope

LIST_MAX: Final = 500
"""Letters on one page."""
BATCH_MAX: Final = 500
"""Letters sent again or dropped in one transaction."""
ALL_MAX: Final = 10_000
"""Ids of waiting letters read at once."""

_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True)
class Letter:
    """An event that `group` could not handle. `at` is the event's time, `attempts` how often it failed in all.

    `error` is the kind of the last failure. `reason` is why a person dropped the letter, in their words.
    """

    id: int
    event_id: UUID
    group: str
    topic: str
    key: str
    type: str
    at: datetime
    payload: JSON
    error: str
    attempts: int
    state: State
    replays: int
    reason: str | None
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the letters asked for: done, or refused with the reason."""

    done: tuple[int, ...]
    refused: dict[int, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked, for the audit, and with which idempotency key: the same one gets the same report again."""

    operator: UUID
    key: str


Request = list[Any]
"""An action and all that it was asked with: what makes it the same request."""
Refusal = Callable[[State, int], str | None]
"""Why a letter in this state, after so many replays, is left as it is; None when it is not."""


async def bury(pool: Pool, group: str, event: Envelope, error: BaseException, tries: int) -> None:
    """Keep an event that `group` failed on `tries` times. Of the error only its kind is kept: its text may quote.

    A replay that fails is the letter it was, waiting again. What is redelivered meanwhile changes no letter.
    """
    await pool.execute(
        _sql.bury,
        event.first_id,
        group,
        event.topic,
        event.key,
        {"type": event.type, "at": event.first_at, "payload": event.payload},
        type(error).__name__,
        tries,
        DEAD_LETTERS,
        event.replay is not None,
    )


async def counts(pool: Pool) -> dict[str, int]:
    """How many letters wait for somebody to look, by the group that could not handle them."""
    return {row["group_name"]: row["count"] for row in await pool.fetch(_sql.counts)}


async def listed(
    pool: Pool,
    state: State | None = "waiting",
    topic: str | None = None,
    group: str | None = None,
    limit: int = LIST_MAX,
    before: int | None = None,
) -> list[Letter]:
    """Letters, the newest first, at most `limit` (1 to LIST_MAX). None means any; `before` is the last page's last id."""
    rows = await pool.fetch(_sql.letters, state, topic, group, before, None, min(limit, LIST_MAX))
    return [Letter(**row) for row in rows]


async def shown(pool: Pool, letter: int) -> Letter:
    """One letter whole. Raises NotFound."""
    rows = await pool.fetch(_sql.letters, None, None, None, None, letter, 1)
    if not rows:
        raise _missing([letter])
    return Letter(**rows[0])


async def waiting(pool: Pool, topic: str | None = None, group: str | None = None) -> list[int]:
    """The ids of the letters nobody has decided on, the oldest first, at most ALL_MAX."""
    return [row["id"] for row in await pool.fetch(_sql.waiting, topic, group, ALL_MAX)]


async def retry(
    pool: Pool,
    letters: Sequence[int],
    *,
    dropped_too: bool = False,
    dry_run: bool = False,
    hints: Hints | None = None,
    asked: Asked | None = None,
) -> Report:
    """Announce the letters' events again, for the groups that failed on them, in the letters' order.

    A replay is an event of its own that names the one it was. Taken are waiting letters, with `dropped_too` given-up
    ones too, up to REPLAYS_MAX replays. Of several callers one gets a letter. A `dry_run` only says what would
    become of them.

    Raises NotFound, naming them, when there are no such letters, Rejected for more than BATCH_MAX, Conflict for a key
    that was used for another request: nothing is done.
    """
    refusal = partial(why_not_again, dropped_too=dropped_too)
    if dry_run:
        return await _foretold(pool, letters, refusal)
    async with pool.transaction() as connection:
        request = ["retry_dead_letters", sorted(set(letters)), dropped_too]
        report, known = await _decided(connection, letters, refusal, asked, request)
        if not known:
            await connection.execute(_sql.retry, report.done, DEAD_LETTERS)
            await _audited(connection, report, asked, request)
    if hints is not None and report.done:
        hints.ring()
    return report


async def drop(
    pool: Pool, letters: Sequence[int], reason: str, *, dry_run: bool = False, asked: Asked | None = None
) -> Report:
    """Give waiting letters up, and keep why (1 to REASON_MAX characters). They stay to be looked at.

    Raises NotFound, naming them, when there are no such letters; Rejected for more than BATCH_MAX, or for a bad
    reason; Conflict for a key that was used for another request: nothing is done.
    """
    reason = one_line(reason)
    if not 1 <= len(reason) <= REASON_MAX:
        raise Rejected(
            f"The reason needs 1 to {REASON_MAX} characters.", fields={"reason": "too short or too long"}
        )

    def refusal(state: State, _: int) -> str | None:
        return why_not_dropped(state)

    if dry_run:
        return await _foretold(pool, letters, refusal)
    async with pool.transaction() as connection:
        request = ["drop_dead_letters", sorted(set(letters)), reason]
        report, known = await _decided(connection, letters, refusal, asked, request)
        if not known:
            await connection.execute(_sql.drop, report.done, DEAD_LETTERS, reason)
            await _audited(connection, report, asked, request)
    return report


async def _decided(
    connection: Connection,
    letters: Sequence[int],
    refusal: Refusal,
    asked: Asked | None,
    request: Request,
) -> tuple[Report, bool]:
    """What may be done, or what was reported to the same request before: then nothing is to be done.

    Raises Conflict when the key was used for another request.
    """
    report = await _taken(connection, letters, refusal)
    before: Any = asked and await connection.fetchrow(_sql.reported, asked.operator, asked.key)
    if not before:
        return report, False
    if before["request_hash"] != _fingerprint(request):
        raise Conflict("This idempotency key was used for another request.", remedy="Use a new key.")
    refused = {int(letter): why for letter, why in before["result"]["refused"].items()}
    return Report(tuple(before["result"]["done"]), refused), True


async def _audited(connection: Connection, report: Report, asked: Asked | None, request: Request) -> None:
    if asked is not None:
        refused = {str(letter): why for letter, why in report.refused.items()}
        result = {"done": list(report.done), "refused": refused}
        action, fingerprint = request[0], _fingerprint(request)
        await connection.execute(_sql.audited, asked.operator, action, asked.key, fingerprint, result)


def _fingerprint(request: Request) -> bytes:
    return hashlib.sha256(msgspec.json.encode(request)).digest()


async def _foretold(pool: Pool, letters: Sequence[int], refusal: Refusal) -> Report:
    asked = _asked(letters)
    return _judged(asked, await pool.fetch(_sql.look, asked), refusal)


async def _taken(connection: Connection, letters: Sequence[int], refusal: Refusal) -> Report:
    """Lock the letters, and before them the conversations whose events they are; say which may be acted on."""
    asked = _asked(letters)
    await connection.execute(_sql.lock_conversations, asked)
    return _judged(asked, await connection.fetch(_sql.lock_letters, asked), refusal)


def _asked(letters: Sequence[int]) -> list[int]:
    asked = sorted(set(letters))
    if len(asked) > BATCH_MAX:
        raise Rejected(
            f"{len(asked):,} dead letters are too many at once.", remedy=f"Name at most {BATCH_MAX}."
        )
    return asked


def _judged(asked: list[int], rows: Sequence[Any], refusal: Refusal) -> Report:
    if missing := set(asked) - {row["id"] for row in rows}:
        raise _missing(sorted(missing))
    verdicts = {row["id"]: refusal(row["state"], row["replays"]) for row in rows}
    return Report(
        tuple(letter for letter, why in verdicts.items() if why is None),
        {letter: why for letter, why in verdicts.items() if why is not None},
    )


def _missing(letters: Sequence[int]) -> NotFound:
    return NotFound(
        f"There is no dead letter {', '.join(map(str, letters))}.",
        remedy="`fte dlq list --state all` shows them.",
    )
