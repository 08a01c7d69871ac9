"""A provider in a process of its own right: it writes down each hand-over, and now and then refuses or falls silent."""

import asyncio
import contextlib
import json
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from fte.domain.channels import Channel
from fte.domain.delivery import Outgoing
from fte.domain.errors import InDoubt, Unavailable
from fte.domain.ids import new_id
from fte.ports import KeepDraft

REFUSED: Final = 0.05
SILENT: Final = 0.05
"""Shares of the hand-overs that are turned away, and that are taken without an answer."""
SLOWEST: Final = 0.1
"""Seconds a hand-over may take."""
OVERTAKEN: Final = 0.2
"""Share of the hand-overs that take until somebody is told to have taken over, however slow the machine is."""
NOBODY_AFTER: Final = 1.0
"""Seconds after which nobody will."""


@dataclass(frozen=True, slots=True)
class Accept:
    """The provider took a reply: which try it was, and when it was taken, on the program's clock."""

    reply: UUID
    attempt: int
    at: float


@dataclass
class Post:
    """The provider. `accepted` is the truth about what customers got."""

    dice: random.Random
    accepted: list[Accept] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    port: int = 0
    taken: dict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))
    """Set once somebody was told to have taken that conversation over."""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Post"]:
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ValueError):
            asked = json.loads(await reader.readline())
            told = await self._take(asked) if asked["do"] == "send" else self.ids.get(asked["reply"], "")
            if told is not None:
                writer.write(json.dumps(told).encode() + b"\n")
                await writer.drain()
        writer.close()

    async def _take(self, asked: dict[str, Any]) -> str | None:
        luck = self.dice.random()
        if luck < REFUSED:
            return "no"
        if self.dice.random() < OVERTAKEN:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(NOBODY_AFTER):
                    await self.taken[asked["conversation"]].wait()
        else:
            await asyncio.sleep(self.dice.random() ** 3 * SLOWEST)
        self.accepted.append(Accept(UUID(asked["reply"]), asked["attempt"], time.monotonic()))
        self.ids[asked["reply"]] = f"p-{new_id()}"
        return None if luck < REFUSED + SILENT else self.ids[asked["reply"]]


@dataclass(frozen=True, slots=True)
class Line:
    """The way to the provider, from any process."""

    port: int
    name: Channel = "email"

    async def send(self, reply: Outgoing, keep_draft: KeepDraft) -> str:
        told = await self._ask("send", reply)
        if told == "no":
            raise Unavailable("turned away")
        return told

    async def find(self, reply: Outgoing) -> str | None:
        return await self._ask("find", reply) or None

    async def _ask(self, do: str, reply: Outgoing) -> str:
        asked = {
            "do": do,
            "reply": str(reply.reply_id),
            "conversation": str(reply.conversation_id),
            "attempt": reply.attempts,
        }
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(json.dumps(asked).encode() + b"\n")
            line = await reader.readline()
            writer.close()
        except OSError as error:
            raise InDoubt("the line is dead") from error
        if not line:
            raise InDoubt("no answer")
        told: str = json.loads(line)
        return told
