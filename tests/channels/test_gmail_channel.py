"""The contract of channels, kept by Gmail's."""

import contextlib
from collections.abc import AsyncIterator
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from fte.channels.gmail import channel as module
from fte.channels.gmail.channel import GmailChannel
from fte.channels.gmail.client import GmailClient
from fte.demo.providers import SimulatedGmail
from fte.domain.delivery import Outgoing
from tests.channels.contract import HASTE, NAME, TEXT, ChannelContract, Desk
from tests.gmail.support import US, outgoing
from tests.support import SECRET


class GmailDesk(Desk):
    provider: SimulatedGmail

    def outgoing(self, **changes: Any) -> Outgoing:
        return outgoing(**({"text": TEXT, "recipient_name": NAME} | changes))

    def text(self) -> str:
        return self.provider.outbox[-1].text

    def frame(self) -> Any:
        sent = self.provider.outbox[-1]
        mail = message_from_bytes(sent.raw)
        return sorted(name.lower() for name, _ in mail.items()), sent.recipients, mail["From"]


class TestGmailChannel(ChannelContract):
    OPERATIONS = ("drafts.create", "drafts.send")
    REFUSAL = {"status": 400}

    @contextlib.asynccontextmanager
    async def open_desk(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
        async with SimulatedGmail(US).running() as provider:
            client = GmailClient(provider.write_token_file(folder / "token.json"), api_url=provider.url)
            await client.profile()
            for name in ("DRAFT_TIMEOUT", "SEND_TIMEOUT", "LOOK_TIMEOUT", "LOOKING_TIMEOUT"):
                monkeypatch.setattr(module, name, getattr(module, name) * HASTE)
            try:
                yield GmailDesk(
                    GmailChannel(client, account=US, from_name="Acme Support", secret=SECRET), provider
                )
            finally:
                client.close()
