"""Every error that a route names, provoked: the status comes, and the body is what the description says."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import httpx
import jsonschema_rs
import pytest
from starlette.types import ASGIApp

from fte.daemon import bodies, gmail_webhook
from fte.daemon.bodies import BODY_MAX, UPLOAD_MAX, URLENCODED
from fte.daemon.openapi import Operation, document, operations
from fte.demo.providers.whatsapp import signature
from fte.domain.ids import new_id
from fte.domain.operators import ROLES, allowed
from fte.pg.pool import Pool
from fte.store import erasure, operators
from fte.wire import (
    ActionRequest,
    CannedReply,
    DraftDecision,
    DutyRequest,
    LettersRequest,
    LinkRequest,
    MergeRequest,
    ModeRequest,
    PresenceRequest,
    TeachRequest,
)
from tests.api.support import OPERATORS, SETTINGS, application, furnished, routes
from tests.support_webform import valid

SAID = operations(routes())
DOCUMENT = document(routes())
STATUSES = sorted({status for (path, _), said in SAID.items() for status in said.statuses(path)})
PROBLEM = jsonschema_rs.validator_for(
    {"$ref": "#/components/schemas/Problem", "components": DOCUMENT["components"]}
)
CLOSED = replace(SETTINGS, metrics_token="a token", google_certs_url="http://127.0.0.1:9/certs")
WRONG = {
    "view": "none",
    "limit": "0",
    "ids": "x",
    "also": "x",
    "before": "x",
    "after": "x",
    "span": "1y",
    "state": "none",
    "topics": "none",
    "cursor": "none",
}
"""What no route takes for these parameters."""

_keys = itertools.count()


@dataclass
class Site:
    """The routes over a database, and what leads somewhere there."""

    app: ASGIApp
    pool: Pool
    tokens: dict[str, str]
    known: dict[str, list[str]]

    def client(self, role: str = "admin") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.tokens[role]}"} if role else {}
        transport = httpx.ASGITransport(app=self.app, client=("192.0.2.1", 4711))
        return httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers)

    def body(self, takes: Any) -> dict[str, Any]:
        """One that a route takes."""
        bodies: dict[Any, dict[str, Any]] = {
            ActionRequest: {
                "seen": 99,
                "epoch": 0,
                "text": "x",
                "reason": "legal",
                "priority": "low",
                "category": "general",
                "add": ["x"],
                "other": self.known["conversations"][-1],
            },
            CannedReply: {"key": "hello", "title": "x", "body": "x"},
            DraftDecision: {"hash": "x", "text": "x", "reason": "x", "hint": "x"},
            DutyRequest: {"duty": "on"},
            LettersRequest: {"letters": [1], "reason": "x"},
            LinkRequest: {"channel": "email", "address": "ada@example.com"},
            MergeRequest: {"other": self.known["operator/customers"][-1]},
            ModeRequest: {"channel": "email", "mode": "draft"},
            PresenceRequest: {"conversation": str(new_id()), "doing": "writing"},
            TeachRequest: {"title": "Parking", "body": "Visitors park behind the house."},
        }
        return bodies.get(takes) or valid()

    async def send(
        self, path: str, method: str, said: Operation, role: str = "admin", known: bool = False, **more: Any
    ) -> httpx.Response:
        """A request with nothing wrong but what `more` says, to an address that is known or not."""
        begin, _, parameter = path.partition("/{")
        id_ = self.known[begin.strip("/")][0] if known else str(new_id())
        address = path.replace("{" + parameter.partition("}")[0] + "}", id_)
        more.setdefault("headers", {})
        if said.key:
            more["headers"].setdefault("Idempotency-Key", f"key {next(_keys)}")
        if said.takes is not None and not more.keys() & {"content", "json"}:
            more["json"] = self.body(said.takes)
        async with self.client(role) as client:
            return await client.request(method, address, **more)

    async def send_signed(self, path: str, form: dict[str, str], **more: Any) -> httpx.Response:
        signed = signature(SETTINGS.twilio_auth_token, f"{SETTINGS.public_url}{path}", form, "sha1")
        headers = {"X-Twilio-Signature": signed, "Content-Type": URLENCODED} | more.pop("headers", {})
        async with self.client("") as client:
            return await client.post(path, headers=headers, **more)


@pytest.fixture
async def site(pool: Pool, database_url: str) -> AsyncIterator[Site]:
    tokens = {role: await operators.add(pool, name, role) for role, name in OPERATORS.items()}
    yield Site(application(pool, database_url, CLOSED), pool, tokens, await furnished(pool))


Send = Callable[[str, str, Operation], Awaitable[httpx.Response]]


def ways(site: Site) -> dict[int, Send]:
    """How each status is provoked."""

    async def unreadable(path: str, method: str, said: Operation) -> httpx.Response:
        if path.startswith("/webhooks/whatsapp"):
            return await site.send_signed(
                path, {}, content=b"no form", headers={"Content-Type": "text/plain"}
            )
        if said.takes is None:
            return await site.send(path, method, said)
        return await site.send(path, method, said, content=b"{", headers={"Content-Type": "application/json"})

    async def unknown(path: str, method: str, said: Operation) -> httpx.Response:
        return await site.send(path, method, said, role="")

    async def forbidden(path: str, method: str, said: Operation) -> httpx.Response:
        return await site.send(path, method, said, role="observer" if said.may else "")

    async def missing(path: str, method: str, said: Operation) -> httpx.Response:
        if said.takes is LettersRequest:
            return await site.send(path, method, said, json={"letters": [999], "reason": "x"})
        if path == "/support/submit":
            sent = {"json": valid(email="gone@example.com"), "headers": {"Idempotency-Key": "sent before"}}
            assert (await site.send(path, method, said, **sent)).status_code == 200
            who = await site.pool.fetchval("select id from customers where email = 'gone@example.com'")
            await erasure.erase(site.pool, "an erasure", who, None)
            return await site.send(path, method, said, **sent)
        query = {"email": "nobody@example.com", "after": str(new_id())}
        given = {name: value for name, value in query.items() if name in said.query}
        return await site.send(path, method, said, params=given)

    async def conflicting(path: str, method: str, said: Operation) -> httpx.Response:
        if said.takes is CannedReply:
            await site.pool.execute(
                "insert into canned_replies (key, title, body) select 'r' || n, 'x', 'x' from generate_series(1, 500) n"
            )
            return await site.send(path, method, said, known=True)
        if "/suggestions/" in path:
            await site.pool.execute(
                """insert into suggestions (message_id, state, operator_id)
                   select $1::uuid, 'rejected', id from operators limit 1 on conflict do nothing""",
                site.known["operator/suggestions"][0],
            )
            return await site.send(path, method, said, known=True)
        if not said.key and "/customers/" in path:
            part = await site.pool.fetchval("select merged from customer_merges")
            return await site.send(path.replace("{id}", str(part)), method, said)
        if not said.key:
            pending = await site.pool.fetchval("select id from attachments where state = 'pending'")
            return await site.send(path.replace("{id}", str(pending)), method, said)
        async with site.client() as client:
            used = {"Idempotency-Key": f"used {next(_keys)}"}
            assert (
                await client.post("/operator/duty", json={"duty": "off"}, headers=used)
            ).status_code == 200
        return await site.send(path, method, said, known="{" in path, headers=used)

    async def too_large(path: str, method: str, said: Operation) -> httpx.Response:
        limit = UPLOAD_MAX if path.startswith("/support") else 5 * BODY_MAX
        content = b'"' + b"x" * limit + b'"'
        if path.startswith("/webhooks/whatsapp"):
            return await site.send_signed(path, {}, content=content)
        return await site.send(
            path, method, said, content=content, headers={"Content-Type": "application/json"}
        )

    async def of_another_kind(path: str, method: str, said: Operation) -> httpx.Response:
        return await site.send(path, method, said, content=b"x", headers={"Content-Type": "text/plain"})

    async def wrong(path: str, method: str, said: Operation) -> httpx.Response:
        if said.takes is not None:
            return await site.send(path, method, said, known="{" in path, json={})
        if said.key:
            return await site.send(path, method, said, headers={"Idempotency-Key": ""})
        name = next(name for name in said.query if name in WRONG)
        return await site.send(path, method, said, params={name: WRONG[name]})

    async def too_often(path: str, method: str, said: Operation) -> httpx.Response:
        site.app = application(site.pool, "", replace(CLOSED, form_rate_per_ip=1))
        await site.send(path, method, said)
        return await site.send(path, method, said)

    async def without_a_database(path: str, method: str, said: Operation) -> httpx.Response:
        if path == "/webhooks/gmail":  # Google's keys are away
            return await site.send(path, method, said, role="", headers={"Authorization": f"Bearer {TOKEN}"})
        if path.startswith("/webhooks/whatsapp"):
            form = MESSAGE | {
                "AccountSid": SETTINGS.twilio_account_sid,
                "To": SETTINGS.twilio_whatsapp_number,
            }
            content = "&".join(f"{name}={quote(value)}" for name, value in form.items())
            return await site.send_signed(path, form, content=content)
        if said.token:
            return await site.send(path, method, said, headers={"Authorization": "Bearer a token"})
        return await site.send(path, method, said)

    return {
        400: unreadable,
        401: unknown,
        403: forbidden,
        404: missing,
        409: conflicting,
        413: too_large,
        415: of_another_kind,
        422: wrong,
        429: too_often,
        503: without_a_database,
    }


MESSAGE = {"Body": "Hello", "From": "whatsapp:+4915112345678", "MessageSid": "SM" + "0" * 32, "NumMedia": "0"}
TOKEN = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.e30.eA"  # {"alg":"RS256","kid":"x"}, with nothing in it


@pytest.mark.parametrize("status", [status for status in STATUSES if status != 408])
async def test_every_error_that_is_named_comes_as_it_is_described(status: int, site: Site) -> None:
    if status == 503:
        await site.pool.close()
    for (path, method), said in SAID.items():
        if status in said.statuses(path):
            answer = await ways(site)[status](path, method, said)
            assert answer.status_code == status, (path, method, answer.text)
            PROBLEM.validate(answer.json())
            for header in described(path, method, status).get("headers", ()):
                assert header in answer.headers, (path, method)


def described(path: str, method: str, status: int) -> dict[str, Any]:
    response: dict[str, Any] = DOCUMENT["paths"][path][method.lower()]["responses"][str(status)]
    name = response.get("$ref", "").rpartition("/")[2]
    return DOCUMENT["components"]["responses"][name] if name else response


async def test_a_body_that_does_not_arrive_is_answered_as_it_is_described(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_TIMEOUT", 0.01)
    monkeypatch.setattr(gmail_webhook, "_verifier", lambda _: Believing())
    site.app = application(site.pool, "", CLOSED)

    async def nothing_arrives() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    for (path, method), said in SAID.items():
        if 408 in said.statuses(path):
            kind = {"Content-Type": said.kinds[0], "X-Twilio-Signature": "A" * 28}
            answer = await site.send(path, method, said, content=nothing_arrives(), headers=kind)
            assert answer.status_code == 408, (path, method, answer.text)
            PROBLEM.validate(answer.json())


class Believing:
    """Takes every push for Google's."""

    async def verify(self, authorization: str | None) -> None:
        return


@pytest.mark.parametrize("role", ROLES)
async def test_who_may_do_what_is_as_it_is_described(site: Site, role: str) -> None:
    for (path, method), said in SAID.items():
        if said.may is None or said.gives is str:
            continue
        answer = await site.send(path, method, said, role=role, json={})
        assert (answer.status_code == 403) is not allowed(role, said.may), (path, method, answer.text)
        described = DOCUMENT["paths"][path][method.lower()]
        assert described["security"] == [{"operator": []}]
        assert (role in described["description"]) is allowed(role, said.may)
