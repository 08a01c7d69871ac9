"""Secrets and customers' data, seeded everywhere while everything breaks, are found in no log, metric or event.

The errors are real ones: providers refuse, the model's server quotes what it was asked and who asked, and triggers in
the database raise the rows they see, as its own errors do.
"""

import json
from collections.abc import AsyncIterator, Collection, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest
from aiokafka import TopicPartition
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from fte.bus.cluster import Cluster
from fte.demo.providers import SimulatedGmail, SimulatedTwilio
from fte.domain.events import TOPICS
from fte.domain.ids import new_id
from fte.pg.pool import Pool
from fte.store import operators
from tests.acceptance.support import Fte, installed, lines
from tests.bus.support_kafka import own_cluster
from tests.support import until
from tests.support_webform import served

pytestmark = [pytest.mark.acceptance, pytest.mark.process, pytest.mark.timeout(600)]

MAILBOX = "support@acme.example"
PARTITIONS = 2
PHONE = "+4915112345678"
OURS: dict[str, str] = {
    "FTE_SECRET_KEY": "CANARY-secret-key-of-thirty-two-characters",
    "FTE_METRICS_TOKEN": "CANARY-metrics-token",
    "OPENAI_API_KEY": "CANARY-openai-key",
    "FTE_KAFKA_PASSWORD": "CANARY-kafka-password",
    "FTE_TOKEN": "CANARY-console-token",
}
DATABASE_PASSWORD = "CANARY-database-password"
THEIRS = (
    "Quenlin",
    "quenlin@vostra.example",
    "Marvetti",
    "marvetti@vostra.example",
    "Oskarine",
    PHONE,
    PHONE.removeprefix("+"),
    "+49 151 98765432",
    "zwiebelfisch",  # in subjects
    "kupferkanne",  # in texts
    "quittung-geheim",  # a file's name
    "operatorwort",  # what operators write
    "CANARY-in-a-query",
    "CANARY-in-a-header",
)
QUOTING = """
create function quote_row() returns trigger language plpgsql as $$
begin raise exception 'row: %', to_jsonb(new)::text using detail = to_jsonb(new)::text; end $$;
create function quote_all() returns trigger language plpgsql as $$
begin raise exception 'rows: %', (select jsonb_agg(to_jsonb(m))::text from messages m); end $$;
"""
BROKEN = {
    "http": "create trigger quoting before insert on messages for each row when (new.channel = 'web_form' "
    "and new.content like '%breakhttp%') execute function quote_row()",
    "mailbox": "create trigger quoting_mail before insert on messages for each row when (new.channel = 'email' "
    "and new.content like '%breakmail%') execute function quote_row()",
    "worker": "create trigger quoting before insert on runs for each row when (new.attempt = 1) "
    "execute function quote_all()",
    "sender": "create trigger quoting before update on replies for each row when (new.state = 'sent' "
    "and new.channel = 'email' and old.attempts = 1) execute function quote_all()",
    "metrics": "create trigger quoting before insert on agent_metrics for each row when (new.channel = 'whatsapp') "
    "execute function quote_all()",
}
ALL = "create trigger quoting before update on turns for each statement execute function quote_all()"
"""Nothing catches this: the process ends."""
TOLD = {
    "Exception in ASGI application",
    "mail broke",
    "mail given up",
    "turn broke",
    "sending broke",
    "event failed",
    "reading put off",
    "reply failed",
    "whatsapp webhook refused",
}
"""What must have gone wrong, or the test has seen nothing."""


class QuotingModel:
    """A model's server that refuses, and quotes the request and its key while it does."""

    async def refuse(self, request: Request) -> JSONResponse:
        said = f"{request.headers['authorization']} {(await request.body()).decode()}"
        return JSONResponse({"error": {"message": said, "code": "content_filter"}}, 400)

    def served(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self.refuse, methods=["POST"])])


@pytest.fixture(params=["embedded", "Kafka"])
def cluster(request: pytest.FixtureRequest) -> Cluster | None:
    """What carries the events between processes; None: the log itself."""
    return own_cluster(request.getfixturevalue("kafka")) if request.param == "Kafka" else None


@pytest.fixture
def fte(database_url: str, cluster: Cluster | None) -> Iterator[Fte]:
    with installed() as fresh:
        if cluster is not None:
            fresh.environment |= {
                "FTE_KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap,
                "FTE_KAFKA_PREFIX": cluster.prefix,
                "FTE_KAFKA_PARTITIONS": str(PARTITIONS),
            }
        secret_address = database_url.replace(
            "postgresql://postgres@", f"postgresql://postgres:{DATABASE_PASSWORD}@"
        )
        assert secret_address != database_url
        fresh.environment |= OURS | {"FTE_DATABASE_URL": secret_address, "FTE_MODEL": "gpt"}
        yield fresh


@pytest.fixture
async def gmail(fte: Fte) -> AsyncIterator[SimulatedGmail]:
    async with SimulatedGmail(MAILBOX).running() as running:
        fte.environment |= running.environment(fte.folder) | {"FTE_GMAIL_POLL": "1"}
        running.push_to(MAILBOX, f"{fte.url}/webhooks/gmail")
        yield running


@pytest.fixture
async def twilio(fte: Fte) -> AsyncIterator[SimulatedTwilio]:
    async with SimulatedTwilio(f"{fte.url}/webhooks/whatsapp").running() as running:
        fte.environment |= running.environment() | {"FTE_PUBLIC_URL": fte.url}
        yield running


def form(word: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": "Quenlin Marvetti",
        "email": "quenlin@vostra.example",
        "subject": "zwiebelfisch in an order",
        "category": "general",
        "message": f"How is my kupferkanne? Call +49 151 98765432. {word}",
    } | changes


async def customers_write(fte: Fte, gmail: SimulatedGmail, twilio: SimulatedTwilio) -> str:
    """On every channel, well and badly. Gives the id of a request that broke."""
    asking = {"Authorization": "Bearer CANARY-in-a-header", "X-Request-ID": "CANARY-in-a-header"}
    async with httpx.AsyncClient(base_url=fte.url, headers=asking, timeout=20) as web:
        assert (
            await web.post("/support/submit?token=CANARY-in-a-query", json=form("Well?"))
        ).status_code == 200
        wrong = await web.post("/support/submit", json=form("What now?", email="quenlin"))
        assert wrong.status_code == 422
        for path in ("/webhooks/whatsapp", "/webhooks/gmail", "/support/submit"):
            refused = await web.post(f"{path}?token=CANARY-in-a-query", data=form("kupferkanne"))
            assert refused.status_code in (200, 403), path
        for path in ("/customers/lookup?email=quenlin@vostra.example", "/operator/queue?q=kupferkanne"):
            assert (await web.get(path)).status_code == 401
    async with httpx.AsyncClient(base_url=fte.url, headers=asking, timeout=20) as web:
        broken = await web.post("/support/submit?token=CANARY-in-a-query", json=form("breakhttp"))
        assert broken.status_code == 500
    mail = {"sender": "marvetti@vostra.example", "name": "Oskarine", "subject": "zwiebelfisch"}
    await gmail.deliver(mail | {"text": "breakmail kupferkanne"})
    files = [{"name": "quittung-geheim.txt", "content": "a3VwZmVya2FubmU=", "media_type": "text/plain"}]
    await gmail.deliver(
        mail | {"text": "I want my money back for the kupferkanne, a refund!", "attachments": files}
    )
    gmail.faults.next("history.list", "server_error", times=1, status=500)
    twilio.refuse(21211)
    await twilio.customer_writes(PHONE, "A human for my kupferkanne!", profile_name="Oskarine")
    return broken.headers["x-request-id"]


async def operator_acts(fte: Fte, token: str, conversation: str) -> None:
    async with httpx.AsyncClient(
        base_url=fte.url, headers={"Authorization": f"Bearer {token}"}, timeout=20
    ) as web:
        for action, words in (
            ("take_over", {}),
            ("note", {"text": "operatorwort"}),
            ("reply", {"text": "operatorwort"}),
        ):
            shown = (await web.get(f"/operator/conversations/{conversation}")).json()
            request = {"seen": shown["messages"][-1]["seq"], "epoch": shown["epoch"]} | words
            answer = await web.post(
                f"/operator/conversations/{conversation}/{action}",
                json=request,
                headers={"Idempotency-Key": str(new_id())},
            )
            assert answer.status_code == 200, answer.text
        looked_up = await web.get("/customers/lookup", params={"email": "quenlin@vostra.example"})
        assert looked_up.status_code == 200
        wrong = await web.post(
            f"/operator/conversations/{conversation}/note",
            content=b'{"text": "operatorwort',
            headers={"Idempotency-Key": "broken"},
        )
        assert wrong.status_code == 400
        assert (await web.get("/operator/queue", params={"q": "kupferkanne"})).status_code == 200


async def whole(pool: Pool, table: str) -> str:
    """Every row of a table as text."""
    text: str = await pool.fetchval(f"select coalesce(string_agg(t::text, E'\\n'), '') from {table} t")
    return text


async def in_the_topics(cluster: Cluster) -> tuple[set[str], str]:
    """The topics that hold something, and every record as it lies there: key, value and headers."""
    async with cluster.consumer() as consumer:
        await consumer.start()
        topics = [topic for topic in await consumer.topics() if topic.startswith(cluster.prefix)]
        parts = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        last, told, filled = await consumer.end_offsets(parts), [], set()
        for part in parts:
            while await consumer.position(part) < last[part]:
                for one in (await consumer.getmany(part, timeout_ms=300)).get(part, ()):
                    headers = [text for name, value in one.headers for text in (name.encode(), value)]
                    told.append(b" ".join([one.key or b"", one.value or b"", *headers]))
                    filled.add(cluster.ours(part.topic))
        return filled, b"\n".join(told).decode()


def found(needles: Collection[str], haystack: str) -> set[str]:
    """Those that are there, as they are or as an address would write them."""
    small = haystack.lower()
    return {
        n
        for n in needles
        if any(form.lower() in small for form in (n, quote(n), quote_plus(n), json.dumps(n)[1:-1]))
    }


async def test_nothing_that_is_secret_or_somebodys_is_told(
    fte: Fte, gmail: SimulatedGmail, twilio: SimulatedTwilio, pool: Pool, cluster: Cluster | None
) -> None:
    async with served(QuotingModel().served()) as model:
        fte.environment["FTE_MODEL_BASE_URL"] = model
        token = await operators.add(pool, "Bo", "admin")
        secrets = {*OURS.values(), DATABASE_PASSWORD, fte.environment["TWILIO_AUTH_TOKEN"], token}
        await fte.up()
        await until(lambda: gmail.mailbox(MAILBOX).watch is not None, deadline=60)
        for trigger in (QUOTING, *BROKEN.values()):
            await pool.execute(trigger)
        broke = await customers_write(fte, gmail, twilio)
        conversation = await pool.fetchval(
            "select conversation_id from messages where channel = 'web_form' and direction = 'inbound'"
        )
        await until(lambda: {line["event"] for line in lines(fte.log)} >= TOLD, deadline=90)
        (told_of,) = [line for line in lines(fte.log) if line["event"] == "Exception in ASGI application"]
        assert told_of["request"] == broke
        await until(lambda: pool.fetchval("select count(*) from dead_letters"), deadline=60)
        await operator_acts(fte, token, str(conversation))
        async with httpx.AsyncClient(base_url=fte.url) as web:
            metrics = await web.get(
                "/metrics", headers={"Authorization": f"Bearer {OURS['FTE_METRICS_TOKEN']}"}
            )
            health = await web.get("/health")
        await pool.execute(ALL)
        await until(fte.ended, deadline=60)
    told = {
        "the log": fte.log.read_text(),
        "/metrics": metrics.text,
        "/health": health.text,
        "agent_metrics": await whole(pool, "agent_metrics"),
        "the events": await whole(pool, "log"),
        "dead letters": await whole(pool, "dead_letters"),
        "the file about the bug": "".join(
            file.read_text() for file in (fte.folder / "state/fte/bugs").iterdir()
        ),
    }
    if cluster is not None:
        filled, told["the topics"] = await in_the_topics(cluster)
        assert filled == set(TOPICS)
    assert "program broke" in told["the log"]
    assert all(told.values())
    for where, text in told.items():
        assert not found({*THEIRS, *secrets}, text), where
    tables = await pool.fetch("select tablename from pg_tables where schemaname = 'public'")
    kept = "\n".join([await whole(pool, row["tablename"]) for row in tables])
    assert not found(secrets, kept)
    seeded = {name for name in THEIRS if not name.startswith("CANARY")} - {"+49 151 98765432"}
    assert found(seeded, kept) == seeded
