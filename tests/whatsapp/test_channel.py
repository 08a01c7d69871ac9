"""Sending with Twilio's own library against the simulated Twilio: each way it can go wrong, decided as the table says."""

import asyncio
import dataclasses
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from fte.channels.whatsapp import channel as module
from fte.channels.whatsapp import client, refusals
from fte.channels.whatsapp.channel import WhatsappChannel
from fte.demo.providers.twilio import SimulatedTwilio
from fte.domain.delivery import Outgoing
from fte.domain.errors import FteError, InDoubt, Rejected, Unavailable
from fte.store import channel_health
from tests.support import until
from tests.whatsapp.support import CUSTOMER, House, keep_nothing, outgoing, queue_reply, sending, state_of

TEMPLATE = "HX" + "a" * 32


@pytest.fixture
async def channel(home: House) -> AsyncIterator[WhatsappChannel]:
    made = home.channel()
    yield made
    await made.close()


@pytest.fixture
async def with_template(home: House) -> AsyncIterator[WhatsappChannel]:
    made = home.channel(account=dataclasses.replace(home.account, template=TEMPLATE))
    yield made
    await made.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CALL_TIMEOUT", 0.4)


REFUSED = [
    *((code, Rejected) for code in refusals.NEVER if code != refusals.CLOSED),
    *((code, Unavailable) for code in refusals.LATER),
    *((code, refusals.ChannelDown) for code in refusals.DOWN),
    (12345, Rejected),
]


@pytest.mark.parametrize(("code", "kind"), REFUSED, ids=[str(code) for code, _ in REFUSED])
async def test_each_refusal_is_decided(code: int, kind: type[FteError]) -> None:
    error = refusals.of_creation(400, code, "Unable to create record: \x1b[31mNo")
    assert type(error) is kind
    assert str(code) in error.message
    assert "\x1b" not in error.message or code == 12345


@pytest.mark.parametrize(
    ("fault", "status", "code", "kind", "accepted"),
    [
        ("refuse", 400, 21610, Rejected, 0),
        ("refuse", 400, 63003, Rejected, 0),
        ("refuse", 400, 63016, Rejected, 0),
        ("refuse", 401, 20003, Unavailable, 0),
        ("too_many", 0, 0, Unavailable, 0),
        ("server_error", 500, 0, InDoubt, 0),
        ("server_error", 503, 0, InDoubt, 0),
        ("reset_before", 0, 0, InDoubt, 0),
        ("reset_after", 0, 0, InDoubt, 1),
        ("hang_before", 0, 0, InDoubt, 0),
        ("hang_after", 0, 0, InDoubt, 1),
    ],
)
async def test_each_fault_is_decided_and_nothing_is_sent_twice(
    twilio: SimulatedTwilio,
    channel: WhatsappChannel,
    quick: None,
    fault: str,
    status: int,
    code: int,
    kind: type[FteError],
    accepted: int,
) -> None:
    twilio.faults.next("messages.create", fault, status=status, code=code)  # type: ignore[arg-type]
    with pytest.raises(FteError) as raised:
        await channel.send(outgoing(), keep_nothing)
    assert isinstance(raised.value, kind)
    assert len(twilio.accepted) == accepted


async def test_what_never_reached_twilio_may_be_sent_again(home: House, quick: None) -> None:
    gone = dataclasses.replace(home.account, api_url="http://127.0.0.1:1")
    for api_url in ("http://127.0.0.1:1", "http://no-such-host.invalid"):
        made = home.channel(account=dataclasses.replace(gone, api_url=api_url))
        with pytest.raises(Unavailable):
            await made.send(outgoing(), keep_nothing)
        await made.close()


async def test_a_connection_that_is_never_taken_is_no_doubt(home: House, quick: None) -> None:
    import socket

    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        made = home.channel(
            account=dataclasses.replace(home.account, api_url=f"http://127.0.0.1:{full.getsockname()[1]}")
        )
        with pytest.raises(Unavailable):
            await made.send(outgoing(), keep_nothing)
        await made.close()
        for one in waiting:
            one.close()


async def test_no_number_is_logged(
    twilio: SimulatedTwilio, channel: WhatsappChannel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("twilio.async_http_client").setLevel(logging.WARNING)
    await channel.send(outgoing(), keep_nothing)
    assert not [record for record in caplog.records if CUSTOMER[1:] in record.getMessage()]


# ---------------------------------------------------------------- the window (I17)


def closed(**changes: object) -> Outgoing:
    return outgoing(window_until=datetime.now(UTC) - timedelta(hours=1), **changes)


@pytest.mark.parametrize(
    "window_until",
    [
        datetime.now(UTC) - timedelta(seconds=1),
        datetime.fromtimestamp(0, UTC),
        datetime.now(UTC) + timedelta(seconds=20),
    ],
    ids=["over", "never open", "nearly over"],
)
async def test_no_free_text_is_started_outside_the_window(
    twilio: SimulatedTwilio, channel: WhatsappChannel, window_until: datetime
) -> None:
    with pytest.raises(Rejected) as raised:
        await channel.send(outgoing(window_until=window_until), keep_nothing)
    assert "FTE_WHATSAPP_TEMPLATE" in raised.value.message
    assert not twilio.accepted


async def test_inside_the_window_free_text_is_sent(
    twilio: SimulatedTwilio, with_template: WhatsappChannel
) -> None:
    await with_template.send(outgoing(window_until=datetime.now(UTC) + timedelta(hours=2)), keep_nothing)
    assert twilio.outbox[0].text
    assert not twilio.outbox[0].content_sid


async def test_the_template_carries_the_answer(
    twilio: SimulatedTwilio, with_template: WhatsappChannel
) -> None:
    sid = await with_template.send(closed(text="First.\n\nSecond\tline."), keep_nothing)
    assert twilio.outbox[0].content_sid == TEMPLATE
    assert not twilio.outbox[0].text
    variables = json.loads(twilio.messages[sid].content_variables)
    assert variables == {"1": "#7", "2": "First. Second line."}


async def test_a_window_that_closed_unnoticed_becomes_the_template(
    twilio: SimulatedTwilio, with_template: WhatsappChannel, channel: WhatsappChannel
) -> None:
    twilio.refuse(63016)
    await with_template.send(outgoing(), keep_nothing)
    assert twilio.outbox[0].content_sid == TEMPLATE
    twilio.refuse(63016)
    with pytest.raises(Rejected, match="template"):
        await channel.send(outgoing(), keep_nothing)


async def test_what_no_template_carries_is_rejected(
    twilio: SimulatedTwilio, with_template: WhatsappChannel
) -> None:
    with pytest.raises(Rejected, match="shorter"):
        await with_template.send(closed(text="long " * 300), keep_nothing)
    assert not twilio.accepted


# ---------------------------------------------------------------- asking: when no callback has said what became of it


@pytest.fixture
def unreported(twilio: SimulatedTwilio) -> None:
    twilio.pushes.disturb("lost", times=1_000)


async def test_the_one_message_that_can_only_be_it_is_found(
    twilio: SimulatedTwilio, channel: WhatsappChannel, quick: None, unreported: None
) -> None:
    reply = outgoing("The answer, cut off.  ")
    await channel.send(outgoing("Another answer."), keep_nothing)
    twilio.faults.next("messages.create", "hang_after")
    with pytest.raises(InDoubt):
        await channel.send(reply, keep_nothing)
    assert await channel.find(reply) == twilio.outbox[-1].sid
    with pytest.raises(Unavailable, match="yet"):
        await channel.find(dataclasses.replace(reply, recipient="+4915100000000"))


async def test_none_is_no_proof_and_two_are_none(
    twilio: SimulatedTwilio, channel: WhatsappChannel, home: House, unreported: None
) -> None:
    reply = outgoing()
    later = home.channel(now=lambda: datetime.now(UTC) + module.VISIBLE_AFTER)
    with pytest.raises(InDoubt, match="no message"):
        await later.find(reply)
    for _ in range(2):
        await channel.send(reply, keep_nothing)
    with pytest.raises(InDoubt, match="2 messages"):
        await later.find(reply)
    await later.close()


async def test_what_is_known_as_anothers_or_older_is_not_it(
    twilio: SimulatedTwilio, channel: WhatsappChannel, home: House, unreported: None
) -> None:
    await home.post(home.form())
    conversation = await home.pool.fetchval("select id from conversations")
    other = await queue_reply(home.pool, conversation)
    sid = await channel.send(outgoing(), keep_nothing)
    await home.pool.execute("update replies set provider_id = $2, state = 'sent' where id = $1", other, sid)
    later = outgoing(began_at=datetime.now(UTC) + module.CLOCK_SKEW + timedelta(minutes=1))
    await channel.send(outgoing(), keep_nothing)
    with pytest.raises((InDoubt, Unavailable)):
        await channel.find(later)
    assert await channel.find(outgoing()) == twilio.outbox[-1].sid


async def test_what_went_out_before_the_window_was_known_to_be_closed_is_not_it(
    home: House, twilio: SimulatedTwilio, channel: WhatsappChannel
) -> None:
    """Its report made the reply due again, without an id: the second try is another message."""
    conversation = await customer_waits(home)
    twilio.close_window(CUSTOMER)
    first = await queue_reply(home.pool, conversation)  # type: ignore[arg-type]
    await home.pool.execute("update replies set state = 'sending', began_at = now()")
    await channel.send(outgoing(reply_id=first), keep_nothing)
    await until(lambda: _is(home, first, "queued"))
    assert await home.pool.fetchval("select provider_id from replies") is None
    with pytest.raises((InDoubt, Unavailable)):
        await channel.find(outgoing(reply_id=first, attempts=2))


async def test_an_answer_inside_a_template_is_found(
    twilio: SimulatedTwilio, with_template: WhatsappChannel, unreported: None
) -> None:
    reply = closed(text="Yes,\nit is.")
    sid = await with_template.send(reply, keep_nothing)
    twilio.messages[sid].body = "About your request #7: Yes, it is. Reply to this message to go on."
    assert await with_template.find(reply) == sid
    with pytest.raises(Unavailable):
        await with_template.find(dataclasses.replace(reply, window_until=None))


# ---------------------------------------------------------------- health


async def test_health_is_told_when_it_changes(home: House, twilio: SimulatedTwilio) -> None:
    wrong = home.channel(account=dataclasses.replace(home.account, token="x" * 32))
    with pytest.raises(refusals.ChannelDown, match="TWILIO_AUTH_TOKEN"):
        await wrong.send(outgoing(), keep_nothing)
    (health,) = await channel_health.current(home.pool)
    assert not health.healthy
    assert "TWILIO_AUTH_TOKEN" in health.detail
    right = home.channel()
    await right.send(outgoing(), keep_nothing)
    (health,) = await channel_health.current(home.pool)
    assert health.healthy
    for made in (wrong, right):
        await made.close()


async def test_what_is_sent_stays_sent_when_health_cannot_be_stored(
    home: House, twilio: SimulatedTwilio
) -> None:
    async def known(_: str) -> bool:
        return False

    async def away(_: str | None) -> None:
        raise Unavailable

    made = WhatsappChannel(home.account, known, away)
    assert await made.send(outgoing(), keep_nothing) == twilio.outbox[0].sid
    await made.close()


# ---------------------------------------------------------------- with the sender


async def customer_waits(home: House) -> object:
    await home.twilio.customer_writes(CUSTOMER, "How do I export my data?")
    return await home.pool.fetchval("select id from conversations")


async def test_from_a_queued_reply_to_the_blue_ticks(home: House, twilio: SimulatedTwilio) -> None:
    reply = await queue_reply(home.pool, await customer_waits(home))  # type: ignore[arg-type]
    async with sending(home, home.channel()):
        await until(lambda: _is(home, reply, "read"))
    assert [sent.reply_id for sent in twilio.outbox] == [str(reply)]


async def test_twilio_accepts_and_then_says_nothing(
    home: House, twilio: SimulatedTwilio, quick: None
) -> None:
    reply = await queue_reply(home.pool, await customer_waits(home))  # type: ignore[arg-type]
    twilio.faults.next("messages.create", "hang_after")
    async with sending(home, home.channel()):
        await until(lambda: _is(home, reply, "read"))
        await twilio.settled()
    assert len(twilio.accepted) == 1


async def test_twilio_is_busy_for_a_while(home: House, twilio: SimulatedTwilio) -> None:
    reply = await queue_reply(home.pool, await customer_waits(home))  # type: ignore[arg-type]
    twilio.faults.next("messages.create", "too_many", times=2)
    async with sending(home, home.channel()):
        await until(lambda: _is(home, reply, "read"), deadline=30)
    assert len(twilio.accepted) == 1


async def test_a_window_that_closed_reaches_a_person_and_is_never_tried_again(
    home: House, twilio: SimulatedTwilio
) -> None:
    conversation = await customer_waits(home)
    twilio.close_window(CUSTOMER)
    reply = await queue_reply(home.pool, conversation)  # type: ignore[arg-type]
    async with sending(home, home.channel()):
        await until(lambda: _is(home, reply, "failed"))
        await asyncio.sleep(0)
    assert len(twilio.accepted) == 1
    owner = await home.pool.fetchval("select owner from conversations")
    assert owner == "human"


async def test_a_window_that_closed_becomes_the_template(home: House, twilio: SimulatedTwilio) -> None:
    conversation = await customer_waits(home)
    twilio.close_window(CUSTOMER)
    reply = await queue_reply(home.pool, conversation)  # type: ignore[arg-type]
    account = dataclasses.replace(home.account, template=TEMPLATE)
    async with sending(home, home.channel(account=account)):
        await until(lambda: _is(home, reply, "read"))
    assert [sent.content_sid for sent in twilio.outbox] == ["", TEMPLATE]
    assert {sent.reply_id for sent in twilio.outbox} == {str(reply)}


async def _is(home: House, reply: object, state: str) -> bool:
    return await state_of(home.pool, reply) == state  # type: ignore[arg-type]
