"""Every fault and disturbance, on command: what the caller sees, and what the provider did."""

import asyncio
from pathlib import Path

import httpx
import pytest
from googleapiclient.errors import HttpError
from twilio.base.exceptions import TwilioException

from fte.demo.providers import Mail, SimulatedGmail, SimulatedTwilio
from fte.domain.errors import Rejected
from tests.demo.support import ADA, US, Gmail, Receiver, mail, signed_in, threaded, twilio_client
from tests.support import until

TO = f"whatsapp:{ADA}"
IMPATIENT = 0.5
AFTER = ["hang_after", "reset_after"]
BEFORE = ["hang_before", "reset_before"]


@pytest.mark.parametrize(("kind", "expected"), [("too_many", 429), ("server_error", 502)])
async def test_the_next_calls_are_turned_away(
    gmail: SimulatedGmail, google: Gmail, kind: str, expected: int
) -> None:
    gmail.faults.next("messages.send", kind, times=2, status=502, retry_after=7)  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(HttpError) as error:
            await google.send(mail())
        assert error.value.resp.status == expected
        assert error.value.resp.get("retry-after") == ("7" if expected == 429 else None)
    await google(google.users.getProfile(userId="me"))
    assert gmail.accepted == []
    await google.send(mail())
    assert len(gmail.accepted) == 1


@pytest.mark.parametrize("kind", BEFORE + AFTER)
async def test_gmail_does_not_answer_but_may_have_sent(
    gmail: SimulatedGmail, tmp_path: Path, kind: str
) -> None:
    with signed_in(gmail, tmp_path, timeout=IMPATIENT) as google:
        draft = await google.draft(mail())
        gmail.faults.next("drafts.send", kind)  # type: ignore[arg-type]
        with pytest.raises(OSError):
            await google.send_draft(draft["id"])
        assert len(gmail.accepted.sends) == (kind in AFTER)
        if kind in AFTER:
            with pytest.raises(HttpError):
                await google.send_draft(draft["id"])
        else:
            await google.send_draft(draft["id"])
        assert len(gmail.accepted.sends) == 1


@pytest.mark.parametrize("kind", BEFORE + AFTER)
async def test_twilio_does_not_answer_but_may_have_sent(twilio: SimulatedTwilio, kind: str) -> None:
    twilio.faults.next("messages.create", kind)  # type: ignore[arg-type]
    with twilio_client(twilio, timeout=IMPATIENT) as client:
        with pytest.raises(OSError):
            await threaded(client.messages.create, to=TO, from_=twilio.number, body="Here.")
        assert len(await threaded(client.messages.list, to=TO)) == len(twilio.accepted) == (kind in AFTER)


async def test_twilio_turns_away_and_asks_for_patience(twilio: SimulatedTwilio) -> None:
    twilio.faults.next("*", "too_many", retry_after=3)
    twilio.faults.next("messages.list", "server_error")
    with twilio_client(twilio) as client:
        for expected in (503, 429):
            with pytest.raises(TwilioException, match=f"HTTP {expected}"):
                await threaded(client.messages.list)
        assert await threaded(client.messages.list) == []


async def test_a_slow_call_is_answered_late(gmail: SimulatedGmail, google: Gmail) -> None:
    gmail.faults.next("messages.send", "slow", seconds=0.2)
    sending = asyncio.create_task(google.send(mail()))
    await until(lambda: gmail.accepted)
    assert not sending.done()
    assert (await sending)["id"] == gmail.accepted[0].provider_id


async def test_clearing_ends_faults_and_cuts_what_hangs(gmail: SimulatedGmail, google: Gmail) -> None:
    gmail.faults.next("messages.send", "hang_after", times=5)
    sending = asyncio.create_task(google.send(mail()))
    await until(lambda: gmail.accepted)
    gmail.clear()
    with pytest.raises(OSError):
        await sending
    await google.send(mail())


async def test_a_server_that_hangs_still_stops(tmp_path: Path) -> None:
    async with SimulatedGmail(US).running() as gmail:
        with signed_in(gmail, tmp_path) as google:
            await google(google.users.getProfile(userId="me"))
            gmail.faults.next("getProfile", "hang_before")
            hanging = asyncio.create_task(google(google.users.getProfile(userId="me")))
            await asyncio.sleep(0.05)
    with pytest.raises(OSError):
        await hanging


async def test_faults_are_ordered_over_http_too(gmail: SimulatedGmail, google: Gmail) -> None:
    async with httpx.AsyncClient(base_url=gmail.url) as web:
        ordered = await web.post("/control/faults", json={"operation": "getProfile", "kind": "server_error"})
        assert ordered.status_code == 200
        with pytest.raises(HttpError):
            await google(google.users.getProfile(userId="me"))
        for wrong in (
            {"operation": "no.such", "kind": "slow"},
            {"operation": "*", "kind": "no_such"},
            {"kind": "slow"},
        ):
            assert (await web.post("/control/faults", json=wrong)).status_code == 422
        assert (await web.post("/control/pushes", json={"kind": "eaten"})).status_code == 422
        await web.post("/control/faults", json={"operation": "*", "kind": "server_error", "times": 9})
        await web.post("/control/clear")
        await google(google.users.getProfile(userId="me"))
        assert "drafts.send" in (await web.get("/control")).json()["operations"]


def test_an_unknown_operation_is_named(gmail: SimulatedGmail) -> None:
    with pytest.raises(Rejected, match="no operation"):
        gmail.faults.next("messages.sned", "slow")


# ---------------------------------------------------------------- pushes and webhooks


def texts(receiver: Receiver) -> list[str]:
    return [received.form["Body"] for received in receiver.got]


async def test_a_webhook_is_lost_but_the_message_is_listed(
    twilio: SimulatedTwilio, receiver: Receiver
) -> None:
    twilio.pushes.disturb("lost")
    lost = await twilio.customer_writes(ADA, "Hello?")
    assert lost.status is None
    await twilio.customer_writes(ADA, "Anybody?")
    assert texts(receiver) == ["Anybody?"]
    with twilio_client(twilio) as client:
        assert lost.sid in [message.sid for message in await threaded(client.messages.list, from_=TO)]


async def test_a_webhook_is_doubled(twilio: SimulatedTwilio, receiver: Receiver) -> None:
    twilio.pushes.disturb("doubled")
    written = await twilio.customer_writes(ADA, "Hello?")
    await twilio.settled()
    assert [received.form["MessageSid"] for received in receiver.got] == [written.sid] * 2


async def test_a_webhook_is_delayed_and_overtaken(twilio: SimulatedTwilio, receiver: Receiver) -> None:
    twilio.pushes.disturb("delayed", seconds=0.2)
    assert (await twilio.customer_writes(ADA, "First")).status is None
    await twilio.customer_writes(ADA, "Second")
    await twilio.settled()
    assert texts(receiver) == ["Second", "First"]


async def test_callbacks_come_in_another_order(twilio: SimulatedTwilio, receiver: Receiver) -> None:
    await twilio.customer_writes(ADA, "Hello")
    twilio.pushes.disturb("reordered", times=3)
    with twilio_client(twilio) as client:
        await threaded(
            client.messages.create, to=TO, from_=twilio.number, body="Here.", status_callback=receiver.url
        )
    await twilio.settled()
    assert [got.form["MessageStatus"] for got in receiver.got[1:]] == ["read", "delivered", "sent"]


async def test_what_is_held_back_is_posted_when_cleared(twilio: SimulatedTwilio, receiver: Receiver) -> None:
    twilio.pushes.disturb("reordered", times=5)
    await twilio.customer_writes(ADA, "First")
    await twilio.customer_writes(ADA, "Second")
    twilio.clear()
    await twilio.settled()
    assert texts(receiver) == ["Second", "First"]


async def test_twilio_tries_again_only_when_nobody_listens(
    twilio: SimulatedTwilio, receiver: Receiver
) -> None:
    receiver.statuses = [500]
    assert (await twilio.customer_writes(ADA, "Hello")).status == 500
    assert len(receiver.got) == 1
    twilio.webhook = "http://127.0.0.1:1/hook"
    assert (await twilio.customer_writes(ADA, "Hello")).status is None
    assert [tried.attempt for tried in twilio.pushes.log] == [1, 1, 2]


async def test_gmail_pushes_are_disturbed_the_same_way(
    gmail: SimulatedGmail, google: Gmail, receiver: Receiver
) -> None:
    gmail.push_to(US, receiver.url)
    await google.watch()
    gmail.pushes.disturb("lost")
    gmail.pushes.disturb("doubled")
    for _ in range(2):
        await gmail.deliver(Mail(sender="ada@example.net"))
    await gmail.pushes.settled()
    assert [push.json["message"]["messageId"] for push in receiver.got] == [
        receiver.got[0].json["message"]["messageId"]
    ] * 2
    async with httpx.AsyncClient(base_url=gmail.url) as web:
        assert [tried["note"] for tried in (await web.get("/control/pushed")).json()][:2] == [
            "lost",
            "doubled",
        ]
