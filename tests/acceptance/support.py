"""The real program as a process: started, killed, stopped; and the database looked at from outside."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from fte.pg.embedded import EmbeddedServer
from tests.ports import reserve
from tests.support import until

PAGES = {
    "password.md": """---
title: Reset your password
category: account
---

# Reset your password

Open the sign-in page and select **Forgot password?**. We send you a link that works for 60 minutes.
Choose a new password of at least 12 characters. All your other devices are signed out afterwards.
""",
    "export.md": """---
title: Export your data
category: account
---

# Export your data

Open **Settings > Export** and select **Start export**. You get a ZIP file with one CSV file for each table.
The file is kept for seven days. Only owners may export the data of a workspace.
""",
}


def lines(log: Path) -> list[dict[str, Any]]:
    """The structured lines a process wrote; others are not a line of the log."""
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def said_of(log: Path, message: str) -> list[str]:
    """What a person finds who looks for a message's id, and for nothing else."""
    return [line["event"] for line in lines(log) if message in json.dumps(line)]


class Fte:
    """`fte` with a data folder and a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = reserve(self)
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "up.log"
        self._process: subprocess.Popen[bytes] | None = None
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("FTE_", "OPENAI_"))}
        self.environment = kept | {
            "FTE_DATA_DIR": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "FTE_PORT": str(self.port),
            "FTE_FORM_RATE_PER_IP": "100000",
            "FTE_FORM_RATE_PER_ADDRESS": "1000",
        }

    def run(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """One command, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "fte", *arguments],
            env=self.environment | more,
            capture_output=True,
            text=True,
            timeout=90,
        )

    async def up(self) -> None:
        """Start the daemon and wait until it takes messages."""
        with self.log.open("ab") as log:
            self._process = await asyncio.to_thread(
                subprocess.Popen,
                [sys.executable, "-m", "fte", "up"],
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        await until(self._healthy, deadline=60)

    async def _healthy(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        with contextlib.suppress(httpx.HTTPError):
            async with httpx.AsyncClient() as web:
                return (await web.get(f"{self.url}/health", timeout=2)).status_code == 200
        return False

    def said_of(self, message: str) -> list[str]:
        """The events of the lines that name a customer's message, in their order."""
        return said_of(self.log, message)

    def kill(self) -> None:
        """SIGKILL: no chance to say goodbye."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def ended(self) -> bool:
        """Whether it has come to an end by itself."""
        return self._process is not None and self._process.poll() is not None

    def stop(self) -> int:
        """SIGTERM, and the exit code it led to."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(40)

    @property
    def token(self) -> str:
        return (self.folder / "operator.token").read_text()

    def operator(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=10
        )

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection]:
        with EmbeddedServer(self.folder) as server:
            connection = await asyncpg.connect(server.url)
            try:
                yield connection
            finally:
                await connection.close()


@contextlib.contextmanager
def installed() -> Iterator[Fte]:
    """A fresh installation with two pages of knowledge, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="fte-acceptance-"))
    pages = folder / "pages"
    pages.mkdir()
    for name, text in PAGES.items():
        (pages / name).write_text(text)
    fte = Fte(folder)
    try:
        yield fte
    finally:
        fte.stop()
        shutil.rmtree(folder, ignore_errors=True)
