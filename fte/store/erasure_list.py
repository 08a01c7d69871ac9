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
TIMEOUT: Final = 3_600.0
"""Seconds a statement may take that looks at all that ever came in."""
BUSY: Final = "A reply to them is being sent. Try again in a minute."

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
    """What came of a list: customers who were here and went, how many were not here, and who is here still, and why.

    `came_back` is how many conversations went because what was said in them had been erased, whoever's they are.
    """

    gone: list[UUID] = field(default_factory=list)
    absent: int = 0
    left: dict[UUID, str] = field(default_factory=dict)
    came_back: int = 0


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
    """Erase them once more, each in a transaction of its own, and then what is here and known to be erased by its hash.

    That is not taken in from now on. May be repeated, and run beside a daemon.
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
                done.left[customer] = BUSY
    await _what_came_back(pool, done)
    return done


async def _what_came_back(pool: Pool, done: Repeated) -> None:
    async with pool.connection() as connection:  # each statement for itself: they may take minutes
        await connection.execute(_sql.set_aside, timeout=TIMEOUT)
        customers = [row["id"] for row in await connection.fetch(_sql.came_back, timeout=TIMEOUT)]
    for customer in customers:
        found = await erasure.erase_known(pool, customer)
        done.came_back += found.went
        if found.gone:
            done.gone.append(customer)
        elif found.in_flight:
            done.left[customer] = BUSY
        elif found.mixed:
            numbers = ", ".join(f"#{number}" for number in found.mixed)
            done.left[customer] = (
                f"What was erased came back and stands beside what they wrote anew, in {numbers}. "
                "`fte erase customer` erases both."
            )


def _pages(hashes: list[bytes]) -> Iterator[list[bytes]]:
    for first in range(0, len(hashes), PAGE):
        yield hashes[first : first + PAGE]
