"""GET /metrics: the channels' state for Prometheus, closed when a token is set."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from agents import ModelResponse, Usage
from agents.testing import assistant_message
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from fte.agent.models import BoundedModel
from fte.agent.offline import OfflineModel
from fte.agent.provider import ModelFailure
from fte.bus.lag import lag
from fte.daemon.health import Health
from fte.daemon.http import application
from fte.daemon.instruments import Instruments
from fte.daemon.metrics import Metrics
from fte.daemon.question import Question
from fte.domain.budget import Budget
from fte.domain.errors import Unavailable
from fte.domain.events import RELAY
from fte.domain.ids import new_id
from fte.domain.measurements import Measurement, Prices
from fte.domain.metrics import METRICS
from fte.pg.hints import Hints
from fte.pg.pool import COMMAND_TIMEOUT, Pool
from fte.store import agent_metrics, channel_health, mailboxes
from fte.store.agent_metrics import Reading
from fte.wire import Envelope
from tests.bus.contract import TOPIC, announce, consuming
from tests.bus.support_kafka import carried, own_cluster
from tests.databases import silent
from tests.store.test_drafts import held, hold_all
from tests.support import receive, until
from tests.support_delivery import answered

US = "support@acme.example"


def reader(pool: Pool, token: str = "") -> httpx.AsyncClient:
    app: Starlette = application(Metrics(pool, {"email": US}, token).routes())
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fte")


def values(text: str) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def test_the_state_of_channels_replies_and_watch(pool: Pool) -> None:
    await answered(pool)
    await channel_health.report(pool, "email", US, "the token is dead")
    await mailboxes.watched(pool, US, datetime.now(UTC) + timedelta(days=3))
    async with reader(pool) as prometheus:
        response = await prometheus.get("/metrics")
    assert response.status_code == 200
    shown = values(response.text)
    found = {name: value for name, value in shown.items() if value or "channel_health" in name}
    assert found.pop("fte_gmail_watch_expires_seconds") == pytest.approx(3 * 86_400, abs=60)
    assert found.pop("fte_log_horizon_age_seconds", 0) < 5
    assert found == {
        "fte_database_up": 1,
        'fte_channel_health{channel="email"}': 0,
        'fte_channel_health{channel="web_form"}': 1,
        'fte_replies{channel="email",state="queued"}': 1,
    }
    assert shown['fte_replies{channel="whatsapp",state="unknown"}'] == 0
    assert shown['fte_turns{channel="email",state="due"}'] == 0
    assert shown["fte_ai_sends_after_takeover_total"] == 0
    assert shown['fte_dead_letters{group="fte-sender"}'] == 0
    assert "acme" not in response.text


async def test_an_account_we_left_is_not_told_of(pool: Pool) -> None:
    former = "help@acme.example"
    await channel_health.report(pool, "email", former, "the token is dead")
    await mailboxes.watched(pool, former, datetime.now(UTC) - timedelta(days=1))
    async with reader(pool) as prometheus:
        shown = values((await prometheus.get("/metrics")).text)
    assert shown['fte_channel_health{channel="email"}'] == 1
    assert "fte_gmail_watch_expires_seconds" not in shown


async def test_answers_that_wait_for_approval_are_counted(pool: Pool) -> None:
    await hold_all(pool)
    await held(pool)
    await pool.execute("update drafts set created_at = now() - interval '1 minute'")
    async with reader(pool) as prometheus:
        found = values((await prometheus.get("/metrics")).text)
    assert found['fte_drafts{channel="web_form"}'] == 1
    assert found['fte_draft_oldest_seconds{channel="web_form"}'] == pytest.approx(60, abs=30)


async def test_how_much_of_the_days_budget_is_used_is_told_where_there_is_one(pool: Pool) -> None:
    async def told(budget: Budget) -> float | None:
        metrics = Metrics(pool, {}, "", budget=budget)
        transport = httpx.ASGITransport(application(metrics.routes()))
        async with httpx.AsyncClient(transport=transport, base_url="http://fte") as prometheus:
            return values((await prometheus.get("/metrics")).text).get("fte_model_budget_used_ratio")

    prices = Prices(1_000.0, 2_000.0)
    assert await told(Budget(run=500, conversation=700)) is None
    assert await told(Budget(day=1_000)) == 0
    await pool.execute("insert into model_use values ((now() at time zone 'utc')::date, 3, 1, 700, 50)")
    await pool.execute("insert into model_use values ((now() at time zone 'utc')::date - 1, 3, 1, 700, 50)")
    assert await told(Budget(day=1_000)) == 0.75
    assert await told(Budget(day=1_000, day_cost=0.5, prices=prices)) == pytest.approx(1.6)


async def test_a_turn_that_waits_shows_how_many_there_are_and_for_how_long(pool: Pool) -> None:
    await receive(pool)
    await receive(pool, channel="email", account="us", identifier="bo@example.com")
    await pool.execute("update turns set due_at = now() - interval '90 s' where channel = 'email'")
    async with reader(pool) as prometheus:
        found = values((await prometheus.get("/metrics")).text)
    assert found['fte_turns{channel="email",state="due"}'] == 1
    assert found['fte_turns{channel="web_form",state="due"}'] == 1
    assert found["fte_turn_age_seconds"] == pytest.approx(90, abs=20)


async def test_dead_letters_show_until_somebody_has_looked(pool: Pool) -> None:
    await pool.execute(
        "insert into dead_letters (event_id, group_name, topic, key, event, error, attempts, state)"
        " select gen_random_uuid(), 'fte-sender', 't', 'k', '{}', 'E', 5, s"
        " from unnest(array['waiting', 'waiting', 'dropped', 'replayed']) s"
    )
    async with reader(pool) as prometheus:
        found = values((await prometheus.get("/metrics")).text)
    assert found['fte_dead_letters{group="fte-sender"}'] == 2


async def test_what_a_process_counts_is_told_while_the_database_is_away(database_url: str) -> None:
    pool = await Pool.open(database_url)
    instruments = Instruments()
    instruments.has(["http", "worker"])
    metrics = Metrics(pool, {}, "", instruments=instruments)
    app = instruments.watch(application([*metrics.routes(), *Health(pool).routes()]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fte") as prometheus:
        before = values((await prometheus.get("/metrics")).text)
        await pool.close()
        for path in ("/health", "/health", "/health/live", "/nothing/here", "/nothing/there"):
            await prometheus.get(path)
        await prometheus.request("BREW", "/health/live")
        response = await prometheus.get("/metrics")
    after = values(response.text)
    assert (before["fte_database_up"], after["fte_database_up"]) == (1, 0)
    assert after["fte_db_connection_errors_total"] > before["fte_db_connection_errors_total"]
    assert after['fte_role{role="http"}'] == after['fte_role{role="worker"}'] == 1
    requests = {name: value for name, value in after.items() if name.startswith("http_requests_total")}
    assert requests == {
        'http_requests_total{method="GET",route="/metrics",status="200"}': 1,
        'http_requests_total{method="GET",route="/health",status="503"}': 2,
        'http_requests_total{method="GET",route="/health/live",status="200"}': 1,
        'http_requests_total{method="GET",route="other",status="404"}': 2,
        'http_requests_total{method="other",route="/health/live",status="405"}': 1,
    }
    assert after['http_request_duration_seconds_count{method="GET",route="/health"}'] == 2


async def test_a_database_that_says_nothing_counts_as_away_in_time(database_url: str) -> None:
    async def behind() -> dict[tuple[str, str], int]:
        return {("fte-sender", "fte.dlq"): 3}

    async with silent(database_url) as pool:
        metrics = Metrics(pool, {}, "", lag=behind, _question=Question(0.2))
        app = application(metrics.routes())
        async with (
            asyncio.timeout(COMMAND_TIMEOUT - 1),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fte") as prometheus,
        ):
            shown = await asyncio.gather(*(prometheus.get("/metrics") for _ in range(5)))
    for response in shown:
        found = values(response.text)
        assert found["fte_database_up"] == 0
        assert found['fte_kafka_consumer_lag{group="fte-sender",topic="fte.dlq"}'] == 3


async def test_a_process_without_the_role_tells_of_itself_only(pool: Pool) -> None:
    metrics = Metrics(pool, {"email": US}, "", instruments=Instruments(), whole=False)
    app = application(metrics.routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fte") as prometheus:
        found = values((await prometheus.get("/metrics")).text)
    assert found["fte_database_up"] == 1
    assert "fte_turn_age_seconds" not in found
    assert not [name for name in found if "channel" in name]


async def test_calls_of_the_model_are_timed_by_how_they_ended() -> None:
    instruments = Instruments()

    class Moody(OfflineModel):
        async def get_response(self, *args: Any, **kwargs: Any) -> Any:
            if args[1] == "down":
                raise TimeoutError
            return ModelResponse(output=[assistant_message("ok")], usage=Usage(), response_id=None)

    model = BoundedModel(Moody(), instruments.model_called)
    await model.get_response(None, "hello")
    with pytest.raises(ModelFailure):
        await model.get_response(None, "down")
    found = values(generate_latest(instruments.registry).decode())
    assert found['fte_model_call_seconds_count{result="ok"}'] == 1
    assert found['fte_model_call_seconds_count{result="error"}'] == 1


async def test_every_metric_told_is_a_known_one_with_its_labels(pool: Pool) -> None:
    await answered(pool)
    instruments = Instruments()
    instruments.has(["http"])
    instruments.model_called(0.1, True)
    metrics = Metrics(pool, {"email": US}, "", instruments=instruments, budget=Budget(day=1_000))
    app = instruments.watch(application(metrics.routes()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fte") as prometheus:
        await prometheus.get("/metrics")
        text = (await prometheus.get("/metrics")).text
    known = {metric.name.removesuffix("_total"): metric for metric in METRICS}
    told = set()
    for family in text_string_to_metric_families(text):
        if family.name.startswith("process_"):
            continue
        metric = known[family.name]
        told.add(metric.name)
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels), sample
            assert all(
                not metric.labels[n] or v in metric.labels[n] for n, v in sample.labels.items() if n != "le"
            )
    only_sometimes = {"fte_gmail_watch_expires_seconds", "fte_relay_delay_seconds", "fte_kafka_consumer_lag"}
    assert told | only_sometimes == {metric.name for metric in METRICS}


async def test_a_day_of_each_channel(pool: Pool) -> None:
    async with reader(pool, "s3cret") as prometheus:
        assert (await prometheus.get("/metrics/channels")).status_code == 401
    await answered(pool)
    await receive(pool, "This is terrible, I am furious!", identifier="bo@example.com")
    at = datetime.now(UTC)
    measured = [
        Measurement("escalation", 1.0, "email", {"reason": "legal"}),
        Measurement("turn", 1.0, "email", {"outcome": "answered", "failed": False}),
        Measurement("turn_seconds", 4.0, "email"),
    ]
    old = at - timedelta(hours=25)
    await agent_metrics.record(pool, [Reading(new_id(), at, measured), Reading(new_id(), old, measured)])
    async with reader(pool) as prometheus:
        response = await prometheus.get("/metrics/channels")
    assert response.status_code == 200
    email, whatsapp, form = response.json()
    assert email.pop("avg_sentiment") == pytest.approx(0.5, abs=0.5)
    assert email == {
        "channel": "email",
        "total_conversations": 1,
        "escalations": 1,
        "messages": 0,
        "answered": 1,
        "failed_deliveries": 0,
        "avg_answer_seconds": 4.0,
        "p95_answer_seconds": 4.0,
    }
    assert whatsapp["total_conversations"] == 0
    assert whatsapp["avg_sentiment"] is None
    assert (form["channel"], form["total_conversations"]) == ("web_form", 1)
    assert form["avg_sentiment"] < 0.5


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

        async def is_young() -> bool:
            return await age() < 0.2

        await until(is_young)


async def test_what_kafka_lacks_and_what_groups_have_not_handled_is_shown(
    kafka: str, pool: Pool, hints: Hints
) -> None:
    cluster = own_cluster(kafka)
    metrics = Metrics(pool, {}, "", cluster.named(RELAY), partial(lag, cluster, ("g",)))
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

    metrics = Metrics(pool, {}, "", "fte-relay", away)
    app = application(metrics.routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fte") as prometheus:
        found = values((await prometheus.get("/metrics")).text)
    assert "fte_relay_delay_seconds" in found
    assert not [name for name in found if "lag" in name]
