"""What several test modules use: waiting on a condition, and customers' messages."""

import asyncio
import dataclasses
import os
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from fte.domain.conversations import Actor
from fte.domain.ids import new_id
from fte.pg.pool import Pool
from fte.store import operators
from fte.store.intake import InboundMessage, Received, take_in

SECRET = b"s" * 32
DEADLINE = float(os.environ.get("FTE_TEST_DEADLINE") or 30)
"""Seconds a test waits for what should come at once, on a machine as busy as may be."""


async def until(condition: Callable[[], Any | Awaitable[Any]], *, deadline: float = DEADLINE) -> Any:
    """Wait until the condition gives something true, and return that."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {condition}")
        await asyncio.sleep(0.01)


def is_quick(action: Callable[[], Any], seconds: float) -> bool:
    """Whether one of five calls takes this thread fewer CPU seconds: a busy machine slows some, a quadratic reading all."""

    def spent() -> float:
        started = time.thread_time()
        action()
        return time.thread_time() - started

    return any(spent() < seconds for _ in range(5))


async def until_waiting(pool: Pool, count: int) -> None:
    """Wait until so many connections to this database stand at a lock that another one holds."""

    async def all_stand() -> bool:
        return await _standing(pool) == count

    await until(all_stand)


async def until_settled(pool: Pool, tasks: Collection[asyncio.Task[Any]]) -> None:
    """Wait until each of them is done or stands at a lock of the database."""

    async def all_settled() -> bool:
        return await _standing(pool) == sum(not task.done() for task in tasks)

    await until(all_settled)


async def _standing(pool: Pool) -> int:
    standing: int = await pool.fetchval(
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    )
    return standing


def form_message(body: str = "How do I export my data?", **changes: Any) -> InboundMessage:
    values: dict[str, Any] = {
        "channel": "web_form",
        "account": "form",
        "provider_id": str(new_id()),
        "identifier_type": "email",
        "identifier": "ada@example.com",
        "verified": False,
        "name": "Ada",
        "subject": "A question",
        "body": body,
    }
    return InboundMessage(**(values | changes))


async def receive(pool: Pool, body: str = "How do I export my data?", **changes: Any) -> Received:
    return await take_in(pool, SECRET, form_message(body, **changes))


async def hire(pool: Pool, name: str, role: str = "agent") -> Actor:
    """An operator, as somebody whose screen is still empty."""
    token = await operators.add(pool, name, role)
    view = await operators.by_token(pool, token)
    assert view is not None
    return Actor(view.id, view.name, view.role, seen=0, epoch=0)


def seeing(actor: Actor, seen: int, epoch: int = 0) -> Actor:
    """The same operator with that on the screen."""
    return dataclasses.replace(actor, seen=seen, epoch=epoch)
