"""The watch over a WhatsApp number: finds what no webhook brought, and fetches the files customers sent.

Twilio hardly repeats a webhook, so its list of messages is read every few minutes, and soon after webhooks may have been
lost, from where it was read to before, with an overlap. What is missing is taken in; what somebody sent from another
client counts as a takeover.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final

import structlog

from fte.channels.whatsapp import media
from fte.channels.whatsapp.account import Account, number_of
from fte.channels.whatsapp.client import Listed, TwilioClient
from fte.channels.whatsapp.inbound import MEDIA_MAX, StatusReport, from_list, status_of
from fte.daemon import trail
from fte.daemon.whatsapp import as_inbound
from fte.daemon.whatsapp_webhooks import error_of
from fte.domain.errors import FteError, Rejected, Unavailable
from fte.domain.retry import pause
from fte.pg.pool import Pool
from fte.store import attachments, control, replies, whatsapp
from fte.store.attachments import Pending
from fte.store.intake import set_aside, take_in

READ_EVERY: Final = 120.0
"""Seconds between two readings of the list, whichever process does them."""
LOOK_EVERY: Final = 2.0
"""Seconds after which a process asks whether it is its turn."""
OVERLAP: Final = timedelta(minutes=15)
"""How far each reading goes back behind the last one: the list may show a message late."""
WEBHOOK_GRACE: Final = timedelta(seconds=10)
"""How long a webhook may take: it says more than the list, so it goes first."""
OTHERS_GRACE: Final = timedelta(minutes=3)
"""How old a message sent from elsewhere must be: longer than a sender takes to store what it sent itself."""
LIST_MAX: Final = 1_000
"""Messages one reading lists at once; a span of time with more is read in halves."""
SPAN_MIN: Final = timedelta(minutes=1)

FETCH_POLL: Final = 2.0
FETCHES: Final = 4
"""Files fetched at the same time."""
FETCH_LEASE: Final = 2 * media.FETCH_TIMEOUT
FETCH_ATTEMPTS: Final = 8
"""Tries of one file, over about an hour; then it is lost."""

_log = structlog.get_logger("fte.whatsapp")


class Watch:
    """One number's. `on_stored` is called after every message that was newly stored."""

    def __init__(
        self,
        pool: Pool,
        secret: bytes,
        account: Account,
        on_stored: Callable[[], None],
        *,
        webhook_grace: timedelta = WEBHOOK_GRACE,
        others_grace: timedelta = OTHERS_GRACE,
        read_every: float = READ_EVERY,
    ) -> None:
        self._pool = pool
        self._secret = secret
        self._account = account
        self._on_stored = on_stored
        self._webhook_grace = webhook_grace
        self._others_grace = others_grace
        self._read_every = read_every

    async def run(self) -> None:
        """Watch until cancelled."""
        client, fetcher = TwilioClient(self._account), media.Fetcher(self._account)
        async with aclosing(_Closing(client, fetcher)), asyncio.TaskGroup() as tasks:
            tasks.create_task(_for_ever(lambda: self.read(client), min(LOOK_EVERY, self._read_every)))
            tasks.create_task(_for_ever(lambda: self.fetch(fetcher), FETCH_POLL))

    # ------------------------------------------------------------ the list

    async def read(self, client: TwilioClient) -> bool:
        """Read the list, if it is time. Raises Unavailable; the next reading then begins where this one did."""
        point = await whatsapp.due(
            self._pool, self._account.number, self._read_every, self._webhook_grace.total_seconds()
        )
        if point is None:
            return False
        try:
            since = point.read_until - OVERLAP
            await self._take_missing(client, since, point.now - self._webhook_grace)
            await self._take_elsewhere(client, since, point.now - self._others_grace)
        except Unavailable:
            await whatsapp.missed(self._pool, self._account.number)
            raise
        await whatsapp.read_until(self._pool, self._account.number, point.now)
        return False

    async def _take_missing(self, client: TwilioClient, since: datetime, until: datetime) -> None:
        address = self._account.address

        async def to_us(after: datetime, before: datetime) -> list[Listed]:
            return await client.since(after, before, LIST_MAX, recipient=address)

        listed = [m for m in await _all(to_us, since, until) if m.inbound and m.created_at <= until]
        missing = await whatsapp.missing(self._pool, self._account.number, [m.sid for m in listed])
        for message in listed:
            if message.sid in missing:
                with trail.about(sid=message.sid):
                    await self._isolated(client, message)
        if missing:
            _log.warning("whatsapp messages came without a webhook", count=len(missing))
            self._on_stored()

    async def _isolated(self, client: TwilioClient, message: Listed) -> None:
        """One message that cannot be taken in must not keep the others from it."""
        try:
            await self._take(client, message)
        except Unavailable:
            raise
        except Exception as error:
            _log.error("whatsapp message unreadable", sid=message.sid, exc_info=error)
            reason = type(error).__name__
            await set_aside(self._pool, "whatsapp", self._account.number, message.sid, "unreadable", reason)

    async def _take(self, client: TwilioClient, message: Listed) -> None:
        files = await client.files(message.sid, MEDIA_MAX) if message.media else []
        incoming = from_list(message, files, self._account)
        if incoming is not None:
            received = await take_in(
                self._pool, self._secret, as_inbound(self._account, incoming, message.created_at)
            )
            trail.received(received, "whatsapp")

    async def _take_elsewhere(self, client: TwilioClient, since: datetime, until: datetime) -> None:
        address = self._account.address

        async def from_us(after: datetime, before: datetime) -> list[Listed]:
            return await client.since(after, before, LIST_MAX, sender=address)

        listed = [m for m in await _all(from_us, since, until) if not m.inbound and m.created_at <= until]
        reports = [report for m in listed if (report := status_of(m)) is not None]
        await self._take_failures([report for report in reports if report.status == "failed"])
        failed = {report.sid for report in reports if report.status == "failed"}
        sent = {m.sid: number_of(m.recipient) or "" for m in listed if m.sid not in failed}
        strangers = await whatsapp.strangers(self._pool, self._account.number, sent)
        for message in listed:
            if message.sid in strangers:
                await control.reply_from_elsewhere(
                    self._pool,
                    channel="whatsapp",
                    account=self._account.number,
                    provider_id=message.sid,
                    conversation=strangers[message.sid],
                    text=message.text,
                    sent_at=message.created_at,
                )
        if strangers:
            self._on_stored()

    async def _take_failures(self, reports: list[StatusReport]) -> None:
        """A failure whose callback was lost would leave an answer that nobody got looking sent."""
        for report in reports:
            if await replies.is_ours(self._pool, "whatsapp", report.sid):
                reported = await replies.report(
                    self._pool, "whatsapp", report.sid, report.status, error_of(report), None
                )
                if reported is not None:
                    trail.reported(reported, report.status)

    # ------------------------------------------------------------ files

    async def fetch(self, fetcher: media.Fetcher) -> bool:
        """Fetch files that are due. Whether there were any."""
        taken = await attachments.claim(self._pool, "whatsapp", FETCHES, FETCH_LEASE)
        async with asyncio.TaskGroup() as tasks:
            for pending in taken:
                tasks.create_task(self._fetch_one(fetcher, pending))
        return bool(taken)

    async def _fetch_one(self, fetcher: media.Fetcher, pending: Pending) -> None:
        try:
            if pending.attempts > FETCH_ATTEMPTS:
                raise Rejected("Whoever tried to fetch it never came to an end.")
            content = await fetcher.fetch(pending.source, pending.media_type)
        except Rejected as error:
            await self._lose(pending, error)
        except Unavailable as error:
            if pending.attempts >= FETCH_ATTEMPTS:
                await self._lose(pending, error)
            else:
                wait = pause(pending.attempts, first=10.0, longest=900.0)
                await attachments.put_off(self._pool, pending.id, wait, error.message)
        else:
            await attachments.store(self._pool, pending.id, content.media_type, content.data)

    async def _lose(self, pending: Pending, error: FteError) -> None:
        _log.warning("attachment lost", attachment=str(pending.id), reason=error.message)
        await attachments.give_up(self._pool, pending.id, error.message)


class _Closing:
    """Closes both clients, whatever ended the watch."""

    def __init__(self, client: TwilioClient, fetcher: media.Fetcher) -> None:
        self._both = client, fetcher

    async def aclose(self) -> None:
        for one in self._both:
            await one.close()


async def _for_ever(step: Callable[[], Awaitable[bool]], every: float) -> None:
    failures = 0
    while True:
        try:
            more = await step()
            failures = 0
        except* Unavailable as group:
            failures, more = failures + 1, False
            _log.warning("whatsapp watch put off", problem=str(group.exceptions[0]))
        except* Exception as group:
            failures, more = failures + 1, False
            _log.error("whatsapp watch broke", exc_info=group)
        if not more:
            await asyncio.sleep(max(every, pause(failures, longest=60.0)) if failures else every)


async def _all(
    listing: Callable[[datetime, datetime], Awaitable[list[Listed]]], after: datetime, before: datetime
) -> list[Listed]:
    """Every message of a span of time, oldest first, each once."""
    found = await listing(after, before)
    if len(found) >= LIST_MAX and before - after > SPAN_MIN:
        middle = after + (before - after) / 2
        found = [*await _all(listing, middle, before), *await _all(listing, after, middle)]
        found.sort(key=lambda message: message.created_at, reverse=True)
    return sorted({message.sid: message for message in reversed(found)}.values(), key=lambda m: m.created_at)
