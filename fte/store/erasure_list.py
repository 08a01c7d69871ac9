"""Who was erased, kept outside the database: a database restored from a backup has forgotten those erased since.

The list holds nobody's data: customers' ids, and the keyed hashes by which what a provider delivers again is known.
"""

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC
from typing import Final
from uuid import UUID

from fte.domain.errors import Conflict, NotFound
from fte.domain.ids import new_id
from fte.pg import queries
from fte.pg.pool import Pool
from fte.store import erasure

PAGE: Final = 5_000
"""Hashes read or written at once."""

_UUID: Final = r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_CUSTOMER: Final = re.compile(rf"^erased customer {_UUID}\b|\bCustomer {_UUID} is not known any more")
_HASH: Final = re.compile(r"^erased hash ([0-9a-f]{64})$")
_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True)
class Erased:
    """What a list names."""

    customers: list[UUID]
    hashes: list[bytes]


@dataclass(slots=True)
class Repeated:
    """What came of a list: customers who were here and went, how many were not here, and who is here still, and why."""

    gone: list[UUID] = field(default_factory=list)
    absent: int = 0
    left: dict[UUID, str] = field(default_factory=dict)


async def lines(pool: Pool) -> AsyncIterator[str]:
    """The list of all that this database knows to be erased."""
    for row in await pool.fetch(_sql.customers):
        yield f"erased customer {row['customer_id']} {row['at'].astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    last = b""
    while page := [row["hash"] for row in await pool.fetch(_sql.hashes, last, PAGE)]:
        for one in page:
            yield f"erased hash {one.hex()}"
        last = page[-1]


def read(text: Iterable[str]) -> Erased:
    """What such a list names, or the lines that `fte erase customer` prints at the end. All other lines say nothing."""
    customers: dict[UUID, None] = {}
    hashes: list[bytes] = []
    for line in text:
        if found := _CUSTOMER.search(line):
            customers[UUID(found[1] or found[2])] = None
        elif found := _HASH.match(line.rstrip()):
            hashes.append(bytes.fromhex(found[1]))
    return Erased(list(customers), hashes)


async def again(pool: Pool, erased: Erased) -> Repeated:
    """Erase them once more, each in a transaction of its own; what is known by a hash is not taken in from now on.

    May be repeated, and run beside a daemon; what a daemon took in before is not looked for by its hash.
    """
    for some in _pages(erased.hashes):
        await pool.execute(_sql.keep, some)
    done = Repeated()
    for customer in erased.customers:
        try:
            result = await erasure.erase(pool, str(new_id()), customer, None)
        except NotFound:
            done.absent += 1
        except Conflict as error:
            done.left[customer] = f"{error.message} {error.remedy or ''}".strip()
        else:
            if result.erased:
                done.gone.append(customer)
            else:
                done.left[customer] = "A reply to them is being sent. Try again in a minute."
    return done


def _pages(hashes: list[bytes]) -> Iterator[list[bytes]]:
    for first in range(0, len(hashes), PAGE):
        yield hashes[first : first + PAGE]
