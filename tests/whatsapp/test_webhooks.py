"""The webhooks over a real socket and a real database: signed first, stored next, answered last."""

import asyncio
from urllib.parse import quote, urlencode
from uuid import UUID

import httpx
import pytest

from fte.daemon import whatsapp_webhooks
from fte.daemon.http import application
from fte.daemon.whatsapp_webhooks import Webhooks
from fte.domain.errors import Unavailable
from fte.pg.pool import Pool
from tests.support import SECRET, until
from tests.whatsapp.support import CUSTOMER, House, outgoing, queue_reply, sid, state_of

ENDED = b'<?xml version="1.0" encoding="UTF-8"?><Response></Response>'


def taken(answer: httpx.Response) -> bool:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/xml"
    return answer.content == ENDED


async def test_a_message_is_stored_before_it_is_answered(home: House) -> None:
    written = await home.twilio.customer_writes(CUSTOMER, "How do I export?", profile_name="Ada")
    assert written.status == 200
    row = await home.pool.fetchrow(
        """select m.content, m.sender, i.account, i.provider_id, cu.name, cu.phone, k.identifier_type, k.verified, c.verified
             from messages m join inbound i on i.message_id = m.id join conversations c on c.id = m.conversation_id
             join customers cu on cu.id = c.customer_id join customer_identifiers k on k.customer_id = cu.id"""
    )
    assert row is not None
    assert tuple(row) == (
        *("How do I export?", CUSTOMER, home.account.number, written.sid),
        *("Ada", CUSTOMER, "whatsapp", True, True),
    )
    assert await home.count("turns") == 1
    assert len(home.rings) == 1


@pytest.mark.parametrize(
    "case",
    [
        "missing",
        "short",
        "another account",
        "wrong scheme",
        "changed",
        "blank dropped",
        "downgrade",
        "other path",
    ],
)
async def test_what_twilio_did_not_sign_is_refused(home: House, case: str) -> None:
    form = home.form()
    signed = home.signed(form)
    sent = dict(form)
    headers: dict[str, str] = {}
    if case == "short":
        signed = "abc"
    elif case == "another account":
        signed = home.signed(form, token="u" * 32)
    elif case == "wrong scheme":
        signed = home.signed(form, url=home.account.public_url.replace("http:", "https:"))
    elif case == "changed":
        sent["Body"] = "Refund me"
    elif case == "blank dropped":
        del sent["ReferralBody"]
    elif case == "downgrade":
        signed = home.signed(form, algorithm="sha256")
        headers["X-Twilio-Webhooks-Signature-Settings"] = "key=k,algorithm=HMAC_SHA256"
    elif case == "other path":
        signed = home.signed(form, "/webhooks/whatsapp/status")
    if case == "missing":
        answer = await home.client.post("/webhooks/whatsapp", data=sent)
    else:
        answer = await home.post(sent, signed, **headers)
    assert answer.status_code == 403, answer.text
    assert UUID(answer.headers["x-request-id"])
    assert await home.count("inbound") == 0
    assert not home.rings


async def test_the_host_header_has_no_say(home: House) -> None:
    form = home.form()
    assert taken(await home.post(form, Host="evil.example"))
    evil = home.signed(form, url="http://evil.example")
    assert (await home.post(home.form(), evil, Host="evil.example")).status_code == 403


async def test_repeated_parameters_are_signed_and_then_ambiguous(home: House) -> None:
    form = home.form(MessageSid=sid("SM"))
    # Twilio's library signs each value of a name once, in order; the form is then one nobody can read.
    signed = home.signed(form | {"Body": "AllBodyNone"})
    pairs = [*((n, v) for n, v in form.items() if n != "Body"), ("Body", "None"), ("Body", "All")]
    assert (await home.post(pairs, signed)).status_code == 400
    assert await home.count("inbound") == 0


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"AccountSid": "AC" + "0" * 32}, 400),
        ({"To": "whatsapp:+14150000000"}, 400),
        ({"From": "tel:1"}, 400),
    ],
)
async def test_a_signed_form_of_an_unknown_shape_is_rejected(
    home: House, changes: dict[str, str], status: int
) -> None:
    answer = await home.post(home.form(**changes))
    assert answer.status_code == status
    assert next(iter(changes)) in answer.json()["fields"]
    assert (await home.post(home.form(**changes), "=" * 28)).status_code == 403


async def test_replayed_ten_times_it_is_there_once(home: House) -> None:
    form = home.form()
    named = set()
    for _ in range(10):
        answer = await home.post(form)
        assert taken(answer)
        named.add(answer.headers["x-request-id"])
    assert named == {str(await home.pool.fetchval("select id from messages"))}
    assert await home.count("messages") == await home.count("turns") == len(home.rings) == 1


async def test_sixteen_deliveries_at_once_are_one(home: House) -> None:
    form = home.form()
    answers = await asyncio.gather(*(home.post(form) for _ in range(16)))
    assert all(taken(answer) for answer in answers)
    assert await home.count("messages") == await home.count("customers") == len(home.rings) == 1


async def test_sixteen_first_messages_of_one_customer_are_one_conversation(home: House) -> None:
    answers = await asyncio.gather(*(home.post(home.form()) for _ in range(16)))
    assert all(taken(answer) for answer in answers)
    assert await home.count("messages") == 16
    assert (
        await home.count("customers") == await home.count("conversations") == await home.count("turns") == 1
    )


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("a\x00b", id="nul"),
        pytest.param("\U0001f468‍\U0001f469‍\U0001f467 \u202e", id="emoji and bidi"),
        pytest.param("", id="empty"),
        pytest.param("ä" * 20_000, id="long"),
    ],
)
async def test_hostile_text_is_stored(home: House, body: str) -> None:
    assert taken(await home.post(home.form(Body=body)))
    stored = await home.pool.fetchval("select content from messages")
    assert stored == body.replace("\x00", "\ufffd")


async def test_bytes_that_are_no_utf_8_are_checked_and_stored(home: House) -> None:
    form = home.form(Body="\ud800")
    encoded = urlencode(form, errors="surrogatepass")
    raw = {name: value.encode("utf-8", "surrogatepass") for name, value in form.items()}
    target = home.account.inbound_url.encode() + b"".join(n.encode() + raw[n] for n in sorted(raw))
    import base64
    import hmac

    signed = base64.b64encode(hmac.digest(home.account.token.encode(), target, "sha1")).decode()
    headers = {"X-Twilio-Signature": signed, "Content-Type": "application/x-www-form-urlencoded"}
    assert taken(await home.client.post("/webhooks/whatsapp", content=encoded, headers=headers))
    assert set(await home.pool.fetchval("select content from messages")) == {"\ufffd"}


async def test_a_megabyte_is_too_large_and_nothing_happens(home: House) -> None:
    form = home.form(Body="x" * 1_000_000)
    assert (await home.post(form)).status_code == 413
    form = home.form(Body="x" * 1_100_000)
    assert (await home.post(form)).status_code == 413
    assert await home.count("inbound") == 0
    assert taken(await home.post(home.form()))


async def test_another_content_type_is_nobodys(home: House) -> None:
    form = home.form()
    json = await home.client.post(
        "/webhooks/whatsapp", json=form, headers={"X-Twilio-Signature": home.signed(form)}
    )
    assert json.status_code == 403
    empty = await home.client.post(
        "/webhooks/whatsapp", json={}, headers={"X-Twilio-Signature": home.signed({})}
    )
    assert empty.status_code == 400


async def test_without_the_database_it_is_not_acknowledged(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable

    form = home.form()
    with monkeypatch.context() as patched:
        patched.setattr(whatsapp_webhooks, "take_in", away)
        assert (await home.post(form)).status_code == 503
    assert taken(await home.post(form))
    assert await home.count("messages") == 1


async def test_what_did_not_reach_us_is_to_be_looked_for(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came before a process was there, and what it could not store."""
    missed = "select true from whatsapp_numbers where missed_at is not null"
    running = asyncio.create_task(home.webhooks.run())
    await until(lambda: home.pool.fetchval(missed))
    await home.pool.execute("update whatsapp_numbers set missed_at = null")

    async def away(*_: object) -> None:
        raise Unavailable

    with monkeypatch.context() as patched:
        patched.setattr(whatsapp_webhooks, "take_in", away)
        assert (await home.post(home.form())).status_code == 503
    await until(lambda: home.pool.fetchval(missed))
    running.cancel()


async def test_a_reaction_owes_no_answer(home: House) -> None:
    assert taken(await home.post(home.form(MessageType="reaction", Body="👍")))
    row = await home.pool.fetchrow("select content, outcome, reason from messages")
    assert row is not None
    assert tuple(row) == ("[reaction: 👍]", "suppressed", "reaction")
    assert await home.count("turns") == 0


async def test_where_whatsapp_is_not_set_up_everything_is_refused_with_the_remedy(pool: Pool) -> None:
    app = application(Webhooks(pool, SECRET, None, lambda: None).routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fte") as web:
        for path in ("/webhooks/whatsapp", "/webhooks/whatsapp/status"):
            answer = await web.post(path, data={"Body": "hello"}, headers={"X-Twilio-Signature": "x"})
            assert answer.status_code == 403
            assert "TWILIO_ACCOUNT_SID" in answer.text


async def test_a_flood_is_never_told_to_slow_down(home: House) -> None:
    for _ in range(25):  # no more at once than the database has connections for
        answers = await asyncio.gather(*(home.post(home.form()) for _ in range(8)))
        assert {answer.status_code for answer in answers} == {200}
    refused = await asyncio.gather(*(home.post(home.form(), "=" * 28) for _ in range(100)))
    assert {answer.status_code for answer in refused} == {403}


# ---------------------------------------------------------------- statuses


async def report(home: House, status: str, message: str, reply: str = "", **more: str) -> httpx.Response:
    path = "/webhooks/whatsapp/status" + (f"?reply={quote(reply)}" if reply else "")
    form = {"AccountSid": home.account.sid, "MessageSid": message, "MessageStatus": status, **more}
    return await home.post(form, path=path)


async def waiting_reply(home: House) -> str:
    assert taken(await home.post(home.form()))
    conversation = await home.pool.fetchval("select id from conversations")
    reply = await queue_reply(home.pool, conversation)
    await home.pool.execute("update replies set state = 'sending', lease_until = now() where id = $1", reply)
    return str(reply)


async def test_a_status_finds_its_reply_by_the_address_we_gave(home: House) -> None:
    reply, message = await waiting_reply(home), sid("SM")
    assert taken(await report(home, "delivered", message, reply))
    row = await home.pool.fetchrow("select state, provider_id from replies where id = $1", reply)
    assert row is not None
    assert tuple(row) == ("delivered", message)
    assert taken(await report(home, "sent", message, reply))
    assert taken(await report(home, "read", message))
    assert await home.pool.fetchval("select state from replies") == "read"


async def test_the_reply_in_the_address_is_signed_too(home: House) -> None:
    reply, message = await waiting_reply(home), sid("SM")
    form = {"AccountSid": home.account.sid, "MessageSid": message, "MessageStatus": "delivered"}
    other = home.signed(form, f"/webhooks/whatsapp/status?reply={outgoing().reply_id}")
    answer = await home.post(form, other, path=f"/webhooks/whatsapp/status?reply={reply}")
    assert answer.status_code == 403
    assert await home.count("delivery_reports") == 0


async def test_a_status_of_an_unknown_message_is_kept(home: House) -> None:
    assert taken(await report(home, "failed", sid("SM"), ErrorCode="63024"))
    error = await home.pool.fetchval("select error from delivery_reports")
    assert "63024" in error
    assert "another way" in error


async def test_a_closed_window_is_told_as_the_bare_code(home: House) -> None:
    assert taken(await report(home, "undelivered", sid("SM"), ErrorCode="63016", ErrorMessage="x"))
    row = await home.pool.fetchrow("select status, error from delivery_reports")
    assert row is not None
    assert tuple(row) == ("failed", "63016")


async def test_a_message_posted_to_the_other_address_is_not_lost(home: House) -> None:
    assert taken(await home.post(home.form(), path="/webhooks/whatsapp/status"))
    assert await home.count("messages") == 1
    assert taken(await report(home, "sent", sid("SM")))


async def test_statuses_in_any_order_end_alike(home: House) -> None:
    reply, message = await waiting_reply(home), sid("SM")
    statuses = ["read", "queued", "delivered", "sent", "sending"]
    await asyncio.gather(*(report(home, status, message, reply) for status in statuses))
    assert await state_of(home.pool, await home.pool.fetchval("select id from replies")) == "read"
