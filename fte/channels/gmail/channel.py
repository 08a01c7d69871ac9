"""E-mail as a way to a customer: a reply becomes a draft, whose id is kept, and the draft is sent.

Sending a draft consumes it, so however often it is tried, by however many processes, the customer gets one mail.
"""

import asyncio
from collections.abc import Mapping
from email.parser import BytesHeaderParser
from email.policy import SMTP
from typing import Any, Final

from fte.channels.gmail.client import Broken, GmailClient
from fte.channels.gmail.compose import compose
from fte.channels.gmail.machine import REPLY_HEADER
from fte.channels.gmail.reference import message_id
from fte.domain.channels import Channel
from fte.domain.delivery import Outgoing
from fte.domain.errors import InDoubt, NotFound
from fte.ports import KeepDraft

DRAFT_TIMEOUT: Final = 4.0
"""Seconds making a draft may take."""
SEND_TIMEOUT: Final = 5.0
"""Seconds sending it may take."""
LOOK_TIMEOUT: Final = 2.5
"""Seconds each question to Gmail may take when it is not known whether a reply was sent."""
LOOKING_TIMEOUT: Final = 6.0
"""Seconds all these questions may take."""
CANDIDATES: Final = 5
"""Mails to the same recipient that are looked at when Gmail does not know our Message-ID."""


class GmailChannel:
    """One mailbox as a channel. `secret` signs our Message-IDs; `from_name` is whom customers see as the sender."""

    name: Channel = "email"

    def __init__(self, client: GmailClient, *, account: str, from_name: str, secret: bytes) -> None:
        self._client = client
        self._account = account
        self._from_name = from_name
        self._secret = secret

    async def send(self, reply: Outgoing, keep_draft: KeepDraft) -> str:
        """See `fte.ports.Channel.send`. Takes at most 12 seconds besides keeping the draft."""
        draft = reply.draft_id
        if draft is None:
            draft = await self._draft(reply)
            await keep_draft(draft)
        try:
            return await self._client.send_draft(draft, timeout=SEND_TIMEOUT)
        except Broken as error:
            raise InDoubt(f"Sending was cut off. {error.message}") from None
        except NotFound:
            return await self._sent(reply)

    async def find(self, reply: Outgoing) -> str | None:
        """See `fte.ports.Channel.find`."""
        if reply.draft_id is None:
            return None  # nothing is sent before the draft's id is kept
        if await self._client.draft_exists(reply.draft_id, timeout=LOOK_TIMEOUT):
            return None
        return await self._sent(reply)

    async def _draft(self, reply: Outgoing) -> str:
        if reply.attempts > 1 and (left := await self._left_behind(reply)):
            return left
        content = compose(reply, from_name=self._from_name, from_address=self._account, secret=self._secret)
        thread = thread_of(reply.envelope, content)
        try:
            return await self._client.create_draft(content, thread, timeout=DRAFT_TIMEOUT)
        except NotFound:  # the thread was deleted: a mail of its own reaches the customer, too
            return await self._client.create_draft(content, None, timeout=DRAFT_TIMEOUT)

    async def _left_behind(self, reply: Outgoing) -> str | None:
        """The draft of an earlier try whose id was lost: sent by hand, it would reach the customer twice."""
        query = f"rfc822msgid:{self._message_id(reply)}"
        for draft in await self._client.drafts(query, timeout=LOOK_TIMEOUT):
            named = await self._client.draft_header(draft, REPLY_HEADER, timeout=LOOK_TIMEOUT)
            if named == str(reply.reply_id):
                return draft
        return None

    async def _sent(self, reply: Outgoing) -> str:
        """The mail a draft that is gone has become. Raises InDoubt when Gmail does not show it (yet)."""
        try:
            async with asyncio.timeout(LOOKING_TIMEOUT):
                found = await self._by_message_id(reply) or await self._by_header(reply)
        except TimeoutError:
            found = None
        if found is None:
            raise InDoubt("The draft is gone, and no mail it might have become is found.")
        return found

    async def _by_message_id(self, reply: Outgoing) -> str | None:
        query = f"in:sent rfc822msgid:{self._message_id(reply)}"
        page = await self._client.matching(query, most=1, timeout=LOOK_TIMEOUT)
        return page.mails[0].id if page.mails else None

    async def _by_header(self, reply: Outgoing) -> str | None:
        since = int(reply.began_at.timestamp() - reply.queued_for)
        query = f'in:sent to:"{reply.recipient}" after:{since}'
        page = await self._client.matching(query, most=CANDIDATES, timeout=LOOK_TIMEOUT)
        for mail in reversed(page.mails):
            if await self._client.header(mail.id, REPLY_HEADER, timeout=LOOK_TIMEOUT) == str(reply.reply_id):
                return mail.id
        return None

    def _message_id(self, reply: Outgoing) -> str:
        domain = self._account.rpartition("@")[2]
        return message_id(self._secret, reply.reply_id, domain).strip("<>")


def thread_of(envelope: Mapping[str, Any], content: bytes) -> str | None:
    """The Gmail thread a mail goes into: that of the mail it answers, when the subject is the same but for `Re:`.

    Gmail demands that; see "Managing threads" in its API guide.
    """
    thread = envelope.get("thread_id")
    if not isinstance(thread, str) or not thread:
        return None
    subject = str(BytesHeaderParser(policy=SMTP).parsebytes(content)["Subject"] or "")
    return thread if _bare(subject) == _bare(str(envelope.get("subject", ""))) else None


def _bare(subject: str) -> str:
    bare = " ".join(subject.split()).casefold()
    while bare.startswith("re:"):
        bare = bare[3:].lstrip()
    return bare
