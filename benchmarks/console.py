"""The console with 10,000 conversations in the queue while events arrive, in a real terminal.

`key to paint` is the processor time of the console's process from a key until its terminal is quiet again, whatever
else it did meanwhile. `list repaints` are the paints a second that bring something new into the list, while all events
change rows on the screen and no key is pressed. `memory` is what the process holds after all events, next to what it
held after the first tenth.
"""

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Final

from benchmarks.measure import Figure, quantile
from benchmarks.stage import environment, folder
from tests.console.support import START, TOKEN, Desk, number, serving

QUIET: Final = 0.03
"""Seconds without a byte after which a paint is over."""
PAINT_MAX: Final = 0.25
"""Seconds a key is given at most."""
DEADLINE: Final = 120.0
ESCALATED: Final = 40
"""Of so many conversations one needs a person."""
ON_SCREEN: Final = 15
"""Rows at the list's top that are surely on the screen."""
AGAIN: Final = "again"
"""What customers write over and over, with a number."""
KEYS: Final = ("j", "j", "j", "k", "\x1b[6~", "j", "\x1b[5~", "G", "k", "g")
"""Down, up, a page, the ends."""


@dataclass(frozen=True, slots=True)
class Size:
    rows: int = 10_000
    few: int = 40
    presses: int = 200
    events_a_second: int = 50
    events: int = 100_000
    watched: float = 20.0
    """Seconds in which the list's repaints are counted."""


TINY = Size(rows=600, few=20, presses=4, events=400, watched=2.0)


async def measure(size: Size = Size()) -> list[Figure]:
    with folder() as data:
        floor = await _pressed(data, size, size.few, 0)
        ours = await _pressed(data, size, size.rows, size.events_a_second)
        repaints = await _repainted(data, size)
        begun, ended = await _memory(data, size)
    note = f"{size.rows:,} conversations, {size.events_a_second} events/s, {size.presses} keys at 120×40"
    return [
        Figure(
            name="console, key to paint p95",
            ours=ours,
            unit="ms of CPU",
            bound="at most",
            target=50.0,
            note=note,
        ),
        Figure(
            name="console, key, many rows",
            ours=ours,
            floor=floor,
            unit="ms of CPU",
            bound="at most",
            target=3.0,
            note=f"floor: {size.few} conversations, no events",
        ),
        Figure(
            name="console, list repaints",
            ours=repaints,
            unit="a second",
            bound="at most",
            target=4.0,
            note=f"{size.events_a_second} events/s for {ON_SCREEN} rows on the screen, of {size.rows:,}",
        ),
        Figure(
            name="console, memory",
            ours=ended,
            floor=begun,
            unit="MB",
            bound="at most",
            target=1.1,
            note=f"after {size.events:,} events; floor: after a tenth of them",
        ),
    ]


def _filled(rows: int) -> Desk:
    desk = Desk()
    for serial in range(1, rows + 1):
        desk.now = START - timedelta(seconds=serial)
        add = desk.escalated if serial % ESCALATED == 0 else desk.add
        add(serial, f"Customer {serial}", subject=f"Question {serial} about exports")
    desk.now = START
    return desk


async def _pressed(data: Path, size: Size, rows: int, rate: int) -> float:
    """The p95 of the processor milliseconds a key takes."""
    desk = _filled(rows)
    async with serving(desk) as url, _console(data, url) as console:
        await console.shows(f"open: {rows:,}[^+]")
        writing = asyncio.create_task(_write(desk, range(1, rows + 1, 37), rate)) if rate else None
        spent = [await console.press(key) for key, _ in zip(cycle(KEYS), range(size.presses), strict=False)]
        if writing is not None:
            writing.cancel()
    return quantile(spent, 0.95)


async def _repainted(data: Path, size: Size) -> float:
    """How often a second the list is painted while rows on the screen change."""
    desk = _filled(size.rows)
    longest_waiting = range(size.rows, 0, -ESCALATED)[:ON_SCREEN]
    async with serving(desk) as url, _console(data, url) as console:
        await console.shows(f"open: {size.rows:,}[^+]")
        writing = asyncio.create_task(_write(desk, longest_waiting, size.events_a_second))
        await console.shows(AGAIN)
        repaints = await console.repaints(AGAIN, size.watched)
        writing.cancel()
    return repaints


async def _write(desk: Desk, serials: Iterable[int], rate: int) -> None:
    """The customers with these serials write, one after the other, at a steady rate."""
    for serial in cycle(serials):
        desk.announce(number(1000 + serial), "message.received")
        desk.change(number(1000 + serial), preview=f"{AGAIN} {len(desk.log)}")
        await asyncio.sleep(1 / rate)


async def _memory(data: Path, size: Size) -> tuple[float, float]:
    """Resident megabytes after a tenth of the events, and after all of them."""
    desk = _filled(size.few)
    async with serving(desk) as url, _console(data, url) as console:
        await console.shows("LIVE")
        seen = []
        for share in (size.events // 10, size.events):
            while len(desk.log) < share:
                for _ in range(min(100, share - len(desk.log))):
                    desk.announce(number(1000 + 1 + len(desk.log) % size.few), "message.received")
                await asyncio.sleep(0.03)
            desk.now += timedelta(minutes=1)
            last = f"the last of {share}"
            desk.say(number(1001), last)
            await console.shows(last)
            seen.append(console.resident())
    return seen[0], seen[1]


@dataclass
class _Console:
    """A console in a terminal."""

    pid: int
    terminal: int
    output: bytearray = field(default_factory=bytearray)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def read(self) -> None:
        with contextlib.suppress(OSError):
            self.output += os.read(self.terminal, 1 << 16)
        self.heard.set()

    async def shows(self, pattern: str) -> None:
        wanted = re.compile(pattern.encode())
        try:
            async with asyncio.timeout(DEADLINE):
                while not wanted.search(self.output):
                    self.heard.clear()
                    await self.heard.wait()
        except TimeoutError:
            raise RuntimeError(f"never shown: {pattern!r}") from None
        self.output.clear()

    async def press(self, key: str) -> float:
        """Processor milliseconds from the key until nothing comes any more."""
        before = self.processor_time()
        os.write(self.terminal, key.encode())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PAINT_MAX):
                while True:
                    self.heard.clear()
                    async with asyncio.timeout(PAINT_MAX if not self.output else QUIET):
                        await self.heard.wait()
        self.output.clear()
        return (self.processor_time() - before) / 1e6

    async def repaints(self, text: str, seconds: float) -> float:
        """How often a second something with this text is painted. Raises RuntimeError when that is hardly ever."""
        clock, begun = asyncio.get_running_loop().time, list[float]()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    self.output.clear()
                    self.heard.clear()
                    await self.heard.wait()
                    at = clock()
                    await self._quiet()
                    if text.encode() in self.output:
                        begun.append(at)
        if len(begun) < 2:
            raise RuntimeError(f"hardly ever painted: {text!r}")
        return (len(begun) - 1) / (begun[-1] - begun[0])

    async def _quiet(self) -> None:
        """Wait until nothing has come for a while."""
        with contextlib.suppress(TimeoutError):
            while True:
                self.heard.clear()
                async with asyncio.timeout(QUIET):
                    await self.heard.wait()

    def processor_time(self) -> int:
        """Nanoseconds all threads of the process have run."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks)

    def resident(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.asynccontextmanager
async def _console(data: Path, url: str) -> AsyncIterator[_Console]:
    given = environment(FTE_URL=url, FTE_TOKEN=TOKEN, FTE_DATA_DIR=data, XDG_STATE_HOME=data)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "fte",
        "console",
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=given | {"TERM": "xterm-256color"},
        start_new_session=True,
    )
    console = _Console(process.pid, master)
    asyncio.get_running_loop().add_reader(master, console.read)
    try:
        yield console
    finally:
        asyncio.get_running_loop().remove_reader(master)
        process.kill()
        await process.wait()
        os.close(master)
        os.close(slave)
