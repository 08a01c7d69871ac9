"""GET /metrics: the channels' state for Prometheus, closed when a token is set."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from starlette.applications import Starlette

from fte.daemon.http import application
from fte.daemon.metrics import Metrics
from fte.pg.pool import Pool
from fte.store import channel_health
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
    assert found == {
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
