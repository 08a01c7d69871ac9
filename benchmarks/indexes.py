"""What a message pays for the indexes that only deletions use: erasure and retention look up every reference by them.

A message's whole way through the store, as in `growth`, in turn on a database and on a copy without those indexes.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from benchmarks.fill import fill
from benchmarks.growth import Store
from benchmarks.measure import Figure, median
from benchmarks.stage import copy, database
from fte.pg.pool import Pool

INDEXES: Final = (
    "replies_conversation",
    "replies_of_turn",
    "delivery_reports_reply",
    "messages_run",
    "runs_turn",
    "turns_conversation",
    "turns_ticket",
    "drafts_conversation",
    "drafts_turn",
    "drafts_run",
    "drafts_message",
    "inbound_ticket",
    "mail_references_ticket",
    "link_codes_conversation",
    "mentions_of_conversation",
    "conversation_merges_kept",
    "conversation_merges_merged",
    "tickets_customer",
    "inbound_originals",
    "attachments_kept",
    "runs_traced",
)
_WRITTEN: Final = "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"


@dataclass(frozen=True, slots=True)
class Size:
    stored: int = 100_000
    messages: int = 1_500
    warm_up: int = 100


TINY = Size(stored=400, messages=10, warm_up=2)


async def measure(size: Size = Size()) -> list[Figure]:
    """Alternates between the two databases, message by message, in one server."""
    async with _stores(size.stored) as (whole, bare, server):
        for _ in range(size.warm_up):
            await whole.message()
            await bare.message()
        pairs = [(await _cost(whole, server), await _cost(bare, server)) for _ in range(size.messages)]
    ours, floor = ([median(kind) for kind in zip(*side, strict=True)] for side in zip(*pairs, strict=True))
    note = f"{size.stored:,} messages stored; floor: without {len(INDEXES)} indexes"
    return [
        Figure(
            name="indexes of erasure",
            ours=ours[0] * 1000,
            floor=floor[0] * 1000,
            unit="ms/message",
            bound="at most",
            target=1.2,
            note=note,
        ),
        Figure(
            name="indexes, written ahead",
            ours=ours[1] / 1000,
            floor=floor[1] / 1000,
            unit="kB/message",
            bound="at most",
            target=2.0,
            note=note,
        ),
    ]


async def _cost(store: Store, server: Any) -> tuple[float, float]:
    """Seconds, and bytes written ahead."""
    before = await server.fetchval(_WRITTEN)
    took = await store.message()
    return took, float(await server.fetchval(_WRITTEN) - before)


@asynccontextmanager
async def _stores(stored: int) -> AsyncIterator[tuple[Store, Store, Any]]:
    # A page that is written whole after a checkpoint would be counted for whoever touches it first.
    async with database(full_page_writes="off") as url:
        await fill(url, stored)
        other = await copy(url, "bare")
        admin: Any = await asyncpg.connect(other)
        await admin.execute(f"drop index {', '.join(INDEXES)}")
        await admin.execute("analyze")
        await admin.close()
        server: Any = await asyncpg.connect(url)
        await server.execute("analyze")
        whole, bare = await asyncio.gather(Pool.open(url, size=1), Pool.open(other, size=1))
        try:
            yield Store(whole, stored), Store(bare, stored), server
        finally:
            await whole.close()
            await bare.close()
            await server.close()


if __name__ == "__main__":
    from benchmarks.__main__ import row

    for figure in asyncio.run(measure()):
        print(row(figure))
