"""A provider that takes messages, remembers every accept, and misbehaves on command; and replies that wait for it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fte.domain import channels
from fte.domain.delivery import Outgoing
from fte.domain.errors import InDoubt
from fte.domain.ids import new_id
from fte.domain.turns import Outcome, Trace
from fte.pg.pool import Pool
from fte.ports import KeepDraft
from fte.store import turns
from fte.store.intake import Received
from tests.support import receive

Step = Callable[["Post", Outgoing], Awaitable[str]]


async def take(post: "Post", reply: Outgoing) -> str:
    """Accept it, as on a good day."""
    provider_id = f"{post.name}-{len(post.accepted)}"
    post.accepted.append((reply.reply_id, reply.text))
    post.ids[reply.reply_id] = provider_id
    return provider_id


async def take_and_hang(post: "Post", reply: Outgoing) -> str:
    """Accept it, and never say so."""
    await take(post, reply)
    raise InDoubt("the connection was lost")


def take_slowly(gate: asyncio.Event) -> Step:
    async def step(post: "Post", reply: Outgoing) -> str:
        await gate.wait()
        return await take(post, reply)

    return step


def refuse(error: Exception) -> Step:
    async def step(_: "Post", __: Outgoing) -> str:
        raise error

    return step


@dataclass
class Post:
    """A provider. `script` holds what happens to the next sends; when it is empty they are accepted."""

    name: channels.Channel = "email"
    script: list[Step] = field(default_factory=list)
    accepted: list[tuple[UUID, str]] = field(default_factory=list)
    ids: dict[UUID, str] = field(default_factory=dict)
    asked: int = 0
    knows: bool = True

    async def send(self, reply: Outgoing, keep_draft: KeepDraft) -> str:
        return await (self.script.pop(0) if self.script else take)(self, reply)

    async def find(self, reply: Outgoing) -> str | None:
        self.asked += 1
        if not self.knows:
            raise InDoubt("the provider cannot tell")
        await asyncio.sleep(0)
        return self.ids.get(reply.reply_id)

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.accepted]


async def answered(pool: Pool, text: str = "An answer.", channel: str = "email", **changes: Any) -> Received:
    """A customer's message on the channel, and the AI's answer, queued."""
    values: dict[str, Any] = {"channel": channel, "account": "us", "verified": True}
    if channel == "whatsapp":
        values |= {"identifier_type": "whatsapp", "identifier": "+491701234567"}
    received = await receive(pool, **(values | changes))
    await answer(pool, text)
    return received


async def answer(pool: Pool, text: str, model: str = "test") -> None:
    """Answer what is owed, as a worker with that model."""
    await pool.execute("update turns set due_at = now() where state = 'due'")
    for claim in await turns.claim(pool, new_id(), 50, 60):
        await turns.finish(pool, claim, Outcome(text, Trace(model, "1")))


async def states(pool: Pool) -> list[str]:
    """The states of all replies, in the order they are to be sent."""
    rows = await pool.fetch(
        "select r.state from replies r join messages m on m.id = r.message_id order by m.created_at, m.seq, r.part"
    )
    return [row["state"] for row in rows]
