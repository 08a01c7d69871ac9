"""Simulated customers: each writes on a channel of theirs, and looks for an answer there until one has come."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import msgspec

from fte.demo.ways import Chat, Form, Heard, Mailing, Outbox, Way
from fte.domain.channels import CHANNELS, Channel

COMPANY: Final = Path(__file__).parent / "company"
COMPANY_NAME: Final = "Tallywren"
REQUEST_TIMEOUT: Final = 20.0
"""Seconds; a WhatsApp message is answered only when the daemon's webhook has answered."""
LOOK_EVERY: Final = 0.5
PATIENCE: Final = 90.0
"""Seconds a customer looks for an answer before giving up."""


class Customer(msgspec.Struct, frozen=True):
    """One simulated customer, as written in company/customers.json. `follow_up_on` is another channel than before."""

    name: str
    email: str
    channel: Channel
    subject: str
    category: str
    priority: str
    message: str
    follow_up: str | None = None
    follow_up_on: Channel | None = None
    phone: str = ""

    @property
    def channels(self) -> list[Channel]:
        return [self.channel] + ([self.follow_up_on] if self.follow_up_on else [])


@dataclass(frozen=True, slots=True)
class Said:
    """Something happened in a simulated conversation. `sender` is customer, agent or operator."""

    at: float
    customer: Customer
    channel: Channel
    sender: str
    text: str
    handed_over: bool = False


@dataclass(slots=True)
class Tally:
    """What came of it all, on one channel. `waits` are seconds."""

    written: int = 0
    answered: int = 0
    escalated: int = 0
    refused: int = 0
    waits: list[float] = field(default_factory=list)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.written + other.written,
            self.answered + other.answered,
            self.escalated + other.escalated,
            self.refused + other.refused,
            self.waits + other.waits,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where customers reach the daemon and the providers. Without `token` nobody knows whom a person took over."""

    daemon: str
    gmail: str
    twilio: str
    token: str = ""


def load() -> list[Customer]:
    return msgspec.json.decode((COMPANY / "customers.json").read_bytes(), type=list[Customer])


class Crowd:
    """Customers who come one after the other, `pause` seconds apart, until the block that runs them is cancelled."""

    def __init__(
        self,
        addresses: Addresses,
        customers: Sequence[Customer],
        *,
        pause: float,
        on_said: Callable[[Said], None],
    ) -> None:
        self._addresses = addresses
        self._customers = customers
        self._pause = pause
        self._on_said = on_said
        self._began = time.monotonic()
        self.tally: dict[Channel, Tally] = {channel: Tally() for channel in CHANNELS}

    async def run(self) -> None:
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
            web, gmail, twilio = [
                await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=REQUEST_TIMEOUT))
                for url in (self._addresses.daemon, self._addresses.gmail, self._addresses.twilio)
            ]
            ways = _Ways(web, Outbox(gmail), Outbox(twilio))
            for customer in self._customers:
                tasks.create_task(self._live(ways, customer))
                await asyncio.sleep(self._pause)

    async def _live(self, ways: "_Ways", customer: Customer) -> None:
        with contextlib.suppress(httpx.HTTPError):
            way = ways.of(customer, customer.channel)
            if not await self._exchange(ways, customer, way, customer.message) or not customer.follow_up:
                return
            await asyncio.sleep(self._pause)
            if customer.follow_up_on not in (None, way.channel):
                way = ways.of(customer, customer.follow_up_on)
            await self._exchange(ways, customer, way, customer.follow_up)

    async def _exchange(self, ways: "_Ways", customer: Customer, way: Way, text: str) -> bool:
        """Write, and look for the answer now and then. True when one came and the AI still has the matter."""
        tally = self.tally[way.channel]
        if not await way.write(text):
            tally.refused += 1
            return False
        tally.written += 1
        self._say(customer, way, Heard(text, "customer"))
        asked = time.monotonic()
        while time.monotonic() - asked < PATIENCE:
            if heard := await way.heard():
                waited = time.monotonic() - asked
                heard = await self._looked_up(ways.web, customer, way, heard)
                tally.waits.append(waited)
                tally.escalated += heard.handed_over
                tally.answered += not heard.handed_over
                self._say(customer, way, heard)
                return not heard.handed_over
            await asyncio.sleep(LOOK_EVERY)
        return False

    async def _looked_up(self, web: httpx.AsyncClient, customer: Customer, way: Way, heard: Heard) -> Heard:
        """A mail does not say who has the matter now; the operator's API does."""
        if way.channel == "web_form" or not self._addresses.token:
            return heard
        known = {"email": customer.email} if way.channel == "email" else {"phone": customer.phone}
        answer = await web.get(
            "/customers/lookup", params=known, headers={"Authorization": f"Bearer {self._addresses.token}"}
        )
        conversations = answer.json().get("conversations", []) if answer.is_success else []
        escalated = bool(conversations) and conversations[0]["status"] == "escalated"
        return Heard(heard.text, heard.sender, escalated)

    def _say(self, customer: Customer, way: Way, heard: Heard) -> None:
        at = time.monotonic() - self._began
        self._on_said(Said(at, customer, way.channel, heard.sender, heard.text, heard.handed_over))


@dataclass(frozen=True, slots=True)
class _Ways:
    """The connections every customer's messages travel on."""

    web: httpx.AsyncClient
    gmail: Outbox
    twilio: Outbox

    def of(self, customer: Customer, channel: Channel | None) -> Way:
        if channel == "email":
            return Mailing(self.gmail, customer.name, customer.email, customer.subject)
        if channel == "whatsapp":
            return Chat(self.twilio, customer.name, customer.phone)
        form = {
            "name": customer.name,
            "email": customer.email,
            "subject": customer.subject,
            "category": customer.category,
            "priority": customer.priority,
        }
        return Form(self.web, form)
