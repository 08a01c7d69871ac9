"""GET /health: honest about the database, about Kafka and about this process's own parts."""

import asyncio
import re
from pathlib import Path

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fte.bus import cursors
from fte.daemon import health, metrics
from fte.daemon.app import Daemon
from fte.daemon.bodies import read_body
from fte.daemon.health import Health
from fte.daemon.http import application
from fte.daemon.question import Question
from fte.domain.events import RELAY
from fte.pg.hints import Hints
from fte.pg.pool import COMMAND_TIMEOUT, Pool
from fte.settings import Settings
from tests.bus.support_kafka import carried, own_cluster
from tests.databases import silent
from tests.kafka.broker import Broker
from tests.support import SECRET, until

ROOT = Path(__file__).parents[2]
K8S = list((ROOT / "k8s").glob("deployment-*.yaml"))


async def told(health: Health, path: str = "/health") -> tuple[int, dict]:
    app = application(health.routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fte") as web:
        response = await web.get(path)
    return response.status_code, response.json()


async def test_all_is_well(pool: Pool) -> None:
    code, body = await told(Health(pool))
    assert (code, body["status"], body["dependencies"]) == (200, "healthy", {"database": "up"})


async def test_a_part_with_a_problem_degrades_and_is_named(pool: Pool) -> None:
    code, body = await told(Health(pool, problems={"fte-sender": "It is stuck."}))
    assert (code, body["status"], body["problems"]) == (200, "degraded", {"fte-sender": "It is stuck."})
    assert body["channels"]["web_form"] == "active"


async def test_no_database_means_that_nothing_can_be_taken_in(pool: Pool) -> None:
    await pool.close()
    code, body = await told(Health(pool, relay=RELAY))
    assert (code, body["status"], body["dependencies"]) == (503, "unhealthy", {"database": "down"})
    assert body["channels"]["web_form"] == "down"


async def test_a_database_that_says_nothing_counts_as_away_in_time(database_url: str) -> None:
    async with silent(database_url) as pool:
        ours = Health(pool, _question=Question(0.2))
        async with asyncio.timeout(COMMAND_TIMEOUT - 1):
            answers = await asyncio.gather(*(told(ours, "/health/ready") for _ in range(20)))
    assert {(code, body["dependencies"]["database"]) for code, body in answers} == {(503, "down")}


def test_we_answer_before_whoever_asks_gives_up() -> None:
    compose = re.search(r"HTTPConnection\(.*timeout=(\d+)\)", (ROOT / "docker-compose.yml").read_text())
    image = re.search(r"HTTPConnection\(.*timeout=(\d+)\)", (ROOT / "Dockerfile").read_text())
    probes = re.findall(r"timeoutSeconds: (\d+)", "".join(file.read_text() for file in K8S))
    scrape = re.search(r"scrape_timeout: (\d+)s", (ROOT / "monitoring/prometheus.yml").read_text())
    assert compose and image and probes and scrape
    assert min(map(int, (compose[1], image[1], *probes))) >= health.PATIENCE + 1
    assert int(scrape[1]) >= metrics.PATIENCE + 1


async def test_a_process_that_ends_turns_away_and_lives(pool: Pool) -> None:
    health = Health(pool)
    assert (await told(health, "/health/ready"))[0] == 200
    health.stopping.set()
    assert await told(health, "/health/ready") == (503, {"status": "stopping"})
    assert (await told(health, "/health/live"))[0] == (await told(health))[0] == 200


async def test_health_is_told_of_the_end(pool: Pool, hints: Hints) -> None:
    stop = asyncio.Event()
    daemon = Daemon(Settings(), "", pool, hints, SECRET, stop)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(daemon.application(("sweeper",), daemon.webhooks())),
        base_url="http://fte",
    ) as web:
        assert (await web.get("/health/ready")).status_code == 200
        stop.set()
        assert (await web.get("/health/ready")).status_code == 503


async def test_a_newer_schema_is_health_as_long_as_it_has_only_grown(pool: Pool) -> None:
    await pool.execute("update alembic_version set version_num = '9999'")
    assert (await told(Health(pool), "/health/ready"))[0] == 200
    await pool.execute("update schema_floor set oldest_program = '9999'")
    assert (await told(Health(pool), "/health/ready"))[0] == 503


async def test_no_relay_means_that_kafka_gets_nothing(pool: Pool) -> None:
    code, body = await told(Health(pool, relay=RELAY))
    assert (code, body["status"], body["dependencies"]["kafka"]) == (200, "degraded", "down")
    assert "relay" in body["problems"]["kafka"]


async def test_the_brokers_death_and_return_are_told_soon(
    own_kafka: Broker, pool: Pool, hints: Hints
) -> None:
    cluster = own_cluster(own_kafka.bootstrap)
    health = Health(pool, relay=cluster.named(RELAY))

    async def kafka_is(state: str) -> bool:
        return (await told(health))[1]["dependencies"]["kafka"] == state

    async with carried(cluster, pool, hints):
        await until(lambda: kafka_is("up"))
        own_kafka.pause()
        await until(lambda: kafka_is("down"))
        own_kafka.resume()
        await until(lambda: kafka_is("up"))
    assert await cursors.silent_for(pool, cluster.named(RELAY)) is not None


async def test_a_client_that_leaves_in_the_middle_of_a_body_breaks_nothing(pool: Pool) -> None:
    async def reading(request: Request) -> Response:
        await read_body(request.scope, request.receive)
        raise AssertionError("there was no body")

    app = application([Route("/read", reading, methods=["POST"])])
    scope = {"type": "http", "method": "POST", "path": "/read", "headers": [], "query_string": b""}
    sent: list[dict] = []

    async def receive() -> dict:
        return {"type": "http.disconnect"}

    async def send(message: dict) -> None:
        sent.append(message)

    await app(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 400
