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
from tests.console.support import Desk, a_letter, a_life, busy, number, serving, some_drafts, some_hits

pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="snapshots are of Python 3.11")

Before = Callable[[Pilot[str]], Awaitable[None]]


@pytest.fixture
def url(desk: Desk) -> Iterator[str]:
    """A busy desk, served from a thread of its own: snapshots run in their own loop."""
    busy(desk)
    desk.letters, desk.hits = [a_letter(7), a_letter(5)], some_hits()
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


def drafts(desk: Desk) -> Before:
    async def before(pilot: Pilot[str]) -> None:
        some_drafts(desk)
        await queue(desk)(pilot)
        here = Session(pilot.app, pilot, desk)  # type: ignore[arg-type]
        await here.press("ctrl+l")
        await here.shows("3 drafts")
        await here.press("d")
        await here.shows("Draft 1 of 3")

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


def opened(desk: Desk, key: str, text: str) -> Before:
    async def before(pilot: Pilot[str]) -> None:
        await queue(desk)(pilot)
        here = Session(pilot.app, pilot, desk)  # type: ignore[arg-type]
        await here.press(key)
        await here.shows(text)

    return before


def marked(desk: Desk) -> Before:
    async def before(pilot: Pilot[str]) -> None:
        await queue(desk)(pilot)
        here = Session(pilot.app, pilot, desk)  # type: ignore[arg-type]
        await here.press("space", "space", "e")
        await here.shows("Resolve 2 conversations")

    return before


def asked(desk: Desk) -> Before:
    async def before(pilot: Pilot[str]) -> None:
        await queue(desk)(pilot)
        here = Session(pilot.app, pilot, desk)  # type: ignore[arg-type]
        await here.press("K", *"export?", "enter")
        await here.shows("does not see what follows")

    return before


def nobody(desk: Desk) -> Before:
    async def before(pilot: Pilot[str]) -> None:
        await queue(desk)(pilot)
        here = Session(pilot.app, pilot, desk)  # type: ignore[arg-type]
        await here.press("V", "V")
        await here.shows("Nothing has been resolved yet.")

    return before


def look(desk: Desk, name: str) -> Before:
    return {
        "queue": queue,
        "escalated": escalated,
        "disconnected": disconnected,
        "marked": marked,
        "knowledge": asked,
        "inspected": inspected,
        "empty": nobody,
        "metrics": lambda desk: opened(desk, "M", "Why a person"),
        "health": lambda desk: opened(desk, "H", "Malformed"),
        "drafts": drafts,
        "no_drafts": lambda desk: opened(desk, "d", "No draft waits for approval."),
    }[name](desk)


@pytest.mark.parametrize(
    ("name", "size", "theme"),
    [
        ("queue", (80, 24), "dark"),
        ("queue", (140, 40), "light"),
        ("queue", (80, 24), "plain"),
        ("escalated", (80, 24), "dark"),
        ("escalated", (140, 40), "light"),
        ("escalated", (80, 24), "plain"),
        ("disconnected", (80, 24), "dark"),
        ("empty", (80, 24), "dark"),
        ("marked", (80, 24), "dark"),
        ("metrics", (80, 24), "plain"),
        ("metrics", (140, 40), "light"),
        ("health", (80, 24), "dark"),
        ("knowledge", (80, 24), "light"),
        ("inspected", (80, 24), "dark"),
        ("drafts", (80, 24), "dark"),
        ("drafts", (140, 40), "light"),
        ("no_drafts", (80, 24), "dark"),
    ],
)
def test_looks(
    desk: Desk, url: str, state_dir: Path, snap_compare: Any, name: str, size: tuple[int, int], theme: str
) -> None:
    app = still(make(desk, url, state_dir, theme_name=theme))
    if name == "inspected":
        a_life(desk, number(1000 + 1042))
    assert snap_compare(app, terminal_size=size, run_before=look(desk, name))
