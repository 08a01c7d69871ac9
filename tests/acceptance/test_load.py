"""The load test itself: it reaches every channel of a running system, and its gates tell."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from fte.demo.providers import SimulatedGmail, SimulatedTwilio
from tests.acceptance.support import Fte, installed

pytestmark = [pytest.mark.acceptance, pytest.mark.process, pytest.mark.timeout(300)]

SCRIPT = Path(__file__).parent.parent / "run_load_test.sh"
MAILBOX = "support@acme.example"


@pytest.fixture
def fte() -> Iterator[Fte]:
    with installed() as fresh:
        yield fresh


@pytest.fixture
async def system(fte: Fte) -> AsyncIterator[dict[str, str]]:
    """A running system on all channels; what the load test must be told of it."""
    async with (
        SimulatedGmail(MAILBOX).running() as gmail,
        SimulatedTwilio(f"{fte.url}/webhooks/whatsapp").running() as twilio,
    ):
        push = f"{fte.url}/webhooks/gmail"
        fte.environment |= gmail.environment(fte.folder) | twilio.environment() | {"FTE_PUBLIC_URL": fte.url}
        gmail.push_to(MAILBOX, push)
        await fte.up()
        yield fte.environment | {"LOAD_GMAIL_TOKEN": gmail.push_token(push), "LOAD_P95_MAX": "30"}


def load(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FTE_", "TWILIO_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments],
        env=kept | environment | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_every_channel_is_reached_and_nothing_fails(fte: Fte, system: dict[str, str]) -> None:
    done = await asyncio.to_thread(load, fte.url, "8", "8", "6s", **system)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    for path in ("/support/submit", "/webhooks/whatsapp", "/webhooks/gmail", "/health"):
        assert path in said
    assert " 0 failed" in said
    assert "left out" not in said
    async with fte.database() as database:
        rows = await database.fetch("select distinct channel from messages where direction = 'inbound'")
        assert {row["channel"] for row in rows} == {"web_form", "whatsapp"}


def test_a_system_that_is_away_fails_the_gate() -> None:
    done = load("http://127.0.0.1:1", "2", "2", "3s")
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "requests failed; it should be fewer than 0.1%" in said
    assert "WhatsApp was left out: TWILIO_ACCOUNT_SID" in said
    assert "Traceback" not in said


class _Maintenance(BaseHTTPRequestHandler):
    """A proxy that says to everybody that all is well, and passes nothing on."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        page = b"<html>We are back soon</html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_page_in_place_of_a_ticket_fails_the_gate() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Maintenance) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        done = load(f"http://127.0.0.1:{server.server_port}", "6", "6", "4s")
        server.shutdown()
        serving.join()
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "HTTP 200 without a ticket" in said
    assert "Traceback" not in said


def test_it_imports_nothing_of_the_program() -> None:
    source = (SCRIPT.parent / "load_test.py").read_text()
    assert "import fte" not in source
    assert "from fte" not in source
    assert "asyncio" not in source


def test_the_gates() -> None:
    cases = [(0, 0, 0.0), (5_000, 0, 0.2), (5_000, 4, 0.2), (5_000, 5, 0.2), (5_000, 0, 3.0), (10, 9, 9.0)]
    asked = f"from tests.load_test import missed; print([len(missed(*case)) for case in {cases}])"
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[1, 0, 0, 1, 1, 2]"
