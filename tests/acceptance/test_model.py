"""The real `fte up` with a model's server set as a user would set it: it answers, goes away, comes back, refuses the key."""

from collections.abc import Iterator

import httpx
import pytest

from tests.acceptance.support import Fte, installed
from tests.support import until
from tests.support_model import Answer, Step, error, model_server

pytestmark = [pytest.mark.acceptance, pytest.mark.process, pytest.mark.timeout(240)]

KEY = "sk-canary-of-the-acceptance"
QUESTION = "How do I reset my password, asks Wilhelmina?"
GOOD = "Open the sign-in page and select Forgot password?. The link works for 60 minutes."
SEARCH = Step((("search_knowledge_base", {"query": "reset password", "max_results": 5, "category": None}),))
SEND = Step((("send_response", {"message": GOOD}),))


@pytest.fixture
def fte() -> Iterator[Fte]:
    with installed() as fresh:
        yield fresh


async def ask(web: httpx.AsyncClient, name: str) -> str:
    form = {"name": "Ada", "email": f"{name}@example.com", "subject": "My question", "category": "general"}
    response = await web.post("/support/submit", json=form | {"message": QUESTION})
    assert response.status_code == 200, response.text
    return response.json()["ticket_id"]


async def told(web: httpx.AsyncClient, ticket: str) -> str:
    """What the customer was told, once they were."""

    async def answer() -> str:
        page = await web.get(f"/support/ticket/{ticket}", headers={"Accept": "application/json"})
        return "".join(m["content"] for m in page.json()["messages"] if m["sender"] == "agent")

    return await until(answer, deadline=40)


async def test_a_models_server_from_the_settings(fte: Fte) -> None:
    answers: list[Answer] = []

    def respond(number: int) -> Answer:
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async with model_server(respond) as server:
        fte.environment |= {
            "FTE_MODEL": "some-model",
            "FTE_MODEL_BASE_URL": f"http://127.0.0.1:{server.port}/v1",
            "FTE_MODEL_STREAM": "on",
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
        }
        await fte.up()
        assert fte.run("kb", "import", str(fte.folder / "pages")).returncode == 0
        async with httpx.AsyncClient(base_url=fte.url, timeout=10) as web:
            answers[:] = [SEARCH, SEND]
            assert GOOD in await told(web, await ask(web, "answered"))

            answers[:] = [error(503), error(429, retry_after="0.1"), SEARCH, SEND]
            assert GOOD in await told(web, await ask(web, "after_an_outage"))
            assert (await web.get("/health")).json()["problems"] == {}

            answers[:] = [error(401, "invalid_api_key", f"bad key {KEY} of {QUESTION}")]
            before = len(server.requests)
            words = await told(web, await ask(web, "wrong_key"))
            assert "passed your message on" in words and len(server.requests) == before + 1
            health = (await web.get("/health")).json()
            assert (health["status"], "fte doctor" in health["problems"]["model"]) == ("degraded", True)
        async with fte.operator() as operator:
            page = (await operator.get("/operator/queue?view=needs_person")).json()
            assert [item["reason"] for item in page["items"]] == ["agent_failure"]
    assert server.requests[0]["model"] == "some-model" and server.requests[0]["stream"] is True
    assert f"Bearer {KEY}" in server.heads[0]
    assert fte.stop() == 0
    async with fte.database() as database:
        runs = await database.fetch(
            "select error, trace::text as trace, input_tokens from runs order by created_at"
        )
    assert [run["error"] for run in runs] == [None, None, "AuthenticationError 401 invalid_api_key"]
    assert [run["input_tokens"] for run in runs] == [200, 200, 0]
    written = fte.log.read_text() + "".join(run["trace"] for run in runs)
    assert KEY not in written and "Traceback" not in written
    assert "Wilhelmina" not in fte.log.read_text()
