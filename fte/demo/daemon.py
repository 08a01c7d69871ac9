"""The demonstration's daemon: a real `fte up` as a child process, in a folder of its own that goes with it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from fte.demo.customers import COMPANY, COMPANY_NAME
from fte.domain.errors import Unavailable

START_TIMEOUT: Final = 60.0
STOP_TIMEOUT: Final = 30.0
PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")
"""Of the caller's environment only this reaches the child: no configured database, and no key that costs money."""


@dataclass(frozen=True, slots=True)
class RunningDemo:
    url: str
    data_dir: Path
    environment: dict[str, str]

    def fte(self, *arguments: str) -> None:
        """Run another `fte` command against the demonstration. Raises Unavailable with its words when it fails."""
        done = subprocess.run(  # noqa: S603 - our own interpreter and our own arguments
            [sys.executable, "-m", "fte", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT,
            check=False,
        )
        if done.returncode:
            raise Unavailable(f"`fte {' '.join(arguments)}` failed: {done.stderr.strip()[-500:]}")


@contextlib.contextmanager
def running(port: int | None) -> Iterator[RunningDemo]:
    """Start the daemon and fill its knowledge base; stop it and remove its folder afterwards.

    Raises Unavailable when it does not come up.
    """
    folder = Path(tempfile.mkdtemp(prefix="fte-demo-"))
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {
        "FTE_DATA_DIR": str(folder),
        "FTE_PORT": str(port or _free_port()),
        "FTE_COMPANY": COMPANY_NAME,
        "FTE_COMPANY_DIR": str(COMPANY),
        "FTE_FORM_RATE_PER_IP": "100000",
    }
    demo = RunningDemo(f"http://127.0.0.1:{environment['FTE_PORT']}", folder, environment)
    log = folder / "daemon.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "fte", "up"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_until_up(demo.url, child, log)
        demo.fte("kb", "import", str(COMPANY / "kb"))
        yield demo
    finally:
        _stop(child)
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    for wanted in (8000, 0):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", wanted))
            return int(probe.getsockname()[1])
    raise Unavailable("There is no free port.")


def _wait_until_up(url: str, child: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise Unavailable(f"The daemon did not start: {log.read_text(errors='replace').strip()[-800:]}")
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/health", timeout=2.0).status_code == 200:
                return
        time.sleep(0.1)
    raise Unavailable(f"The daemon did not answer within {START_TIMEOUT:.0f} s.", remedy=f"See {log}.")


def _stop(child: "subprocess.Popen[bytes]") -> None:
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
