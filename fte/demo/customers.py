"""Simulated customers: each sends the form like a browser would, and reads the ticket page until answered."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

COMPANY: Final = Path(__file__).parent / "company"
COMPANY_NAME: Final = "Tallywren"
REQUEST_TIMEOUT: Final = 10.0
LOOK_EVERY: Final = 0.5
PATIENCE: Final = 90.0
"""Seconds a customer looks at the ticket page before giving up on it."""


class Customer(msgspec.Struct, frozen=True):
    """One simulated customer, as written in company/customers.json."""

    name: str
    email: str
    subject: str
    category: str
    priority: str
    message: str
    follow_up: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """Something happened in a simulated conversation. `sender` is customer, agent or operator."""

    at: float
    customer: Customer
    sender: str
    text: str
    status: str
    waited: float | None = None


@dataclass(slots=True)
class Tally:
    """What came of it all."""

    written: int = 0
    answered: int = 0
    escalated: int = 0
    refused: int = 0
    waits: list[float] = field(default_factory=list)


def load() -> list[Customer]:
    return msgspec.json.decode((COMPANY / "customers.json").read_bytes(), type=list[Customer])


class Crowd:
    """Customers who come one after the other, `pause` seconds apart, until the block that runs them is cancelled."""

    def __init__(
        self, url: str, customers: Sequence[Customer], *, pause: float, on_said: Callable[[Said], None]
    ) -> None:
        self._url = url
        self._customers = customers
        self._pause = pause
        self._on_said = on_said
        self._began = time.monotonic()
        self.tally = Tally()

    async def run(self) -> None:
        async with (
            httpx.AsyncClient(base_url=self._url, timeout=REQUEST_TIMEOUT) as web,
            asyncio.TaskGroup() as tasks,
        ):
            for customer in self._customers:
                tasks.create_task(self._live(web, customer))
                await asyncio.sleep(self._pause)

    async def _live(self, web: httpx.AsyncClient, customer: Customer) -> None:
        with contextlib.suppress(httpx.HTTPError):
            ticket = await self._submit(web, customer)
            if ticket is None:
                return
            answered = await self._read_until_answered(web, customer, ticket, 1)
            if answered and customer.follow_up:
                await asyncio.sleep(self._pause)
                await self._answer(web, customer, ticket)
                await self._read_until_answered(web, customer, ticket, 2)

    async def _submit(self, web: httpx.AsyncClient, customer: Customer) -> str | None:
        form = {
            "name": customer.name,
            "email": customer.email,
            "subject": customer.subject,
            "category": customer.category,
            "priority": customer.priority,
            "message": customer.message,
        }
        response = await web.post("/support/submit", json=form)
        if response.status_code != 200:
            self.tally.refused += 1
            return None
        self.tally.written += 1
        self._say(customer, "customer", customer.message, "open")
        return str(response.json()["ticket_id"])

    async def _answer(self, web: httpx.AsyncClient, customer: Customer, ticket: str) -> None:
        response = await web.post(f"/support/ticket/{ticket}/messages", json={"message": customer.follow_up})
        if response.status_code == 200:
            self.tally.written += 1
            self._say(customer, "customer", customer.follow_up or "", "open")

    async def _read_until_answered(
        self, web: httpx.AsyncClient, customer: Customer, ticket: str, answers: int
    ) -> bool:
        """Look at the ticket now and then. True when an answer came and the AI still has the matter."""
        asked = time.monotonic()
        while time.monotonic() - asked < PATIENCE:
            view = (await web.get(f"/support/ticket/{ticket}", headers={"Accept": "application/json"})).json()
            ours = [message for message in view["messages"] if _sender(message) != "customer"]
            if len(ours) >= answers:
                waited = time.monotonic() - asked
                self.tally.waits.append(waited)
                escalated = view["status"] == "escalated"
                self.tally.escalated += escalated
                self.tally.answered += not escalated
                self._say(customer, _sender(ours[-1]), ours[-1]["content"], view["status"], waited)
                return not escalated
            await asyncio.sleep(LOOK_EVERY)
        return False

    def _say(
        self, customer: Customer, sender: str, text: str, status: str, waited: float | None = None
    ) -> None:
        self._on_said(Said(time.monotonic() - self._began, customer, sender, text, status, waited))


def _sender(message: dict[str, Any]) -> str:
    return str(message.get("sender") or message.get("role"))
