"""docker-compose.yml, run: each service's own command, environment and health check, as a process of this machine."""

import asyncio
import contextlib
import re
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.support import PAGES, said_of
from tests.compose import files
from tests.compose.programs import (
    FORM,
    ONCE_MAX,
    PARTITIONS,
    Program,
    carried,
)
from tests.support import until

pytestmark = [pytest.mark.acceptance, pytest.mark.process, pytest.mark.timeout(120)]

START_MAX = 60.0


class Container(Program):
    """One service as a process: what the file says, at addresses of this machine."""

    def __init__(
        self, name: str, service: Mapping[str, Any], folder: Path, addresses: Mapping[str, str]
    ) -> None:
        grace = files.seconds(service["stop_grace_period"]) if "stop_grace_period" in service else ONCE_MAX
        super().__init__(name, folder, service["command"], dict(service["environment"]) | addresses, grace)
        self._service = service

    async def healthy(self) -> None:
        """Wait until the health check's route answers, then run the check itself."""
        code = self._service["healthcheck"]["test"][-1]
        url = f"{self.url}{files.health_path(code)}"

        async def answers() -> bool:
            self.assert_running()
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
            sys.executable, *arguments, env=self.environment, stderr=asyncio.subprocess.DEVNULL
        )
        return await process.wait()


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
    ways = {
        "api": ["message received"],
        "relay": ["messages relayed"],
        "worker": ["turn begun", "turn finished"],
    }
    id_ = sent.headers["x-request-id"]
    await until(lambda: {name: said_of(containers[name].log, id_) for name in ways} == ways)

    asked = time.monotonic()
    for container in running:
        container.ask_to_stop()
    await asyncio.gather(*(container.stopped(asked) for container in running))
    assert await api.check() != 0
    made = re.findall(r"^made  (\S+)$", containers["topics"].log.read_text(), re.MULTILINE)
    assert made, "the topics were not made by their own service"
