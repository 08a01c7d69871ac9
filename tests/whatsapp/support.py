"""What the tests of WhatsApp share."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx

from fte.bus.log import LogBus
from fte.channels.whatsapp.account import Account
from fte.channels.whatsapp.channel import WhatsappChannel
from fte.daemon.http import application, bind, serve
from fte.daemon.sender import Sender
from fte.daemon.whatsapp import account_of
from fte.daemon.whatsapp_watch import Watch
from fte.daemon.whatsapp_webhooks import Webhooks
from fte.demo.providers.twilio import SimulatedTwilio
from fte.demo.providers.whatsapp import signature
from fte.domain.delivery import Outgoing
from fte.domain.ids import new_id
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.settings import Settings
from fte.store import channel_health, replies
from tests.support import SECRET

CUSTOMER = "+4915112345678"
ADDRESS = f"whatsapp:{CUSTOMER}"


@dataclass
class House:
    """Our side of the account."""

    pool: Pool
    hints: Hints
    twilio: SimulatedTwilio
    account: Account
    client: httpx.AsyncClient
    webhooks: Webhooks
    rings: list[None] = field(default_factory=list)

    def form(self, **changes: str) -> dict[str, str]:
        """The parameters of a customer's message."""
        fields = {
            "AccountSid": self.account.sid,
            "Body": "How do I export my data?",
            "From": ADDRESS,
            "MessageSid": sid("SM"),
            "NumMedia": "0",
            "ProfileName": "Ada",
            "ReferralBody": "",
            "SmsStatus": "received",
            "To": self.account.address,
        }
        return fields | changes

    def signed(self, form: Mapping[str, str], path: str = "/webhooks/whatsapp", **changes: Any) -> str:
        values = {"token": self.account.token, "url": self.account.public_url, "algorithm": "sha1"} | changes
        return signature(values["token"], values["url"] + path, dict(form), values["algorithm"])

    async def post(
        self,
        form: Mapping[str, str] | list[tuple[str, str]],
        signed: str | None = None,
        path: str = "/webhooks/whatsapp",
        **headers: str,
    ) -> httpx.Response:
        """A form as Twilio posts it: signed, unless another signature is given."""
        signed = self.signed(dict(form), path) if signed is None else signed
        sent = {"X-Twilio-Signature": signed, "Content-Type": "application/x-www-form-urlencoded", **headers}
        return await self.client.post(path, content=urlencode(form), headers=sent)

    async def count(self, table: str) -> int:
        number: int = await self.pool.fetchval(f"select count(*) from {table}")
        return number

    def channel(self, **options: Any) -> WhatsappChannel:
        async def known(sid: str) -> bool:
            return await replies.is_ours(self.pool, "whatsapp", sid)

        async def health(problem: str | None) -> None:
            await channel_health.report(self.pool, "whatsapp", self.account.number, problem)

        account = options.pop("account", self.account)
        return WhatsappChannel(account, known, health, **options)

    def watch(self, **options: Any) -> Watch:
        return Watch(self.pool, SECRET, self.account, lambda: self.rings.append(None), **options)


@contextlib.asynccontextmanager
async def house(pool: Pool, hints: Hints, twilio: SimulatedTwilio, **settings: str) -> AsyncIterator[House]:
    listening = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    account = account_of(Settings.load({**twilio.environment(), "FTE_PUBLIC_URL": url, **settings}))
    assert account is not None
    async with httpx.AsyncClient(base_url=url, timeout=20, trust_env=False) as client:
        rings: list[None] = []
        webhooks = Webhooks(pool, SECRET, account, lambda: rings.append(None))
        made = House(pool, hints, twilio, account, client, webhooks, rings)
        stop = asyncio.Event()
        serving = asyncio.create_task(serve(application(webhooks.routes()), listening, stop))
        twilio.webhook = account.inbound_url
        try:
            yield made
        finally:
            stop.set()
            async with asyncio.timeout(20):
                await serving
            listening.close()


@contextlib.asynccontextmanager
async def sending(home: House, channel: WhatsappChannel) -> AsyncIterator[None]:
    """A sender at work on the channel."""
    sender = Sender(
        home.pool,
        LogBus(home.pool, home.hints),
        home.hints,
        SECRET,
        {"whatsapp": channel},
        company="Acme",
        public_url=home.account.public_url,
    )
    running = asyncio.create_task(sender.run())
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await channel.close()


def sid(prefix: str) -> str:
    return prefix + new_id().hex


def outgoing(text: str = "Under Settings, Export.", **changes: Any) -> Outgoing:
    values: dict[str, Any] = {
        "reply_id": new_id(),
        "message_id": new_id(),
        "conversation_id": new_id(),
        "kind": "answer",
        "channel": "whatsapp",
        "account": "+14155238886",
        "recipient": CUSTOMER,
        "recipient_name": "Ada",
        "role": "agent",
        "operator_name": "",
        "text": text,
        "part": 0,
        "subject": "",
        "reference": "#7",
        "ticket_id": "t",
        "began_at": datetime.now(UTC),
    }
    return Outgoing(**(values | changes))


async def keep_nothing(_: str) -> None:
    raise AssertionError("Twilio has no drafts")


class Trap:
    """A listener that must never be reached."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.connections = 0
        self._host = host

    async def __aenter__(self) -> "Trap":
        def caught(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            writer.close()

        self._server = await asyncio.start_server(caught, self._host, 0, family=socket.AF_INET)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()


async def queue_reply(pool: Pool, conversation: UUID, text: str = "Under Settings, Export.") -> UUID:
    """An answer of the AI, waiting for the sender."""
    message = reply = new_id()
    await pool.execute(
        """
        with talk as (
            update conversations set last_seq = last_seq + 1, answered_seq = last_inbound_seq where id = $2
            returning last_seq, epoch
        ), said as (
            insert into messages (id, conversation_id, seq, channel, direction, role, content, delivery_status)
            select $1, $2, last_seq, 'whatsapp', 'outbound', 'agent', $3, 'queued' from talk
        )
        insert into replies (id, message_id, conversation_id, epoch, state, channel)
        select $1, $1, $2, epoch, 'queued', 'whatsapp' from talk
        """,
        message,
        conversation,
        text,
    )
    return reply


async def state_of(pool: Pool, reply: UUID) -> str:
    state: str = await pool.fetchval("select state from replies where id = $1", reply)
    return state
