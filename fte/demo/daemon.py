"""The demonstration: simulated providers and a real `fte up` as a child, in a folder of its own that goes with it."""

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

from fte.demo.customers import COMPANY, COMPANY_NAME, Addresses
from fte.demo.stage import providers
from fte.demo.state import DemoState, announced
from fte.domain.errors import Unavailable

START_TIMEOUT: Final = 60.0
STOP_TIMEOUT: Final = 30.0
PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")
"""Of the caller's environment only this reaches the child: no configured database, and no key that costs money."""


@dataclass(frozen=True, slots=True)
class RunningDemo:
    """What runs. `mailbox` and `number` are what customers write to, beside the form at `url`."""

    url: str
    data_dir: Path
    environment: dict[str, str]
    gmail_url: str
    twilio_url: str

    @property
    def mailbox(self) -> str:
        return self.environment["FTE_GMAIL_ACCOUNT"]

    @property
    def number(self) -> str:
        return self.environment["TWILIO_WHATSAPP_NUMBER"].removeprefix("whatsapp:")

    def addresses(self) -> Addresses:
        """Where customers write to, with the local operator's token, which the daemon has left by now."""
        token = self.data_dir / "operator.token"
        return Addresses(
            daemon=self.url,
            gmail=self.gmail_url,
            twilio=self.twilio_url,
            token=token.read_text().strip() if token.exists() else "",
        )

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
def running(port: int | None, state_dir: Path) -> Iterator[RunningDemo]:
    """Start the providers and the daemon and fill its knowledge base; stop all and remove the folder afterwards.

    While it runs, `state_dir` holds a file by which `fte simulate` finds it. Raises Unavailable when something does
    not come up.
    """
    if port is not None and not _is_free(port):
        raise Unavailable(
            f"Somebody else listens on port {port}.", remedy="Name another --port, or none for a free one."
        )
    folder = Path(tempfile.mkdtemp(prefix="fte-demo-"))
    url = f"http://127.0.0.1:{port or _free_port()}"
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        simulated = stack.enter_context(providers(url, folder))
        environment = _environment(url, folder) | simulated.environment
        demo = RunningDemo(url, folder, environment, simulated.gmail_url, simulated.twilio_url)
        stack.enter_context(_daemon(demo))
        demo.fte("kb", "import", str(COMPANY / "kb"))
        state = DemoState(pid=os.getpid(), daemon=url, gmail=demo.gmail_url, twilio=demo.twilio_url)
        stack.enter_context(announced(state_dir, state))
        yield demo


def _environment(url: str, folder: Path) -> dict[str, str]:
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {
        "FTE_DATA_DIR": str(folder),
        "FTE_PORT": url.rpartition(":")[2],
        "FTE_COMPANY": COMPANY_NAME,
        "FTE_COMPANY_DIR": str(COMPANY),
        "FTE_FORM_RATE_PER_IP": "100000",
        "FTE_GMAIL_POLL": "10",
    }


@contextlib.contextmanager
def _daemon(demo: RunningDemo) -> Iterator[None]:
    log = demo.data_dir / "daemon.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "fte", "up"],
            env=demo.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_until_up(demo.url, child, log)
        yield
    finally:
        _stop(child)


def _is_free(port: int) -> bool:
    """Else the answer to our first question would be somebody else's, and our customers theirs."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


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
