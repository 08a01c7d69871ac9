"""The routes over the real ASGI stack and a real database."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx
import pytest

from fte.channels.web_form import parse
from fte.daemon import bodies, support
from fte.daemon.responses import EXCEPTION_HANDLERS, problem
from fte.domain.conversations import Actor
from fte.domain.errors import Conflict, FteError, Malformed, NotFound, Refused, Rejected, TooMany, Unavailable
from fte.domain.ids import PUBLIC_ID_LENGTH
from fte.domain.tickets import STATUS_WORDS
from fte.pg.pool import Pool
from fte.settings import Settings
from fte.store import control, conversation_merges, erasure
from tests.support import DEADLINE, hire, seeing
from tests.support_webform import BROWSER, Stack, answer, application, stack, valid

JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def site(pool: Pool) -> AsyncIterator[Stack]:
    async with stack(pool) as made:
        yield made


def refused(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    said: dict[str, Any] = answer.json()
    assert said["error"]
    return said


# ---------------------------------------------------------------- submit


async def test_a_submit_is_stored_and_readable_at_once(site: Stack) -> None:
    reply = await site.client.post("/support/submit", json=valid(priority="high"))
    assert reply.status_code == 200
    assert set(reply.json()) == {"ticket_id", "message", "estimated_response_time"}
    assert len(reply.json()["ticket_id"]) == PUBLIC_ID_LENGTH
    ticket = (await site.client.get(f"/support/ticket/{reply.json()['ticket_id']}")).json()
    assert ticket["status"] == "open"
    assert ticket["subject"] == "Wrong invoice"
    assert [(m["sender"], m["content"]) for m in ticket["messages"]] == [("customer", valid()["message"])]
    assert datetime.fromisoformat(ticket["created_at"]) <= datetime.fromisoformat(ticket["last_updated"])
    row = await site.pool.fetchrow("select category, priority, source_channel from tickets")
    assert row is not None
    assert tuple(row) == ("billing", "high", "web_form")
    assert await site.pool.fetchval("select verified from customer_identifiers") is False
    assert len(site.stored) == 1


async def test_the_callers_doorbell_rings_after_the_commit(pool: Pool) -> None:
    async with stack(pool) as made:
        await made.submit()
        assert made.stored == [None]
        assert await pool.fetchval("select count(*) from log where type = 'turn.due'") == 1
        await made.client.post("/support/submit", json=valid(name=""))
        assert made.stored == [None]


@pytest.mark.parametrize("kind", ["urlencoded", "multipart"])
async def test_a_form_post_is_the_same_message(site: Stack, kind: str) -> None:
    fields = valid(message="Größe 漢字 & <b>\r\nsecond line")
    if kind == "urlencoded":
        reply = await site.client.post("/support/submit", data=fields)
    else:
        reply = await site.client.post("/support/submit", files={k: (None, v) for k, v in fields.items()})
    ticket = (await site.client.get(f"/support/ticket/{reply.json()['ticket_id']}")).json()
    assert ticket["messages"][0]["content"] == "Größe 漢字 & <b>\nsecond line"


async def test_a_browsers_form_post_leads_to_the_ticket(site: Stack) -> None:
    reply = await site.client.post("/support/submit", data=valid(), headers=BROWSER)
    assert reply.status_code == 303
    shown = await site.client.get(reply.headers["location"], headers=BROWSER)
    assert shown.status_code == 200
    assert "Wrong invoice" in shown.text
    assert STATUS_WORDS["open"] in shown.text


BAD_BODIES: list[tuple[bytes, str, int]] = [
    (b"", "application/json", 400),
    (b"{", "application/json", 400),
    (b'{"name": "x"', "application/json", 400),
    (b"\xff\xfe", "application/json", 400),
    (b"[" * 30_000, "application/json", 400),
    (b"[]", "application/json", 422),
    (b'"text"', "application/json", 422),
    (b"null", "application/json", 422),
    (b"{}", "application/json", 422),
    (b"", "application/x-www-form-urlencoded", 422),
    (b"&".join(b"a%d=1" % i for i in range(500)), "application/x-www-form-urlencoded", 400),
    (b"name=%ff%fe&message=%00", "application/x-www-form-urlencoded", 422),
    (b"name=\xff", "application/x-www-form-urlencoded; charset=nonsense", 422),
    (b"", "multipart/form-data", 400),
    (b"--x\r\nnonsense", "multipart/form-data; boundary=x", 422),
    (b"--x\r\n\r\nvalue\r\n--x--\r\n", "multipart/form-data; boundary=x", 400),
    (b"{}", "text/plain", 415),
    (b"{}", "application/xml", 415),
    (b"{}", "", 415),
    (b"x" * 70_000, "application/json", 400),
    (b"x" * 70_000, "application/x-www-form-urlencoded", 413),
]


@pytest.mark.parametrize(("body", "kind", "status"), BAD_BODIES, ids=[str(i) for i in range(len(BAD_BODIES))])
async def test_bad_bodies_get_their_status_and_nothing_is_stored(
    site: Stack, body: bytes, kind: str, status: int
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    refused(await site.client.post("/support/submit", content=body, headers=headers), status)
    page = await site.client.post("/support/submit", content=body, headers={**BROWSER, **headers})
    assert page.status_code == status
    assert "Traceback" not in page.text
    if "json" not in kind:
        assert page.headers["content-type"].startswith("text/html")
    assert await site.count("messages") == 0


async def test_a_body_without_a_length_is_bounded_too(site: Stack) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 8_192
            yield b"x" * 8_192

    reply = await site.client.post("/support/submit", content=endless(), headers=JSON)
    refused(reply, 413)
    assert reply.headers["connection"] == "close"
    assert read <= bodies.BODY_MAX + 2 * 8_192


async def test_a_body_that_never_ends_has_a_deadline(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_TIMEOUT", 0.05)

    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with stack(pool) as made, asyncio.timeout(DEADLINE):
        # The client hands the whole body over before the application starts, so the stack is called directly.
        sent: list[Any] = []
        stream = stuck()

        async def receive() -> Any:
            return {"type": "http.request", "body": await anext(stream), "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": "POST", "path": "/support/submit", "query_string": b"", "root_path": "",
            "headers": [(b"content-type", b"application/json")], "client": ("192.0.2.1", 1),
        }  # fmt: skip
        await made.client._transport.app(scope, receive, send)  # type: ignore[attr-defined]
    assert sent[0]["status"] == 408


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b'"message": "lone \\ud800 surrogate"', "message"),
        (b'"name": "A\\u0000nn"', "name"),
        (b'"message": ""', "message"),
        (b'"category": "unknown"', "category"),
        (b'"category": ["billing"]', "category"),
        (b'"email": 5', "email"),
        (b'"priority": {"a": 1}', "priority"),
        (b'"message": 1e999', "message"),
        (b'"message": NaN', "message"),
        (b'"attachments": ["a.txt"]', "attachments"),
    ],
)
async def test_a_wrong_field_is_named(site: Stack, raw: bytes, field: str) -> None:
    body = json.dumps(valid()).encode()[:-1] + b", " + raw + b"}"
    said = refused(await site.client.post("/support/submit", content=body, headers=JSON), 422)
    assert list(said["fields"]) == [field]
    assert await site.count("messages") == 0


async def test_the_page_keeps_what_was_typed_and_names_what_is_wrong(site: Stack) -> None:
    typed = valid(
        email="not an address", message='</textarea><script>alert("1")</script>', submission_id="page-1"
    )
    reply = await site.client.post("/support/submit", data=typed, headers=BROWSER)
    assert reply.status_code == 422
    assert 'value="not an address"' in reply.text
    assert 'value="Wrong invoice"' in reply.text
    assert '<option value="billing" selected>' in reply.text
    assert "&lt;/textarea&gt;&lt;script&gt;" in reply.text
    assert "<script>" not in reply.text
    assert 'name="submission_id" id="field-submission-id" value="page-1"' in reply.text
    assert 'href="#field-email"' in reply.text


async def test_a_filled_honeypot_loses_nothing_and_can_be_corrected(site: Stack) -> None:
    typed = valid(**{parse.HONEYPOT: "autofilled"})
    reply = await site.client.post("/support/submit", data=typed, headers=BROWSER)
    assert reply.status_code == 422
    assert valid()["message"] in reply.text
    assert "autofilled" not in reply.text
    assert await site.count("messages") == 0


# ---------------------------------------------------------------- once


@pytest.mark.parametrize("how", ["field", "header"])
async def test_the_same_submit_twice_is_one_ticket(site: Stack, how: str) -> None:
    def send() -> Any:
        if how == "field":
            return site.client.post("/support/submit", json=valid(submission_id="view-1"))
        return site.client.post("/support/submit", json=valid(), headers={"Idempotency-Key": "view-1"})

    answers = await asyncio.gather(*(send() for _ in range(8)))
    assert {reply.status_code for reply in answers} == {200}
    assert len({reply.json()["ticket_id"] for reply in answers}) == 1
    assert await site.count("messages") == 1
    assert len(site.stored) == 1


async def test_what_was_erased_is_not_taken_in_again_and_its_sender_is_told(site: Stack) -> None:
    await site.submit(submission_id="view-1")
    admin = await hire(site.pool, "Ann", "admin")
    await erasure.erase(site.pool, "k", await site.pool.fetchval("select id from customers"), admin)
    again = await site.client.post("/support/submit", json=valid(submission_id="view-1"))
    assert refused(again, 404)["remedy"] == "Write a new one."
    assert await site.count("messages") == 0
    await site.submit(submission_id="view-2")
    assert await site.count("messages") == 1


async def test_other_content_under_the_same_id_is_another_message(site: Stack) -> None:
    first = await site.submit(submission_id="view-1")
    changed = [
        await site.submit(submission_id="view-1", message="Something else I forgot."),
        await site.submit(submission_id="view-1", email="bob@example.com"),
        await site.submit(submission_id="view-1", priority="low"),
    ]
    assert len({first, *changed}) == 4
    assert await site.count("messages") == 4


async def test_without_an_id_every_submit_counts(site: Stack) -> None:
    assert len({await site.submit(), await site.submit()}) == 2


async def test_sixteen_first_contacts_at_once_are_one_customer(site: Stack) -> None:
    ids = await asyncio.gather(*(site.submit(message=f"Message number {i} of many.") for i in range(16)))
    assert len(set(ids)) == 16
    assert await site.count("customers") == 1
    assert await site.count("customer_identifiers") == 1
    assert await site.count("messages") == 16


async def test_a_claimed_address_opens_nobodys_conversation(site: Stack) -> None:
    await site.submit(message="My secret is 12345, do not tell.")
    second = await site.submit(message="What did I write before?")
    assert "12345" not in (await site.client.get(f"/support/ticket/{second}")).text


# ---------------------------------------------------------------- limits


async def test_an_address_has_its_limit_and_says_when_to_come_back(pool: Pool) -> None:
    async with stack(pool, form_rate_per_address=2) as made:
        await made.submit()
        await made.submit(email="ANN@Example.com")
        reply = await made.client.post("/support/submit", json=valid())
        assert "wait" in refused(reply, 429)["error"]
        assert reply.headers["retry-after"] == "1800"
        await made.submit(email="bob@example.com")
        made.clock.forward(1800)
        await made.submit()
        assert await made.count("messages") == 4


async def test_an_ip_has_its_limit_and_the_page_keeps_the_text(pool: Pool) -> None:
    async with stack(pool, form_rate_per_ip=1) as made:
        await made.submit()
        reply = await made.client.post("/support/submit", data=valid(), headers=BROWSER)
        assert reply.status_code == 429
        assert int(reply.headers["retry-after"]) == 60
        assert valid()["message"] in reply.text
        spoofed = {"X-Forwarded-For": "203.0.113.5"}
        refused(await made.client.post("/support/submit", json=valid(), headers=spoofed), 429)


async def test_behind_a_proxy_each_client_has_its_own_limit(pool: Pool) -> None:
    async with stack(pool, form_rate_per_ip=1, trusted_proxies=1) as made:
        for client, status in (("203.0.113.5", 200), ("203.0.113.6", 200), ("203.0.113.5", 429)):
            headers = {"X-Forwarded-For": f"6.6.6.{status % 256}, {client}"}
            reply = await made.client.post("/support/submit", json=valid(), headers=headers)
            assert reply.status_code == status


async def test_repeats_and_errors_do_not_use_up_an_addresss_limit(pool: Pool) -> None:
    async with stack(pool, form_rate_per_address=2) as made:
        for _ in range(10):
            await made.submit(submission_id="view-1")
            await made.client.post("/support/submit", json=valid(message=""))
        await made.submit()


# ---------------------------------------------------------------- database away


async def test_without_a_database_the_sender_is_told_to_try_again(database_url: str) -> None:
    pool = await Pool.open(database_url)
    async with stack(pool, form_rate_per_address=1) as made:
        ticket = await made.submit(email="other@example.com")
        await pool.close()
        reply = await made.client.post("/support/submit", json=valid())
        assert "try again" in refused(reply, 503)["error"].lower()
        assert int(reply.headers["retry-after"]) > 0
        page = await made.client.post("/support/submit", data=valid(), headers=BROWSER)
        assert page.status_code == 503
        assert valid()["message"] in page.text
        further = await made.client.post(
            f"/support/ticket/{ticket}/messages", data={"message": "typed with care"}, headers=BROWSER
        )
        assert further.status_code == 503
        assert "typed with care" in further.text
        assert f"/support/ticket/{ticket}/messages" in further.text
        assert (await made.client.get(f"/support/ticket/{ticket}", headers=BROWSER)).status_code == 503
        refused(await made.client.get(f"/support/ticket/{ticket}"), 503)
        # The form itself needs no database.
        assert (await made.client.get("/support")).status_code == 200


# ---------------------------------------------------------------- tickets


GUESSES = [
    "x",
    "0",
    "a" * PUBLIC_ID_LENGTH,
    "a" * 5_000,
    "..%2f..%2fetc%2fpasswd",
    "a/b/c",
    "%00",
    "%ff",
    "%ed%a0%80",
    "<script>",
    "' or 1=1 --",
    "00000000-0000-0000-0000-000000000000",
    "",
]


@pytest.mark.parametrize("headers", [{}, BROWSER], ids=["json", "page"])
async def test_unknown_and_malformed_ids_get_the_same_bytes(site: Stack, headers: dict[str, str]) -> None:
    real = await site.submit()
    near = [real[:-1], real + "a", real[:-1] + ("a" if real[-1] != "a" else "b"), real.upper()]
    answers = set()
    for guess in [*GUESSES, *near]:
        reply = await site.client.get(f"/support/ticket/{guess}", headers=headers)
        assert reply.status_code == 404, guess
        answers.add((reply.content, tuple(sorted(reply.headers.items()))))
    assert len(answers) == 1


async def test_writing_to_an_unknown_ticket_is_the_same_404(site: Stack) -> None:
    seen = await site.client.get("/support/ticket/unknown")
    written = await site.client.post("/support/ticket/unknown/messages", json={"message": "hello"})
    assert (written.status_code, written.content) == (404, seen.content)
    empty = await site.client.post("/support/ticket/unknown/messages", json={})
    assert (empty.status_code, empty.content) == (404, seen.content)


async def test_ids_have_no_common_order(site: Stack) -> None:
    ids = [await site.submit(message=f"Message number {i} of many.") for i in range(40)]
    assert ids != sorted(ids)
    assert len({identifier[:8] for identifier in ids}) == 40
    assert all(re.fullmatch("[a-z2-7]{32}", identifier) for identifier in ids)


async def test_a_ticket_shows_nothing_internal(site: Stack) -> None:
    ticket = await site.submit()
    for headers in ({}, BROWSER):
        shown = (await site.client.get(f"/support/ticket/{ticket}", headers=headers)).text
        assert "ann@example.com" not in shown
        for identifier in (
            await site.pool.fetchrow("select id, conversation_id, customer_id from tickets") or ()
        ):
            assert str(identifier) not in shown


async def test_a_further_message_continues_the_conversation(site: Stack) -> None:
    ticket = await site.submit()
    await answer(site.pool, ticket, "Which invoice number?")
    assert (await site.client.get(f"/support/ticket/{ticket}")).json()["status"] == "waiting_customer"
    reply = await site.client.post(f"/support/ticket/{ticket}/messages", json={"message": "4711"})
    assert reply.status_code == 200
    assert reply.json()["ticket_id"] == ticket
    shown = (await site.client.get(f"/support/ticket/{ticket}")).json()
    assert shown["status"] == "open"
    assert [m["sender"] for m in shown["messages"]] == ["customer", "agent", "customer"]
    assert await site.count("conversations") == 1
    assert len(site.stored) == 2


async def test_a_further_message_counts_once_and_only_on_its_ticket(site: Stack) -> None:
    one, two = await site.submit(), await site.submit()
    for ticket in (one, one, two, two):
        await site.client.post(
            f"/support/ticket/{ticket}/messages", json={"message": "again", "submission_id": "view-1"}
        )
    for ticket in (one, two):
        assert len((await site.client.get(f"/support/ticket/{ticket}")).json()["messages"]) == 2


async def test_a_browsers_further_message_leads_back_and_errors_keep_the_text(site: Stack) -> None:
    ticket = await site.submit()
    address = f"/support/ticket/{ticket}"
    reply = await site.client.post(f"{address}/messages", data={"message": "one more"}, headers=BROWSER)
    assert reply.status_code == 303
    assert reply.headers["location"].startswith(address)
    long = "x" * 5_001
    wrong = await site.client.post(f"{address}/messages", data={"message": long}, headers=BROWSER)
    assert wrong.status_code == 422
    assert long in wrong.text
    assert "5,001" in wrong.text
    assert (await site.client.get(f"{address}/messages")).headers["location"] == address


async def test_a_ticket_has_its_own_limit(pool: Pool) -> None:
    async with stack(pool, form_rate_per_address=1) as made:
        ticket = await made.submit()
        for number in range(support.ANSWERS_PER_TICKET):
            reply = await made.client.post(
                f"/support/ticket/{ticket}/messages", json={"message": f"no. {number}"}
            )
            assert reply.status_code == 200
        reply = await made.client.post(f"/support/ticket/{ticket}/messages", json={"message": "one more"})
        refused(reply, 429)


async def test_hostile_text_is_shown_as_text(site: Stack) -> None:
    attack = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    ticket = await site.submit(name=attack[:99], subject=attack, message=attack)
    await answer(site.pool, ticket, attack)
    shown = (await site.client.get(f"/support/ticket/{ticket}", headers=BROWSER)).text
    assert "<script>" not in shown
    assert "<img" not in shown
    assert shown.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3


async def test_only_a_page_that_waits_reloads_itself(site: Stack) -> None:
    ticket = await site.submit()
    address = f"/support/ticket/{ticket}"
    waiting = (await site.client.get(address, headers=BROWSER)).text
    assert re.search(r'<noscript><meta http-equiv="refresh" content="\d+"></noscript>', waiting)
    assert waiting.count("http-equiv") == 1
    assert "http-equiv" not in (await site.client.get(f"{address}?write=1", headers=BROWSER)).text
    await answer(site.pool, ticket, "Done.")
    assert "http-equiv" not in (await site.client.get(address, headers=BROWSER)).text


async def test_an_unchanged_ticket_is_not_sent_again(site: Stack) -> None:
    address = f"/support/ticket/{await site.submit()}"
    for headers in ({}, BROWSER):
        version = (await site.client.get(address, headers=headers)).headers["etag"]
        again = await site.client.get(address, headers={**headers, "If-None-Match": version})
        assert (again.status_code, again.content) == (304, b"")
    await site.client.post(f"{address}/messages", json={"message": "news"})
    assert (await site.client.get(address, headers={"If-None-Match": version})).status_code == 200


async def test_the_status_box_finds_a_ticket(site: Stack) -> None:
    ticket = await site.submit()
    for typed in (ticket, f" {ticket.upper()} ", f"https://x.test/support/ticket/{ticket}?write=1#a"):
        reply = await site.client.get("/support/ticket", params={"id": typed})
        assert (reply.status_code, reply.headers["location"]) == (303, f"/support/ticket/{ticket}")
    assert (await site.client.get("/support/ticket", params={"id": "  "})).headers["location"] == "/support"
    hostile = await site.client.get("/support/ticket", params={"id": "//evil.example/\r\nSet-Cookie: x"})
    assert hostile.headers["location"].startswith("/support/ticket/")
    assert "set-cookie" not in hostile.headers


# ---------------------------------------------------------------- headers and other sites


async def test_pages_are_locked_down(pool: Pool) -> None:
    async with stack(pool, embed_origins="https://www.example.com") as made:
        ticket = await made.submit()
        for path in ("/support", f"/support/ticket/{ticket}", "/support/ticket/unknown"):
            headers = (await made.client.get(path, headers=BROWSER)).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert policy.endswith("frame-ancestors 'self' https://www.example.com")
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
        plain = (await made.client.get(f"/support/ticket/{ticket}")).headers
        assert plain["cache-control"] == "no-store"


async def test_static_files_are_kept_as_long_as_their_address_names_their_content(site: Stack) -> None:
    page = (await site.client.get("/support")).text
    for path in re.findall(r'"(/support/form\.[a-z]+\?v=[0-9a-f]+)"', page):
        reply = await site.client.get(path)
        assert reply.status_code == 200
        assert "immutable" in reply.headers["cache-control"]
        plain = await site.client.get(path.partition("?")[0])
        assert "immutable" not in plain.headers["cache-control"]
        again = await site.client.get(path, headers={"If-None-Match": reply.headers["etag"]})
        assert again.status_code == 304
    embed = await site.client.get("/support/embed.js")
    assert embed.headers["content-type"].startswith("text/javascript")


async def test_each_view_of_the_form_has_its_own_id(site: Stack) -> None:
    found = {
        re.search(r'submission-id" value="([^"]+)"', (await site.client.get("/support")).text)
        for _ in range(3)
    }
    assert len({match[1] for match in found if match}) == 3


async def test_allowed_sites_may_post_from_their_pages(pool: Pool) -> None:
    async with stack(pool, embed_origins="https://www.example.com") as made:
        origin = {"Origin": "https://www.example.com"}
        asked = {
            **origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        }
        before = await made.client.options("/support/submit", headers=asked)
        assert before.status_code == 204
        assert before.headers["access-control-allow-origin"] == "https://www.example.com"
        assert "content-type" in before.headers["access-control-allow-headers"]
        for form in (valid(), valid(name="")):
            reply = await made.client.post("/support/submit", json=form, headers=origin)
            assert reply.headers["access-control-allow-origin"] == "https://www.example.com"
            assert reply.headers["vary"] == "Origin"
        other = {"Origin": "https://evil.example"}
        for reply in (
            await made.client.options("/support/submit", headers={**asked, **other}),
            await made.client.post("/support/submit", json=valid(), headers=other),
        ):
            assert "access-control-allow-origin" not in reply.headers
        assert "access-control-allow-credentials" not in before.headers


# ---------------------------------------------------------------- errors of the whole surface


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Rejected(fields={"a": "wrong"}), 422),
        (Malformed(), 400),
        (Refused(), 403),
        (TooMany(retry_after=2.1), 429),
        (NotFound(), 404),
        (Conflict(), 409),
        (Unavailable("connection to 10.0.0.5 refused"), 503),
        (FteError(), 500),
    ],
)
def test_every_error_has_its_status(error: FteError, status: int) -> None:
    reply = problem(error)
    assert reply.status_code == status
    said = json.loads(bytes(reply.body))
    assert said["error"]
    assert "10.0.0.5" not in said["error"]
    assert ("fields" in said) == (status == 422)
    assert reply.headers.get("retry-after") == {429: "3", 503: "5"}.get(status)


async def test_no_bug_shows_a_traceback(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> Any:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(support, "take_in", broken)
    app = application(pool, Settings(), lambda: None, lambda: 0)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://support.test") as client:
        assert "secret" not in refused_text(await client.post("/support/submit", json=valid()), 500)
        assert refused_text(await client.get("/nowhere"), 404)
        assert refused_text(await client.get("/support/submit"), 405)
    assert EXCEPTION_HANDLERS


def refused_text(answer: httpx.Response, status: int) -> str:
    refused(answer, status)
    return answer.text


def test_urlencoded_bodies_are_what_browsers_send() -> None:
    body = urlencode(valid(message="ä\r\n&=")).encode()
    assert bodies._urlencoded(body)["message"] == "ä\r\n&="


async def merged_tickets(site: Stack) -> tuple[str, str, UUID, Actor]:
    """Two tickets nobody has proven to be one person's, merged by Sam, who holds them: kept, merged."""
    kept, merged = (
        await site.submit(message="Where is my parcel?"),
        await site.submit(message="Parcel again!"),
    )
    sam = await hire(site.pool, "Sam")
    first, second = [
        row["id"] for row in await site.pool.fetch("select id from conversations order by number")
    ]
    await control.take_over(site.pool, "take", first, seeing(sam, 9))
    holding = seeing(sam, 9, 1)
    assert await site.pool.fetchval("select epoch from conversations where id = $1", first) == holding.epoch
    await conversation_merges.merge_in(site.pool, "merge", first, holding, second)
    return kept, merged, first, holding


async def test_pages_of_merged_tickets_go_on_and_show_nothing_of_each_other(site: Stack) -> None:
    kept, merged, first, holding = await merged_tickets(site)
    for ticket, text in ((kept, "my street is Elm Road"), (merged, "my phone is 555 123")):
        written = await site.client.post(f"/support/ticket/{ticket}/messages", json={"message": text})
        assert (written.status_code, written.json()["ticket_id"]) == (200, ticket)
    await control.reply(site.pool, "say", first, holding, "It comes on Monday.")
    shown = {}
    for ticket in (kept, merged):
        view = (await site.client.get(f"/support/ticket/{ticket}")).json()
        assert view["status"] == "waiting_customer"
        shown[ticket] = [message["content"] for message in view["messages"]]
        page = await site.client.get(f"/support/ticket/{ticket}", headers=BROWSER)
        assert page.status_code == 200
        assert ("Elm Road" in page.text, "555 123" in page.text) == (ticket == kept, ticket == merged)
    assert shown[kept] == ["Where is my parcel?", "my street is Elm Road", "It comes on Monday."]
    assert shown[merged] == ["Parcel again!", "my phone is 555 123", "It comes on Monday."]


async def ruled(site: Stack, mode: str, category: str = "*") -> None:
    await site.pool.execute(
        "update channel_configs set config = $1 where channel = 'web_form'",
        {"modes": {category: {"mode": mode}}},
    )
    site.clock.forward(support.RULES_SECONDS)


async def test_who_answers_is_promised_as_the_rules_are_now(site: Stack) -> None:
    async def told(**changes: Any) -> tuple[str, str]:
        said = (await site.client.post("/support/submit", json=valid(**changes))).json()
        return said["message"], said["estimated_response_time"]

    ticket = await site.submit()
    first = await site.client.get(f"/support/ticket/{ticket}", headers=BROWSER)
    assert "our AI assistant answers first" in (await told())[0]
    await ruled(site, "off", "billing")
    assert await told() == (support.THANKS["people"], "As soon as a person of our team is free.")
    assert "our AI assistant answers first" in (await told(category="general"))[0]
    assert "Our AI assistant or a member of our team" in (await site.client.get("/support")).text
    again = await site.client.get(
        f"/support/ticket/{ticket}", headers=BROWSER | {"If-None-Match": first.headers["etag"]}
    )
    assert again.status_code == 200
    assert "A member of our team will read your message." in again.text
    await ruled(site, "draft")
    assert await told() == (support.THANKS["checked"], "As soon as a person of our team is free.")


async def test_pages_of_merged_tickets_say_that_a_person_reads_the_answer_first(site: Stack) -> None:
    kept, merged, first, holding = await merged_tickets(site)
    await control.release(site.pool, "back", first, holding, "")
    for ticket in (kept, merged):
        address = f"/support/ticket/{ticket}"
        written = await site.client.post(f"{address}/messages", json={"message": "Are you there?"})
        assert written.json()["message"] == support.THANKS["checked"]
        page = await site.client.get(address, headers=BROWSER)
        assert "a member of our team reads it, then it appears here" in page.text


async def test_the_form_is_shown_while_nobody_knows_who_answers(site: Stack) -> None:
    await site.pool.close()
    page = await site.client.get("/support")
    assert page.status_code == 200
    assert "within a minute" not in page.text
