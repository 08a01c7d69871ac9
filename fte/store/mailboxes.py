"""Mailboxes: how far each one is read, whether there is something new, and who is reading it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fte.pg import queries
from fte.pg.pool import Pool

_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True)
class Lease:
    """A mailbox somebody may read now.

    `cursor` is Gmail's history id up to which everything is stored (None: it was never read), `synced_at` when the
    last complete reading began, `began_at` when this one does, all by the database's clock.
    """

    account: str
    holder: UUID
    cursor: int | None
    synced_at: datetime | None
    began_at: datetime


@dataclass(frozen=True, slots=True)
class MailboxState:
    """A mailbox as an operator sees it."""

    account: str
    cursor: int | None
    dirty: bool
    synced_at: datetime | None
    next_sync_at: datetime
    watch_expires_at: datetime | None


async def mark_dirty(pool: Pool, account: str) -> None:
    """Note that there is something new in a mailbox. When it returns, that is durable."""
    await pool.execute(_sql.mark_dirty, account)


async def claim(pool: Pool, account: str, holder: UUID, seconds: float) -> Lease | None:
    """Take a mailbox that is due for a reading, for so many seconds. None: it is not due, or somebody has it.

    A mailbox nobody has heard of yet is due, and so is one that this holder has: its last reading was cut off.
    """
    row = await pool.fetchrow(_sql.claim, account, holder, seconds)
    if row is None:
        return None
    cursor = None if row["history_id"] is None else int(row["history_id"])
    return Lease(account, holder, cursor, row["synced_at"], row["began_at"])


async def renew(pool: Pool, lease: Lease, seconds: float) -> None:
    """Hold the mailbox for so many seconds from now, unless somebody else does by now."""
    await pool.execute(_sql.renew, lease.account, lease.holder, seconds)


async def begin_mail(pool: Pool, lease: Lease, mail: str) -> int | None:
    """Go on to the next mail.

    Returns how often in a row that mail was begun, this time included, by any process; None when the lease is lost.
    """
    tries: int | None = await pool.fetchval(_sql.begin_mail, lease.account, lease.holder, mail)
    return tries


async def advance(pool: Pool, lease: Lease, cursor: int, poll: float) -> None:
    """Everything up to `cursor` is stored: the next reading, in `poll` seconds, begins there. Never moves back."""
    await pool.execute(_sql.advance, lease.account, lease.holder, cursor, poll, lease.began_at)


async def put_off(pool: Pool, lease: Lease, seconds: float) -> None:
    """The reading failed: nobody tries again for so many seconds, then somebody does, from the same cursor."""
    await pool.execute(_sql.put_off, lease.account, lease.holder, seconds)


async def put_on(pool: Pool, account: str) -> None:
    """What kept readings from succeeding is over: one that was put off is due now."""
    await pool.execute(_sql.put_on, account)


async def give_back(pool: Pool, lease: Lease) -> None:
    """The reading was interrupted: whoever comes next may go on at once."""
    await pool.execute(_sql.put_off, lease.account, lease.holder, 0.0)


async def watch_due(pool: Pool, account: str, within: float) -> bool:
    """Whether Gmail's watch of the mailbox is unknown, or ends within so many seconds."""
    return bool(await pool.fetchval(_sql.watch_due, account, within))


async def watched(pool: Pool, account: str, until: datetime) -> None:
    """Gmail announces new mail until then."""
    await pool.execute(_sql.watched, account, until)


async def unwatched(pool: Pool, account: str) -> None:
    """Nobody prolongs Gmail's watch of the mailbox any more: that it ends is as it should be."""
    await pool.execute(_sql.unwatched, account)


async def state(pool: Pool, account: str) -> MailboxState | None:
    """The mailbox, or None when it was never read."""
    row = await pool.fetchrow(_sql.state, account)
    if row is None:
        return None
    cursor = None if row["history_id"] is None else int(row["history_id"])
    return MailboxState(
        row["account"],
        cursor,
        row["dirty"],
        row["synced_at"],
        row["next_sync_at"],
        row["watch_expires_at"],
    )


async def watch_ends(pool: Pool, account: str) -> datetime | None:
    """When Gmail's watch of the mailbox ends; None when there is none."""
    ends: datetime | None = await pool.fetchval(_sql.watch_ends, account)
    return ends
