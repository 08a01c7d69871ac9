"""The real `fte daemon`: roles as processes over PostgreSQL and Kafka, that answer together and stop in time."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.bus.support_kafka import own_cluster
from tests.kafka.broker import Broker
from tests.ports import reserve
from tests.support import until

pytestmark = [pytest.mark.acceptance, pytest.mark.process, pytest.mark.timeout(180)]

STOP_MAX = 28.0
"""Seconds until a process must be gone after a SIGTERM: its own limit of 25, and a little."""


class Fleet:
    """Processes of `fte daemon` that share a database and a cluster."""

    def __init__(self, folder: Path, database_url: str, address: str) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("FTE_", "OPENAI_"))}
        self.environment = kept | {
            "FTE_DATABASE_URL": database_url,
            "FTE_SECRET_KEY": "s" * 32,
            "FTE_KAFKA_BOOTSTRAP_SERVERS": address,
            "FTE_KAFKA_PREFIX": own_cluster(address).prefix,
            "FTE_KAFKA_PARTITIONS": "2",
            "FTE_DATA_DIR": str(folder),
        }

    def start(self, roles: str) -> str:
        """The address of a new process."""
        port = reserve(self)
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "fte", "daemon", "--roles", roles, "--port", str(port)]
            self.processes.append(subprocess.Popen(command, env=self.environment, stdout=log, stderr=log))
        return f"http://127.0.0.1:{port}"

    @property
    def log(self) -> Path:
        return self.folder / "daemon.log"

    def kill(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def fleet(tmp_path: Path, database_url: str, own_kafka: Broker) -> Iterator[Fleet]:
    running = Fleet(tmp_path, database_url, own_kafka.bootstrap)
    yield running
    running.kill()


async def health(url: str) -> dict:
    async with httpx.AsyncClient(timeout=5) as web:
        try:
            return (await web.get(f"{url}/health")).json()
        except httpx.HTTPError:
            return {}


async def healthy(url: str) -> bool:
    return (await health(url)).get("status") == "healthy"


async def test_roles_answer_together_and_stop_with_a_frozen_broker(fleet: Fleet, own_kafka: Broker) -> None:
    http = fleet.start("http")
    others = [fleet.start("worker,sweeper"), fleet.start("relay,metrics,sender,mailbox")]
    for url in (http, *others):
        await until(lambda url=url: healthy(url), deadline=60)
    form = {
        "name": "Ada",
        "email": "ada@example.com",
        "subject": "A person, please",
        "category": "general",
        "message": "I want to speak to a person.",
    }
    async with httpx.AsyncClient(timeout=10) as web:
        id_ = (await web.post(f"{http}/support/submit", json=form)).json()["ticket_id"]
        assert (await web.get(f"{others[0]}/support")).status_code == 404

        async def escalated() -> bool:
            shown = await web.get(f"{http}/support/ticket/{id_}", headers={"Accept": "application/json"})
            return shown.json()["status"] == "escalated"

        await until(escalated)
    own_kafka.pause()
    try:
        begun = time.monotonic()
        for process in fleet.processes:
            process.send_signal(signal.SIGTERM)
        codes = [await asyncio.to_thread(process.wait, STOP_MAX) for process in fleet.processes]
        assert codes == [0, 0, 0]
        assert time.monotonic() - begun < STOP_MAX
    finally:
        own_kafka.resume()
    assert "Traceback" not in fleet.log.read_text()


async def test_a_second_sigterm_ends_it_at_once_whatever_hangs(fleet: Fleet, own_kafka: Broker) -> None:
    url = fleet.start("http")
    await until(lambda: health(url), deadline=60)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(
        b"POST /support/submit HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 99\r\nExpect: 100-continue\r\n\r\n"  # and never sends the rest
    )
    async with asyncio.timeout(30):
        assert (await reader.readline()).startswith(b"HTTP/1.1 100 "), "the request is begun"
    (process,) = fleet.processes
    process.send_signal(signal.SIGTERM)

    async def refuses() -> bool:
        return not await health(url)

    await until(refuses)
    assert process.poll() is None, "it waits for the request under way"
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 5) == -signal.SIGTERM
    assert time.monotonic() - begun < 2
    writer.close()
