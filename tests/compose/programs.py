"""`fte` as a process of this machine, in place of a container: its command, its environment, its time to stop."""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from tests.ports import reserve

ONCE_MAX: Final = 60.0
PARTITIONS: Final = 3
FORM: Final = {
    "name": "Ada",
    "email": "ada@example.com",
    "subject": "My question",
    "category": "general",
    "message": "How do I reset my password?",
}


class Program:
    """One container as a process: what its file says, at addresses of this machine."""

    confined_by: Sequence[str] = ()
    """A command that takes rights away and runs another one."""
    folder: Path | None = None
    """Where it runs; None: where the tests do."""

    def __init__(
        self, name: str, folder: Path, command: Sequence[str], environment: Mapping[str, str], grace: float
    ) -> None:
        """`grace` are the seconds it is given to stop. The environment is all it gets, but for what Python needs."""
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = tuple(command)
        self._grace = grace
        self.port = reserve(self)
        self.url = f"http://127.0.0.1:{self.port}"
        system = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        self.environment = system | dict(environment) | {"FTE_PORT": str(self.port)}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = self.spawn(self._command)

    async def run(self, *command: str) -> None:
        """Its own command, or another one in its place, to its end."""
        process = self.spawn(command or self._command)
        try:
            code = await asyncio.to_thread(process.wait, ONCE_MAX)
        finally:
            process.kill()
        assert code == 0, self.said()

    def spawn(self, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*self.confined_by, sys.executable, "-m", "fte", *command],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def assert_running(self) -> None:
        assert self.process is not None
        assert self.process.poll() is None, self.said()

    def ask_to_stop(self) -> None:
        self.assert_running()
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    async def stopped(self, asked: float) -> None:
        """Wait for the end, for its grace period since `asked`."""
        assert self.process is not None
        left = max(0.0, asked + self._grace - time.monotonic())
        assert await asyncio.to_thread(self.process.wait, left) == 0, self.said()
        assert "Traceback" not in self.log.read_text()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

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
