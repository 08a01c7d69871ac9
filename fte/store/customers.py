"""Customers: found by what identifies them."""

from typing import Any, Final
from uuid import UUID

import msgspec

from fte.domain.errors import NotFound
from fte.domain.identity import identity_key
from fte.domain.text import storable
from fte.pg import queries
from fte.pg.pool import Pool
from fte.wire import JSON, CustomerPage, CustomerView

CONVERSATIONS_MAX: Final = 50
IDENTIFIER_MAX: Final = 254
HINTS_MAX: Final = 10
_sql = queries.load(__file__)


async def lookup(pool: Pool, *, email: str = "", phone: str = "") -> CustomerView:
    """The customer with this address or number, and their newest CONVERSATIONS_MAX conversations.

    Raises NotFound. Any spelling of an address or number finds its customer; a + that was lost on the way is added.
    """
    types = ["email"] if email else ["phone", "whatsapp"]
    wanted = identity_key("email", storable(email)) if email else _number(storable(phone))
    found: UUID | None = await pool.fetchval(_sql.find, types, wanted[:IDENTIFIER_MAX])
    return msgspec.convert(await _one(pool, found), CustomerView)


async def one(pool: Pool, customer: UUID) -> CustomerPage:
    """A customer with their merges and with who may be the same person. Raises NotFound.

    Holds the newest CONVERSATIONS_MAX conversations, and HINTS_MAX merges and possible duplicates.
    """
    row = await _one(pool, customer)
    merges = await pool.fetch(_sql.merges, customer, HINTS_MAX)
    duplicates = await pool.fetch(_sql.duplicates, customer, HINTS_MAX)
    more = {"merges": [dict(r) for r in merges], "duplicates": [dict(r) for r in duplicates]}
    return msgspec.convert(row | more, CustomerPage)


async def _one(pool: Pool, customer: UUID | None) -> JSON:
    row: Any = customer and await pool.fetchrow(_sql.one, customer, CONVERSATIONS_MAX)
    if row is None:
        raise NotFound("There is no such customer.")
    return dict(row)


def _number(text: str) -> str:
    """The key of a number in an address, where a bare + means a space."""
    key = identity_key("phone", text)
    return key if key.startswith("+") else identity_key("phone", f"+{key}")
