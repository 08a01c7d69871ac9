"""End to end over HTTP, channel by channel: in-process against a daemon of its own, or against a live one.

python -m pytest tests/test_multichannel_e2e.py
LIVE_TEST=1 FTE_TEST_URL=http://127.0.0.1:8000 python -m pytest tests/test_multichannel_e2e.py

A live daemon needs a knowledge base that says how a password is reset and how data is exported; the sample company's
does (`fte demo`).
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from fte.daemon.app import Daemon, load_secret
from fte.daemon.http import bind
from fte.knowledge.documents import import_folder
from fte.knowledge.embed import WordLlamaEmbedder
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.settings import Settings
from tests.acceptance.support import PAGES
from tests.databases import created_database
from tests.support import until

LIVE = os.environ.get("LIVE_TEST") == "1"
LIVE_URL = os.environ.get("FTE_TEST_URL", "http://127.0.0.1:8000")

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def database_server(request: pytest.FixtureRequest) -> str | None:
    return None if LIVE else request.getfixturevalue("server")


@pytest.fixture(scope="module")
async def url(database_server: str | None) -> AsyncIterator[str]:
    """Where the daemon listens: the live one, or every role in this process on a database of its own."""
    if database_server is None:
        yield LIVE_URL
        return
    folder = Path(tempfile.mkdtemp(prefix="fte-e2e-"))
    async with created_database(database_server) as database_url:
        settings = Settings.load({}, data_dir=folder, form_rate_per_ip=10_000, secret_key="k" * 32)
        for name, text in PAGES.items():
            (folder / name).write_text(text)
        pool = await Pool.open(database_url)
        await import_folder(pool, WordLlamaEmbedder(), folder)
        stop = asyncio.Event()
        listening = bind("127.0.0.1", 0)
        daemon = Daemon(settings, database_url, pool, Hints(database_url), load_secret(settings), stop)
        running = asyncio.create_task(daemon.run(("http", "worker", "sweeper"), listening, lambda: None))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        stop.set()
        async with asyncio.timeout(30):
            await running
        await pool.close()
    shutil.rmtree(folder)


@pytest.fixture
async def web(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, timeout=15) as client:
        yield client


def form(**changes: object) -> dict[str, object]:
    return {
        "name": "Ada Lovelace",
        "email": f"ada-{uuid4().hex[:12]}@example.com",
        "subject": "A question about my account",
        "category": "technical",
        "message": "How do I reset my password? The link does not work any more.",
    } | changes


async def ticket(web: httpx.AsyncClient, id_: str) -> dict:
    response = await web.get(f"/support/ticket/{id_}", headers={"Accept": "application/json"})
    assert response.status_code == 200
    return response.json()


async def answered(web: httpx.AsyncClient, id_: str, count: int) -> dict:
    async def enough() -> dict | None:
        view = await ticket(web, id_)
        return view if len(view["messages"]) >= count else None

    return await until(enough, deadline=60)


class TestHealth:
    async def test_health_names_every_channel(self, web: httpx.AsyncClient) -> None:
        response = await web.get("/health")
        assert response.status_code == 200
        body = response.json()
        assert body["status"] == "healthy"
        assert set(body["channels"]) == {"email", "whatsapp", "web_form"}
        assert body["channels"]["web_form"] == "active"


class TestWebForm:
    async def test_a_question_is_answered_on_its_ticket_page(self, web: httpx.AsyncClient) -> None:
        response = await web.post("/support/submit", json=form())
        assert response.status_code == 200
        assert set(response.json()) == {"ticket_id", "message", "estimated_response_time"}
        id_ = response.json()["ticket_id"]
        view = await ticket(web, id_)
        assert view["ticket_id"] == id_
        assert view["status"] in {"open", "processing", "waiting_customer"}
        view = await answered(web, id_, 2)
        assert [m["sender"] for m in view["messages"]] == ["customer", "agent"]
        assert view["status"] == "waiting_customer"

    async def test_a_request_for_a_person_is_handed_over_and_the_agent_is_silent(
        self, web: httpx.AsyncClient
    ) -> None:
        id_ = (await web.post("/support/submit", json=form(message="I want to speak to a person."))).json()[
            "ticket_id"
        ]
        view = await answered(web, id_, 2)
        assert view["status"] == "escalated"
        again = await web.post(
            f"/support/ticket/{id_}/messages", json={"message": "How do I reset my password?"}
        )
        assert again.status_code == 200
        other = (await web.post("/support/submit", json=form())).json()["ticket_id"]
        await answered(
            web, other, 2
        )  # a later question of somebody else is answered, so this one had its time
        assert [m["sender"] for m in (await ticket(web, id_))["messages"]] == [
            "customer",
            "agent",
            "customer",
        ]

    async def test_pricing_is_not_discussed(self, web: httpx.AsyncClient) -> None:
        message = "What does the largest plan cost per month? Is there a discount?"
        id_ = (await web.post("/support/submit", json=form(message=message))).json()["ticket_id"]
        assert (await answered(web, id_, 2))["status"] == "escalated"

    async def test_a_conversation_goes_on(self, web: httpx.AsyncClient) -> None:
        id_ = (await web.post("/support/submit", json=form())).json()["ticket_id"]
        await answered(web, id_, 2)
        await web.post(f"/support/ticket/{id_}/messages", json={"message": "And how do I export my data?"})
        view = await answered(web, id_, 4)
        assert [m["sender"] for m in view["messages"]] == ["customer", "agent"] * 2

    async def test_a_repeated_submission_is_one_ticket(self, web: httpx.AsyncClient) -> None:
        same = form(submission_id=uuid4().hex)
        responses = await asyncio.gather(*(web.post("/support/submit", json=same) for _ in range(5)))
        assert [r.status_code for r in responses] == [200] * 5
        ids = {r.json()["ticket_id"] for r in responses}
        assert len(ids) == 1
        view = await answered(web, ids.pop(), 2)
        assert [m["sender"] for m in view["messages"]] == ["customer", "agent"]

    async def test_a_wrong_form_names_its_fields(self, web: httpx.AsyncClient) -> None:
        response = await web.post(
            "/support/submit", json={"name": "A", "email": "nobody", "category": "spaceships"}
        )
        assert response.status_code == 422
        assert set(response.json()["fields"]) == {"name", "email", "category", "subject", "message"}

    @pytest.mark.parametrize(
        "id_", ["x", "a" * 32, "../../etc/passwd", "%00", "6f1c3ab2-7d43-4d0e-9c55-0a1b2c3d4e5f"]
    )
    async def test_an_unknown_ticket_is_not_found(self, web: httpx.AsyncClient, id_: str) -> None:
        response = await web.get(f"/support/ticket/{id_}", headers={"Accept": "application/json"})
        assert response.status_code == 404

    async def test_operator_routes_are_closed(self, web: httpx.AsyncClient) -> None:
        for path in ("/operator/me", "/operator/queue", "/operator/stream"):
            assert (await web.get(path)).status_code == 401
