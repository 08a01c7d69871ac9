"""A model's provider over real HTTP: chat completions and responses, whole and in pieces, and its faults.

What it answers is a function of the request's number. Like the real one it keeps nothing that it was asked not to store,
so an item that refers to an earlier answer of its own is unknown to it.
"""

import asyncio
import datetime
import ipaddress
import itertools
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.exceptions import HTTPException

RETRY_NOW = {"retry-after-ms": "1"}
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Step:
    """One answer of the model: words, calls as `(name, arguments)`, or a refusal. Arguments that are text go as they are."""

    calls: tuple[tuple[str, Any], ...] = ()
    text: str | None = None
    refusal: str | None = None
    finish: str = ""
    usage: bool = True
    choices: int = 1


@dataclass(frozen=True)
class Plain:
    """An HTTP answer as it is."""

    status: int = 200
    body: Any = b""
    headers: tuple[tuple[str, str], ...] = ()


Fault = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""Something done to the connection instead of an answer."""
Answer = Step | Plain | Fault
Respond = Callable[[int], Answer]


def script(*answers: Answer) -> Respond:
    """These one after the other; the last for ever."""
    return lambda number: answers[min(number, len(answers) - 1)]


def error(status: int, code: str = "", message: str = "secret detail", **headers: str) -> Plain:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Plain(status, {"error": {"message": message, "type": "x", "code": code or None}}, named)


class ModelServer:
    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.port = 0
        self.paths: list[str] = []
        self.requests: list[Any] = []
        self.heads: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                int(h.split(":")[1]) for h in head.splitlines() if h.lower().startswith("content-length")
            )
            asked = json.loads(await reader.readexactly(length))
            self.paths.append(head.split()[1])
            self.heads.append(head)
            self.requests.append(asked)
            answer = self.respond(len(self.requests) - 1)
            if isinstance(answer, Step):
                answer = _rendered(answer, self.paths[-1], asked)
            if isinstance(answer, Plain):
                writer.write(http(answer))
                await writer.drain()
            else:
                await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def model_server(respond: Respond, tls: ssl.SSLContext | None = None) -> AsyncIterator[ModelServer]:
    server = ModelServer(respond)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


def http(answer: Plain, *, length: int | None = None) -> bytes:
    body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
    named = {"content-type": "application/json", "connection": "close"} | dict(answer.headers)
    named.setdefault("content-length", str(len(body) if length is None else length))
    lines = [f"HTTP/1.1 {answer.status} X", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _rendered(step: Step, path: str, asked: Any) -> Plain:
    number = next(_numbers)
    try:
        if path.endswith("/responses"):
            _refuse_what_is_not_kept(asked)
            whole = _response(step, number)
            events = _response_events(whole)
        else:
            whole = _completion(step, number)
            events = _chunks(whole, bool((asked.get("stream_options") or {}).get("include_usage")))
    except HTTPException as refused:
        return error(refused.status_code, message=refused.detail)
    if not asked.get("stream"):
        return Plain(body=whole)
    return Plain(body="".join(events).encode(), headers=(("content-type", "text/event-stream"),))


def _refuse_what_is_not_kept(asked: Any) -> None:
    if asked.get("store") is not False:
        return
    for item in asked["input"] if isinstance(asked["input"], list) else []:
        if str(item.get("id", "")).startswith(("rs_", "fc_", "msg_")) or item.get("type") == "reasoning":
            raise HTTPException(404, f"Item with id '{item.get('id')}' not found.")


def _arguments(given: Any) -> str:
    return given if isinstance(given, str) else json.dumps(given)


def _completion(step: Step, number: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": step.text, "refusal": step.refusal}
    if step.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{number}_{at}",
                "type": "function",
                "function": {"name": name, "arguments": _arguments(given)},
            }
            for at, (name, given) in enumerate(step.calls)
        ]
    finish = step.finish or ("tool_calls" if step.calls else "stop")
    choice = {"index": 0, "message": message, "finish_reason": finish}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    answer = {"id": f"chatcmpl_{number}", "object": "chat.completion", "created": 1, "model": "m"}
    return answer | {"choices": [choice] * step.choices} | ({"usage": usage} if step.usage else {})


def _chunks(whole: dict[str, Any], with_usage: bool) -> list[str]:
    head = {key: whole[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}

    def chunk(delta: Any, finish: str | None = None) -> str:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return _event(head | {"choices": choices})

    events = []
    for choice in whole["choices"]:
        message = choice["message"]
        events.append(chunk({"role": "assistant", "content": ""}))
        for word in (message["content"] or "").split(" ") if message["content"] else []:
            events.append(chunk({"content": word + " "}))
        if message["refusal"]:
            events.append(chunk({"refusal": message["refusal"]}))
        for at, call in enumerate(message.get("tool_calls", [])):
            given = call["function"]["arguments"]
            first = call | {"index": at, "function": {"name": call["function"]["name"], "arguments": ""}}
            events.append(chunk({"tool_calls": [first]}))
            for piece in (given[:7], given[7:]):
                events.append(chunk({"tool_calls": [{"index": at, "function": {"arguments": piece}}]}))
        events.append(chunk({}, choice["finish_reason"]))
    if with_usage and "usage" in whole:
        events.append(_event(head | {"choices": [], "usage": whole["usage"]}))
    return [*events, "data: [DONE]\n\n"]


def _event(data: Any, name: str = "") -> str:
    return (f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n"


def _response(step: Step, number: int) -> dict[str, Any]:
    output: list[Any] = [{"id": f"rs_{number}", "type": "reasoning", "summary": []}]
    if step.text is not None or step.refusal is not None:
        content: dict[str, Any] = {"type": "refusal", "refusal": step.refusal}
        if step.refusal is None:
            content = {"type": "output_text", "text": step.text, "annotations": []}
        output.append(
            {
                "id": f"msg_{number}",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [content],
            }
        )
    for at, (name, given) in enumerate(step.calls):
        call = {"id": f"fc_{number}_{at}", "type": "function_call", "call_id": f"call_{number}_{at}"}
        output.append(call | {"name": name, "arguments": _arguments(given), "status": "completed"})
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 10,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 110,
    }
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1,
        "model": "m",
        "status": "incomplete" if step.finish in ("length", "content_filter") else "completed",
        "output": output if step.choices else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage if step.usage else None,
    }


def _response_events(whole: dict[str, Any]) -> list[str]:
    begun = whole | {"status": "in_progress", "output": [], "usage": None}
    events: list[tuple[str, dict[str, Any]]] = [("response.created", {"response": begun})]
    for index, item in enumerate(whole["output"]):
        events.append(("response.output_item.added", {"output_index": index, "item": item}))
        events.append(("response.output_item.done", {"output_index": index, "item": item}))
    ended = "response.incomplete" if whole["status"] == "incomplete" else "response.completed"
    events.append((ended, {"response": whole}))
    return [
        _event({"type": name, "sequence_number": number} | data, name)
        for number, (name, data) in enumerate(events)
    ]


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    day = datetime.timedelta(days=1)
    today = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = made.not_valid_before(today - day).not_valid_after(today + day)
    signed = made.add_extension(address, critical=False).sign(key, hashes.SHA256())
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
