"""A sender and a worker, as a task or as a process to be killed: `python -m tests.races.process URL PORT SEED`."""

import asyncio
import contextlib
import logging
import random
import sys
from typing import Any, Final

import structlog

from fte.bus.log import LogBus
from fte.daemon import leases
from fte.daemon import sender as module
from fte.daemon.sender import Sender
from fte.domain.errors import Unavailable
from fte.domain.ids import new_id
from fte.domain.turns import Escalation, Outcome, Trace
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store import turns
from tests.races.post import Line
from tests.support import SECRET

LEASE = 3.0
"""Seconds a sender or worker holds what it works on."""


HURRIED: Final[tuple[tuple[Any, str, float], ...]] = (
    (leases, "SECONDS", LEASE),
    (module, "BEGIN_BY", LEASE / 2),
    (module, "POLL", 0.05),
    (module, "ASK_AGAIN", 0.05),
    (module, "PARK_AFTER", 60.0),
)


def hurry() -> None:
    """The same decisions as ever, sooner, and without a word."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    for where, name, value in HURRIED:
        setattr(where, name, value)


async def send(pool: Pool, url: str, port: int) -> None:
    """Send for ever."""
    hints = Hints(url)
    line = Line(port)
    bus = LogBus(pool, hints)
    await Sender(
        pool, bus, hints, SECRET, {"email": line}, company="Acme", public_url="http://127.0.0.1"
    ).run()


async def work(pool: Pool, dice: random.Random) -> None:
    """Answer for ever; one run in ten hands over, and one in ten is cut off in the middle of its finish."""
    while True:
        try:
            for claim in await turns.claim(pool, new_id(), 8, LEASE):
                await asyncio.sleep(dice.random() * 0.004)
                handing_over = Escalation("human_request", "normal", "?") if dice.random() < 0.1 else None
                outcome = Outcome("An answer.", Trace("races", "1"), handing_over)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(dice.random() * 0.004 if dice.random() < 0.1 else 10):
                        await turns.finish(pool, claim, outcome)
        except Unavailable:
            pass
        await asyncio.sleep(0.01)


async def main(url: str, port: int, seed: int) -> None:
    hurry()
    pool = await Pool.open(url, size=6)
    await asyncio.gather(send(pool, url, port), work(pool, random.Random(seed)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
