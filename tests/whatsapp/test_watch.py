"""The watch: nothing a customer wrote is missed, and a colleague's answer from elsewhere counts as a takeover."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from fte.channels.whatsapp.client import Listed, TwilioClient
from fte.daemon import whatsapp_watch
from fte.daemon.whatsapp_watch import Watch
from fte.demo.providers.twilio import SimulatedTwilio
from fte.demo.providers.whatsapp import Media
from fte.domain.errors import Unavailable
from fte.store import whatsapp
from tests.support import until
from tests.whatsapp.support import CUSTOMER, House, keep_nothing, outgoing, queue_reply, state_of

NOW = timedelta(seconds=-5)
"""No grace at all: Twilio's times are in whole seconds."""


@pytest.fixture
async def client(home: House) -> AsyncIterator[TwilioClient]:
    made = TwilioClient(home.account)
    yield made
    await made.close()


def at_once(home: House, **options: timedelta) -> Watch:
    return home.watch(read_every=0.0, **({"webhook_grace": NOW, "others_grace": NOW} | options))


async def contents(home: House) -> list[str]:
    return [row["content"] for row in await home.pool.fetch("select content from messages order by seq")]


async def test_what_no_webhook_brought_is_taken_in_once_and_in_order(
    home: House, twilio: SimulatedTwilio, client: TwilioClient
) -> None:
    await twilio.customer_writes(CUSTOMER, "one")
    twilio.pushes.disturb("lost", times=2)
    await twilio.customer_writes(CUSTOMER, "two")
    await twilio.customer_writes(
        CUSTOMER, "", media=[Media(content=b"\xff\xd8\xff", media_type="image/jpeg")]
    )
    watch = at_once(home)
    for _ in range(3):
        await watch.read(client)
    assert await contents(home) == ["one", "two", "[image]"]
    assert await home.pool.fetchval("select state from attachments") == "pending"
    assert len(home.rings) == 2


async def test_a_webhook_that_comes_after_all_changes_nothing(
    home: House, twilio: SimulatedTwilio, client: TwilioClient
) -> None:
    twilio.pushes.disturb("delayed", seconds=0.5)
    await twilio.customer_writes(CUSTOMER, "late")
    await at_once(home).read(client)
    await twilio.settled()
    assert twilio.pushes.log[-1].status == 200
    assert await contents(home) == ["late"]


async def test_a_webhook_is_given_its_time(
    home: House, twilio: SimulatedTwilio, client: TwilioClient
) -> None:
    twilio.pushes.disturb("lost")
    await twilio.customer_writes(CUSTOMER, "only just")
    await at_once(home, webhook_grace=timedelta(seconds=60)).read(client)
    assert await contents(home) == []


async def test_an_outage_of_days_is_made_up_for(
    home: House, twilio: SimulatedTwilio, client: TwilioClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whatsapp_watch, "LIST_MAX", 5)
    twilio.pushes.disturb("lost", times=40)
    for number in range(40):
        written = await twilio.customer_writes(CUSTOMER, f"message {number}")
        old = datetime.now(UTC) - timedelta(hours=80 - number)
        message = twilio.messages[written.sid]
        message.sent_at = message.created_at = old.timestamp()
    watch = at_once(home)
    await watch.read(client)
    assert await contents(home) == []
    await home.pool.execute("update whatsapp_numbers set read_until = now() - interval '4 days'")
    await watch.read(client)
    assert await contents(home) == [f"message {number}" for number in range(40)]
    sent = await home.pool.fetchval("select min(sent_at) from inbound")
    assert sent < datetime.now(UTC) - timedelta(hours=79)


async def test_the_point_moves_on_only_after_a_whole_reading(
    home: House, twilio: SimulatedTwilio, client: TwilioClient
) -> None:
    watch = at_once(home)
    await watch.read(client)
    before = await home.pool.fetchval("select read_until from whatsapp_numbers")
    twilio.pushes.disturb("lost")
    await twilio.customer_writes(CUSTOMER, "hello")
    twilio.faults.next("messages.list", "server_error")
    with pytest.raises(Unavailable):
        await watch.read(client)
    assert await home.pool.fetchval("select read_until from whatsapp_numbers") == before
    await watch.read(client)
    assert await contents(home) == ["hello"]
    assert await home.pool.fetchval("select read_until from whatsapp_numbers") > before


async def test_what_may_have_been_missed_is_looked_for_soon_and_once_more(
    home: House, twilio: SimulatedTwilio, client: TwilioClient
) -> None:
    watch = home.watch(read_every=60.0, webhook_grace=timedelta(seconds=0.5), others_grace=NOW)
    await watch.read(client)
    twilio.pushes.disturb("lost", times=2)
    await twilio.customer_writes(CUSTOMER, "one")
    await whatsapp.missed(home.pool, home.account.number)
    read = await home.pool.fetchval("select read_until from whatsapp_numbers")
    await watch.read(client)
    assert await home.pool.fetchval("select read_until from whatsapp_numbers") == read, "webhooks go first"
    await until(lambda: _arrived(watch, client, home, ["one"]))
    await twilio.customer_writes(CUSTOMER, "two")
    await until(lambda: _arrived(watch, client, home, ["one", "two"]))
    assert await home.pool.fetchval(
        "select next_read_at > now() + interval '30 seconds' from whatsapp_numbers"
    )


async def _arrived(watch: Watch, client: TwilioClient, home: House, texts: list[str]) -> bool:
    await watch.read(client)
    return await contents(home) == texts


async def test_a_reading_that_failed_is_done_again_soon(
    home: House, twilio: SimulatedTwilio, client: TwilioClient
) -> None:
    watch = home.watch(read_every=60.0, webhook_grace=NOW, others_grace=NOW)
    twilio.faults.next("messages.list", "server_error")
    await home.pool.execute("insert into whatsapp_numbers (account) values ($1)", home.account.number)
    with pytest.raises(Unavailable):
        await watch.read(client)
    twilio.pushes.disturb("lost")
    await twilio.customer_writes(CUSTOMER, "hello")
    await watch.read(client)
    assert await contents(home) == ["hello"]


async def test_of_many_processes_one_reads(
    home: House, twilio: SimulatedTwilio, client: TwilioClient
) -> None:
    watches = [home.watch(read_every=60.0) for _ in range(8)]
    twilio.faults.next("messages.list", "server_error", times=2)
    with contextlib.suppress(Unavailable):
        await asyncio.gather(*(watch.read(client) for watch in watches))
    assert twilio.faults.take("messages.list") is not None
    assert twilio.faults.take("messages.list") is None


async def test_one_unreadable_message_does_not_stop_the_others(
    home: House, twilio: SimulatedTwilio, client: TwilioClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    twilio.pushes.disturb("lost", times=2)
    poison = await twilio.customer_writes(CUSTOMER, "poison")
    await twilio.customer_writes(CUSTOMER, "fine")
    real = whatsapp_watch.from_list

    def brittle(message: Listed, *rest: object) -> object:
        if message.sid == poison.sid:
            raise RuntimeError
        return real(message, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(whatsapp_watch, "from_list", brittle)
    await at_once(home).read(client)
    assert await contents(home) == ["fine"]
    assert await home.pool.fetchval("select disposition from inbound where provider_id = $1", poison.sid) == (
        "unreadable"
    )


# ---------------------------------------------------------------- answers from elsewhere


async def from_elsewhere(home: House, text: str) -> str:
    """A colleague writes from Twilio's console."""
    client = TwilioClient(home.account)
    sid = await client.create({"to": f"whatsapp:{CUSTOMER}", "from_": home.account.address, "body": text})
    await client.close()
    await home.twilio.settled()
    return sid


async def test_a_colleagues_answer_takes_the_conversation_over_once(
    home: House, twilio: SimulatedTwilio, client: TwilioClient
) -> None:
    await twilio.customer_writes(CUSTOMER, "Hello?")
    sid = await from_elsewhere(home, "I called you.")
    watch = at_once(home)
    for _ in range(3):
        await watch.read(client)
    assert await contents(home) == ["Hello?", "I called you."]
    row = await home.pool.fetchrow("select owner, epoch from conversations")
    assert row is not None
    assert tuple(row) == ("human", 1)
    assert await home.pool.fetchval("select provider_id from replies") == sid
    assert await home.pool.fetchval("select state from turns") == "cancelled"


async def test_our_own_answers_are_not_taken_for_a_colleagues(
    home: House, twilio: SimulatedTwilio, client: TwilioClient
) -> None:
    await twilio.customer_writes(CUSTOMER, "Hello?")
    conversation = await home.pool.fetchval("select id from conversations")
    stored, cut_off, reported = [await queue_reply(home.pool, conversation) for _ in range(3)]
    channel = home.channel()
    sid = await channel.send(outgoing(reply_id=stored), keep_nothing)
    await home.pool.execute("update replies set state = 'sent', provider_id = $2 where id = $1", stored, sid)
    await channel.send(outgoing(reply_id=reported), keep_nothing)
    await twilio.settled()
    twilio.pushes.disturb("lost", times=9)
    await home.pool.execute("update replies set state = 'unknown' where id = $1", cut_off)
    await channel.send(outgoing(reply_id=cut_off), keep_nothing)
    await channel.close()
    await at_once(home).read(client)
    assert await home.pool.fetchval("select owner from conversations") == "ai"
    assert len(await contents(home)) == 4


async def test_what_reported_under_our_replys_id_is_ours(
    home: House, twilio: SimulatedTwilio, client: TwilioClient
) -> None:
    await twilio.customer_writes(CUSTOMER, "Hello?")
    reply = await queue_reply(home.pool, await home.pool.fetchval("select id from conversations"))
    channel = home.channel()
    await channel.send(outgoing(reply_id=reply), keep_nothing)
    await channel.close()
    await twilio.settled()
    assert await home.pool.fetchval("select provider_id from replies") is None
    await at_once(home).read(client)
    assert await home.pool.fetchval("select owner from conversations") == "ai"


async def test_what_is_new_may_be_our_own_on_its_way(
    home: House, twilio: SimulatedTwilio, client: TwilioClient
) -> None:
    await twilio.customer_writes(CUSTOMER, "Hello?")
    await from_elsewhere(home, "I called you.")
    await at_once(home, others_grace=timedelta(minutes=3)).read(client)
    assert await home.pool.fetchval("select owner from conversations") == "ai"


async def test_what_never_arrived_is_no_answer(
    home: House, twilio: SimulatedTwilio, client: TwilioClient
) -> None:
    await twilio.customer_writes(CUSTOMER, "Hello?")
    sid = await from_elsewhere(home, "I called you.")
    twilio.messages[sid].status = "undelivered"
    await at_once(home).read(client)
    assert await home.pool.fetchval("select owner from conversations") == "ai"


async def test_a_failure_whose_callback_was_lost_is_found(
    home: House, twilio: SimulatedTwilio, client: TwilioClient
) -> None:
    await twilio.customer_writes(CUSTOMER, "Hello?")
    reply = await queue_reply(home.pool, await home.pool.fetchval("select id from conversations"))
    twilio.next_ends("failed", 63024)
    twilio.pushes.disturb("lost", times=9)
    channel = home.channel()
    sid = await channel.send(outgoing(reply_id=reply), keep_nothing)
    await channel.close()
    await twilio.settled()
    await home.pool.execute("update replies set state = 'sent', provider_id = $2 where id = $1", reply, sid)
    await at_once(home).read(client)
    assert await state_of(home.pool, reply) == "failed"
    assert "63024" in await home.pool.fetchval("select error from replies")


async def test_it_goes_on_after_whatever_goes_wrong(
    home: House, twilio: SimulatedTwilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whatsapp_watch, "pause", lambda *_, **__: 0.01)
    monkeypatch.setattr(whatsapp_watch, "FETCH_POLL", 0.05)
    twilio.faults.next("messages.list", "server_error", times=2)
    twilio.pushes.disturb("lost")
    await twilio.customer_writes(
        CUSTOMER, "", media=[Media(content=b"\xff\xd8\xff", media_type="image/jpeg")]
    )
    watch = home.watch(read_every=0.05, webhook_grace=NOW, others_grace=NOW)
    running = asyncio.create_task(watch.run())
    try:
        assert await until(lambda: _stored(home))
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def _stored(home: House) -> bool:
    return bool(await home.pool.fetchval("select exists (select from attachments where state = 'stored')"))
