"""The real relay as a process: `python -m benchmarks.relaying URL BOOTSTRAP` carries what the log holds.

It prints the events a second from its first read to its last acknowledgement, as JSON.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import uvloop

from benchmarks.broker import PLAN
from fte.bus.cluster import Cluster
from fte.bus.record import Record
from fte.bus.relay import Relay
from fte.pg.hints import Hints
from fte.pg.pool import Pool

DEADLINE = 300.0


class Timed(Relay):
    """Notes when it began and when it had carried so many."""

    def expect(self, count: int) -> None:
        self._left = self._count = count
        self._begun = 0.0
        self.done: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def _publish(self, producer: Any, records: Sequence[tuple[str, Record]]) -> None:
        self._begun = self._begun or time.perf_counter()
        await super()._publish(producer, records)
        self._left -= len(records)
        if self._left <= 0:
            self.done.set_result(self._count / (time.perf_counter() - self._begun))


async def measure(url: str, bootstrap: str) -> float:
    pool = await Pool.open(url)
    relay = Timed(Cluster(bootstrap=bootstrap), pool, Hints(url), PLAN, {})
    relay.expect(await pool.fetchval("select count(*) from log"))
    running = asyncio.create_task(relay.run())
    async with asyncio.timeout(DEADLINE):
        rate = await relay.done
    running.cancel()
    await asyncio.wait([running])
    await pool.close()
    return rate


def main() -> None:
    print(json.dumps(uvloop.run(measure(*sys.argv[1:]))))


if __name__ == "__main__":
    main()
