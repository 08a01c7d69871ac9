"""The simulated Twilio, as Twilio's own client and validator see it."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.request_validator import (
    SIGNATURE_HEADER,
    SIGNATURE_SETTINGS_HEADER,
    RequestValidator,
    get_signature_algorithm,
)
from twilio.rest import Client

from fte.demo.providers import Button, Location, Media, Reaction, SimulatedTwilio
from tests.demo.support import ADA, Received, Receiver, threaded, twilio_client

TO = f"whatsapp:{ADA}"


def valid(twilio: SimulatedTwilio, url: str, received: Received) -> bool:
    algorithm = get_signature_algorithm(received.headers.get(SIGNATURE_SETTINGS_HEADER.lower()))
    signature = received.headers[SIGNATURE_HEADER.lower()]
    return bool(RequestValidator(twilio.auth_token).validate(url, received.form, signature, algorithm))


async def answer(client: Client, twilio: SimulatedTwilio, text: str = "Here.", **options: object) -> str:
    sent = await threaded(client.messages.create, to=TO, from_=twilio.number, body=text, **options)
    return str(sent.sid)


# ---------------------------------------------------------------- what customers write


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_a_customers_message_is_posted_and_signed(
    twilio: SimulatedTwilio, receiver: Receiver, algorithm: str
) -> None:
    twilio.signature = algorithm  # type: ignore[assignment]
    written = await twilio.customer_writes(ADA, "Größe & Maß?", profile_name="Ada Ünal")
    assert written.status == 200
    [received] = receiver.got
    assert received.form["MessageSid"] == written.sid
    assert (received.form["From"], received.form["To"]) == (TO, twilio.number)
    assert (received.form["Body"], received.form["ProfileName"]) == ("Größe & Maß?", "Ada Ünal")
    assert (received.form["NumMedia"], received.form["WaId"]) == ("0", ADA.removeprefix("+"))
    assert valid(twilio, receiver.url, received)
    assert (SIGNATURE_SETTINGS_HEADER.lower() in received.headers) == (algorithm == "sha256")
    received.form["Body"] = "Something else"
    assert not valid(twilio, receiver.url, received)


async def test_media_is_listed_fetched_and_served_to_the_account_only(
    twilio: SimulatedTwilio, client: Client, receiver: Receiver
) -> None:
    picture = Media(content=b"\x89PNG", media_type="image/png")
    written = await twilio.customer_writes(ADA, media=[picture])
    form = receiver.got[0].form
    assert (form["Body"], form["NumMedia"], form["MediaContentType0"]) == ("", "1", "image/png")
    assert form["MessageType"] == "image"
    assert written.sid.startswith("MM")
    assert valid(twilio, receiver.url, receiver.got[0])
    [listed] = await threaded(client.messages(written.sid).media.list)
    assert (await threaded(client.messages(written.sid).media(listed.sid).fetch)).content_type == "image/png"
    url = form["MediaUrl0"]
    assert (
        url == f"{twilio.url}/2010-04-01/Accounts/{twilio.account}/Messages/{written.sid}/Media/{listed.sid}"
    )
    async with httpx.AsyncClient() as web:
        assert (await web.get(url)).status_code == 401
        assert (await web.get(url, auth=(twilio.account, twilio.auth_token))).content == b"\x89PNG"
        twilio.media_redirect = "http://169.254.169.254/"
        away = await web.get(url, auth=(twilio.account, twilio.auth_token))
        assert (away.status_code, away.headers["location"]) == (307, twilio.media_redirect)


async def test_buttons_places_and_reactions_have_their_fields(
    twilio: SimulatedTwilio, receiver: Receiver
) -> None:
    await twilio.customer_writes(ADA, button=Button(text="Human", payload="human"))
    await twilio.customer_writes(ADA, location=Location(latitude=52.5, longitude=13.4, label="Office"))
    await twilio.customer_writes(ADA, reaction=Reaction(emoji="👍", to="SM1"))
    await twilio.customer_writes(ADA, "That one", reply_to="SM2")
    button, place, reaction, reply = [received.form for received in receiver.got]
    assert (button["ButtonText"], button["ButtonPayload"], button["Body"]) == ("Human", "human", "Human")
    assert (place["Latitude"], place["Longitude"], place["Label"]) == ("52.5", "13.4", "Office")
    assert (reaction["Body"], reaction["OriginalRepliedMessageSid"]) == ("👍", "SM1")
    assert [form["MessageType"] for form in (button, place, reaction, reply)] == [
        "button",
        "location",
        "reaction",
        "text",
    ]
    assert reply["OriginalRepliedMessageSid"] == "SM2"
    assert all(valid(twilio, receiver.url, received) for received in receiver.got)


# ---------------------------------------------------------------- what we answer


async def test_an_answer_is_accepted_and_its_course_reported(
    twilio: SimulatedTwilio, client: Client, receiver: Receiver
) -> None:
    await twilio.customer_writes(ADA, "Hello")
    callback = f"{receiver.url}?reply=reply-1"
    sent = await threaded(
        client.messages.create, to=TO, from_=twilio.number, body="Here.", status_callback=callback
    )
    assert sent.status == "queued"
    await twilio.settled()
    reports = receiver.got[1:]
    assert [report.form["MessageStatus"] for report in reports] == ["sent", "delivered", "read"]
    assert {report.form["MessageSid"] for report in reports} == {sent.sid}
    assert all(valid(twilio, callback, report) for report in reports)
    fetched = await threaded(client.messages(sent.sid).fetch)
    assert (fetched.status, fetched.body, fetched.error_code) == ("read", "Here.", None)
    [accepted] = twilio.accepted
    assert (accepted.provider_id, accepted.reply_id, accepted.recipient) == (sent.sid, "reply-1", TO)
    assert twilio.outbox[0].text == "Here."


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the client uses what aiohttp gives up
async def test_the_async_client_sends_too(twilio: SimulatedTwilio) -> None:
    await twilio.customer_writes(ADA, "Hello")
    async with AsyncTwilioHttpClient() as http:
        client = Client(twilio.account, twilio.auth_token, http_client=http)
        client.api.base_url = twilio.url
        sent = await client.messages.create_async(to=TO, from_=twilio.number, body="Here.")
        assert [message.sid for message in await client.messages.list_async(to=TO)] == [sent.sid]


async def test_free_text_outside_the_window_fails_afterwards_and_a_template_does_not(
    twilio: SimulatedTwilio, client: Client, receiver: Receiver
) -> None:
    await twilio.customer_writes(ADA, "Hello")
    twilio.close_window(ADA)
    late = await answer(client, twilio, status_callback=receiver.url)
    await twilio.settled()
    failed = receiver.got[-1].form
    assert (failed["MessageStatus"], failed["ErrorCode"]) == ("failed", "63016")
    fetched = await threaded(client.messages(late).fetch)
    assert (fetched.status, fetched.error_code) == ("failed", 63016)
    await answer(
        client, twilio, "", content_sid="HX1", content_variables='{"1":"Ada"}', status_callback=receiver.url
    )
    await twilio.settled()
    assert receiver.got[-1].form["MessageStatus"] == "read"
    await twilio.customer_writes(ADA, "I am back")
    await answer(client, twilio, status_callback=receiver.url)
    await twilio.settled()
    assert receiver.got[-1].form["MessageStatus"] == "read"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"body": "x" * 1601}, 21617),
        ({"body": ""}, 21619),
        ({"from_": "whatsapp:+15550000000"}, 63007),
        ({"to": "whatsapp:nobody"}, 21211),
        ({"to": ""}, 21604),
    ],
    ids=["too long", "empty", "not our number", "no number", "nobody"],
)
async def test_what_twilio_refuses(
    twilio: SimulatedTwilio, client: Client, changed: dict[str, str], code: int
) -> None:
    options = {"to": TO, "from_": twilio.number, "body": "Here."} | changed
    with pytest.raises(TwilioRestException) as error:
        await threaded(client.messages.create, **options)
    assert (error.value.status, error.value.code) == (400, code)
    assert twilio.accepted == []


async def test_a_code_on_command_at_once_or_later(
    twilio: SimulatedTwilio, client: Client, receiver: Receiver
) -> None:
    await twilio.customer_writes(ADA, "Hello")
    twilio.refuse(21610)
    with pytest.raises(TwilioRestException) as error:
        await answer(client, twilio)
    assert error.value.code == 21610
    twilio.next_ends("failed", 63024)
    await answer(client, twilio, status_callback=receiver.url)
    await twilio.settled()
    assert receiver.got[-1].form["ErrorCode"] == "63024"
    twilio.next_ends("sent")
    stuck = await answer(client, twilio, status_callback=receiver.url)
    await twilio.settled()
    assert (await threaded(client.messages(stuck).fetch)).status == "sent"


async def test_messages_are_listed_newest_first_by_whom_and_when(
    twilio: SimulatedTwilio, client: Client
) -> None:
    await twilio.customer_writes(ADA, "Hello")
    await twilio.customer_writes("+4915100000000", "Me too")
    sent = [await answer(client, twilio, f"Part {number}") for number in range(5)]
    await twilio.settled()
    now = datetime.now(UTC)

    async def listed(**options: object) -> list[str]:
        return [message.sid for message in await threaded(client.messages.list, **options)]

    assert await listed(to=TO, page_size=2) == sent[::-1]
    assert await listed(to=TO, limit=3) == sent[:1:-1]
    assert len(await listed(to=twilio.number)) == 2
    assert len(await listed(from_=TO)) == 1
    assert await listed(to=TO, date_sent_after=now - timedelta(minutes=1)) == sent[::-1]
    assert await listed(to=TO, date_sent_after=now + timedelta(minutes=1)) == []
    assert await listed(to=TO, date_sent_before=now - timedelta(minutes=1)) == []
    assert await listed(to=TO, date_sent=now.date()) == sent[::-1]


async def test_nobody_gets_in_with_another_token(twilio: SimulatedTwilio) -> None:
    with twilio_client(twilio) as client:
        client.auth = (twilio.account, "wrong")
        with pytest.raises(TwilioRestException) as error:
            await threaded(client.messages.create, to=TO, from_=twilio.number, body="Here.")
    assert (error.value.status, error.value.code) == (401, 20003)


async def test_another_process_writes_as_a_customer(twilio: SimulatedTwilio, receiver: Receiver) -> None:
    async with httpx.AsyncClient(base_url=twilio.url) as web:
        order = {"sender": ADA, "text": "Hello", "button": {"text": "Yes", "payload": "yes"}}
        written = (await web.post("/control/write", json=order)).json()
        assert written["status"] == 200
        assert receiver.got[0].form["ButtonPayload"] == "yes"
        assert (await web.post("/control/write", json={"text": "from nobody"})).status_code == 422
        await web.post("/control/window", json={"customer": ADA})
        await web.post("/control/ends", json={"status": "failed", "error_code": 63003})
        with twilio_client(twilio) as client:
            sid = await answer(client, twilio)
            await twilio.settled()
            await web.post("/control/report", json={"sid": sid, "status": "delivered"})
        [sent] = (await web.get("/control/outbox")).json()
        assert (sent["sid"], sent["status"]) == (sid, "delivered")
