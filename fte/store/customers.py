"""Customers: found by what identifies them."""

from typing import Any, Final

import msgspec

from fte.domain.errors import NotFound
from fte.domain.text import storable
from fte.pg import queries
from fte.pg.pool import Pool
from fte.wire import CustomerView

CONVERSATIONS_MAX: Final = 50
IDENTIFIER_MAX: Final = 254
_sql = queries.load(__file__)


async def lookup(pool: Pool, *, email: str = "", phone: str = "") -> CustomerView:
    """The customer with this address or number, and their newest CONVERSATIONS_MAX conversations.

    Raises NotFound. An address is compared in lower case, a number as it is stored (E.164).
    """
    wanted = storable(email).strip().lower() or storable(phone).strip()
    types = ["email"] if email else ["phone", "whatsapp"]
    row: Any = await pool.fetchrow(_sql.lookup, types, wanted[:IDENTIFIER_MAX], CONVERSATIONS_MAX)
    if row is None:
        raise NotFound("There is no such customer.")
    return msgspec.convert(dict(row), CustomerView)
