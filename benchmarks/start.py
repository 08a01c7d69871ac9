"""How soon things are there, and what waiting costs: help, the console's first paint, `fte up`, its idling."""

import asyncio
import fcntl
import http.client
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from benchmarks.load import request
from benchmarks.measure import Figure, median
from benchmarks.stage import environment, folder, free_port, stop

DEADLINE = 60.0
ALTERNATE_SCREEN, HOME = b"\x1b[?1049h", b"\x1b[1;1H"
WORKER_READY = b"worker ready"
SETTLE = 5.0
"""Seconds between the worker's readiness and the measurement of idling: the sweeper's first round is over."""


@dataclass(frozen=True, slots=True)
class Size:
    runs: int = 15
    warm_up: int = 1
    warm_starts: int = 3
    idle: float = 10.0
    settle: float = SETTLE


TINY = Size(runs=1, warm_up=0, warm_starts=1, idle=0.2, settle=0.0)


async def measure(size: Size = Size()) -> list[Figure]:
    return await asyncio.to_thread(_measure, size)


def _measure(size: Size) -> list[Figure]:
    with folder() as data:
        ours, floor = _alternating(_help, _bare_help, size)
        our_paint, bare_paint = _alternating(lambda: _paint(data), _bare_paint, size)
        return [
            Figure(
                name="fte --help",
                ours=ours,
                floor=floor,
                unit="ms",
                bound="at most",
                target=1.3,
                note="floor: a bare Typer program",
            ),
            Figure(
                name="fte console, first paint",
                ours=our_paint,
                floor=bare_paint,
                unit="ms",
                bound="at most",
                target=1.3,
                note="floor: a bare Textual table",
            ),
            *_up(data, size),
        ]


def _alternating(ours: Callable[[], float], floor: Callable[[], float], size: Size) -> tuple[float, float]:
    """The medians of both, in milliseconds, without the first runs: those compile and fill caches."""
    pairs = [(ours(), floor()) for _ in range(size.warm_up + size.runs)][size.warm_up :]
    return median([pair[0] for pair in pairs]) * 1000, median([pair[1] for pair in pairs]) * 1000


def _help() -> float:
    return _time_to_run("-m", "fte", "--help")


def _bare_help() -> float:
    return _time_to_run("-m", "benchmarks.floors.help", "--help")


def _time_to_run(*arguments: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment())
    return time.perf_counter() - begun


# ---------------------------------------------------------------- the first paint


def _paint(data: Path) -> float:
    """With a daemon that does not answer: the first frame must not wait for it."""
    given = environment(
        FTE_URL="http://127.0.0.1:9", FTE_TOKEN="benchmark", FTE_DATA_DIR=data, XDG_STATE_HOME=data
    )
    return _time_to_paint(["-m", "fte", "console"], given)


def _bare_paint() -> float:
    return _time_to_paint(["-m", "benchmarks.floors.table"], environment())


def _time_to_paint(arguments: Sequence[str], given: dict[str, str]) -> float:
    """Seconds until the first frame's bytes arrive: the cursor goes home on the alternate screen."""
    argv = [sys.executable, *arguments]
    begun = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(argv[0], argv, given | {"TERM": "xterm-256color"})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    seen = b""
    try:
        while HOME not in seen.partition(ALTERNATE_SCREEN)[2]:
            left = begun + DEADLINE - time.perf_counter()
            if not select.select([terminal], [], [], max(0.0, left))[0]:
                raise RuntimeError(f"{arguments} painted nothing: {seen[-500:]!r}")
            seen += os.read(terminal, 65_536)
        return time.perf_counter() - begun
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


# ---------------------------------------------------------------- fte up


def _up(data: Path, size: Size) -> list[Figure]:
    log = data / "up.log"
    with _started(data, log):
        pass  # the first start makes the data folder
    starts = []
    for _ in range(size.warm_starts):
        with _started(data, log) as (process, seconds):
            starts.append(seconds)
            if len(starts) == size.warm_starts:
                idle = _idle(process, data, log, size)
    return [
        Figure(
            name="fte up, accepts a form",
            ours=median(starts),
            unit="s",
            bound="at most",
            target=5.0,
            note="from a warm start: the data folder exists",
        ),
        Figure(
            name="fte up, idle",
            ours=idle * 100,
            unit="% of a CPU",
            bound="at most",
            target=2.0,
            note="every process, PostgreSQL's too",
        ),
    ]


def _launch(data: Path, port: int, log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "fte", "up", "--port", str(port), "--data-dir", str(data)],
            stdout=output,
            stderr=output,
            env=environment(),
        )


@contextmanager
def _started(data: Path, log: Path) -> Iterator[tuple["subprocess.Popen[bytes]", float]]:
    """A running `fte up`, and the seconds until it had stored a form."""
    port = free_port()
    begun = time.perf_counter()
    process = _launch(data, port, log)
    try:
        _wait(process, log, lambda: _accepts(port, f"start{port}@example.com"))
        yield process, time.perf_counter() - begun
    finally:
        stop(process)


def _accepts(port: int, address: str) -> bool:
    _, _, body = request(address).partition(b"\r\n\r\n")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    with closing(connection), suppress(OSError):
        connection.request("POST", "/support/submit", body, {"Content-Type": "application/json"})
        return connection.getresponse().status == 200
    return False


def _idle(process: "subprocess.Popen[bytes]", data: Path, log: Path, size: Size) -> float:
    """The share of one CPU that everything together takes when nothing is to do."""
    _wait(process, log, lambda: WORKER_READY in log.read_bytes())
    time.sleep(size.settle)
    before, begun = _processor_time(process.pid, data), time.perf_counter()
    time.sleep(size.idle)
    return (_processor_time(process.pid, data) - before) / (time.perf_counter() - begun)


def _processor_time(pid: int, data: Path) -> float:
    """Processor seconds used so far by the daemon, its database server and all their children, ended ones too."""
    server = int((data / "pg" / "postmaster.pid").read_text().splitlines()[0])
    total = 0.0
    for root in (psutil.Process(pid), psutil.Process(server)):
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        ended = root.cpu_times()
        total += getattr(ended, "children_user", 0.0) + getattr(ended, "children_system", 0.0)
    return total


def _wait(process: "subprocess.Popen[bytes]", log: Path, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"fte up did not come up:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.01)
