"""Events a second from the log to Kafka: the relay against a bare producer that sends the same records.

Both are processes of their own, on one broker, into topics that take records already.
"""

import asyncio
import base64
import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.broker import broker, make_topics
from benchmarks.measure import Figure, middle
from benchmarks.stage import database, folder, result
from fte.bus.record import Record
from fte.domain.events import TOPICS
from fte.pg import log, queries
from fte.pg.log import Cursor
from fte.pg.pool import Pool

TRANSACTION = 1_000
"""Events of the log that are appended in one transaction."""

_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True)
class Size:
    rounds: int = 5
    events: int = 50_000
    keys: int = 2_000


TINY = Size(rounds=1, events=1_200, keys=50)


async def measure(size: Size = Size()) -> list[Figure]:
    """A round measures both within seconds of each other; the figure is the round with the middle ratio."""
    with broker() as kafka, folder() as files:
        async with database() as url:
            await _fill_log(url, size)
            records = files / "records.jsonl"
            await _write_records(url, records)
            await make_topics(kafka.bootstrap)
            rounds = [await _round(url, kafka.bootstrap, records) for _ in range(size.rounds)]
    ours, floor = middle(rounds)
    ratios = sorted(one / other for one, other in rounds)
    return [
        Figure(
            name="relay",
            ours=ours,
            floor=floor,
            unit="events/s",
            bound="at least",
            target=0.5,
            note=f"{size.events:,} events, {size.keys:,} keys; ratios {ratios[0]:.2f} to {ratios[-1]:.2f}; "
            "floor: a bare producer, no database",
        )
    ]


async def _round(url: str, bootstrap: str, records: Path) -> tuple[float, float]:
    pool = await Pool.open(url, size=1)
    await pool.execute("delete from cursors")
    await pool.close()
    ours = await asyncio.to_thread(result, "-m", "benchmarks.relaying", url, bootstrap)
    floor = await asyncio.to_thread(result, "-m", "benchmarks.floors.producer", records, bootstrap)
    return ours, floor


async def _fill_log(url: str, size: Size) -> None:
    pool = await Pool.open(url, size=2)
    for begin in range(0, size.events, TRANSACTION):
        end = min(begin + TRANSACTION, size.events)
        await pool.execute(_sql.fill, list(TOPICS), begin, end, size.keys)
    await pool.execute("analyze log")
    await pool.close()


async def _write_records(url: str, to: Path) -> None:
    """What the relay will produce, a line for each record."""
    pool = await Pool.open(url, size=2)
    cursor = Cursor()
    with to.open("w") as lines:
        while True:
            events, cursor = await log.read_appended(pool, TOPICS, cursor)
            for one in events:
                record = Record.of(one)
                place = base64.b64encode(record.headers[0][1]).decode()
                line = [one.event.topic, record.key.decode(), record.value.decode(), record.timestamp, place]
                lines.write(json.dumps(line) + "\n")
            if cursor.until is None:
                break
    await pool.close()
