"""Sending through Gmail: whatever goes wrong, the customer gets one mail, and we find out that they did."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fte.bus.log import LogBus
from fte.channels.gmail import channel as module
from fte.channels.gmail.channel import GmailChannel, thread_of
from fte.channels.gmail.client import DeadToken, GmailClient, Throttled
from fte.daemon import sender as sender_module
from fte.daemon.sender import Sender
from fte.demo.providers import SimulatedGmail
from fte.domain.errors import InDoubt, Rejected, Unavailable
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from tests.gmail.support import ADA, US, Post, outgoing
from tests.support import SECRET, until
from tests.support_delivery import answer


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DRAFT_TIMEOUT", "SEND_TIMEOUT", "LOOK_TIMEOUT"):
        monkeypatch.setattr(module, name, 1.0)


@pytest.fixture
async def client(gmail: SimulatedGmail, tmp_path: Path) -> AsyncIterator[GmailClient]:
    opened = GmailClient(gmail.write_token_file(tmp_path / "channel.json"), api_url=gmail.url)
    await opened.profile()
    yield opened
    opened.close()


@pytest.fixture
def channel(client: GmailClient) -> GmailChannel:
    return GmailChannel(client, account=US, from_name="Acme Support", secret=SECRET)


class Kept(list[str]):
    """The drafts whose ids were kept."""

    async def __call__(self, draft: str) -> None:
        self.append(draft)


def received(gmail: SimulatedGmail) -> int:
    return len(gmail.accepted.sends)


async def test_a_reply_is_sent_into_its_thread(gmail: SimulatedGmail, channel: GmailChannel) -> None:
    asked = await gmail.deliver({"sender": ADA, "subject": "Export", "text": "How?"})
    envelope = {
        "thread_id": asked.thread_id,
        "message_id": asked.reading.message_id,
        "references": [],
        "subject": "Export",
    }
    reply, kept = outgoing(envelope=envelope), Kept()
    provider_id = await channel.send(reply, kept)
    [sent] = gmail.outbox
    assert (sent.id, sent.thread_id, sent.recipients) == (provider_id, asked.thread_id, [ADA])
    assert (sent.reply_id, sent.in_reply_to) == (str(reply.reply_id), asked.reading.message_id)
    assert sent.subject == "Re: Export"
    assert len(kept) == 1
    assert gmail.mailbox(US).drafts == {}


async def test_the_draft_is_kept_before_it_is_sent(gmail: SimulatedGmail, channel: GmailChannel) -> None:
    async def refuses(_: str) -> None:
        assert received(gmail) == 0
        raise InDoubt

    with pytest.raises(InDoubt):
        await channel.send(outgoing(), refuses)
    assert received(gmail) == 0


async def test_a_reply_that_comes_with_a_draft_sends_that_one(
    gmail: SimulatedGmail, channel: GmailChannel
) -> None:
    reply, kept = outgoing(), Kept()
    gmail.faults.next("drafts.send", "hang_before")
    with pytest.raises(InDoubt):
        await channel.send(reply, kept)
    again = dataclasses.replace(reply, draft_id=kept[0], attempts=2)
    assert await channel.find(again) is None
    await channel.send(again, kept)
    assert (received(gmail), len(kept)) == (1, 1)


@pytest.mark.parametrize("kind", ["hang_after", "reset_after"])
async def test_what_was_accepted_without_an_answer_is_found(
    gmail: SimulatedGmail, channel: GmailChannel, kind: str
) -> None:
    """Though Gmail replaced our Message-ID, and though the client library silently asks again: the draft is gone then."""
    gmail.keeps_message_ids = False
    reply, kept = outgoing(), Kept()
    await channel.send(outgoing(), Kept())
    gmail.faults.next("drafts.send", kind)  # type: ignore[arg-type]
    with contextlib.suppress(InDoubt):
        assert await channel.send(reply, kept) == gmail.outbox[-1].id
    sent = dataclasses.replace(reply, draft_id=kept[0], attempts=2)
    assert await channel.find(sent) == gmail.outbox[-1].id
    assert await channel.send(sent, kept) == gmail.outbox[-1].id
    assert [accepted.reply_id for accepted in gmail.accepted.sends].count(str(reply.reply_id)) == 1


async def test_nothing_was_sent_before_there_was_a_draft(channel: GmailChannel) -> None:
    assert await channel.find(outgoing()) is None


async def test_a_draft_somebody_deleted_leaves_us_in_doubt(
    gmail: SimulatedGmail, client: GmailClient, channel: GmailChannel
) -> None:
    """A mail to the same customer is no proof: it must be this reply's."""
    await channel.send(outgoing(), Kept())
    gone = outgoing(draft_id="r-gone")
    with pytest.raises(InDoubt):
        await channel.find(gone)
    with pytest.raises(InDoubt):
        await channel.send(gone, Kept())
    assert received(gmail) == 1


async def test_a_draft_whose_id_was_lost_is_used_again(gmail: SimulatedGmail, channel: GmailChannel) -> None:
    reply, kept = outgoing(), Kept()
    for each in (outgoing(), reply):
        gmail.faults.next("drafts.create", "hang_after")
        with pytest.raises(Unavailable):
            await channel.send(each, kept)
    assert (len(gmail.mailbox(US).drafts), kept) == (2, [])
    await channel.send(dataclasses.replace(reply, attempts=2), kept)
    assert [sent.reply_id for sent in gmail.outbox] == [str(reply.reply_id)]
    assert len(gmail.mailbox(US).drafts) == 1


@pytest.mark.parametrize(
    ("operation", "kind", "error"),
    [
        ("drafts.create", "too_many", Throttled),
        ("drafts.create", "server_error", Unavailable),
        ("drafts.create", "hang_before", Unavailable),
        ("drafts.create", "refuse", Rejected),
        ("drafts.send", "too_many", Throttled),
        ("drafts.send", "refuse", Rejected),
        ("drafts.send", "server_error", InDoubt),
        ("drafts.send", "hang_before", InDoubt),
    ],
)
async def test_what_failures_mean(
    gmail: SimulatedGmail, channel: GmailChannel, operation: str, kind: str, error: type[Exception]
) -> None:
    gmail.faults.next(operation, kind)  # type: ignore[arg-type]
    with pytest.raises(error) as caught:
        await channel.send(outgoing(), Kept())
    assert isinstance(caught.value, InDoubt) == (error is InDoubt)
    assert received(gmail) == 0


async def test_a_dead_token_is_no_doubt(gmail: SimulatedGmail, channel: GmailChannel) -> None:
    gmail.tokens.revoke(US)
    with pytest.raises(DeadToken):
        await channel.send(outgoing(), Kept())


async def test_an_address_that_is_none_is_refused_for_good(channel: GmailChannel) -> None:
    with pytest.raises(Rejected):
        await channel.send(outgoing(recipient="nobody"), Kept())


async def test_a_thread_that_is_gone_keeps_no_answer_back(
    gmail: SimulatedGmail, channel: GmailChannel
) -> None:
    envelope = {"thread_id": "0123456789abcdef", "message_id": "<a@b>", "references": [], "subject": "Export"}
    await channel.send(outgoing(envelope=envelope), Kept())
    assert received(gmail) == 1


async def test_the_search_has_a_deadline(
    gmail: SimulatedGmail, channel: GmailChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOKING_TIMEOUT", 0.2)
    gmail.faults.next("messages.list", "hang_before")
    with pytest.raises(InDoubt):
        await channel.find(outgoing(draft_id="r-gone"))


@pytest.mark.parametrize(
    ("envelope", "subject", "thread"),
    [
        ({"thread_id": "1", "subject": "Export"}, "Re: Export", "1"),
        ({"thread_id": "1", "subject": "RE: re:  Export"}, "Re: Export", "1"),
        ({"thread_id": "1", "subject": "Café"}, "=?utf-8?q?Re=3A_Caf=C3=A9?=", "1"),
        ({"thread_id": "1", "subject": "Export"}, "Re: Import", None),
        ({"thread_id": "1"}, "Re: Export", None),
        ({"thread_id": None, "subject": "Export"}, "Re: Export", None),
        ({"thread_id": 5, "subject": "Export"}, "Re: Export", None),
        ({}, "Re: Export", None),
    ],
)
def test_a_mail_goes_into_a_thread_of_its_own_subject_only(
    envelope: dict[str, Any], subject: str, thread: str | None
) -> None:
    assert thread_of(envelope, f"Subject: {subject}\r\n\r\nHi\r\n".encode()) == thread


# ---------------------------------------------------------------- with the sender


@contextlib.asynccontextmanager
async def sending(pool: Pool, hints: Hints, channel: GmailChannel) -> AsyncIterator[None]:
    sender = Sender(
        pool, LogBus(pool, hints), hints, SECRET, {"email": channel}, company="Acme", public_url=""
    )
    task = asyncio.create_task(sender.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("drafts.create", "hang_after"),
        ("drafts.send", "hang_after"),
        ("*", "server_error"),
    ],
)
async def test_every_failure_ends_with_one_mail(
    ours: Post,
    hints: Hints,
    channel: GmailChannel,
    monkeypatch: pytest.MonkeyPatch,
    operation: str,
    kind: str,
) -> None:
    monkeypatch.setattr(sender_module, "ASK_AGAIN", 0.05)
    monkeypatch.setattr(sender_module, "POLL", 0.05)
    await ours.deliver()
    await ours.read()
    await answer(ours.pool, "Under Settings.")
    ours.gmail.faults.next(operation, kind, times=1)  # type: ignore[arg-type]
    async with sending(ours.pool, hints, channel):
        await until(lambda: ours.pool.fetchval("select true from replies where state = 'sent'"))
    assert received(ours.gmail) == 1
    assert ours.gmail.mailbox(US).drafts == {}
    [sent] = ours.gmail.outbox
    assert await ours.pool.fetchval("select provider_id from replies") == sent.id
