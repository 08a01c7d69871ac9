"""Which ticket a mail belongs to, whom that ticket is with, and how much a sender was answered already."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from fte.domain.headings import headed
from fte.pg import queries
from fte.pg.pool import Connection, Pool

_sql = queries.load(__file__)

REFERENCES_MAX: Final = 50
"""Message-IDs of one mail that are looked up; the newest ones count."""


@dataclass(frozen=True, slots=True)
class Thread:
    """The ticket a mail refers to, its conversation, and the addresses of the customer it is with."""

    ticket: UUID
    conversation: UUID
    participants: frozenset[str]


@dataclass(frozen=True, slots=True)
class Answered:
    """How much one address was written to by the machine within an hour, and how often it sent the same mail today."""

    answers: int
    repeated: int


async def find(
    pool: Pool,
    account: str,
    *,
    reply: UUID | None = None,
    message_ids: Sequence[str] = (),
    thread: str | None = None,
) -> Thread | None:
    """What a mail refers to: a reply of ours, else a Message-ID (the first that is known), else a Gmail thread."""
    ids = list(message_ids)[:REFERENCES_MAX]
    row = await pool.fetchrow(_sql.find, account, reply, ids, thread)
    if row is None:
        return None
    return Thread(row["ticket_id"], row["conversation_id"], frozenset(row["participants"]))


async def answered(pool: Pool, address: str, subject: str, text: str) -> Answered:
    """What the rate brake goes by; answers owed but not written yet count, too."""
    row = await pool.fetchrow(_sql.answered, address, subject, [text, headed(subject, text)])
    assert row is not None
    return Answered(row["answers"], row["repeated"])


async def known(pool: Pool, account: str, mails: Sequence[str]) -> set[str]:
    """Those of the provider's ids that were taken in or set aside already, or erased."""
    return {row["provider_id"] for row in await pool.fetch(_sql.known, account, list(mails))}


async def was_erased(pool: Pool, reply: UUID) -> bool:
    """Whether a reply was erased with its customer."""
    erased: bool = await pool.fetchval(_sql.was_erased, reply)
    return erased


async def refer(
    database: Pool | Connection, account: str, ticket: UUID, *, thread: str, message_id: str | None
) -> None:
    """Note that a Gmail thread and a Message-ID belong to a ticket; what belongs to another one stays there."""
    kinds, values = ["thread"], [thread]
    if message_id:
        kinds.append("message")
        values.append(message_id)
    await database.execute(_sql.refer, account, ticket, kinds, values)
