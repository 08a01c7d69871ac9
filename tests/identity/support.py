"""Contacts on the three channels, as the channels hand them to intake."""

import re
from typing import Any
from uuid import UUID

from fte.pg.pool import Pool
from fte.store.intake import Received
from tests.support import receive


async def mail(pool: Pool, sender: str, body: str = "By mail.", **changes: Any) -> Received:
    """A mail whose sender the provider has checked."""
    facts = {"channel": "email", "account": "desk@example.org", "identifier": sender, "verified": True}
    return await receive(pool, body, **(facts | changes))


async def chat(pool: Pool, number: str, body: str = "By chat.", **changes: Any) -> Received:
    facts = {"channel": "whatsapp", "account": "+14155238886", "identifier": number, "verified": True}
    return await receive(pool, body, **(facts | {"identifier_type": "whatsapp"} | changes))


async def form(pool: Pool, address: str, body: str = "By form.", **changes: Any) -> Received:
    """What anybody can type."""
    return await receive(pool, body, identifier=address, **changes)


async def owner(pool: Pool, received: Received) -> UUID:
    found: UUID = await pool.fetchval(
        "select customer_id from conversations where id = $1", received.conversation
    )
    return found


async def later(pool: Pool, interval: str) -> None:
    """So much time passes for all that is there."""
    await pool.execute(f"update conversations set last_message_at = last_message_at - interval '{interval}'")
    await pool.execute(f"update customer_identifiers set seen_at = seen_at - interval '{interval}'")
    await pool.execute(f"update inbound set sent_at = sent_at - interval '{interval}'")


async def code_sent(pool: Pool) -> str:
    """The newest code, as its recipient reads it."""
    body = await pool.fetchval("select body from replies where kind = 'code' order by id desc limit 1")
    match = re.search(r"\b\d{6}\b", body)
    assert match, body
    return match[0]
