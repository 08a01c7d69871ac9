"""The channels' providers, as the settings name them: Gmail and Twilio, joined to our store.

Their libraries are heavy, so they are imported when a role that needs them starts.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from fte.daemon.probe import Probe
from fte.daemon.whatsapp import account_of
from fte.domain.channels import Channel
from fte.domain.errors import Rejected
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.ports import Channel as Provider
from fte.settings import Settings
from fte.store import channel_health, mailboxes, replies, whatsapp

if TYPE_CHECKING:
    from fte.channels.gmail.client import GmailClient


def configured(settings: Settings) -> dict[Channel, str]:
    """The channels that lead through a provider, each with our account there. Raises Rejected when one is configured by
    half."""
    found: dict[Channel, str] = {}
    if settings.gmail_account:
        found["email"] = settings.gmail_account.lower()
    if (account := account_of(settings)) is not None:
        found["whatsapp"] = account.number
    return found


def channels(
    settings: Settings, secret: bytes, pool: Pool, closing: AsyncExitStack
) -> dict[Channel, Provider]:
    """Every configured channel, ready to send; `closing` ends them."""
    found: dict[Channel, Provider] = {}
    if settings.gmail_account:
        found["email"] = _gmail(settings, secret, closing)
    if account_of(settings) is not None:
        found["whatsapp"] = _whatsapp(settings, pool, closing)
    return found


def inboxes(
    settings: Settings, secret: bytes, pool: Pool, hints: Hints
) -> Iterator[Coroutine[Any, Any, None]]:
    """What fetches messages itself: the mailbox, and WhatsApp's list of what a webhook may have missed."""
    if settings.gmail_account:
        yield _read_mail(settings, secret, pool, hints)
    if account_of(settings) is not None:
        yield _watch_whatsapp(settings, secret, pool, hints)


def _gmail(settings: Settings, secret: bytes, closing: AsyncExitStack) -> Provider:
    from fte.channels.gmail.channel import GmailChannel

    client = _gmail_client(settings, closing)
    return GmailChannel(client, account=settings.gmail_account, from_name=settings.company, secret=secret)


def _whatsapp(settings: Settings, pool: Pool, closing: AsyncExitStack) -> Provider:
    from fte.channels.whatsapp.channel import WhatsappChannel

    account = account_of(settings)
    assert account is not None
    channel = WhatsappChannel(
        account,
        partial(replies.is_ours, pool, "whatsapp"),
        partial(channel_health.report, pool, "whatsapp", account.number),
    )
    closing.push_async_callback(channel.close)
    return channel


def _gmail_client(settings: Settings, closing: AsyncExitStack) -> "GmailClient":
    from fte.channels.gmail.client import GmailClient

    client = GmailClient(settings.gmail_token_path, api_url=settings.gmail_api_url)
    closing.callback(client.close)
    return client


async def _read_mail(settings: Settings, secret: bytes, pool: Pool, hints: Hints) -> None:
    from fte.channels.gmail.client import Throttled
    from fte.daemon.mail_sorter import MailSorter
    from fte.daemon.mailbox import Mailbox

    account = settings.gmail_account

    async def ask() -> None:
        try:
            address = (await client.profile()).address
        except Throttled:
            return  # it is there, and asks for less
        if address.lower() != account.lower():
            raise Rejected(f"The token is that of {address}.", remedy="Run `fte gmail auth`.")

    async def read_now() -> None:
        await mailboxes.put_on(pool, account.lower())
        hints.ring()

    async with AsyncExitStack() as closing:
        client = _gmail_client(settings, closing)
        sorter = MailSorter(pool, client, account=account, secret=secret, on_stored=hints.ring)
        mailbox = Mailbox(
            pool, hints, client, sorter, account=account, poll=settings.gmail_poll, topic=settings.gmail_topic
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(mailbox.run())
            tasks.create_task(Probe(pool, "email", account.lower(), ask, read_now).run())


async def _watch_whatsapp(settings: Settings, secret: bytes, pool: Pool, hints: Hints) -> None:
    from fte.channels.whatsapp.client import TwilioClient
    from fte.daemon.whatsapp_watch import Watch

    account = account_of(settings)
    assert account is not None

    async def ask() -> None:
        if (state := await client.account_status()) != "active":
            raise Rejected(f"The Twilio account is {state}.", remedy="Look at it in Twilio's console.")

    async with AsyncExitStack() as closing:
        client = TwilioClient(account)
        closing.push_async_callback(client.close)
        read_soon = partial(whatsapp.missed, pool, account.number)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Watch(pool, secret, account, hints.ring).run())
            tasks.create_task(Probe(pool, "whatsapp", account.number, ask, read_soon).run())
