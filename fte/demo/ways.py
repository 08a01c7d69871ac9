"""The ways a simulated customer writes and hears from us: the form and its ticket page, mail, WhatsApp.

An answer counts when the customer has it: when the ticket page shows it, or when the provider has accepted it.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import httpx

from fte.domain.channels import Channel

REFRESH: Final = 0.3
"""Seconds a provider's list of sent messages is taken as new."""
UNDELIVERED: Final = frozenset({"failed", "undelivered"})


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer a customer got. `handed_over`: a person has the matter now, as far as the customer can tell."""

    text: str
    sender: str = "agent"
    handed_over: bool = False


class Way(Protocol):
    """One customer on one channel."""

    channel: Channel

    async def write(self, text: str) -> bool:
        """Send a message, joining what was written before. False when it was refused."""
        ...

    async def heard(self) -> Heard | None:
        """The next answer that was not returned yet, when it is there."""
        ...


@dataclass(slots=True)
class Form:
    """The web form: one ticket, and its page."""

    web: httpx.AsyncClient
    form: dict[str, str]
    channel: Channel = "web_form"
    ticket: str = ""
    seen: int = 0

    async def write(self, text: str) -> bool:
        if self.ticket:
            response = await self.web.post(f"/support/ticket/{self.ticket}/messages", json={"message": text})
            return response.is_success
        response = await self.web.post("/support/submit", json=self.form | {"message": text})
        if response.is_success:
            self.ticket = str(response.json()["ticket_id"])
        return response.is_success

    async def heard(self) -> Heard | None:
        page = await self.web.get(f"/support/ticket/{self.ticket}", headers={"Accept": "application/json"})
        if not page.is_success:
            return None
        view = page.json()
        ours = [message for message in view["messages"] if sender(message) != "customer"]
        if len(ours) <= self.seen:
            return None
        self.seen = len(ours)
        return Heard(ours[-1]["content"], sender(ours[-1]), view["status"] == "escalated")


def sender(message: dict[str, Any]) -> str:
    return str(message.get("sender") or message.get("role"))


class Outbox:
    """What a simulated provider has sent for us, read again at most every REFRESH seconds."""

    def __init__(self, web: httpx.AsyncClient) -> None:
        self.web = web
        self.entries: list[dict[str, Any]] = []
        self._read_at = 0.0
        self._reading = asyncio.Lock()

    async def refreshed(self) -> list[dict[str, Any]]:
        async with self._reading:
            if time.monotonic() - self._read_at > REFRESH:
                answer = await self.web.get("/control/outbox", params={"after": len(self.entries)})
                self.entries += answer.raise_for_status().json()
                self._read_at = time.monotonic()
        return self.entries


@dataclass(slots=True)
class Mailing:
    """Mail: one thread. A notice about another conversation is no answer in this one."""

    outbox: Outbox
    name: str
    address: str
    subject: str
    channel: Channel = "email"
    thread_id: str = ""
    references: list[str] = field(default_factory=list)
    position: int = 0

    async def write(self, text: str) -> bool:
        mail: dict[str, Any] = {"sender": self.address, "name": self.name, "text": text}
        mail["subject"] = f"Re: {self.subject}" if self.references else self.subject
        if self.references:
            mail |= {"in_reply_to": self.references[-1], "references": self.references}
        response = await self.outbox.web.post("/control/deliver", json={"mail": mail})
        if response.is_success:
            stored = response.json()
            self.thread_id = stored["threadId"]
            self.references.append(stored["messageId"])
        return response.is_success

    async def heard(self) -> Heard | None:
        entries = await self.outbox.refreshed()
        for number in range(self.position, len(entries)):
            self.position = number + 1
            sent = entries[number]
            if sent["thread_id"] == self.thread_id and self.address in sent["recipients"]:
                self.references.append(sent["message_id"])
                return Heard(sent["text"])
        return None


@dataclass(slots=True)
class Chat:
    """WhatsApp: everything between two numbers is one conversation."""

    outbox: Outbox
    name: str
    number: str
    channel: Channel = "whatsapp"
    position: int = 0

    async def write(self, text: str) -> bool:
        order = {"sender": self.number, "text": text, "profile_name": self.name}
        response = await self.outbox.web.post("/control/write", json=order)
        status = response.json().get("status") if response.is_success else None
        return status is not None and 200 <= status < 300

    async def heard(self) -> Heard | None:
        entries = await self.outbox.refreshed()
        for number in range(self.position, len(entries)):
            self.position = number + 1
            sent = entries[number]
            if sent["recipient"] == f"whatsapp:{self.number}" and sent["status"] not in UNDELIVERED:
                return Heard(sent["text"])
        return None
