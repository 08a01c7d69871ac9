"""The pods, run: each container's own command, environment and probes as a process of this machine.

There need not be a cluster where the tests run. Where the tests are root, the processes are the image's user, who can
write nowhere but in /tmp; the data folder is one nobody could make.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from tests.compose.programs import FORM, ONCE_MAX, PARTITIONS, Program, carried
from tests.k8s.manifests import ROOT, Workload, read, workloads
from tests.support import until

pytestmark = [pytest.mark.acceptance, pytest.mark.process, pytest.mark.timeout(180)]

NOWHERE = "/proc/nowhere"
METRICS_TOKEN = secrets.token_hex(16)
HALF = 40
"""Bytes of a form's body that are sent before the process is asked to end."""


def confined(uid: int) -> list[str]:
    """The command that runs another one as that user, who may read what the tests read and write nothing."""
    if os.getuid() != 0 or not shutil.which("setpriv"):
        return []
    kept = "+dac_read_search"  # the interpreter may stand in a folder of root's
    return [
        *("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--no-new-privs"),
        *(f"--inh-caps=-all,{kept}", f"--ambient-caps=-all,{kept}", f"--bounding-set=-all,{kept}"),
    ]


class Pod(Program):
    """A pod of a workload as a process."""

    folder = Path("/")

    def __init__(self, work: Workload, environment: dict[str, str], logs: Path) -> None:
        grace = ONCE_MAX if work.once else work.grace - work.before_stop
        image = {"HOME": NOWHERE, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        super().__init__(work.name, logs, work.container["args"], environment | image, grace)
        self.confined_by = confined(work.pod["securityContext"]["runAsUser"])
        self._work = work

    async def probe(self, kind: str) -> bool:
        """Whether a probe is answered as the kubelet wants it."""
        url = f"{self.url}{self._work.probe(kind)['path']}"
        with contextlib.suppress(httpx.HTTPError):
            async with httpx.AsyncClient(trust_env=False) as web:
                seconds = self._work.container[f"{kind}Probe"]["timeoutSeconds"]
                return 200 <= (await web.get(url, timeout=seconds)).status_code < 400
        return False

    def _is_the_images_user(self) -> bool:
        self.assert_running()
        assert self.process is not None
        user: int = self._work.pod["securityContext"]["runAsUser"]
        return Path(f"/proc/{self.process.pid}").stat().st_uid == user

    async def ready(self) -> None:
        """Wait as the kubelet does: the startup probe within its time, then the others."""

        async def passes(kind: str) -> bool:
            self.assert_running()
            return await self.probe(kind)

        if self.confined_by:
            await until(self._is_the_images_user)
        startup = self._work.container["startupProbe"]
        await until(
            lambda: passes("startup"), deadline=startup["failureThreshold"] * startup["periodSeconds"]
        )
        assert await self.probe("liveness"), self.said()
        await until(lambda: passes("readiness"))


@pytest.fixture
def pods(tmp_path: Path, empty_database: str, kafka: str, prefix: str) -> Iterator[dict[str, Pod]]:
    """A pod of every workload. None of the processes outlives the test."""
    objects = read()
    given = {
        "FTE_DATABASE_URL": empty_database,
        "FTE_SECRET_KEY": secrets.token_hex(32),
        "FTE_METRICS_TOKEN": METRICS_TOKEN,
    }
    changed = {
        "FTE_HOST": "127.0.0.1",
        "FTE_DATA_DIR": NOWHERE,
        "FTE_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "FTE_KAFKA_PREFIX": prefix,
        "FTE_KAFKA_PARTITIONS": str(PARTITIONS),
        "FTE_KAFKA_REPLICATION": "1",
    }
    made = {}
    for name, work in workloads(objects).items():
        environment = work.environment(objects, given)
        environment |= {key: value for key, value in changed.items() if key in environment}
        made[name] = Pod(work, environment, tmp_path)
    yield made
    for pod in made.values():
        pod.kill()


async def test_the_pods_answer_a_customer_and_lose_nothing_when_they_end(
    pods: dict[str, Pod], kafka: str, prefix: str
) -> None:
    works = workloads(read())
    running = [pod for name, pod in pods.items() if not works[name].once]
    for name, pod in pods.items():
        if works[name].once:
            await pod.run()
    for pod in running:
        pod.start()
    await asyncio.gather(*(pod.ready() for pod in running))

    api = pods["fte-api"]
    async with httpx.AsyncClient(base_url=api.url, timeout=10, trust_env=False) as customer:
        sent = await customer.post("/support/submit", json=FORM)
        assert sent.status_code == 200, sent.text
        path = f"/support/ticket/{sent.json()['ticket_id']}"

        async def answered() -> bool:
            shown = await customer.get(path, headers={"Accept": "application/json"})
            return "agent" in [message["sender"] for message in shown.json()["messages"]]

        await until(answered)
        health = (await customer.get("/health")).json()
        assert (health["status"], health["dependencies"]) == ("healthy", {"database": "up", "kafka": "up"})
    await until(lambda: carried(kafka, prefix))
    for pod in running:
        async with httpx.AsyncClient(base_url=pod.url, trust_env=False) as prometheus:
            assert (await prometheus.get("/metrics")).status_code == 401, pod.name
            token = {"Authorization": f"Bearer {METRICS_TOKEN}"}
            assert (await prometheus.get("/metrics", headers=token)).status_code == 200, pod.name

    await an_open_request_is_finished_and_no_other_taken(api)
    asked = time.monotonic()
    for pod in running:
        if pod is not api:
            pod.ask_to_stop()
    await asyncio.gather(*(pod.stopped(asked) for pod in running))


async def an_open_request_is_finished_and_no_other_taken(api: Pod) -> None:
    """The customer had written half of it when the pod was asked to end."""
    body = httpx.Request("POST", api.url, json=FORM).content
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    head = f"POST /support/submit HTTP/1.1\r\nHost: fte\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    writer.write(f"{head}\r\n\r\n".encode() + body[:HALF])
    await writer.drain()
    assert await api.probe("readiness")

    async def turned_away() -> bool:
        return not await api.probe("readiness")

    api.ask_to_stop()
    await until(turned_away, deadline=5)
    writer.write(body[HALF:])
    await writer.drain()
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert b"ticket_id" in answer
    writer.close()


async def test_a_release_lives_on_while_the_next_one_migrates(
    pods: dict[str, Pod], empty_database: str
) -> None:
    """It stays ready and takes messages, new pods of it start; once what it needs is removed, neither."""
    api, again = pods["fte-api"], pods["fte-sweeper"]
    await pods["fte-migrate"].run()
    api.start()
    await api.ready()
    database = await asyncpg.connect(empty_database)
    await database.execute("update alembic_version set version_num = '9998'")
    assert await api.probe("readiness")
    async with httpx.AsyncClient(base_url=api.url, timeout=10, trust_env=False) as customer:
        assert (await customer.post("/support/submit", json=FORM)).status_code == 200
    await pods["fte-migrate"].run()
    again.start()
    await again.ready()

    await database.execute("update alembic_version set version_num = '9999'")
    await database.execute("update schema_floor set oldest_program = '9999'")
    assert not await api.probe("readiness")
    assert await api.probe("liveness"), "it would be restarted for ever"
    assert await refused(pods["fte-metrics"])
    await database.close()


async def test_a_release_waits_for_its_schema(pods: dict[str, Pod]) -> None:
    """Rolled out before the migration, it does not start, and says what to run."""
    pod = pods["fte-api"]
    assert "fte migrate" in await refused(pod)


async def refused(pod: Pod) -> str:
    """What a pod says that ends by itself."""
    pod.start()
    process: Any = pod.process
    assert await asyncio.to_thread(process.wait, ONCE_MAX) == 1
    said = pod.log.read_text()
    assert "Traceback" not in said
    return said
