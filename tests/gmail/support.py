"""A mailbox of the simulated Gmail with our reader on it, and the real client in between."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fte.channels.gmail.client import GmailClient
from fte.daemon.gmail_webhook import GmailWebhook
from fte.daemon.http import application, bind, serve
from fte.daemon.mail_sorter import MailSorter
from fte.daemon.mailbox import Mailbox
from fte.demo.providers import SimulatedGmail
from fte.demo.providers.gmail import PUSH_ACCOUNT
from fte.demo.providers.mailbox import StoredMail
from fte.domain.delivery import Outgoing
from fte.domain.ids import new_id
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.settings import Settings
from fte.store import mailboxes
from tests.support import SECRET

US = "support@example.com"
ADA = "ada@example.net"


@dataclass
class Post:
    """Our side of one mailbox."""

    gmail: SimulatedGmail
    pool: Pool
    client: GmailClient
    sorter: MailSorter
    mailbox: Mailbox
    account: str

    async def deliver(self, **mail: Any) -> StoredMail:
        """A customer's mail arrives; `dmarc`, `labels` and `return_path` are Gmail's part of it."""
        of_gmail = {name: mail.pop(name) for name in ("dmarc", "labels", "return_path") if name in mail}
        written = {
            "sender": ADA,
            "name": "Ada",
            "subject": "Export",
            "text": "How do I export my data?",
        } | mail
        return await self.gmail.deliver(written, self.account, **of_gmail)

    async def read(self) -> bool:
        """Read the mailbox now, as after an announcement and whatever pause was on."""
        await self.pool.execute("update mailboxes set dirty = true, held_until = null")
        return await self.mailbox.read_if_due()

    async def cursor(self) -> int | None:
        state = await mailboxes.state(self.pool, self.account)
        return None if state is None else state.cursor

    async def inbound(self) -> dict[str, str]:
        """What became of each mail, by Gmail's id of it."""
        rows = await self.pool.fetch("select provider_id, disposition from inbound where channel = 'email'")
        return {row["provider_id"]: row["disposition"] for row in rows}


@contextlib.asynccontextmanager
async def post(
    gmail: SimulatedGmail,
    pool: Pool,
    hints: Hints,
    folder: Path,
    *,
    account: str = US,
    secret: bytes = SECRET,
) -> AsyncIterator[Post]:
    """Our side of a mailbox that was read once already, so that it stands at the beginning."""
    client = GmailClient(gmail.write_token_file(folder / f"{account}.json", account), api_url=gmail.url)
    sorter = MailSorter(pool, client, account=account, secret=secret, on_stored=hints.ring)
    mailbox = Mailbox(pool, hints, client, sorter, account=account, poll=60.0)
    try:
        ours = Post(gmail, pool, client, sorter, mailbox, account)
        assert await ours.read()
        yield ours
    finally:
        client.close()


@contextlib.asynccontextmanager
async def webhook(gmail: SimulatedGmail, pool: Pool, hints: Hints, account: str = US) -> AsyncIterator[str]:
    """The webhook on a free port. Gives its address."""
    stop, listening = asyncio.Event(), bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    settings = Settings(
        gmail_account=account,
        gmail_push_account=PUSH_ACCOUNT,
        public_url=url,
        google_certs_url=f"{gmail.url}/certs",
    )
    app = application(GmailWebhook(pool, settings, hints.ring).routes())
    serving = asyncio.create_task(serve(app, listening, stop))
    try:
        yield url + "/webhooks/gmail"
    finally:
        stop.set()
        async with asyncio.timeout(10):
            await serving
        listening.close()


def outgoing(**changes: Any) -> Outgoing:
    values: dict[str, Any] = {
        "reply_id": new_id(),
        "message_id": new_id(),
        "conversation_id": new_id(),
        "kind": "answer",
        "channel": "email",
        "account": US,
        "recipient": ADA,
        "recipient_name": "Ada",
        "role": "agent",
        "operator_name": "",
        "text": "Under Settings.",
        "part": 0,
        "subject": "Export",
        "reference": "#7",
        "ticket_id": "t",
        "began_at": datetime.now(UTC),
    }
    return Outgoing(**(values | changes))
