"""A daemon that is told to stop while something in it hangs for ever."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import DEADLINE

pytestmark = pytest.mark.process

HANGS = """
import asyncio, threading
from fte.daemon import app
from fte.settings import Settings

app.STOP_TIMEOUT = 1.0

def on_ready():
    asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)
    print("ready", flush=True)

asyncio.run(app.run(Settings.load(port=0), ("sweeper",), on_ready))
"""


def test_a_thread_that_never_ends_does_not_keep_the_process(database_url: str, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FTE_")}
    wanted = {"FTE_DATABASE_URL": database_url, "FTE_SECRET_KEY": "s" * 32, "FTE_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-c", HANGS]
    log = tmp_path / "log"
    with log.open("wb") as errors:
        process = subprocess.Popen(command, env=kept | wanted, stdout=subprocess.PIPE, stderr=errors)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", log.read_text()
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 1
        assert time.monotonic() - begun >= 1.0, "what is under way has its time"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert "Timeout (0:00:01)!" in log.read_text()
