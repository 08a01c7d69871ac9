"""Customers: found by what identifies them."""

from typing import Any, Final
from uuid import UUID

import msgspec

from fte.domain.errors import NotFound
from fte.domain.identity import identity_key
from fte.domain.text import storable
from fte.pg import queries
from fte.pg.pool import Pool
from fte.wire import JSON, CustomerHit, CustomerHits, CustomerPage, CustomerView

CONVERSATIONS_MAX: Final = 50
IDENTIFIER_MAX: Final = 254
HINTS_MAX: Final = 10
HITS_MAX: Final = 50
SEARCH_MAX: Final = 100
"""Characters of a search that count."""
SHORT: Final = 3
"""Characters from which on a text is searched for within words, too."""
FOUND_MAX: Final = 2_000
"""Customers who fit a search that are looked at."""
_sql = queries.load(__file__)


async def lookup(pool: Pool, *, email: str = "", phone: str = "") -> CustomerView:
    """The customer with this address or number, and their newest CONVERSATIONS_MAX conversations.

    Raises NotFound. Any spelling of an address or number finds its customer; a + that was lost on the way is added.
    """
    types = ["email"] if email else ["phone", "whatsapp"]
    wanted = identity_key("email", storable(email)) if email else _number(storable(phone))
    found: UUID | None = await pool.fetchval(_sql.find, types, wanted[:IDENTIFIER_MAX])
    return msgspec.convert(await _one(pool, found), CustomerView)


async def search(pool: Pool, text: str) -> CustomerHits:
    """Customers with the text in their name, an address or a number, the last who wrote first, at most HITS_MAX.

    Of a number only the digits count. A text of one or two characters finds words that begin with it, one without a
    letter or digit finds nobody. Where more than FOUND_MAX fit, only some of them are looked at.
    """
    wanted = storable(text)[:SEARCH_MAX].strip()
    if not any(sign.isalnum() for sign in wanted):
        return CustomerHits(customers=[], more=False)
    escaped = wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    digits = "".join(sign for sign in wanted if sign.isascii() and sign.isdigit())
    part = digits.lstrip("0") if len(digits) >= 4 else ""
    number = part if len(part) >= SHORT else None
    like = f"%{escaped}%" if len(wanted.lower()) >= SHORT else None
    rows = await pool.fetch(
        _sql.search, wanted, like, number, number and f"%{number}%", HITS_MAX + 1, FOUND_MAX
    )
    hits = [msgspec.convert(dict(row), CustomerHit) for row in rows[:HITS_MAX]]
    return CustomerHits(customers=hits, more=len(rows) > HITS_MAX)


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
