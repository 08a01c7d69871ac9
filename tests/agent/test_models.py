"""Which model is built, and whole runs against a local server that speaks the chat-completions protocol."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import agents
import pytest

from fte.agent.agent import STEPS_MAX, SupportAgent
from fte.agent.models import BoundedModel, build_model, model_name
from fte.agent.offline import OfflineModel
from fte.domain.errors import Rejected
from fte.domain.turns import Outcome
from tests.support_agent import COMPANY, Library, assignment

GOOD = "On the sign-in page select Forgot password?, enter your email address and select Send link."
Answer = tuple[int, Any, dict[str, str]]


def calls(*named: tuple[str, Any]) -> Answer:
    made = [
        {
            "id": f"c{os.urandom(4).hex()}",
            "type": "function",
            "function": {"name": n, "arguments": a if isinstance(a, str) else json.dumps(a)},
        }
        for n, a in named
    ]
    return completion({"role": "assistant", "content": None, "tool_calls": made}, "tool_calls")


def completion(message: Any, reason: str = "stop") -> Answer:
    choice = {"index": 0, "message": message, "finish_reason": reason}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    return (
        200,
        {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [choice],
            "usage": usage,
        },
        {},
    )


SEARCH = calls(("search_knowledge_base", {"query": "reset password", "max_results": 5, "category": None}))
TICKET = calls(
    ("create_ticket", {"issue": "x", "priority": "low", "category": None}), ("get_customer_history", {})
)
SEND = calls(("send_response", {"message": GOOD}))


class Server:
    """A model server on the loopback interface: the answer is a function of the request's number."""

    def __init__(self, respond: Callable[[int], Any]) -> None:
        self.respond = respond
        self.requests: list[Any] = []
        self.headers: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                int(h.split(":")[1]) for h in head.splitlines() if h.lower().startswith("content-length")
            )
            self.requests.append(json.loads(await reader.readexactly(length)))
            self.headers.append(head)
            answer = self.respond(len(self.requests) - 1)
            status, body, extra = await answer if asyncio.iscoroutine(answer) else answer
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            lines = [
                f"HTTP/1.1 {status} X",
                "content-type: application/json",
                f"content-length: {len(data)}",
                "connection: close",
            ]
            lines += [f"{key}: {value}" for key, value in extra.items()]
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + data)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    respond: Callable[[int], Any], **options: Any
) -> AsyncIterator[tuple[Server, SupportAgent]]:
    server = Server(respond)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    settings = {"timeout": 5.0, "retries": 2} | {k: v for k, v in options.items() if k != "budget"}
    model = build_model(model="m", base_url=f"http://127.0.0.1:{port}/v1", api_key="sk-canary", **settings)
    agent = SupportAgent(model, Library(), COMPANY, budget=options.get("budget", 15.0))
    try:
        yield server, agent
    finally:
        await agent.close()
        listener.close()


async def run(respond: Callable[[int], Any], **options: Any) -> tuple[Outcome, Server]:
    async with serving(respond, **options) as (server, agent):
        return await agent.answer(assignment()), server


def script(*answers: Any) -> Callable[[int], Any]:
    return lambda number: answers[min(number, len(answers) - 1)]


NOW = {"retry-after-ms": "1"}


async def test_a_whole_run() -> None:
    outcome, server = await run(script(TICKET, SEARCH, SEND))
    assert GOOD in outcome.reply and not outcome.failed and outcome.escalation is None
    assert len(server.requests) == 3
    assert (outcome.trace.model, outcome.trace.input_tokens, outcome.trace.output_tokens) == ("m", 300, 30)
    assert server.requests[0]["messages"][0]["role"] == "system"
    assert {tool["function"]["name"] for tool in server.requests[0]["tools"]} == {
        "create_ticket",
        "get_customer_history",
        "search_knowledge_base",
        "escalate_to_human",
        "send_response",
    }


async def test_a_server_that_recovers() -> None:
    busy, broken = (429, {"error": {"message": "slow down"}}, NOW), (500, {"error": {}}, NOW)
    outcome, server = await run(script(busy, broken, TICKET, SEARCH, SEND))
    assert GOOD in outcome.reply and len(server.requests) == 5


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_one_layer_of_retries(status: int) -> None:
    outcome, server = await run(script((status, {"error": {"message": "secret detail"}}, NOW)), retries=2)
    assert outcome.failed and outcome.escalation is not None and "secret" not in f"{outcome}"
    assert str(status) in (outcome.trace.error or "")
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_what_is_wrong_is_not_repeated(status: int) -> None:
    outcome, server = await run(script((status, {"error": {"message": "bad key sk-canary"}}, {})))
    assert outcome.failed and len(server.requests) == 1 and "sk-canary" not in f"{outcome}"


async def test_a_slow_server() -> None:
    async def never(_: int) -> Answer:
        await asyncio.sleep(60)
        return SEND

    outcome, server = await run(never, timeout=0.1, retries=0)
    assert outcome.failed and len(server.requests) == 1


async def test_the_budget_ends_a_run_before_its_retries_do() -> None:
    outcome, _ = await run(script((429, {"error": {}}, {"retry-after": "50"})), budget=0.3)
    assert outcome.failed and outcome.trace.error == "TimeoutError"


@pytest.mark.parametrize(
    "nonsense",
    [
        completion({"role": "assistant", "content": "I have refunded you."}),
        completion({"role": "assistant", "content": ""}),
        calls(("send_response", "{not json")),
        calls(("make_coffee", {})),
        SEARCH,
        (200, b"<html>not json</html>", {}),
        (200, {"choices": []}, {}),
        (200, {"hello": "world"}, {}),
        (200, b"", {}),
    ],
    ids=range(9),
)
async def test_nonsense_ends_with_a_person(nonsense: Answer) -> None:
    outcome, server = await run(script(nonsense))
    assert outcome.failed and outcome.escalation is not None and outcome.escalation.reason == "agent_failure"
    assert outcome.reply and "refunded" not in outcome.reply
    assert len(server.requests) <= STEPS_MAX


async def test_a_server_that_is_not_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    model = build_model(model="m", base_url=f"http://127.0.0.1:{port}/v1", retries=0)
    agent = SupportAgent(model, Library(), COMPANY)
    outcome = await agent.answer(assignment())
    await agent.close()
    assert outcome.failed and "127.0.0.1" not in f"{outcome}"


async def test_redirects_are_not_followed() -> None:
    outcome, server = await run(script((307, {}, {"location": "http://127.0.0.1:1/v1/chat/completions"})))
    assert outcome.failed and len(server.requests) == 1


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
    assert isinstance(build_model(), OfflineModel)
    assert isinstance(build_model(model="offline", api_key="sk-x"), OfflineModel)
    assert model_name(build_model()) == "offline"


@pytest.mark.parametrize("settings", [{"model": "m"}, {"base_url": "http://127.0.0.1:1/v1"}])
def test_half_a_configuration_is_rejected(settings: dict[str, str]) -> None:
    with pytest.raises(Rejected) as rejected:
        build_model(**settings)
    assert rejected.value.remedy


async def test_a_key_means_openai_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://elsewhere.example/v1")
    model = build_model(api_key="sk-x")
    assert isinstance(model, BoundedModel)
    assert str(model.inner._get_client().base_url) == "https://api.openai.com/v1/"  # type: ignore[attr-defined]
    await model.close()
