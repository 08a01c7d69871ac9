"""The mailbox role: reads a Gmail mailbox from where it was left, and makes of each mail what it is.

The stored cursor alone says where to go on; announcements only say when. It moves once everything before it is
stored, so whatever breaks in between is read again, and what is stored already is passed over.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import structlog

from fte.channels.gmail.client import Broken, DeadToken, GmailClient, Ref, Throttled
from fte.daemon import leases, trail
from fte.daemon.mail_sorter import MailSorter
from fte.domain.errors import FteError, NotFound, Unavailable
from fte.domain.ids import new_id
from fte.domain.retry import pause
from fte.pg.hints import Hints, heard
from fte.pg.pool import Pool
from fte.store import channel_health, mail_threads, mailboxes
from fte.store.mailboxes import Lease

MAIL_TIMEOUT: Final = 60.0
"""Seconds one mail may take, whole."""
TRIES_MAX: Final = 3
"""Times a mail is tried that breaks whoever reads it; then it is set aside and the next one has its turn."""
LOOK_EVERY: Final = 5.0
"""Seconds after which is looked whether the mailbox is due, without a hint."""
GATHER: Final = 0.1
"""Seconds between two such looks, however many hints there are."""
FULL_SYNC_MAX: Final = 5_000
"""Mails looked at when Gmail has forgotten our place in its history; the newest ones."""
FULL_SYNC_MARGIN: Final = timedelta(minutes=10)
"""How much further back than the last complete reading is looked then: clocks differ, and mails arrive slowly."""
WITHHELD_MAX: Final = 3
"""Mails Gmail may fail to hand out before the reading is put off."""
WITHHELD_FOR: Final = 3_600.0
"""Seconds Gmail may fail to hand out one mail, while it hands out others, before that mail is given up."""
SIGN_IN_PAUSE: Final = 300.0
"""Seconds between two tries with a dead token: a new one is found without a restart."""
PAUSE_MAX: Final = 300.0
RENEW_BEFORE: Final = 6 * 86_400.0
"""Gmail's watch lasts seven days and is renewed when less than this many seconds are left: daily."""
ALARM_BEFORE: Final = 2 * 86_400.0
"""Seconds before its end from which on a watch that cannot be renewed makes the channel unhealthy."""
WATCH_CHECK: Final = 3_600.0

_log = structlog.get_logger("fte.mailbox")


class LeaseLost(FteError):
    """Somebody else reads the mailbox now."""


class Mailbox:
    """Reads one mailbox, for as many processes as run this: one of them at a time."""

    def __init__(
        self,
        pool: Pool,
        hints: Hints,
        client: GmailClient,
        sorter: MailSorter,
        *,
        account: str,
        poll: float,
        topic: str = "",
    ) -> None:
        self._pool = pool
        self._hints = hints
        self._client = client
        self._sorter = sorter
        self._account = account.lower()
        self._poll = poll
        self._topic = topic
        self._me = new_id()
        self._failures = 0
        self._watch_failures = 0
        self._withheld: dict[str, float] = {}

    async def run(self) -> None:
        """Read until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_for_ever())
            tasks.create_task(self._watch_for_ever())

    # ---------------------------------------------------------------- reading

    async def _read_for_ever(self) -> None:
        with self._hints.bell() as bell:
            while True:
                bell.clear()
                if not await self.read_if_due():
                    await heard(bell, min(LOOK_EVERY, self._poll))
                    await asyncio.sleep(GATHER)

    async def read_if_due(self) -> bool:
        """Read the mailbox when it is due and nobody else does. Whether it was read, to the end."""
        try:
            lease = await mailboxes.claim(self._pool, self._account, self._me, leases.SECONDS)
            if lease is None:
                return False
            async with leases.renewing(partial(mailboxes.renew, self._pool, lease)):
                return await self._read_leased(lease)
        except Unavailable as error:
            _log.warning("reading put off", error=error.message)
            return False

    async def _read_leased(self, lease: Lease) -> bool:
        try:
            await self._read(lease)
        except LeaseLost:
            return False
        except Unavailable as error:
            await self._put_off(lease, error)
            return False
        except Exception as error:
            _log.error("reading broke", error=type(error).__name__, exc_info=error)
            await self._put_off(lease, Unavailable(f"The mailbox cannot be read: {type(error).__name__}."))
            return False
        except BaseException:
            with contextlib.suppress(Unavailable):
                await mailboxes.give_back(self._pool, lease)
            raise
        self._failures = 0
        await self._report(None)
        return True

    async def _put_off(self, lease: Lease, error: Unavailable) -> None:
        self._failures += 1
        if isinstance(error, Throttled):
            wait = error.retry_after
        elif isinstance(error, DeadToken):
            wait = SIGN_IN_PAUSE
        else:
            wait = pause(self._failures, first=2.0, longest=PAUSE_MAX)
        _log.warning("reading put off", seconds=round(wait, 1), error=error.message)
        await mailboxes.put_off(self._pool, lease, wait)
        if self._failures > 1 or isinstance(error, DeadToken):
            await self._report(error)

    async def _report(self, problem: FteError | None) -> None:
        if problem is None and await self._watch_ends_soon():
            problem = FteError(
                "Gmail soon stops announcing new mail: its watch cannot be renewed.",
                remedy="Run `fte gmail watch`.",
            )
        said = None if problem is None else f"{problem.message} {problem.remedy or ''}".strip()
        await channel_health.report(self._pool, "email", self._account, said)

    async def _read(self, lease: Lease) -> None:
        if lease.cursor is None:  # the first time: what is there already was never meant for us
            profile = await self._client.profile()
            await mailboxes.advance(self._pool, lease, profile.history_id, self._poll)
            _log.info("mailbox is new", cursor=profile.history_id)
            return
        try:
            cursor = await self._read_history(lease, lease.cursor)
        except NotFound:
            cursor = await self._read_recent(lease)
        await mailboxes.advance(self._pool, lease, cursor, self._poll)

    async def _read_history(self, lease: Lease, start: int) -> int:
        """Store what was added after `start`. Returns the place up to which that is all.

        Raises NotFound when Gmail's history does not go back that far.
        """
        places: list[int] = []
        async with contextlib.aclosing(self._history(start, places)) as pages:
            await self._store(lease, pages)
        return max(start, min(places))  # the first page's: what came in later need not be on a later page

    async def _history(self, start: int, places: list[int]) -> AsyncGenerator[tuple[Ref, ...], None]:
        token = None
        while True:
            page = await self._client.added_since(start, token)
            if page.history_id is not None:
                places.append(page.history_id)
            yield page.mails
            if (token := page.next_page) is None:
                return

    async def _read_recent(self, lease: Lease) -> int:
        """Store what has come since the last complete reading, found by its time instead of by the history."""
        profile = await self._client.profile()
        since = (lease.synced_at or lease.began_at) - FULL_SYNC_MARGIN
        mails = await self._since(since)
        _log.warning("history lost", since=since.isoformat(), mails=len(mails))
        if len(mails) >= FULL_SYNC_MAX:
            _log.error("more mail than is looked at", most=FULL_SYNC_MAX)

        async def once() -> AsyncGenerator[tuple[Ref, ...], None]:
            yield tuple(mails)

        async with contextlib.aclosing(once()) as pages:
            await self._store(lease, pages)
        return profile.history_id

    async def _since(self, since: datetime) -> list[Ref]:
        """Mails that arrived since then, oldest first; of more than FULL_SYNC_MAX the newest."""
        query = f"after:{int(since.astimezone(UTC).timestamp())}"
        mails: list[Ref] = []
        token = None
        while len(mails) < FULL_SYNC_MAX:
            page = await self._client.matching(query, token)
            mails[:0] = page.mails
            if (token := page.next_page) is None:
                break
        return mails[-FULL_SYNC_MAX:]

    # ---------------------------------------------------------------- storing

    async def _store(self, lease: Lease, pages: AsyncGenerator[tuple[Ref, ...], None]) -> None:
        """Store every mail of every page. Raises Unavailable, after all others, when Gmail withholds some."""
        withheld: list[Ref] = []
        async for page in pages:
            known = await mail_threads.known(self._pool, self._account, [ref.id for ref in page])
            for ref in page:
                if ref.id not in known and not await self._stored(lease, ref):
                    withheld.append(ref)
                    if len(withheld) > WITHHELD_MAX:
                        raise Broken("Gmail does not hand out mails.")
        if withheld:
            await self._settle_withheld(lease, withheld)
        self._withheld.clear()

    async def _stored(self, lease: Lease, ref: Ref) -> bool:
        """Deal with one mail. False when Gmail does not hand it out, which may be about this mail alone."""
        while True:
            tries = await mailboxes.begin_mail(self._pool, lease, ref.id)
            if tries is None:
                raise LeaseLost
            if tries > TRIES_MAX:
                await self._sorter.give_up(ref, f"broke {TRIES_MAX} times")
                return True
            with trail.about(mail=ref.id):
                try:
                    async with asyncio.timeout(MAIL_TIMEOUT):
                        await self._sorter.sort(ref)
                    return True
                except Broken:
                    return False
                except Unavailable:
                    raise
                except Exception as error:
                    _log.error("mail broke", tries=tries, error=type(error).__name__, exc_info=error)

    async def _settle_withheld(self, lease: Lease, mails: list[Ref]) -> None:
        """Ask once more; give up a mail only when Gmail has long been well but for that mail."""
        await self._client.profile()
        now = time.monotonic()
        self._withheld = {ref.id: self._withheld.get(ref.id, now) for ref in mails}
        waiting = False
        for ref in mails:
            if await self._stored(lease, ref):
                continue
            if now - self._withheld[ref.id] < WITHHELD_FOR:
                waiting = True
            else:
                await self._sorter.give_up(ref, "Gmail does not hand it out")
        if waiting:
            raise Broken("Gmail does not hand out a mail.")

    # ---------------------------------------------------------------- announcements

    async def _watch_for_ever(self) -> None:
        while True:
            try:
                if not self._topic:
                    await mailboxes.unwatched(self._pool, self._account)
                    return
                await self._renew_watch()
                self._watch_failures = 0
                wait = WATCH_CHECK
            except Exception as error:
                self._watch_failures += 1
                said = error.message if isinstance(error, FteError) else type(error).__name__
                _log.warning("watch not renewed", error=said)
                wait = pause(self._watch_failures, first=2.0, longest=PAUSE_MAX)
            await asyncio.sleep(wait)

    async def _renew_watch(self) -> None:
        if await mailboxes.watch_due(self._pool, self._account, RENEW_BEFORE):
            until = await self._client.watch(self._topic)
            await mailboxes.watched(self._pool, self._account, until)
            _log.info("watch renewed", until=until.isoformat())

    async def _watch_ends_soon(self) -> bool:
        return self._watch_failures > 0 and await mailboxes.watch_due(self._pool, self._account, ALARM_BEFORE)
