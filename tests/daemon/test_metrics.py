"""GET /metrics: the channels' state for Prometheus, closed when a token is set."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import pytest
from starlette.applications import Starlette

from fte.bus.lag import lag
from fte.daemon.http import application
from fte.daemon.metrics import Metrics
from fte.domain.errors import Unavailable
from fte.domain.events import RELAY
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store import channel_health
from fte.wire import Envelope
from tests.bus.contract import TOPIC, announce, consuming
from tests.bus.support_kafka import carried, own_cluster
from tests.support import until
from tests.support_delivery import answered


def reader(pool: Pool, token: str = "") -> httpx.AsyncClient:
    app: Starlette = application(Metrics(pool, frozenset({"email"}), token).routes())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fte")


def values(text: str) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def test_the_state_of_channels_replies_and_watch(pool: Pool) -> None:
    await answered(pool)
    await channel_health.report(pool, "email", "support@acme.example", "the token is dead")
    ends = datetime.now(UTC) + timedelta(days=3)
    await pool.execute(
        "insert into mailboxes (account, watch_expires_at) values ('support@acme.example', $1)", ends
    )
    async with reader(pool) as prometheus:
        response = await prometheus.get("/metrics")
    assert response.status_code == 200
    found = values(response.text)
    assert found.pop("fte_gmail_watch_expires_seconds") == pytest.approx(3 * 86_400, abs=60)
    assert found.pop("fte_log_horizon_age_seconds") < 5
    assert found == {
        "fte_ai_sends_after_takeover_total": 0,
        'fte_channel_health{channel="email"}': 0,
        'fte_channel_health{channel="web_form"}': 1,
        'fte_replies{channel="email",state="queued"}': 1,
    }
    assert "acme" not in response.text


async def test_a_token_closes_it(pool: Pool) -> None:
    async with reader(pool, "s3cret") as prometheus:
        assert (await prometheus.get("/metrics")).status_code == 401
        wrong = await prometheus.get("/metrics", headers={"Authorization": "Bearer nonsense é".encode()})
        assert wrong.status_code == 401
        right = await prometheus.get("/metrics", headers={"Authorization": "Bearer s3cret"})
    assert right.status_code == 200


async def test_an_open_transaction_that_has_written_shows_as_the_horizon(pool: Pool) -> None:
    async with pool.connection() as connection, reader(pool) as prometheus:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("update log_pruned set before_tx = before_tx")

        async def age() -> float:
            return values((await prometheus.get("/metrics")).text)["fte_log_horizon_age_seconds"]

        async def grows() -> bool:
            return await age() > 0.2

        await until(grows)
        await transaction.rollback()
        assert await age() < 0.2


async def test_what_kafka_lacks_and_what_groups_have_not_handled_is_shown(
    kafka: str, pool: Pool, hints: Hints
) -> None:
    cluster = own_cluster(kafka)
    metrics = Metrics(pool, frozenset(), "", cluster.named(RELAY), partial(lag, cluster, ("g",)))
    prometheus = httpx.AsyncClient(
        transport=httpx.ASGITransport(application(metrics.routes())), base_url="http://fte"
    )

    async def shown() -> dict[str, float]:
        return values((await prometheus.get("/metrics")).text)

    async with prometheus:
        await announce(pool, hints, "a", 1, 2, 3)
        assert (await shown())["fte_relay_delay_seconds"] > 0
        free = asyncio.Event()
        handled = 0

        async def handler(_: Envelope) -> None:
            nonlocal handled
            if handled:
                await free.wait()
            handled += 1

        name = f'fte_kafka_consumer_lag{{group="g",topic="{TOPIC}"}}'

        async def behind(count: int) -> bool:
            return (await shown()).get(name) == count

        async with carried(cluster, pool, hints) as running, consuming(running.bus, handler):
            await until(lambda: behind(2))
            assert (await shown())["fte_relay_delay_seconds"] == 0
            free.set()
            await until(lambda: behind(0))


async def test_an_absent_cluster_shows_no_lag_and_breaks_nothing(pool: Pool) -> None:
    async def away() -> dict[tuple[str, str], int]:
        raise Unavailable

    metrics = Metrics(pool, frozenset(), "", "fte-relay", away)
    app = application(metrics.routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fte") as prometheus:
        found = values((await prometheus.get("/metrics")).text)
    assert "fte_relay_delay_seconds" in found
    assert not [name for name in found if "lag" in name]
