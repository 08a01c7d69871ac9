"""The doctor names what is wrong, and the remedy: each fault is really there when it looks."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from fte.agent.agent import RULES
from fte.bus import topics
from fte.daemon import kafka as kafka_of
from fte.daemon.http import bind
from fte.daemon.whatsapp import account_of
from fte.demo.providers import SimulatedGmail
from fte.demo.providers.gmail import TOPIC
from fte.demo.providers.twilio import SimulatedTwilio
from fte.doctor import channels, database, examination, machine, model, network, work
from fte.doctor.environment import environment
from fte.doctor.examination import examine
from fte.doctor.finding import Finding
from fte.doctor.kafka import kafka as kafka_check
from fte.domain.errors import Rejected
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.settings import Settings
from fte.store import channel_health
from tests.gmail.support import PUSH_ACCOUNT, US, webhook
from tests.support import receive
from tests.support_delivery import answer, answered
from tests.support_model import Answer, ModelServer, Plain, Step, error, model_server, script, self_signed
from tests.whatsapp.support import house

SECRETS = {
    "OPENAI_API_KEY": "sk-canary-1",
    "FTE_SECRET_KEY": "canary-2-" + "x" * 32,
    "TWILIO_AUTH_TOKEN": "canary-3",
    "FTE_METRICS_TOKEN": "canary-4",
    "FTE_KAFKA_PASSWORD": "canary-5",
    "FTE_TOKEN": "canary-6",
    "FTE_DATABASE_URL": "postgresql://fte:canary-7@127.0.0.1:{port}/fte",
}


@contextlib.asynccontextmanager
async def listening(answer: bytes) -> AsyncIterator[int]:
    """A server that says the same to everybody, after it has heard something. Gives its port."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(65_536)
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def says_nothing(folder: Path | None) -> AsyncIterator[int]:
    """A server that takes connections, at PostgreSQL's socket in a folder or at a port, and is silent."""
    with socket.socket(socket.AF_UNIX if folder else socket.AF_INET) as server:
        server.bind(str(folder / ".s.PGSQL.5432") if folder else ("127.0.0.1", 0))
        server.listen()
        yield 0 if folder else server.getsockname()[1]


def http(status: int, body: dict[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n"
    return f"{head}connection: close\r\n\r\n".encode() + content


def free_port() -> int:
    with contextlib.closing(bind("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def only(found: list[Finding], check: str) -> Finding:
    (one,) = [finding for finding in found if finding.check == check]
    return one


def ill(finding: Finding, said: str, remedy: str, state: str = "failed") -> None:
    assert (finding.state, said in finding.said, remedy in (finding.remedy or "")) == (state, True, True), (
        finding
    )


# ---------------------------------------------------------------- the database


async def seen(settings: Settings) -> Finding:
    async with database.opened(settings) as (pool, finding):
        assert (pool is None) == (finding.state == "failed")
        return finding


async def test_a_database_that_is_not_running(database_url: str) -> None:
    port = free_port()
    finding = await seen(Settings(database_url=f"postgresql://fte@127.0.0.1:{port}/fte"))
    ill(finding, f"Nothing listens at 127.0.0.1:{port}", f"lsof -i :{port}")


async def test_each_of_several_databases_is_told() -> None:
    one, other = free_port(), free_port()
    finding = await seen(Settings(database_url=f"postgresql://fte@127.0.0.1:{one},127.0.0.1:{other}/fte"))
    ill(
        finding,
        f"Nothing listens at 127.0.0.1:{one}. Nothing listens at 127.0.0.1:{other}.",
        "Start PostgreSQL",
    )
    finding = await seen(Settings(database_url="postgresql:///fte?host=/nowhere,/never&port=5432,5433"))
    ill(finding, "There is no PostgreSQL at the socket in /nowhere. There is no PostgreSQL at", "Start it")


@pytest.mark.parametrize(
    ("options", "said", "remedy"),
    [
        ("sslmode=require", "does not speak TLS", "ssl = on"),
        (
            "sslmode=verify-full&sslrootcert=/nowhere/ca.pem",
            "sslrootcert is not there: /nowhere/ca.pem",
            "path",
        ),
        ("sslmode=bogus", "wrong option", "libpq"),
    ],
)
async def test_what_the_databases_address_asks_for_and_cannot_have(
    options: str, said: str, remedy: str
) -> None:
    async with listening(b"N") as port:  # what PostgreSQL without TLS says to who asks for it
        finding = await seen(Settings(database_url=f"postgresql://fte@127.0.0.1:{port}/fte?{options}"))
    ill(finding, said, remedy)


async def test_another_program_on_the_databases_port() -> None:
    async with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        finding = await seen(Settings(database_url=f"postgresql://fte@127.0.0.1:{port}/fte"))
    ill(finding, "does not answer like PostgreSQL", f"lsof -i :{port}")


@pytest.mark.parametrize("local", [True, False])
async def test_a_database_that_hangs(tmp_path: Path, local: bool) -> None:
    """The kernel goes on taking connections for a server that was stopped or hangs."""
    async with says_nothing(tmp_path if local else None) as port:
        host = f"/fte?host={tmp_path}" if local else f"127.0.0.1:{port}/fte"
        finding = await seen(Settings(database_url=f"postgresql://fte@{host}"))
    ill(finding, "takes us and says nothing", "it hangs")


async def test_a_host_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await network.listener("no-such-host.invalid", 5432) in ("no such host", "no answer")


async def test_a_database_that_does_not_exist(database_url: str) -> None:
    other = database_url.replace("/test_", "/missing_test_")
    ill(await seen(Settings(database_url=other)), "does not exist", "FTE_DATABASE_URL")


async def test_a_server_without_a_connection_left(database_url: str, pool: Pool) -> None:
    await pool.execute("drop role if exists doctor_full")
    await pool.execute("create role doctor_full login connection limit 0")
    try:
        finding = await seen(Settings(database_url=_as(database_url, "doctor_full")))
        ill(finding, "no connection left", "FTE_DATABASE_POOL")
    finally:
        await pool.execute("drop role doctor_full")


def _as(url: str, user: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{user}@{rest.partition('@')[2] or rest}"


async def test_connections_that_will_not_suffice(pool: Pool) -> None:
    ill(
        *await database.connections(pool, Settings(database_pool=10_000)),
        "may find none",
        "max_connections",
        "warning",
    )
    # Enough for one pool, and not for those of a process with all roles.
    most = await pool.fetchval("select current_setting('max_connections')::int")
    (scarce,) = await database.connections(pool, Settings(database_pool=most // 3))
    assert scarce.state == "warning"
    (enough,) = await database.connections(pool, Settings(database_pool=4))
    assert enough.state == "ok"


async def test_a_schema_of_another_release(pool: Pool) -> None:
    assert only(await database.schema_version(pool), "schema").state == "ok"
    await pool.execute("update alembic_version set version_num = '0001'")
    ill(*await database.schema_version(pool), "0001", "fte migrate")
    await pool.execute("update alembic_version set version_num = '9999'")
    assert "9999" in only(await database.schema_version(pool), "schema").said
    await pool.execute("update schema_floor set oldest_program = '9999'")
    ill(*await database.schema_version(pool), "too new", "Install the release")


async def test_vectors_that_are_missing_or_do_not_fit(pool: Pool) -> None:
    ill(*await database.embeddings(pool), "empty", "fte kb import", "warning")
    await pool.execute(
        """insert into documents (id, source, title, content_hash, embedder)
           values (gen_random_uuid(), 'a.md', 'A', '', 'another model')"""
    )
    ill(*await database.embeddings(pool), "another model", "fte kb import")
    await pool.execute("alter table knowledge_base drop column embedding, add column embedding vector(3)")
    ill(*await database.embeddings(pool), "3 dimensions", "fte kb import")
    await pool.execute("drop extension vector cascade")
    ill(*await database.vectors(pool), "not installed", "pgvector")


async def test_clocks_that_differ(pool: Pool) -> None:
    assert only(await database.clock(pool), "clock").state == "ok"
    ill(*await database.clock(pool, lambda: time.time() - 60), "60 s behind", "time server", "warning")
    ill(*await database.clock(pool, lambda: time.time() + 60), "60 s ahead", "time server", "warning")


def test_a_disk_that_is_full() -> None:
    folder = Path("/data")
    ill(*machine.space(folder, 10**8), "0.1 GB", "FTE_DATA_DIR")
    ill(*machine.space(folder, 10**9), "0.9 GB", "FTE_DATA_DIR", "warning")
    assert machine.space(folder, 10**11)[0].state == "ok"


# ---------------------------------------------------------------- who is at work


async def test_a_worker_that_is_not_there(pool: Pool) -> None:
    settings = Settings()
    await receive(pool)
    assert only(await work.waiting(pool, settings), "work").state == "ok"
    await pool.execute("update turns set due_at = now() - interval '2 minutes'")
    ill(*await work.waiting(pool, settings), "no worker is at work", "fte daemon --roles worker")
    await pool.execute("update turns set state = 'running', lease_until = now() - interval '2 minutes'")
    ill(*await work.waiting(pool, settings), "no sweeper is at work", "fte daemon --roles sweeper")


async def test_a_sender_and_a_mailbox_that_are_not_there(pool: Pool) -> None:
    settings = Settings(gmail_account=US)
    await answered(pool)
    await pool.execute("update replies set due_at = now() - interval '2 minutes'")
    await pool.execute(
        "insert into mailboxes (account, next_sync_at) values ($1, now() - interval '1 hour')", US
    )
    found = await work.waiting(pool, settings)
    assert ["no sender" in found[0].said, "no mailbox" in found[1].said] == [True, True]
    assert only(await work.waiting(pool, Settings()), "work").state == "ok"
    half_set = Settings(gmail_account=US, twilio_account_sid="AC1")
    assert "no mailbox" in (await work.waiting(pool, half_set))[0].said


async def test_dead_letters(pool: Pool) -> None:
    assert only(await work.dead_letters(pool), "dead letters").state == "ok"
    await pool.execute(
        """insert into dead_letters (event_id, group_name, topic, key, event, error, attempts)
           values (gen_random_uuid(), 'g', 't', 'k', '{}', 'broke', 3)"""
    )
    ill(*await work.dead_letters(pool), "1 events", "fte dlq list", "warning")


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        (http(200, {"status": "healthy"}), "ok", "healthy"),
        (http(200, {"status": "degraded", "problems": {"kafka": "away"}}), "failed", "kafka: away"),
        (
            http(503, {"status": "unhealthy", "dependencies": {"database": "down"}}),
            "failed",
            "database: down",
        ),
        (http(503, {"status": "unhealthy"}), "failed", "does not say why"),
        (http(200, {"hello": "world"}), "failed", "not our daemon"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", "failed", "not our daemon"),
    ],
)
async def test_what_the_daemon_says(answer: bytes, state: str, said: str) -> None:
    async with listening(answer) as port:
        (finding,) = await work.daemon(Settings(url=f"http://127.0.0.1:{port}"))
    assert (finding.state, said in finding.said) == (state, True), finding
    (nobody,) = await work.daemon(Settings(url=f"http://127.0.0.1:{free_port()}"))
    ill(nobody, "No daemon answers", "fte up", "warning")


# ---------------------------------------------------------------- Kafka


async def test_brokers_that_are_not_running() -> None:
    port = free_port()
    found = await kafka_check(Settings(kafka_bootstrap_servers=f"127.0.0.1:{port}"))
    ill(only(found, "kafka"), f"127.0.0.1:{port} (nothing listens)", "half a minute")


async def test_a_brokers_address_of_the_sixth_version() -> None:
    found = await kafka_check(Settings(kafka_bootstrap_servers="[::1]:9"))
    assert "no such host" not in only(found, "kafka").said


async def test_another_program_on_the_brokers_port(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        found = await kafka_check(Settings(kafka_bootstrap_servers=f"127.0.0.1:{port}"))
    ill(only(found, "kafka"), "cannot be reached", "FTE_KAFKA_BOOTSTRAP_SERVERS")


async def test_topics_that_are_missing_or_differ(kafka: str) -> None:
    settings = Settings(kafka_bootstrap_servers=kafka, kafka_prefix="doctor.", kafka_partitions=2)
    found = await kafka_check(settings)
    assert only(found, "kafka").state == "ok"
    ill(only(found, "topics"), "missing", "fte topics create")
    cluster = kafka_of.cluster_of(settings)
    assert cluster is not None
    await topics.create_missing(cluster, kafka_of.plan_of(settings))
    assert only(await kafka_check(settings), "topics").state == "ok"
    wanted = Settings(kafka_bootstrap_servers=kafka, kafka_prefix="doctor.", kafka_partitions=4)
    ill(only(await kafka_check(wanted), "topics"), "not as", "fte topics describe", "warning")


# ---------------------------------------------------------------- the model


def at(server: ModelServer, **more: str) -> Settings:
    url = f"http://127.0.0.1:{server.port}/v1"
    return Settings(model="m", model_base_url=url, openai_api_key="k", **more)


@pytest.mark.parametrize(
    ("answer", "said", "remedy"),
    [
        (error(401, "invalid_api_key"), "does not accept the key", "OPENAI_API_KEY"),
        (error(429, "insufficient_quota"), "credits are used up", "Add credits"),
        (error(429, "rate_limit_exceeded"), "too much", "rate limit"),
        (error(404, "model_not_found"), "no model 'm'", "FTE_MODEL"),
        (error(400), "refuses what we ask", "tools"),
        (error(500, "server_error"), "HTTP 500", "status page"),
        (Plain(body=b"<html></html>"), "is not an answer", "FTE_MODEL_API"),
    ],
)
async def test_a_model_that_refuses(answer: Answer, said: str, remedy: str) -> None:
    async with model_server(script(answer)) as server:
        ill(*await model.model(at(server)), said, remedy)
        ill(*await model.model(at(server, model_api="responses", model_stream="on")), said, remedy)
        assert len(server.requests) == 2


async def test_a_model_that_hangs_or_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    with monkeypatch.context() as hasty:
        hasty.setattr(model, "TIMEOUT", 0.3)
        async with model_server(script(hang)) as server:
            ill(*await model.model(at(server)), "does not answer", "status page")
    away = f"http://127.0.0.1:{free_port()}/v1"
    ill(
        *await model.model(Settings(model="m", model_base_url=away)),
        "cannot be reached",
        "FTE_MODEL_BASE_URL",
    )


async def test_a_certificate_this_machine_does_not_trust(tmp_path: Path) -> None:
    async with model_server(script(Step(text="ok")), self_signed(tmp_path)) as server:
        url = f"https://127.0.0.1:{server.port}/v1"
        ill(*await model.model(Settings(model="m", model_base_url=url)), "certificate", "SSL_CERT_FILE")


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("stream", ["off", "on"])
async def test_a_model_that_answers(api: str, stream: str) -> None:
    async with model_server(script(Step(text="ok"))) as server:
        settings = at(server, model_api=api, model_stream=stream)
        assert only(await model.model(settings), "model").state == "ok"
        assert len(server.requests[0]["tools"]) == 5


async def test_no_model_is_needed() -> None:
    assert only(await model.model(Settings()), "model").state == "ok"


async def test_a_server_that_openais_library_would_use_and_we_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async with model_server(script(Step(text="ok"))) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.port}/v1")
        monkeypatch.setattr("fte.agent.models.OPENAI_URL", f"http://127.0.0.1:{server.port}/v1")
        found = await model.model(Settings(openai_api_key="k"))
    assert [finding.state for finding in found] == ["ok", "warning"]
    ill(found[1], "api.openai.com", "FTE_MODEL_BASE_URL", "warning")


# ---------------------------------------------------------------- the channels


async def test_whatsapp_that_works_and_a_webhook_at_another_address(pool: Pool, hints: Hints) -> None:
    async with SimulatedTwilio().running() as twilio, house(pool, hints, twilio) as home:
        environment = {**twilio.environment(), "FTE_PUBLIC_URL": home.account.public_url}
        found = await channels.whatsapp(Settings.load(environment))
        assert [finding.state for finding in found] == ["ok", "ok"], found
        assert await home.count("inbound") == 0
        async with house(pool, hints, twilio, FTE_PUBLIC_URL="https://old-tunnel.example") as other:
            moved = {**environment, "FTE_PUBLIC_URL": str(other.client.base_url).rstrip("/")}
            found = await channels.whatsapp(Settings.load(moved))
        ill(only(found, "twilio webhook"), "refuses (403)", "FTE_PUBLIC_URL")
        gone = {**environment, "FTE_PUBLIC_URL": f"http://127.0.0.1:{free_port()}"}
        ill(
            only(await channels.whatsapp(Settings.load(gone)), "twilio webhook"),
            "cannot be reached",
            "tunnel",
        )
        async with listening(http(404, {"detail": "not here"})) as port:
            elsewhere = {**environment, "FTE_PUBLIC_URL": f"http://127.0.0.1:{port}"}
            found = await channels.whatsapp(Settings.load(elsewhere))
        ill(only(found, "twilio webhook"), "HTTP 404", "proxy")
        wrong = {**environment, "TWILIO_AUTH_TOKEN": "f" * 32}
        found = await channels.whatsapp(Settings.load(wrong))
        ill(only(found, "twilio account"), "credentials", "TWILIO_AUTH_TOKEN")
        ill(only(found, "twilio webhook"), "refuses (403)", "TWILIO_AUTH_TOKEN")
        away = {**environment, "FTE_TWILIO_API_URL": f"http://127.0.0.1:{free_port()}"}
        found = await channels.whatsapp(Settings.load(away))
        ill(only(found, "twilio account"), "cannot be asked", "FTE_TWILIO_API_URL")


async def test_gmail_that_works_and_what_breaks_it(pool: Pool, hints: Hints, tmp_path: Path) -> None:
    async with SimulatedGmail(US).running() as gmail, webhook(gmail, pool, hints) as address:
        settings = Settings.load(
            {
                **gmail.environment(tmp_path),
                "FTE_GMAIL_ACCOUNT": US,
                "FTE_GMAIL_TOPIC": TOPIC,
                "FTE_GMAIL_PUSH_ACCOUNT": PUSH_ACCOUNT,
                "FTE_PUBLIC_URL": address.removesuffix("/webhooks/gmail"),
            }
        )
        ill(only(await channels.gmail(settings, pool), "gmail watch"), "never asked", "fte gmail watch")
        until = "insert into mailboxes (account, watch_expires_at) values ($1, now() + $2::interval) \
                 on conflict (account) do update set watch_expires_at = excluded.watch_expires_at"
        await pool.execute(until, US, timedelta(days=-1))
        ill(
            only(await channels.gmail(settings, pool), "gmail watch"), "stopped announcing", "fte gmail watch"
        )
        await pool.execute(until, US, timedelta(days=1))
        ill(only(await channels.gmail(settings, pool), "gmail watch"), "stops", "fte gmail watch", "warning")
        await pool.execute(until, US, timedelta(days=6))
        found = await channels.gmail(settings, pool)
        assert [finding.state for finding in found] == ["ok", "ok", "ok"], found
        gmail.tokens.revoke(US)
        ill(only(await channels.gmail(settings, pool), "gmail token"), "", "fte gmail auth")
        async with listening(http(200, {})) as port:
            elsewhere = replace(settings, public_url=f"http://127.0.0.1:{port}")
            ill(only(await channels.gmail(elsewhere, pool), "gmail push"), "HTTP 200", "FTE_PUBLIC_URL")
            nobody = replace(settings, gmail_push_account="")
            ill(
                only(await channels.gmail(nobody, pool), "gmail push"),
                "No push is believed: FTE_GMAIL_PUSH_ACCOUNT",
                "service account",
            )
    ill(only(await channels.gmail(settings, None), "gmail token"), "cannot be reached", "goes on by itself")


# ---------------------------------------------------------------- the shell's settings, and the daemon's


@pytest.mark.parametrize(
    ("used", "settings", "here"),
    [
        ("gpt-x", Settings(), "the offline model"),
        ("gpt-x", Settings(model="gpt-y", openai_api_key="k"), "gpt-y"),
        ("offline", Settings(model="gpt-y", openai_api_key="k"), "gpt-y"),
        ("offline", Settings(openai_api_key="k"), "the provider's own choice"),
        ("gpt-x", Settings(openai_api_key="k"), None),
        ("gpt-x", Settings(model="gpt-x", model_base_url="http://127.0.0.1:1"), None),
        ("gpt-x", Settings(model="offline", openai_api_key="k"), "the offline model"),
        ("offline", Settings(), None),
        (RULES, Settings(), None),
    ],
)
async def test_a_shell_that_is_set_to_another_model(
    pool: Pool, used: str, settings: Settings, here: str | None
) -> None:
    assert only(await environment(pool, settings), "settings").state == "ok"
    await receive(pool)
    await answer(pool, "An answer.", used)
    finding = only(await environment(pool, settings), "settings")
    if here is None:
        assert finding.state == "ok", finding
    else:
        named = "the offline model" if used == "offline" else used
        ill(
            finding, f"the daemon asked {named}; this shell is set to {here}.", "daemon's settings", "warning"
        )
    await pool.execute("update runs set created_at = now() - interval '2 days'")
    assert only(await environment(pool, settings), "settings").state == "ok"


async def test_a_shell_without_the_daemons_channels(pool: Pool) -> None:
    await channel_health.report(pool, "email", US, None)
    ill(
        only(await environment(pool, Settings()), "settings"),
        f"looks after {US}; this shell is set to none.",
        "daemon's settings",
        "warning",
    )
    assert only(await environment(pool, Settings(gmail_account=US.upper())), "settings").state == "ok"
    await pool.execute("update channel_health set checked_at = now() - interval '2 hours'")
    assert only(await environment(pool, Settings()), "settings").state == "ok"
    async with SimulatedTwilio().running() as twilio:
        ours = Settings.load(twilio.environment() | {"FTE_PUBLIC_URL": "https://support.example.com"})
    number = account_of(ours)
    assert number is not None
    await channel_health.report(pool, "whatsapp", number.number, "Twilio is away.")
    assert only(await environment(pool, ours), "settings").state == "ok"
    ill(only(await environment(pool, Settings()), "settings"), number.number, "daemon's settings", "warning")


# ---------------------------------------------------------------- all of it


async def test_everything_is_looked_at_and_nothing_raises(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*_: object) -> list[Finding]:
        raise ZeroDivisionError

    monkeypatch.setattr(work, "waiting", breaks)
    found = await examine(Settings(database_url=database_url, url=f"http://127.0.0.1:{free_port()}"))
    names = [finding.check for finding in found]
    assert names[:6] == ["database", "disk", "schema", "pgvector", "connections", "clock"]
    assert {"kafka", "model", "twilio", "gmail", "daemon"} <= set(names)
    assert {"knowledge base", "dead letters", "settings"} <= set(names)
    ill(only(found, "work"), "ZeroDivisionError", "report")


async def test_who_loads_libraries_does_not_hold_up_what_the_database_is_asked(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading them can take longer than a connection is waited for, on a machine that is busy."""
    asked: list[str] = []
    looks, lists = work.waiting, work.dead_letters

    async def waiting(pool: Pool, settings: Settings) -> list[Finding]:
        found = await looks(pool, settings)
        asked.append("work")
        return found

    async def letters(pool: Pool) -> list[Finding]:
        found = await lists(pool)
        asked.append("dead letters")
        return found

    async def loads(_: Settings) -> list[Finding]:
        asked.append("kafka")
        return []

    monkeypatch.setattr(work, "waiting", waiting)
    monkeypatch.setattr(work, "dead_letters", letters)
    monkeypatch.setattr(examination, "kafka", loads)
    await examine(Settings(database_url=database_url, url=f"http://127.0.0.1:{free_port()}"))
    assert asked == ["work", "dead letters", "kafka"]


async def test_without_a_database_the_rest_is_looked_at() -> None:
    found = await examine(
        Settings(database_url=f"postgresql://x@127.0.0.1:{free_port()}/x", url="http://127.0.0.1:1")
    )
    assert found[0].state == "failed"
    assert "model" in [finding.check for finding in found]


async def test_an_empty_database_is_told_so(server: str) -> None:
    admin = await asyncpg.connect(server.replace("/fte?", "/postgres?"))
    await admin.execute("create database doctor_empty")
    try:
        url = server.replace("/fte?", "/doctor_empty?")
        found = await examine(Settings(database_url=url, url="http://127.0.0.1:1"))
    finally:
        await admin.execute("drop database doctor_empty with (force)")
        await admin.close()
    ill(only(found, "schema"), "empty", "fte migrate")
    assert "knowledge base" not in [finding.check for finding in found]


def fte(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FTE_", "OPENAI_"))}
    return subprocess.run(
        [sys.executable, "-m", "fte", *arguments],
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.mark.acceptance
def test_the_commands_show_no_secret() -> None:
    port = free_port()
    secrets = {name: value.format(port=port) for name, value in SECRETS.items()} | {
        "FTE_MODEL": "m",
        "FTE_MODEL_BASE_URL": f"http://user:canary-8@127.0.0.1:{port}/v1",
        "FTE_URL": f"http://127.0.0.1:{port}",
    }
    for command in (("doctor",), ("doctor", "--json"), ("config",), ("config", "--json")):
        done = fte(*command, **secrets)
        assert "canary" not in done.stdout + done.stderr, command
        assert "Traceback" not in done.stderr, command
        assert done.returncode == (1 if command[0] == "doctor" else 0), done
    shown = {row["setting"]: row for row in json.loads(fte("config", "--json", **secrets).stdout)}
    assert shown["FTE_DATABASE_URL"]["value"] == f"postgresql://•••@127.0.0.1:{port}/fte"
    assert (shown["FTE_MODEL"]["value"], shown["FTE_MODEL"]["set"], shown["FTE_PORT"]["set"]) == (
        "m",
        True,
        False,
    )


def test_each_setting_stands_apart_from_its_value() -> None:
    names = [line.split()[0] for line in fte("config").stdout.splitlines()]
    assert names == [field.metadata["env"] for field in fields(Settings)]


def test_a_name_that_is_none_of_ours_is_told_with_the_one_it_is_like() -> None:
    done = fte("config", FTE_DATABASE_POLL="3", FTE_NEWFANGLED="1")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "There is no setting FTE_DATABASE_POLL; FTE_DATABASE_POOL is one.",
        "There is no setting FTE_NEWFANGLED.",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FTE_PUBLIC_URL", "ftp://support.example.com"),
        ("FTE_GMAIL_ACCOUNT", "support"),
        ("FTE_GMAIL_ACCOUNT", "support@example.com help@example.com"),
        ("FTE_GMAIL_TOPIC", "gmail"),
        ("FTE_LINK_HOSTS", "example.com https://example.com"),
        ("FTE_WHATSAPP_TEMPLATE", "welcome"),
        ("FTE_METRICS_TOKEN", " "),
        ("FTE_METRICS_TOKEN", "CHANGE-ME"),
    ],
)
def test_what_cannot_be_right_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(Rejected, match=name):
        Settings.load({name: value})


def test_several_hosts_may_be_linked_to() -> None:
    hosts = "example.com  docs.example.com"
    assert Settings.load({"FTE_LINK_HOSTS": hosts}).link_hosts == hosts


@pytest.mark.parametrize(
    "given",
    [
        {"FTE_EMBED_ORIGINS": "example.com"},
        {"FTE_COMPANY_DIR": "/nowhere"},
        {
            "FTE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "FTE_KAFKA_SECURITY": "ssl",
            "FTE_KAFKA_CA_FILE": "/nowhere.pem",
        },
    ],
)
def test_what_the_settings_name_is_looked_for_before_anything_starts(
    given: dict[str, str], tmp_path: Path
) -> None:
    done = fte("up", FTE_DATA_DIR=str(tmp_path), FTE_PORT=str(free_port()), **given)
    assert done.returncode == 1
    assert list(given)[-1] in done.stderr
    assert "is up" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_makes_no_database(tmp_path: Path) -> None:
    done = fte("doctor", FTE_DATA_DIR=str(tmp_path / "data"))
    assert done.returncode == 1
    assert f"There is no database in {tmp_path / 'data'}." in done.stdout
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("command", ["config", "doctor", "up"])
def test_a_wrong_setting_is_named(command: str) -> None:
    done = fte(command, FTE_PORT="eighty", FTE_DATABASE_POOL="2")
    assert done.returncode == 1
    assert "FTE_PORT: 'eighty' is not a number" in done.stderr
    assert "FTE_DATABASE_POOL" in done.stderr


async def test_a_budget_that_is_used_up(pool: Pool) -> None:
    settings = Settings(budget_day=1_000)
    assert [one.check for one in await work.waiting(pool, settings)] == ["work"]
    await pool.execute("insert into model_use values ((now() at time zone 'utc')::date, 3, 1, 800, 50)")
    assert only(await work.waiting(pool, settings), "budget").state == "warning"
    await pool.execute("insert into model_use values ((now() at time zone 'utc')::date, 4, 1, 100, 50)")
    ill(
        *(one for one in await work.waiting(pool, settings) if one.check == "budget"),
        "used up",
        "FTE_BUDGET_DAY",
    )
    assert [one.check for one in await work.waiting(pool, Settings())] == ["work"]
