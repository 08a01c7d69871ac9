"""How it looks: few, telling states. A difference here needs a human look before it is accepted."""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from fte.console.app import Console
from fte.console.model import Link, Phase
from tests.console.session import Session, make
from tests.console.support import Desk, a_life, busy, number, serving

pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="snapshots are of Python 3.11")

Before = Callable[[Pilot[str]], Awaitable[None]]


@pytest.fixture
def url(desk: Desk) -> Iterator[str]:
    """A busy desk, served from a thread of its own: snapshots run in their own loop."""
    busy(desk)
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    found: list[str] = []
    started = threading.Event()

    async def serve() -> None:
        async with serving(desk) as address:
            found.append(address)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert started.wait(10)
    yield found[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


def still(app: Console) -> Console:
    app.animation_level = "none"
    return app


def queue(desk: Desk) -> Before:
    async def before(pilot: Pilot[str]) -> None:
        here = Session(pilot.app, pilot, desk)  # type: ignore[arg-type]
        await here.live()
        await here.shows("Chloé")
        here.app.url = "http://127.0.0.1:8000"

    return before


def escalated(desk: Desk) -> Before:
    async def before(pilot: Pilot[str]) -> None:
        await queue(desk)(pilot)
        here = Session(pilot.app, pilot, desk)  # type: ignore[arg-type]
        await here.open(number(1000 + 1042))
        await here.shows("Then give it back")

    return before


def disconnected(desk: Desk) -> Before:
    async def before(pilot: Pilot[str]) -> None:
        await queue(desk)(pilot)
        here = Session(pilot.app, pilot, desk)  # type: ignore[arg-type]
        here.app._tell(Link(Phase.RECONNECTING, 7, "the daemon did not answer in time."))
        await here.shows("RECONNECTING, try 7")

    return before


def inspected(desk: Desk) -> Before:
    async def before(pilot: Pilot[str]) -> None:
        await queue(desk)(pilot)
        here = Session(pilot.app, pilot, desk)  # type: ignore[arg-type]
        await here.open(number(1000 + 1042))
        await here.press("I")
        await here.shows("it was sorted anew")
        await here.press("home", "right", "right")
        await here.shows("What the AI knew")

    return before


@pytest.mark.parametrize(
    ("name", "size", "light"),
    [
        ("queue", (80, 24), False),
        ("queue", (140, 40), True),
        ("escalated", (80, 24), False),
        ("escalated", (140, 40), True),
        ("disconnected", (80, 24), False),
        ("inspected", (80, 24), False),
    ],
)
def test_looks(
    desk: Desk, url: str, state_dir: Path, snap_compare: Any, name: str, size: tuple[int, int], light: bool
) -> None:
    app = still(make(desk, url, state_dir, light=light))
    before = {"queue": queue, "escalated": escalated, "disconnected": disconnected, "inspected": inspected}[
        name
    ](desk)
    if name == "inspected":
        a_life(desk, number(1000 + 1042))
    assert snap_compare(app, terminal_size=size, run_before=before)
