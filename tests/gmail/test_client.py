"""Gmail through Google's own client: what each failure becomes."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fte.channels.gmail import client as module
from fte.channels.gmail.client import Broken, DeadToken, GmailClient, Throttled
from fte.demo.providers import SimulatedGmail
from fte.demo.providers.gmail import TOPIC
from fte.domain.errors import NotFound, Rejected, Unavailable
from tests.gmail.support import ADA, US


@pytest.fixture
async def client(gmail: SimulatedGmail, tmp_path: Path) -> AsyncIterator[GmailClient]:
    opened = GmailClient(gmail.write_token_file(tmp_path / "token.json"), api_url=gmail.url)
    yield opened
    opened.close()


async def test_the_mailbox(gmail: SimulatedGmail, client: GmailClient) -> None:
    before = await client.profile()
    mail = await gmail.deliver({"sender": ADA, "subject": "Hi", "text": "Hello"})
    page = await client.added_since(before.history_id)
    assert (before.address, [ref.id for ref in page.mails], page.next_page) == (US, [mail.id], None)
    summary = await client.summary(mail.id)
    assert (summary.thread_id, summary.labels) == (mail.thread_id, {"INBOX", "UNREAD"})
    assert abs(summary.arrived_at.timestamp() - mail.received_at) < 0.01
    assert await client.original(mail.id) == mail.raw
    assert await client.header(mail.id, "subject") == "Hi"


async def test_many_calls_at_once(gmail: SimulatedGmail, client: GmailClient) -> None:
    profiles = await asyncio.gather(*(client.profile() for _ in range(40)))
    assert {profile.address for profile in profiles} == {US}


async def test_a_watch_says_until_when(client: GmailClient) -> None:
    left = (await client.watch(TOPIC)).timestamp() - time.time()
    assert 6.9 * 86_400 < left < 7.1 * 86_400


async def test_drafts_are_sent_once(gmail: SimulatedGmail, client: GmailClient) -> None:
    draft = await client.create_draft(b"To: ada@example.net\r\nSubject: Hi\r\n\r\nHello\r\n", None)
    assert await client.draft_exists(draft)
    sent = await client.send_draft(draft)
    assert sent in gmail.mailbox(US).messages
    assert not await client.draft_exists(draft)
    with pytest.raises(NotFound):
        await client.send_draft(draft)
    assert len(gmail.outbox) == 1


async def test_an_access_token_that_is_too_old_is_renewed(gmail: SimulatedGmail, client: GmailClient) -> None:
    await client.profile()
    gmail.tokens.expire()
    assert (await client.profile()).address == US


async def test_a_dead_token_has_a_name_and_a_remedy(gmail: SimulatedGmail, client: GmailClient) -> None:
    gmail.tokens.revoke(US)
    with pytest.raises(DeadToken) as caught:
        await client.profile()
    assert "fte gmail auth" in f"{caught.value.message} {caught.value.remedy}"


async def test_a_new_token_file_is_found_without_a_restart(
    gmail: SimulatedGmail, client: GmailClient, tmp_path: Path
) -> None:
    gmail.tokens.revoke(US)
    with pytest.raises(DeadToken):
        await client.profile()
    gmail.tokens.restore(US)
    (tmp_path / "token.json").unlink()
    gmail.write_token_file(tmp_path / "token.json")
    assert (await client.profile()).address == US


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"refresh_token": "x"}', "\x00"])
async def test_a_file_that_is_no_token(gmail: SimulatedGmail, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "token.json"
    if content is not None:
        path.touch(mode=0o600)
        path.write_text(content)
    client = GmailClient(path, api_url=gmail.url)
    with pytest.raises(DeadToken):
        await client.profile()
    client.close()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize(("mode", "group_may"), [(0o440, True), (0o460, False), (0o444, False)])
async def test_a_token_mounted_as_a_secret_is_read_through_the_group(
    gmail: SimulatedGmail, tmp_path: Path, mode: int, group_may: bool
) -> None:
    path = gmail.write_token_file(tmp_path / "token.json")
    path.chmod(mode)
    os.chown(path, 12345, os.getgid())
    client = GmailClient(path, api_url=gmail.url)
    with contextlib.nullcontext() if group_may else pytest.raises(DeadToken, match="chmod 600"):
        await client.profile()
    client.close()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
async def test_a_token_others_may_read_is_not_used(gmail: SimulatedGmail, tmp_path: Path, mode: int) -> None:
    path = gmail.write_token_file(tmp_path / "token.json")
    path.chmod(mode)
    client = GmailClient(path, api_url=gmail.url)
    with pytest.raises(DeadToken, match="chmod 600"):
        await client.profile()
    client.close()


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("server_error", 500, Broken),
        ("server_error", 503, Broken),
        ("refuse", 400, Rejected),
        ("refuse", 403, Unavailable),
        ("refuse", 404, NotFound),
        ("reset_before", 0, Broken),
    ],
)
async def test_failures_and_what_they_become(
    gmail: SimulatedGmail, client: GmailClient, kind: str, status: int, error: type[Exception]
) -> None:
    await client.profile()
    gmail.faults.next("messages.get", kind, status=status, times=3)  # type: ignore[arg-type]
    with pytest.raises(error) as caught:
        await client.summary("1")
    assert type(caught.value) is error


async def test_nothing_is_tried_twice_after_an_error_answer(
    gmail: SimulatedGmail, client: GmailClient
) -> None:
    gmail.faults.next("drafts.create", "server_error", status=503)
    with pytest.raises(Broken):
        await client.create_draft(b"To: ada@example.net\r\n\r\nHello\r\n", None)
    assert not gmail.accepted


async def test_gmail_is_left_alone_for_as_long_as_it_asks(gmail: SimulatedGmail, client: GmailClient) -> None:
    gmail.faults.next("getProfile", "too_many", retry_after=1)
    asked_at = time.monotonic()
    with pytest.raises(Throttled) as caught:
        await client.profile()
    assert caught.value.retry_after == 1
    with pytest.raises(Throttled):
        await client.summary("1")  # not even asked
    while True:
        try:
            await client.profile()
            break
        except Throttled as error:
            await asyncio.sleep(error.retry_after)
    assert time.monotonic() - asked_at >= 1


@pytest.mark.parametrize(
    ("headers", "message", "low", "high"),
    [
        ({}, "", module.RETRY_AFTER, module.RETRY_AFTER),
        ({"retry-after": "7"}, "", 7, 7),
        ({"retry-after": "999999"}, "", module.RETRY_AFTER_MAX, module.RETRY_AFTER_MAX),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, "", module.RETRY_AFTER, module.RETRY_AFTER),
        ({}, "User-rate limit exceeded.  Retry after 2999-01-01T00:00:00.000Z", 3_600, 3_600),
        ({}, "User-rate limit exceeded.  Retry after 1999-01-01T00:00:00.000Z", 30, 30),
    ],
)
def test_how_long_gmail_asks_to_be_left_alone(
    headers: dict[str, str], message: str, low: float, high: float
) -> None:
    assert low <= module._retry_after(headers, message) <= high


async def test_a_hanging_call_has_a_deadline(gmail: SimulatedGmail, tmp_path: Path) -> None:
    client = GmailClient(gmail.write_token_file(tmp_path / "t.json"), api_url=gmail.url, timeout=2)
    await client.profile()
    gmail.faults.next("getProfile", "hang_before")
    with pytest.raises(Broken):
        await client.profile()
    client.close()
    gmail.clear()


async def test_a_call_that_found_no_thread_was_certainly_not_made(
    gmail: SimulatedGmail, tmp_path: Path
) -> None:
    client = GmailClient(gmail.write_token_file(tmp_path / "t.json"), api_url=gmail.url, timeout=2)
    await client.profile()
    gmail.faults.next("getProfile", "hang_before", times=module.THREADS)
    calls = [asyncio.create_task(client.profile()) for _ in range(module.THREADS)]
    await asyncio.sleep(0.1)
    with pytest.raises(Unavailable) as caught:
        await client.create_draft(b"To: ada@example.net\r\n\r\nHello\r\n", None)
    assert not isinstance(caught.value, Broken)
    gmail.clear()
    await asyncio.gather(*calls, return_exceptions=True)
    client.close()
    assert not gmail.accepted


async def test_nobody_listens(tmp_path: Path, gmail: SimulatedGmail) -> None:
    client = GmailClient(gmail.write_token_file(tmp_path / "t.json"), api_url="http://127.0.0.1:1")
    with pytest.raises(Unavailable) as caught:
        await client.profile()
    assert type(caught.value) is Unavailable
    client.close()
