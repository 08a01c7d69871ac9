"""The real `fte up` over HTTP: the whole way of a conversation, kill -9 in the middle, and plain errors."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.acceptance.support import Fte, installed
from tests.support import until

pytestmark = [pytest.mark.acceptance, pytest.mark.process, pytest.mark.timeout(240)]

QUESTIONS = [
    "How do I reset my password?",
    "How can I export my data?",
    "Who may export the data of a workspace?",
]


@pytest.fixture
def fte() -> Iterator[Fte]:
    with installed() as fresh:
        yield fresh


async def ticket(web: httpx.AsyncClient, id_: str) -> dict:
    response = await web.get(f"/support/ticket/{id_}", headers={"Accept": "application/json"})
    assert response.status_code == 200
    return response.json()


async def test_the_whole_way_of_a_conversation(fte: Fte) -> None:
    await fte.up()
    assert fte.run("kb", "import", str(fte.folder / "pages")).returncode == 0
    async with httpx.AsyncClient(base_url=fte.url, timeout=10) as customer, fte.operator() as operator:

        async def say(text: str, id_: str | None = None) -> str:
            form = {
                "name": "Ada",
                "email": "ada@example.com",
                "subject": "My question",
                "category": "general",
            }
            path = f"/support/ticket/{id_}/messages" if id_ else "/support/submit"
            body = {"message": text} if id_ else form | {"message": text}
            response = await customer.post(path, json=body)
            assert response.status_code == 200, response.text
            return response.json()["ticket_id"]

        async def senders(id_: str, count: int) -> list[str]:
            async def enough() -> list[str]:
                messages = (await ticket(customer, id_))["messages"]
                return [m["sender"] for m in messages] if len(messages) >= count else []

            return await until(enough)

        async def act(action: str, conversation: str, **body: object) -> httpx.Response:
            return await operator.post(
                f"/operator/conversations/{conversation}/{action}",
                json={"seen": 99, "epoch": 0} | body,
                headers={"Idempotency-Key": f"{action}-{body}"},
            )

        id_ = await say("How do I reset my password?")
        assert await senders(id_, 2) == ["customer", "agent"]
        answered = await ticket(customer, id_)
        assert "Forgot password?" in answered["messages"][1]["content"]
        assert answered["status"] == "waiting_customer"

        await say("I want to speak to a person", id_)
        assert await senders(id_, 4) == ["customer", "agent", "customer", "agent"]
        assert (await ticket(customer, id_))["status"] == "escalated"
        page = (await operator.get("/operator/queue?view=needs_person")).json()
        assert [(item["customer"], item["reason"]) for item in page["items"]] == [("Ada", "human_request")]
        conversation = page["items"][0]["conversation_id"]

        assert (await act("take_over", conversation)).status_code == 200
        await say("Are you there? How can I export my data?", id_)
        assert (await act("reply", conversation, text="Yes, I am Sam.", epoch=2)).status_code == 200
        assert await senders(id_, 6) == ["customer", "agent", "customer", "agent", "customer", "operator"]

        assert (await act("release", conversation)).status_code == 200
        await say("How can I export my data, once more?", id_)
        assert (await senders(id_, 8))[6:] == ["customer", "agent"]
        assert "Settings > Export" in (await ticket(customer, id_))["messages"][7]["content"]

        assert (await act("resolve", conversation, reason="done", epoch=3)).status_code == 200
        assert (await ticket(customer, id_))["status"] == "resolved"
    assert fte.stop() == 0
    assert "Traceback" not in fte.log.read_text()


async def test_kill_9_in_the_middle_loses_nothing_and_doubles_nothing(fte: Fte) -> None:
    await fte.up()
    assert fte.run("kb", "import", str(fte.folder / "pages")).returncode == 0
    acknowledged: dict[int, str] = {}

    async def write(web: httpx.AsyncClient, number: int) -> None:
        form = {
            "name": "Ada",
            "email": f"customer{number}@example.com",
            "subject": f"Question {number}",
            "category": "general",
            "message": QUESTIONS[number % 3],
            "submission_id": f"submission-{number}",
        }

        async def delivered() -> bool:
            try:
                response = await web.post("/support/submit", json=form)
            except httpx.HTTPError:
                return False
            if response.status_code == 200:
                acknowledged[number] = response.json()["ticket_id"]
            return response.status_code == 200

        await until(delivered, deadline=120)

    async def kill_now_and_then() -> None:
        for enough in (10, 25, 40):
            await until(lambda enough=enough: len(acknowledged) >= enough, deadline=120)
            fte.kill()
            await fte.up()

    async with httpx.AsyncClient(base_url=fte.url, timeout=10) as web:
        gate = asyncio.Semaphore(4)

        async def write_in_turn(number: int) -> None:
            async with gate:
                await write(web, number)

        await asyncio.gather(kill_now_and_then(), *(write_in_turn(number) for number in range(50)))

        async def all_answered() -> bool:
            tickets = await asyncio.gather(*(ticket(web, id_) for id_ in acknowledged.values()))
            return all(any(m["sender"] == "agent" for m in view["messages"]) for view in tickets)

        await until(all_answered, deadline=120)
        views = await asyncio.gather(*(ticket(web, id_) for id_ in acknowledged.values()))
    assert [[m["sender"] for m in view["messages"]] for view in views] == [["customer", "agent"]] * 50
    async with fte.database() as database:
        assert await database.fetchval("select count(*) from messages where direction = 'inbound'") == 50
        assert await database.fetchval("select count(*) from replies") == 50
        assert await database.fetchval("select count(*) from conversations") == 50
        assert await database.fetchval("select count(*) from turns where state <> 'done'") == 0
        assert (
            await database.fetchval(
                "select count(*) from messages where direction = 'inbound' and outcome is null"
            )
            == 0
        )
        sent = await database.fetchval("select count(*) from log where type = 'reply.sent'")
        assert sent == 50


async def test_an_embedded_database_that_was_killed_comes_back_by_itself(fte: Fte) -> None:
    await fte.up()
    form = {"name": "Ada", "email": "ada@example.com", "subject": "Passwords", "category": "general"}
    async with httpx.AsyncClient(base_url=fte.url, timeout=20) as web:
        sent = await web.post("/support/submit", json=form | {"message": "I want to speak to a person."})
        id_ = sent.json()["ticket_id"]
        os.kill(int((fte.folder / "pg" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

        async def back() -> bool:
            told = "database started again" in fte.log.read_text()
            return told and (await web.get("/health")).status_code == 200

        await until(back, deadline=60)
        assert (await ticket(web, id_))["messages"][0]["content"] == "I want to speak to a person."
        assert (
            await web.post("/support/submit", json=form | {"message": "And once more."})
        ).status_code == 200
    assert fte.stop() == 0
    assert not (fte.folder / "pg" / "postmaster.pid").exists()


async def test_secrets_are_the_owners_alone(fte: Fte) -> None:
    await fte.up()
    for name in ("operator.token", "secret.key"):
        assert stat.S_IMODE((fte.folder / name).stat().st_mode) == 0o600
    assert fte.token not in fte.log.read_text()
    before = fte.token
    fte.stop()
    await fte.up()
    assert fte.token == before


async def test_garbage_at_the_port_is_refused_and_logged_in_our_form(fte: Fte) -> None:
    await fte.up()
    for garbage in (
        bytes(range(256)),
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nX: \0\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", fte.port)
        writer.write(garbage)
        async with asyncio.timeout(20):
            assert (await reader.readline()).startswith(b"HTTP/1.1 4")
        writer.close()
    fte.stop()
    announced, *lines = [line for line in fte.log.read_text().splitlines() if line]
    assert announced.startswith("Customer Success FTE is up")
    logged = [json.loads(line) for line in lines]
    assert "uvicorn.error" in {line.get("logger") for line in logged}
    assert all({"event", "level", "timestamp"} <= set(line) for line in logged)


async def test_a_port_that_is_taken_is_named_with_the_remedy(fte: Fte) -> None:
    await fte.up()
    second = fte.run("up")
    assert second.returncode == 1
    assert str(fte.port) in second.stderr
    assert "--port" in second.stderr
    assert "Traceback" not in second.stderr


async def test_another_schema_is_refused_with_the_command(fte: Fte) -> None:
    assert fte.run("migrate").returncode == 0
    async with fte.database() as database:
        await database.execute("update alembic_version set version_num = '0000'")
    refused = fte.run("up")
    assert refused.returncode == 1
    assert "fte migrate" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FTE_PORT", "lots"),
        ("FTE_PORT", "99999"),
        ("FTE_WORKER_CONCURRENCY", "0"),
        ("FTE_PUBLIC_URL", "example"),
        ("FTE_URL", "http://127.0.0.1:99999"),
        ("FTE_DATABASE_URL", "postgresql://fte@127.0.0.1:99999/fte"),
        ("FTE_HOST", "192.0.2.1"),
        ("FTE_SECRET_KEY", "short"),
        ("FTE_EMBED_ORIGINS", "not an origin;"),
        ("FTE_COMPANY_DIR", "/nonexistent"),
        ("FTE_MODEL", "gpt-nobody-can-run"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(fte: Fte, variable: str, value: str) -> None:
    refused = fte.run("up", **{variable: value})
    assert refused.returncode == 1
    assert variable in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_database_that_is_away_is_said_plainly(fte: Fte) -> None:
    refused = fte.run("up", FTE_DATABASE_URL="postgresql://nobody@127.0.0.1:9/none", FTE_SECRET_KEY="k" * 32)
    assert refused.returncode == 1
    assert "FTE_DATABASE_URL" in refused.stderr
    assert "Traceback" not in refused.stderr


async def test_sigterm_ends_a_running_daemon_well(fte: Fte) -> None:
    await fte.up()
    assert fte.stop() == 0


def test_the_version_is_printed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fte", "--version"], capture_output=True, text=True, env=os.environ
    )
    assert done.stdout.startswith("fte 0.")
