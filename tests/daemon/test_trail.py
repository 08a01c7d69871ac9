"""One id from webhook to delivery: in the answer's header, and on the lines of every role."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.contextvars import bind_contextvars, merge_contextvars
from structlog.testing import capture_logs

from fte.daemon import trail
from fte.daemon.http import application
from fte.daemon.support import Support, routes
from fte.domain.ids import new_id
from fte.pg.pool import Pool
from fte.settings import Settings
from fte.store import replies, turns
from tests.support import SECRET, receive
from tests.support_delivery import answered, states
from tests.support_webform import valid

FORGED = "0199aaaa-0000-7000-8000-000000000000"


async def breaks(_: Request) -> Response:
    raise ValueError("Ann Example wrote this")


@pytest.fixture
async def web(pool: Pool) -> AsyncIterator[httpx.AsyncClient]:
    support = Support(pool=pool, secret=SECRET, settings=Settings(), on_stored=lambda: None)
    served = trail.identified(application([*routes(support), Route("/breaks", breaks)]))
    transport = httpx.ASGITransport(app=served, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def id_of(answer: httpx.Response) -> UUID:
    return UUID(answer.headers["x-request-id"])


async def test_the_answer_names_the_message_and_the_same_one_when_it_comes_again(
    web: httpx.AsyncClient, pool: Pool
) -> None:
    first, again = [
        await web.post("/support/submit", json=valid(), headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]
    assert id_of(first) == id_of(again) == await pool.fetchval("select id from messages")


@pytest.mark.parametrize(("path", "status"), [("/nothing", 404), ("/breaks", 500), ("/support", 200)])
async def test_each_answer_has_an_id_of_its_own(web: httpx.AsyncClient, path: str, status: int) -> None:
    one, other = await web.get(path), await web.get(path)
    assert one.status_code == status
    assert id_of(one) != id_of(other)


@pytest.mark.parametrize("path", ["/nothing", "/support/submit"])
async def test_what_a_client_calls_its_request_is_not_believed(web: httpx.AsyncClient, path: str) -> None:
    answer = await web.post(path, json=valid(), headers={"X-Request-ID": FORGED})
    assert str(id_of(answer)) != FORGED


async def test_a_burst_is_one_turn_and_each_message_finds_it_and_its_reply(pool: Pool) -> None:
    values: dict[str, Any] = {"channel": "email", "account": "us", "verified": True}
    before = await answered(pool)
    burst = [(await receive(pool, text, **values)).message for text in ("One question", "and another one")]
    await pool.execute("update turns set due_at = now() where state = 'due'")
    (turn,) = await turns.claim(pool, new_id(), 50, 60)
    assert turn.assignment.messages == tuple(burst)
    outcome = turns.Outcome("An answer.", turns.Trace("test", "1"))
    await turns.finish(pool, turn, outcome)
    sent = []
    while claims := await replies.claim(pool, SECRET, new_id(), ["email"], 10, 60):
        for claim in claims:
            sent.append(set(claim.answers))
            await replies.accepted(pool, claim.reply, str(claim.reply.reply_id))
            reported = await replies.report(
                pool, "email", str(claim.reply.reply_id), "delivered", None, claim.reply.reply_id
            )
            assert reported is not None
            assert set(reported.answers) == sent[-1]
    assert sent == [{before.message}, set(burst)]
    assert await states(pool) == ["delivered", "delivered"]


async def test_what_one_mail_taught_is_not_on_the_lines_of_the_next() -> None:
    with trail.about(mail="one"):
        bind_contextvars(message="its message")
    with capture_logs(processors=[merge_contextvars]) as told:
        with trail.about(mail="two"):
            structlog.get_logger().info("broke")
        structlog.get_logger().info("reading put off")
    assert [{k for k in line if k in ("mail", "message")} for line in told] == [{"mail"}, set()]
