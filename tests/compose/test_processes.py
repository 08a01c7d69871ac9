"""docker-compose.yml, run: each service's own command, environment and health check, as a process of this machine."""

import asyncio
import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from tests.acceptance.support import PAGES
from tests.compose import files
from tests.support import until

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

START_MAX = 60.0
ONCE_MAX = 60.0
PARTITIONS = 3
FORM = {
    "name": "Ada",
    "email": "ada@example.com",
    "subject": "My question",
    "category": "general",
    "message": "How do I reset my password?",
}


class Container:
    """One service as a process: what the file says, at addresses of this machine."""

    def __init__(
        self, name: str, service: Mapping[str, Any], folder: Path, addresses: Mapping[str, str]
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._service = service
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        system = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        self._environment = system | dict(service["environment"]) | addresses | {"FTE_PORT": str(self.port)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = self._spawn(self._service["command"])

    async def run(self, *command: str) -> None:
        """The service's command, or another one in its place, to its end."""
        process = self._spawn(command or self._service["command"])
        try:
            code = await asyncio.to_thread(process.wait, ONCE_MAX)
        finally:
            process.kill()
        assert code == 0, self.said()

    def _spawn(self, command: "list[str] | tuple[str, ...]") -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "fte", *command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def healthy(self) -> None:
        """Wait until the health check's route answers, then run the check itself."""
        code = self._service["healthcheck"]["test"][-1]
        url = f"{self.url}{files.health_path(code)}"

        async def answers() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, self.said()
            with contextlib.suppress(httpx.HTTPError):
                async with httpx.AsyncClient(trust_env=False) as web:
                    return (await web.get(url, timeout=2)).status_code == 200
            return False

        await until(answers, deadline=START_MAX)
        assert await self.check() == 0, self.said()

    async def check(self) -> int:
        """The exit code of the health check as it is written."""
        _, _, *arguments = self._service["healthcheck"]["test"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env=self._environment, stderr=asyncio.subprocess.DEVNULL
        )
        return await process.wait()

    def ask_to_stop(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, f"{self.said()}"
        self._process.send_signal(signal.SIGTERM)

    async def stopped(self, asked: float) -> None:
        """Wait for the end, for the service's own grace period since `asked`."""
        assert self._process is not None
        grace = files.seconds(self._service["stop_grace_period"])
        left = max(0.0, asked + grace - time.monotonic())
        assert await asyncio.to_thread(self._process.wait, left) == 0, self.said()
        assert "Traceback" not in self.log.read_text()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def said(self) -> str:
        return f"{self.name}:\n{self.log.read_text()[-3000:]}"


@pytest.fixture
async def empty_database(server: str) -> AsyncIterator[str]:
    """A database without a schema."""
    name = f"compose_{secrets.token_hex(4)}"
    admin = await asyncpg.connect(server.replace("/fte?", "/postgres?"))
    await admin.execute(f"create database {name}")
    try:
        yield server.replace("/fte?", f"/{name}?")
    finally:
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()


@pytest.fixture
async def prefix(kafka: str) -> AsyncIterator[str]:
    """What this test's topics begin with; they are deleted afterwards."""
    prefix = f"compose-{secrets.token_hex(4)}."
    yield prefix
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(prefix)])
    finally:
        await admin.close()


async def carried(kafka: str, prefix: str) -> int:
    """How many events there are in the topics of that prefix."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        partitions = [
            TopicPartition(topic, partition)
            for topic in await consumer.topics()
            if topic.startswith(prefix)
            for partition in range(PARTITIONS)
        ]
        return sum((await consumer.end_offsets(partitions)).values())
    finally:
        await consumer.stop()


@pytest.fixture
def containers(
    tmp_path: Path, empty_database: str, kafka: str, prefix: str
) -> Iterator[dict[str, Container]]:
    """Our services in the order in which Docker would start them. None of their processes outlives the test."""
    env_file = {
        "POSTGRES_PASSWORD": secrets.token_hex(32),
        "FTE_SECRET_KEY": secrets.token_hex(32),
        "FTE_KAFKA_PREFIX": prefix,
        "FTE_KAFKA_PARTITIONS": str(PARTITIONS),
        "FTE_DATABASE_POOL": "4",
    }
    addresses = {
        "FTE_HOST": "127.0.0.1",
        "FTE_DATA_DIR": str(tmp_path / "data"),
        "FTE_DATABASE_URL": empty_database,
        "FTE_KAFKA_BOOTSTRAP_SERVERS": kafka,
    }
    services = files.interpolated(files.raw()["services"], env_file)
    ours = files.ours(services)
    made = {
        name: Container(name, ours[name], tmp_path, addresses)
        for name in files.in_order(services)
        if name in ours
    }
    yield made
    for container in made.values():
        container.kill()


async def test_the_services_answer_a_customer_together(
    containers: dict[str, Container], kafka: str, prefix: str, tmp_path: Path
) -> None:
    services = files.ours(files.raw()["services"])
    running = [container for name, container in containers.items() if not files.is_once(services[name])]
    for name, container in containers.items():
        if files.is_once(services[name]):
            await container.run()
        else:
            container.start()
    await asyncio.gather(*(container.healthy() for container in running))

    pages = tmp_path / "pages"
    pages.mkdir()
    for name, text in PAGES.items():
        (pages / name).write_text(text)
    api = containers["api"]
    await api.run("kb", "import", str(pages))
    async with httpx.AsyncClient(base_url=api.url, timeout=10, trust_env=False) as customer:
        sent = await customer.post("/support/submit", json=FORM)
        assert sent.status_code == 200, sent.text
        path = f"/support/ticket/{sent.json()['ticket_id']}"

        async def answered() -> list[dict[str, str]]:
            shown = await customer.get(path, headers={"Accept": "application/json"})
            messages: list[dict[str, str]] = shown.json()["messages"]
            return messages if len(messages) >= 2 else []

        messages = await until(answered)
        health = (await customer.get("/health")).json()
    assert [message["sender"] for message in messages] == ["customer", "agent"]
    assert "Forgot password?" in messages[1]["content"]
    assert health["status"] == "healthy"
    assert health["dependencies"] == {"database": "up", "kafka": "up"}
    await until(lambda: carried(kafka, prefix))

    asked = time.monotonic()
    for container in running:
        container.ask_to_stop()
    await asyncio.gather(*(container.stopped(asked) for container in running))
    assert await api.check() != 0
    made = re.findall(r"^made  (\S+)$", containers["topics"].log.read_text(), re.MULTILINE)
    assert made, "the topics were not made by their own service"
