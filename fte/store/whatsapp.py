"""What is known of a WhatsApp number's messages, compared with what the provider lists."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from fte.pg import queries
from fte.pg.pool import Pool

_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True)
class Point:
    """How far the provider's list was read, and what time it is, both by the database's clock."""

    read_until: datetime
    now: datetime


async def due(pool: Pool, account: str, every: float, grace: float) -> Point | None:
    """Whether it is the caller's turn to read the list: nobody else gets one for `every` seconds, or, when webhooks may
    have been missed, until those are `grace` seconds old. A new number's list is read from now on."""
    row: Any = await pool.fetchrow(_sql.due, account, every, grace)
    return None if row is None else Point(row["read_until"], row["at"])


async def missed(pool: Pool, account: str) -> None:
    """Webhooks may have been lost up to now: the list is to be read soon."""
    await pool.execute(_sql.missed, account)


async def read_until(pool: Pool, account: str, moment: datetime) -> None:
    """Everything up to then is stored. Never moves back."""
    await pool.execute(_sql.read_until, account, moment)


async def missing(pool: Pool, account: str, sids: Collection[str]) -> set[str]:
    """Those of the customers' messages that were never taken in."""
    return {row["sid"] for row in await pool.fetch(_sql.missing, account, list(sids))}


async def strangers(pool: Pool, account: str, sent: Mapping[str, str]) -> dict[str, UUID]:
    """Those of the messages sent to customers (sid to number) that are none of ours, with the conversation each
    belongs to. Left out are numbers we know nothing of, and customers to whom a reply's fate is not known yet."""
    rows = await pool.fetch(_sql.strangers, account, list(sent), list(sent.values()))
    return {row["sid"]: row["conversation"] for row in rows}


async def last_inbound(pool: Pool, account: str) -> datetime | None:
    """When the newest message of a customer was taken in."""
    moment: datetime | None = await pool.fetchval(_sql.last_inbound, account)
    return moment
