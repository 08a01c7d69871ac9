"""Which model is built, and whole runs against a local server that speaks OpenAI's two protocols."""

import asyncio
import contextlib
import email.utils
import functools
import json
import logging
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import agents
import httpx2
import pytest
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from agents.models.openai_responses import OpenAIResponsesModel

from fte.agent import provider
from fte.agent.agent import BUDGET, ESTIMATED, STEPS_MAX, SupportAgent
from fte.agent.models import build_model, model_name
from fte.agent.offline import OfflineModel
from fte.agent.provider import OPEN_AFTER, OPEN_MAX, Circuit, retry_after
from fte.domain.budget import Budget
from fte.domain.errors import Rejected
from fte.domain.turns import Outcome
from tests.support_agent import COMPANY, Library, assignment
from tests.support_model import (
    RETRY_NOW,
    Answer,
    ModelServer,
    Plain,
    Respond,
    Step,
    error,
    http,
    model_server,
    script,
    self_signed,
)

GOOD = "On the sign-in page select Forgot password?, enter your email address and select Send link."
SEARCH = Step((("search_knowledge_base", {"query": "reset password", "max_results": 5, "category": None}),))
TICKET = Step(
    (("create_ticket", {"issue": "x", "priority": "low", "category": None}), ("get_customer_history", {}))
)
SEND = Step((("send_response", {"message": GOOD}),))
KEY = "sk-canary"
WAYS = [
    pytest.param({"api": api, "stream": stream}, id=f"{api}{'-stream' * stream}")
    for api in ("chat", "responses")
    for stream in (False, True)
]
every_way = pytest.mark.parametrize("way", WAYS)
two_ways = pytest.mark.parametrize("way", [WAYS[0], WAYS[3]])


@pytest.fixture(autouse=True, scope="module")
def one_tls_context() -> Iterator[None]:
    """Reading the machine's certificates takes longer than a run: once is enough."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield


def now(status: int, code: str = "") -> Plain:
    """That error, to be tried again at once."""
    return error(status, code, **{name.replace("-", "_"): value for name, value in RETRY_NOW.items()})


@asynccontextmanager
async def serving(respond: Respond, **options: Any) -> AsyncIterator[tuple[ModelServer, SupportAgent]]:
    tls = options.pop("tls", None)
    budget = options.pop("budget", 15.0)
    limits = options.pop("limits", Budget())
    async with model_server(respond, tls) as server:
        url = f"{'https' if tls else 'http'}://127.0.0.1:{server.port}/v1"
        settings = {"timeout": 5.0, "retries": 2} | options
        agent = SupportAgent(
            build_model(model="m", base_url=url, api_key=KEY, **settings),
            Library(),
            COMPANY,
            budget=budget,
            limits=limits,
        )
        try:
            yield server, agent
        finally:
            await agent.close()


async def run(respond: Respond, **options: Any) -> tuple[Outcome, ModelServer]:
    async with serving(respond, **options) as (server, agent):
        return await agent.answer(assignment()), server


def handed_over(outcome: Outcome) -> bool:
    """A person has it, and the customer is told so; nothing of the provider's words or the key is anywhere."""
    assert outcome.failed and outcome.reply
    assert outcome.escalation is not None and outcome.escalation.reason == "agent_failure"
    assert "secret" not in f"{outcome}" and KEY not in f"{outcome}"
    assert (outcome.trace.error or "") and "password" not in (outcome.trace.error or "")
    return True


@every_way
async def test_a_whole_run(way: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    outcome, server = await run(script(TICKET, SEARCH, SEND), **way)
    assert GOOD in outcome.reply and not outcome.failed and outcome.escalation is None
    assert (outcome.trace.model, outcome.trace.input_tokens, outcome.trace.output_tokens) == ("m", 300, 30)
    assert set(server.paths) == {"/v1/responses" if way["api"] == "responses" else "/v1/chat/completions"}
    assert [bool(asked.get("stream")) for asked in server.requests] == [way["stream"]] * 3
    assert all(asked["store"] is False for asked in server.requests)
    tools = [tool.get("function", tool)["name"] for tool in server.requests[0]["tools"]]
    assert set(tools) == {
        "create_ticket",
        "get_customer_history",
        "search_knowledge_base",
        "escalate_to_human",
        "send_response",
    }
    assert KEY in server.heads[0] and KEY not in caplog.text and "password" not in caplog.text


@every_way
async def test_what_an_answer_without_usage_took_is_estimated(way: dict[str, Any]) -> None:
    """A quarter of the characters: of the second call's, which held the instructions, and of what it said."""
    outcome, server = await run(script(SEARCH, Step(SEND.calls, usage=False)), **way)
    assert GOOD in outcome.reply
    told = len(json.dumps(server.requests[1], ensure_ascii=False)) / 4
    assert 100 + told / 4 < outcome.trace.input_tokens < 100 + told
    assert len(GOOD) / 4 < outcome.trace.output_tokens - 10 < len(GOOD)
    assert ESTIMATED in outcome.trace.verdicts
    counted, _ = await run(script(SEARCH, SEND), **way)
    assert (counted.trace.input_tokens, counted.trace.output_tokens) == (200, 20)
    assert ESTIMATED not in counted.trace.verdicts


async def test_a_budget_holds_with_a_provider_that_tells_no_usage() -> None:
    silent = [Step(step.calls, usage=False) for step in (TICKET, SEARCH, SEND)]
    async with serving(script(*silent), limits=Budget(run=50)) as (_, agent):
        outcome = await agent.answer(assignment())
    assert outcome.escalation is not None and outcome.escalation.reason == "budget_exhausted"


@every_way
async def test_a_server_that_recovers(way: dict[str, Any]) -> None:
    outcome, server = await run(script(now(429), now(500), TICKET, SEARCH, SEND), **way)
    assert GOOD in outcome.reply and len(server.requests) == 5


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_one_layer_of_retries(status: int) -> None:
    outcome, server = await run(script(now(status)), retries=2)
    assert handed_over(outcome) and str(status) in (outcome.trace.error or "")
    assert len(server.requests) == 3
    assert outcome.retry_after == provider.AWAY


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "context_length_exceeded"),
        (400, "content_filter"),
        (401, "invalid_api_key"),
        (403, ""),
        (404, "model_not_found"),
        (429, "insufficient_quota"),
    ],
)
async def test_what_is_wrong_is_not_repeated(status: int, code: str) -> None:
    outcome, server = await run(script(error(status, code, f"bad key {KEY}")))
    assert handed_over(outcome) and len(server.requests) == 1 and outcome.retry_after is None
    assert (outcome.trace.error or "").endswith(f"{status} {code}".strip())


async def test_a_providers_own_words_are_not_traced() -> None:
    outcome, _ = await run(script(error(400, "secret_code_of_lena@example.com")))
    assert handed_over(outcome) and outcome.trace.error == "BadRequestError 400"


@pytest.mark.parametrize("how", ["seconds", "a date"])
async def test_a_providers_wish_is_honoured_within_a_run(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float, *more: Any) -> None:
        slept.append(seconds)
        await sleep(0)

    when = "7" if how == "seconds" else email.utils.formatdate(time.time() + 8, usegmt=True)
    async with serving(script(error(429, retry_after=when), SEARCH, SEND)) as (server, agent):
        monkeypatch.setattr("fte.agent.models.asyncio.sleep", noted)
        outcome = await agent.answer(assignment())
    assert GOOD in outcome.reply and len(server.requests) == 3
    assert [seconds for seconds in slept if 5.5 < seconds <= 8]


async def test_a_provider_that_asks_for_more_than_a_run_has_is_not_waited_for() -> None:
    outcome, server = await run(script(error(429, "rate_limit_exceeded", retry_after="50")))
    assert handed_over(outcome) and len(server.requests) == 1
    assert outcome.retry_after == 50 and outcome.trace.error == "RateLimitError 429 rate_limit_exceeded"


async def test_the_budget_ends_a_run_before_its_retries_do() -> None:
    outcome, _ = await run(script(error(429, retry_after="5")), budget=0.3)
    assert handed_over(outcome) and outcome.trace.error == "TimeoutError"


# ---------------------------------------------------------------- connections


async def silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def stuck(writer: asyncio.StreamWriter) -> None:
    """An answer that stops in the middle."""
    writer.write(http(Plain(body=b'{"id": "x", '), length=1000))
    await writer.drain()
    await asyncio.sleep(60)


async def dripping(writer: asyncio.StreamWriter) -> None:
    """A byte now and then: it never looks dead."""
    writer.write(http(Plain(body=b"{"), length=100_000))
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def reset(writer: asyncio.StreamWriter) -> None:
    writer.write(http(Plain(body=b'{"id": "x", '), length=1000))
    await writer.drain()
    writer.transport.abort()


async def flooding(writer: asyncio.StreamWriter) -> None:
    """An answer without end."""
    writer.write(b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
    line = b'data: {"choices": []}\n\n: ' + b"x" * 65536 + b"\n\n"
    while True:
        writer.write(line)
        await writer.drain()


@two_ways
@pytest.mark.parametrize("fault", [silent, stuck, dripping])
async def test_a_slow_server(fault: Any, way: dict[str, Any]) -> None:
    began = time.monotonic()
    outcome, server = await run(script(fault), timeout=0.2, retries=0, **way)
    assert handed_over(outcome) and len(server.requests) <= 1 and outcome.retry_after == provider.AWAY
    assert "Timeout" in (outcome.trace.error or "") and time.monotonic() - began < BUDGET / 2


@asynccontextmanager
async def deaf(*, full: bool) -> AsyncIterator[int]:
    """The port of a server nobody accepts at; with `full`, it drops who knocks, as a firewall does."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = listener.getsockname()[1]
        if not full:
            yield port
            return
        for _ in range(256):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0.2)
            try:
                waiting.connect(("127.0.0.1", port))
            except TimeoutError:
                break
        else:
            pytest.fail("256 connections did not fill the queue")
        yield port


@pytest.mark.parametrize(
    ("full", "scheme"), [(True, "http"), (True, "https"), (False, "https")], ids=["tcp", "tcp-tls", "tls"]
)
async def test_a_server_that_cannot_be_connected_to_is_given_less_time_than_an_answer(
    full: bool, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "CONNECT_TIMEOUT", 0.2)
    async with deaf(full=full) as port:
        url = f"{scheme}://127.0.0.1:{port}/v1"
        model = build_model(model="m", base_url=url, api_key=KEY, timeout=60.0, retries=1)
        agent = SupportAgent(model, Library(), COMPANY)
        try:
            async with asyncio.timeout(20):
                outcome = await agent.answer(assignment())
        finally:
            await agent.close()
    assert handed_over(outcome) and outcome.retry_after == provider.AWAY
    assert outcome.trace.error == "APITimeoutError"


@every_way
async def test_a_connection_that_breaks(way: dict[str, Any]) -> None:
    outcome, _ = await run(script(reset, SEARCH, SEND), **way)
    assert GOOD in outcome.reply
    outcome, _ = await run(script(reset), retries=0, **way)
    assert handed_over(outcome) and outcome.retry_after == provider.AWAY


@pytest.mark.parametrize(
    ("code", "kind", "wait"),
    [("insufficient_quota", "APIError insufficient_quota", None), ("overloaded", "APIError", provider.AWAY)],
)
async def test_a_provider_that_gives_up_in_the_middle_of_its_pieces(
    code: str, kind: str, wait: float | None
) -> None:
    said = json.dumps({"error": {"message": "secret detail", "code": code}})
    broken = Plain(body=f"data: {said}\n\n".encode(), headers=(("content-type", "text/event-stream"),))
    outcome, _ = await run(script(broken), stream=True, retries=0)
    assert handed_over(outcome) and (outcome.trace.error, outcome.retry_after) == (kind, wait)


@every_way
async def test_an_answer_without_end(way: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "ANSWER_MAX", 300_000)
    outcome, server = await run(script(flooding), **way)
    assert handed_over(outcome) and outcome.trace.error == "AnswerTooLarge" and len(server.requests) == 1


async def test_a_packed_answer_is_not_unpacked() -> None:
    outcome, server = await run(script(Plain(body=b"x", headers=(("content-encoding", "gzip"),))))
    assert handed_over(outcome) and outcome.trace.error == "AnswerTooLarge"
    assert "accept-encoding: identity" in server.heads[0].lower()


async def test_a_certificate_nobody_vouches_for(tmp_path: Path) -> None:
    outcome, server = await run(script(SEND), tls=self_signed(tmp_path), retries=0)
    assert handed_over(outcome) and outcome.trace.error == "APIConnectionError TLS" and not server.requests


async def test_a_server_that_is_not_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    model = build_model(model="m", base_url=f"http://127.0.0.1:{port}/v1", retries=0)
    agent = SupportAgent(model, Library(), COMPANY)
    outcome = await agent.answer(assignment())
    await agent.close()
    assert handed_over(outcome) and "127.0.0.1" not in f"{outcome}" and outcome.retry_after == provider.AWAY


async def test_redirects_are_not_followed() -> None:
    elsewhere = Plain(307, {}, (("location", "http://127.0.0.1:1/v1/chat/completions"),))
    outcome, server = await run(script(elsewhere))
    assert handed_over(outcome) and len(server.requests) == 1


# ---------------------------------------------------------------- what the model says


@two_ways
@pytest.mark.parametrize(
    "nonsense",
    [
        Step(text="I have refunded you."),
        Step(text=""),
        Step((("send_response", "{not json"),)),
        Step((("send_response", '{"message": "cut o'),), finish="length"),
        Step(text="Cut o", finish="length"),
        Step(finish="length"),
        Step(choices=0),
        Step((("make_coffee", {}),)),
        SEARCH,
        Plain(body=b"<html>not json</html>"),
        Plain(body={"hello": "world"}),
        Plain(body=b""),
    ],
    ids=lambda answer: f"{answer!r:.40}",
)
async def test_nonsense_ends_with_a_person(nonsense: Answer, way: dict[str, Any]) -> None:
    outcome, server = await run(script(nonsense), **way)
    assert handed_over(outcome) and outcome.retry_after == 0.0
    assert "refunded" not in outcome.reply and "Cut o" not in outcome.reply
    assert 1 <= len(server.requests) <= STEPS_MAX


async def test_tokens_of_a_run_that_was_reminded_are_counted_whole() -> None:
    outcome, _ = await run(script(SEARCH, Step(text="Hello"), SEND))
    assert GOOD in outcome.reply and outcome.trace.input_tokens == 300


@every_way
async def test_a_refusal_is_not_asked_for_twice(way: dict[str, Any]) -> None:
    outcome, server = await run(script(Step(refusal="I am not allowed to say secret things.")), **way)
    assert handed_over(outcome) and len(server.requests) == 1 and outcome.retry_after is None
    assert outcome.trace.error == "ModelRefusalError"


async def test_what_a_content_filter_withheld_is_not_asked_for_twice() -> None:
    outcome, server = await run(script(Step(finish="content_filter")), api="chat")
    assert handed_over(outcome) and len(server.requests) == 1 and outcome.retry_after is None


# ---------------------------------------------------------------- a provider that is left alone


async def test_a_provider_that_stays_away_is_left_alone() -> None:
    async with serving(script(*[error(503)] * OPEN_AFTER, SEARCH, SEND), retries=0) as (server, agent):
        for _ in range(OPEN_AFTER):
            assert handed_over(await agent.answer(assignment()))
        waiting = await agent.answer(assignment())
        assert len(server.requests) == OPEN_AFTER
        assert handed_over(waiting) and waiting.trace.error == "provider left alone"
        assert waiting.retry_after is not None and 0 < waiting.retry_after <= provider.AWAY


def test_one_call_tries_it_again() -> None:
    clock = [0.0]
    circuit = Circuit(lambda: clock[0])
    for _ in range(OPEN_AFTER):
        assert circuit.wait() == 0
        circuit.failed(provider.AWAY)
    assert circuit.wait() > 0
    clock[0] += circuit.wait()
    assert circuit.wait() == 0 and circuit.wait() > 0  # one tries, the others wait
    circuit.failed(provider.AWAY)
    assert circuit.wait() > provider.AWAY
    clock[0] += 3600
    assert circuit.wait() == 0
    circuit.given_up()
    assert circuit.wait() == 0
    circuit.answered()
    assert [circuit.wait() for _ in range(3)] == [0, 0, 0]


def test_it_is_left_alone_longer_and_longer_but_not_for_long() -> None:
    clock = [0.0]
    circuit = Circuit(lambda: clock[0])
    for _ in range(400):  # all that were on their way
        circuit.failed(provider.AWAY)
    waits = []
    for _ in range(8):
        waits.append(circuit.wait())
        clock[0] += circuit.wait()
        assert circuit.wait() == 0
        circuit.failed(provider.AWAY)
    assert waits == [1, 2, 4, 8, OPEN_MAX, OPEN_MAX, OPEN_MAX, OPEN_MAX]
    clock[0] += circuit.wait()
    assert circuit.wait() == 0
    circuit.failed(3600)
    assert circuit.wait() == OPEN_MAX


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "50", "retry-after-ms": "20"}, 0.02),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 10.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
    ],
)
def test_what_a_provider_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(httpx2.Headers(headers), lambda: 90.0) == seconds


# ---------------------------------------------------------------- which model, and nobody else


async def test_nobody_else_is_ever_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """With tracing on, the SDK would post the run to its maker as soon as a key is in the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    reached: list[Any] = []
    looked_up = socket.getaddrinfo
    connect = socket.socket.connect

    def spy_lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        reached.append(host)
        return looked_up(host, *args, **kwargs)

    def spy_connect(self: socket.socket, address: Any) -> Any:
        reached.append(address[0] if isinstance(address, tuple) else address)
        return connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", spy_lookup)
    monkeypatch.setattr(socket.socket, "connect", spy_connect)
    outcome, _ = await run(script(TICKET, SEARCH, SEND))
    agents.tracing.get_trace_provider().force_flush()
    assert GOOD in outcome.reply and set(reached) <= {"127.0.0.1", b"127.0.0.1"}
    assert os.environ["OPENAI_AGENTS_DISABLE_TRACING"] == "1"
    with agents.trace("probe") as probe:
        assert probe.export() is None
    assert not agents.tracing.get_trace_provider()._multi_processor._processors


def test_offline_is_the_default() -> None:
    assert isinstance(build_model().inner, OfflineModel)
    assert isinstance(build_model(model="offline", api_key="sk-x").inner, OfflineModel)
    assert model_name(build_model()) == "offline"


@pytest.mark.parametrize("settings", [{"model": "m"}, {"base_url": "http://127.0.0.1:1/v1"}])
def test_half_a_configuration_is_rejected(settings: dict[str, str]) -> None:
    with pytest.raises(Rejected) as rejected:
        build_model(**settings)
    assert rejected.value.remedy


async def test_a_key_means_openai_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://elsewhere.example/v1")
    model = build_model(api_key="sk-x")
    assert isinstance(model.inner, OpenAIResponsesModel)
    assert str(model.inner._get_client().base_url) == "https://api.openai.com/v1/"
    await model.close()


@pytest.mark.parametrize(
    ("url", "api", "kind"),
    [
        ("http://127.0.0.1:1/v1", "", OpenAIChatCompletionsModel),
        ("http://127.0.0.1:1/v1", "responses", OpenAIResponsesModel),
        ("https://api.openai.com/v1", "", OpenAIResponsesModel),
        ("https://api.openai.com/v1", "chat", OpenAIChatCompletionsModel),
    ],
)
async def test_how_a_provider_is_spoken_to(url: str, api: Any, kind: type) -> None:
    model = build_model(model="m", base_url=url, api=api)
    assert isinstance(model.inner, kind)
    await model.close()
