"""The contract of channels, kept by WhatsApp's."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fte.channels.whatsapp import channel as module
from fte.channels.whatsapp import client
from fte.channels.whatsapp.channel import WhatsappChannel
from fte.daemon.whatsapp import account_of
from fte.demo.providers import SimulatedTwilio
from fte.domain.delivery import Outgoing
from fte.settings import Settings
from tests.channels.contract import HASTE, NAME, TEXT, ChannelContract, Desk
from tests.whatsapp.support import outgoing


class WhatsappDesk(Desk):
    provider: SimulatedTwilio

    def outgoing(self, **changes: Any) -> Outgoing:
        return outgoing(**({"text": TEXT, "recipient_name": NAME} | changes))

    def text(self) -> str:
        return self.provider.outbox[-1].text

    def frame(self) -> Any:
        sent = self.provider.messages[self.provider.outbox[-1].sid]
        callback = sent.status_callback.partition("?reply=")[0]
        return (
            sent.recipient,
            sent.sender,
            callback,
            sent.content_sid,
            sent.content_variables,
            sent.media_urls,
        )


class TestWhatsappChannel(ChannelContract):
    OPERATIONS = ("messages.create",)
    REFUSAL = {"status": 400, "code": 29999}

    @contextlib.asynccontextmanager
    async def open_desk(self, _: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
        monkeypatch.setattr(client, "CALL_TIMEOUT", client.CALL_TIMEOUT * HASTE)
        monkeypatch.setattr(module, "VISIBLE_AFTER", timedelta(0))

        async def unknown(_: str) -> bool:
            return False

        async def unheard(_: str | None) -> None:
            pass

        async with SimulatedTwilio().running() as provider:
            provider.pushes.disturb("lost", times=1_000)  # what is only asked, not told
            account = account_of(
                Settings.load({**provider.environment(), "FTE_PUBLIC_URL": "https://us.example"})
            )
            assert account is not None
            channel = WhatsappChannel(account, unknown, unheard)
            try:
                yield WhatsappDesk(channel, provider)
            finally:
                await channel.close()
