"""What becomes of one mail: a customer's message, or one of the many things in a mailbox that are not."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final
from uuid import UUID

import structlog

from fte.channels.gmail import authenticity, compose, machine, mime, reference
from fte.channels.gmail.client import GmailClient, Ref, Summary
from fte.channels.gmail.mime import Mail
from fte.daemon import trail
from fte.daemon.attached import attachments
from fte.domain.errors import FteError, NotFound
from fte.domain.identity import identity_key
from fte.pg.pool import Pool
from fte.store import control, mail_threads, replies
from fte.store.intake import Disposition, InboundMessage, MailReference, set_aside, take_in
from fte.store.mail_threads import Thread

MAIL_MAX: Final = 64 * 1024 * 1024
"""Bytes of a mail that is read; Gmail takes in 50 MB, and its estimate is rough."""
RAW_MAX: Final = 256 * 1024
"""Bytes kept of a mail as it came, from its beginning."""
ANSWERS_PER_HOUR: Final = 10
"""Automatic answers one address may get in an hour; what it writes beyond is left to people."""
REPEATS_MAX: Final = 2
"""Times a day the same mail of one address is answered."""

_PASSED_OVER: Final = frozenset({"SPAM", "TRASH", "DRAFT", "CHAT"})
_SENT: Final = "SENT"

_log = structlog.get_logger("fte.mailbox")


class MailSorter:
    """Reads one mail and stores what it is. Doing it twice changes nothing.

    `on_stored` is called when a customer's message was stored.
    """

    def __init__(
        self, pool: Pool, client: GmailClient, *, account: str, secret: bytes, on_stored: Callable[[], None]
    ) -> None:
        self._pool = pool
        self._client = client
        self._account = account.lower()
        self._secret = secret
        self._on_stored = on_stored

    async def sort(self, ref: Ref) -> None:
        """Make of a mail what it is.

        Raises Unavailable when Gmail or the database is away; anything else is the mail's own fault.
        """
        try:
            summary = await self._client.summary(ref.id)
            if summary.labels & _PASSED_OVER:
                return
            if summary.size > MAIL_MAX:
                await self._aside(summary.id, "unreadable", f"too large: {summary.size} bytes")
                return
            raw = await self._client.original(ref.id)
        except NotFound:
            return  # deleted in the meantime
        mail = await asyncio.to_thread(mime.read, raw)
        if _SENT in summary.labels:
            await self._from_our_side(summary, mail)
        else:
            await self._from_outside(summary, mail, raw)

    async def give_up(self, ref: Ref, reason: str) -> None:
        """Set aside a mail that cannot be dealt with, as it came where that can be had, for a person."""
        raw = None
        with contextlib.suppress(FteError):
            raw = (await self._client.original(ref.id))[:RAW_MAX]
        await self._aside(ref.id, "unreadable", reason, raw=raw)
        _log.error("mail given up", mail=ref.id, reason=reason)

    # ---------------------------------------------------------------- from our side

    async def _from_our_side(self, summary: Summary, mail: Mail) -> None:
        """A mail sent from the mailbox: by us, or by a colleague with Gmail."""
        reply = self._reply_named(mail)
        known = reply and await mail_threads.find(self._pool, self._account, reply=reply)
        if reply is not None and known:
            # Should nobody know any more whether it was sent: it was.
            reported = await replies.report(self._pool, "email", summary.id, "sent", None, reply)
            if reported is not None:
                trail.reported(reported, "sent")
            await self._set_aside_in(summary, mail, "own", f"reply {reply}", reply)
        elif await replies.is_ours(self._pool, "email", summary.id):
            await self._aside(summary.id, "own", "sent by us")
        elif reply is not None and await mail_threads.was_erased(self._pool, reply):
            await self._aside(summary.id, "own", "erased")
        elif reply is not None:  # of a time this database has lost: it was restored from a backup
            await self._from_colleague(summary, mail)
        elif why := machine.machine(mail, own=()):
            await self._aside(summary.id, "machine", why)
        else:
            await self._from_colleague(summary, mail)

    def _reply_named(self, mail: Mail) -> UUID | None:
        named = reference.reply_of(mail.message_id, self._secret)
        if named is None:
            with contextlib.suppress(ValueError):
                named = UUID((mail.header(machine.REPLY_HEADER) or "").strip())
        return named

    async def _from_colleague(self, summary: Summary, mail: Mail) -> None:
        thread = await self._referred(summary, mail)
        receivers = {_key(address.email) for address in (*mail.to, *mail.cc)}
        if thread is None or not receivers & thread.participants:
            await self._aside(summary.id, "colleague", "to nobody we are in conversation with")
            return
        await mail_threads.refer(
            self._pool,
            self._account,
            thread.ticket,
            thread=summary.thread_id,
            message_id=mail.message_id or None,
        )
        await control.reply_from_elsewhere(
            self._pool,
            channel="email",
            account=self._account,
            provider_id=summary.id,
            conversation=thread.conversation,
            text=mail.own,
            sent_at=summary.arrived_at,
        )
        self._on_stored()

    # ---------------------------------------------------------------- from outside

    async def _from_outside(self, summary: Summary, mail: Mail, raw: bytes) -> None:
        if (report := machine.bounce(mail)) is not None:
            await self._bounced(summary, mail, report)
        elif why := machine.machine(mail, own={self._account}):
            await self._aside(summary.id, "machine", why)
        elif not mail.sender.email:
            await self._aside(summary.id, "unreadable", "no sender", raw=raw[:RAW_MAX])
        else:
            await self._take_in(summary, mail, raw)

    async def _bounced(self, summary: Summary, mail: Mail, report: machine.Bounce) -> None:
        """Tie a delivery report to the reply it is about. Only our own signature says which that is."""
        reason = f"{report.status} {report.diagnostic}".strip() or "returned"
        for candidate in report.message_ids:
            reply = reference.reply_of(candidate, self._secret)
            if reply is not None and await replies.bounced(self._pool, reply, reason, report.permanent):
                await self._set_aside_in(summary, mail, "bounce", reason, reply)
                self._on_stored()
                return
        await self._aside(summary.id, "bounce", f"of a mail that is not ours: {reason}")

    async def _take_in(self, summary: Summary, mail: Mail, raw: bytes) -> None:
        address = mail.sender.email
        verified = authenticity.authenticated(mail)
        thread, proven = await self._thread(summary, mail, verified)
        continued = thread is not None and proven and _key(address) in thread.participants
        message = InboundMessage(
            channel="email",
            account=self._account,
            provider_id=summary.id,
            identifier_type="email",
            identifier=address,
            verified=verified,
            name=mail.sender.name,
            subject=mail.subject,
            body=mail.text,
            into_ticket=thread.ticket if thread and continued else None,
            linked_to=thread.conversation if thread and not continued else None,
            envelope=compose.envelope_of(mail, summary.thread_id),
            sent_at=summary.arrived_at,
            suppress=await self._brake(address, mail),
            raw=raw[:RAW_MAX],
            attachments=attachments(mail.attachments),
            references=_references(summary, mail),
        )
        received = await take_in(self._pool, self._secret, message)
        trail.received(received, message.channel)
        self._on_stored()

    async def _thread(self, summary: Summary, mail: Mail, verified: bool) -> tuple[Thread | None, bool]:
        """What the mail refers to, and whether its sender may go on with that.

        Our signed reference is known only to whom we wrote; all else in a mail anybody can guess, so it counts
        only for a sender Gmail vouches for.
        """
        for reply in reference.references_of(mail, self._secret):
            found = await mail_threads.find(self._pool, self._account, reply=reply)
            if found is not None:
                return found, True
        return await self._referred(summary, mail), verified

    async def _referred(self, summary: Summary, mail: Mail) -> Thread | None:
        ids = [mail.in_reply_to, *reversed(mail.references)]
        ours = (reference.reply_of(candidate, self._secret) for candidate in ids)
        return await mail_threads.find(
            self._pool,
            self._account,
            reply=next((reply for reply in ours if reply is not None), None),
            message_ids=[candidate for candidate in ids if candidate],
            thread=summary.thread_id,
        )

    async def _brake(self, address: str, mail: Mail) -> str | None:
        """Why this mail gets no automatic answer: no detection of machines is complete."""
        so_far = await mail_threads.answered(self._pool, _key(address), mail.subject, mail.text)
        if so_far.repeated >= REPEATS_MAX:
            return f"the same mail came {so_far.repeated} times before"
        if so_far.answers >= ANSWERS_PER_HOUR:
            return f"{so_far.answers} automatic answers to this address within an hour"
        return None

    # ---------------------------------------------------------------- setting aside

    async def _set_aside_in(
        self, summary: Summary, mail: Mail, disposition: Disposition, reason: str, reply: UUID
    ) -> None:
        """Set a mail aside beside the ticket of one of our replies; of our own mails note what answers refer to."""
        thread = await mail_threads.find(self._pool, self._account, reply=reply)
        if thread is None:
            await self._aside(summary.id, disposition, reason)
            return
        if disposition == "own":
            await mail_threads.refer(
                self._pool,
                self._account,
                thread.ticket,
                thread=summary.thread_id,
                message_id=mail.message_id or None,
            )
        await self._aside(summary.id, disposition, reason, ticket=thread.ticket)

    async def _aside(
        self,
        mail: str,
        disposition: Disposition,
        reason: str,
        *,
        ticket: UUID | None = None,
        raw: bytes | None = None,
    ) -> None:
        await set_aside(self._pool, "email", self._account, mail, disposition, reason, ticket=ticket, raw=raw)
        _log.info("mail set aside", mail=mail, disposition=disposition)


def _key(address: str) -> str:
    return identity_key("email", address)


def _references(summary: Summary, mail: Mail) -> tuple[MailReference, ...]:
    thread = MailReference(kind="thread", value=summary.thread_id)
    if not mail.message_id:
        return (thread,)
    return (thread, MailReference(kind="message", value=mail.message_id))
