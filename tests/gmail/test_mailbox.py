"""Reading a mailbox: nothing is missed, nothing is taken twice, and nothing stops the mails after it."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from fte.channels.gmail import mime
from fte.channels.gmail.client import Broken, Page, Ref
from fte.daemon import leases
from fte.daemon import mailbox as module
from fte.daemon.mailbox import Mailbox
from fte.demo.providers import SimulatedGmail
from fte.demo.providers.gmail import TOPIC
from fte.domain.ids import new_id
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store import channel_health, mailboxes
from tests.gmail.support import ADA, US, Post, post
from tests.support import until


@contextlib.asynccontextmanager
async def running(*mailboxes_: Mailbox) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(mailbox.run()) for mailbox in mailboxes_]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def stored(pool: Pool) -> list[str]:
    """The texts taken in, in order."""
    return [
        row["content"] for row in await pool.fetch("select content from messages order by created_at, id")
    ]


async def deliver_many(ours: Post, count: int, first: int = 0) -> list[str]:
    texts = [f"Question {number}?" for number in range(first, first + count)]
    for text in texts:
        await ours.deliver(text=text, subject=text, sender=f"{text[9:-1]}@example.net")
    return texts


# ---------------------------------------------------------------- the place in the history (I15)


async def test_mail_from_before_the_first_start_is_left_alone(
    gmail: SimulatedGmail, pool: Pool, hints: Hints, tmp_path: Path
) -> None:
    await gmail.deliver({"sender": ADA, "subject": "Old", "text": "Years ago"})
    async with post(gmail, pool, hints, tmp_path) as ours:
        assert await ours.cursor() == gmail.mailbox(US).history_id
        await ours.deliver(text="Now")
        await ours.read()
    assert await stored(pool) == ["Now"]


async def test_many_pages_are_stored_in_order(ours: Post) -> None:
    texts = await deliver_many(ours, 10)
    await ours.read()
    assert await stored(ours.pool) == texts
    assert await ours.cursor() == ours.gmail.mailbox(US).history_id


async def test_reading_again_changes_nothing(ours: Post) -> None:
    texts = await deliver_many(ours, 4)
    for _ in range(3):
        await ours.read()
    await ours.pool.execute("update mailboxes set history_id = 1000")
    await ours.read()
    assert await stored(ours.pool) == texts


async def test_the_stored_place_counts_and_not_the_one_that_was_pushed(ours: Post, site: str) -> None:
    ours.gmail.push_to(US, site)
    await ours.client.watch(TOPIC)
    ours.gmail.pushes.disturb("lost")
    await deliver_many(ours, 1)
    await deliver_many(ours, 1, first=1)
    await ours.gmail.pushes.settled()
    async with running(ours.mailbox):
        await until(lambda: ours.pool.fetchval("select count(*) = 2 from messages"))


async def test_an_announcement_wakes_the_reader(ours: Post, site: str) -> None:
    """Polling is a minute away: only the push can bring it."""
    ours.gmail.push_to(US, site)
    await ours.client.watch(TOPIC)
    async with running(ours.mailbox):
        await ours.deliver()
        await until(lambda: ours.pool.fetchval("select count(*) = 1 from messages"))


async def test_without_announcements_mail_is_found_by_polling(ours: Post) -> None:
    ours.mailbox._poll = 0.2
    await ours.read()
    async with running(ours.mailbox):
        await ours.deliver()
        await until(lambda: ours.pool.fetchval("select count(*) = 1 from messages"))


@pytest.mark.parametrize("seed", range(3))
async def test_pushes_may_be_lost_doubled_and_reordered(ours: Post, site: str, seed: int) -> None:
    chance = random.Random(seed)
    ours.gmail.push_to(US, site)
    await ours.client.watch(TOPIC)
    ours.mailbox._poll = 0.5
    await ours.read()
    cursors: list[int] = []
    texts: list[str] = []

    async def watch_the_cursor() -> None:
        while True:
            cursors.append(await ours.cursor() or 0)
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch_the_cursor())
    async with running(ours.mailbox):
        for batch in range(8):
            kind = chance.choice(["lost", "doubled", "delayed", "reordered"])
            ours.gmail.pushes.disturb(kind, times=2, seconds=0.05)  # type: ignore[arg-type]
            texts += await deliver_many(ours, chance.randint(1, 4), first=batch * 10)
            if chance.random() < 0.3:
                ours.gmail.announce(US, history_id=1)
            await asyncio.sleep(chance.random() * 0.2)
        ours.gmail.pushes.clear()
        await until(lambda: ours.pool.fetchval("select count(*) >= $1 from messages", len(texts)))
    watching.cancel()
    assert sorted(await stored(ours.pool)) == sorted(texts)
    assert cursors == sorted(cursors)


@pytest.mark.parametrize("broken_at", [0, 1, 2, 4, 6])
@pytest.mark.parametrize("kind", ["killed", "unavailable"])
async def test_a_reading_that_breaks_off_leaves_the_place_where_it_was(
    ours: Post, monkeypatch: pytest.MonkeyPatch, broken_at: int, kind: str
) -> None:
    """Whatever page it was on: a process that dies there, or Gmail that goes away."""
    before, texts = await ours.cursor(), await deliver_many(ours, 7)
    sort, seen = ours.sorter.sort, 0

    async def breaks(ref: Ref) -> None:
        nonlocal seen
        seen += 1
        if seen == broken_at + 1:
            if kind == "killed":
                raise asyncio.CancelledError
            ours.gmail.faults.next("*", "server_error", times=100)
        await sort(ref)

    monkeypatch.setattr(ours.sorter, "sort", breaks)
    with contextlib.suppress(asyncio.CancelledError):
        assert not await ours.read()
    assert len(await stored(ours.pool)) < len(texts)
    assert await ours.cursor() == before
    ours.gmail.clear()
    assert await ours.read()
    assert await stored(ours.pool) == texts


async def test_a_page_that_cannot_be_had_is_asked_for_again(
    ours: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, texts = await ours.cursor(), await deliver_many(ours, 7)
    sort = ours.sorter.sort

    async def breaks(ref: Ref) -> None:
        await sort(ref)
        ours.gmail.faults.clear()
        ours.gmail.faults.next("history.list", "server_error")

    monkeypatch.setattr(ours.sorter, "sort", breaks)
    assert not await ours.read()
    assert (await stored(ours.pool), await ours.cursor()) == (texts[:3], before)
    monkeypatch.setattr(ours.sorter, "sort", sort)
    ours.gmail.clear()
    assert await ours.read()
    assert await stored(ours.pool) == texts


async def test_mail_that_comes_in_during_a_reading_is_not_missed(
    ours: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = await deliver_many(ours, 5)
    sort, late = ours.sorter.sort, iter(range(100, 104))

    async def busy(ref: Ref) -> None:
        if (number := next(late, None)) is not None:
            texts.extend(await deliver_many(ours, 1, first=number))
        await sort(ref)

    monkeypatch.setattr(ours.sorter, "sort", busy)
    await ours.read()
    await ours.read()
    assert sorted(await stored(ours.pool)) == sorted(texts)


async def test_a_later_page_may_know_a_newer_place_than_its_mails(
    ours: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of one listing need not show what came in after its first one; their history id moves on all the same."""
    texts = await deliver_many(ours, 5)
    listed: list[Ref] = []

    async def listing(cursor: int, page: str | None = None) -> Page:
        if page is None:
            added = ours.gmail.mailbox(US).changes(cursor, {"messagesAdded"}, None)
            listed[:] = [Ref(record.message_id, record.thread_id) for record in added]
        else:
            texts.extend(await deliver_many(ours, 1, first=100) if len(texts) == 5 else [])
        first = int(page or 0)
        following = str(first + 3) if first + 3 < len(listed) else None
        return Page(tuple(listed[first : first + 3]), following, ours.gmail.mailbox(US).history_id)

    monkeypatch.setattr(ours.client, "added_since", listing)
    await ours.read()
    await ours.read()
    assert await stored(ours.pool) == texts
    assert len(texts) == 6


async def test_a_place_gmail_has_forgotten(ours: Post) -> None:
    texts = await deliver_many(ours, 5)
    ours.gmail.mailbox(US).forget_history()
    texts += await deliver_many(ours, 2, first=50)
    assert await ours.read()
    assert await stored(ours.pool) == texts
    assert await ours.cursor() == ours.gmail.mailbox(US).history_id
    texts += await deliver_many(ours, 1, first=60)
    await ours.read()
    assert await stored(ours.pool) == texts


async def test_after_a_forgotten_place_only_what_is_new_is_looked_at(ours: Post) -> None:
    old = await ours.gmail.deliver({"sender": ADA, "subject": "Old", "text": "Long ago"})
    old.received_at -= 3_600
    ours.gmail.mailbox(US).forget_history()
    texts = await deliver_many(ours, 1)
    await ours.read()
    assert await stored(ours.pool) == texts


async def test_a_full_sync_that_breaks_off_is_done_again(ours: Post) -> None:
    before, texts = await ours.cursor(), await deliver_many(ours, 5)
    ours.gmail.mailbox(US).forget_history()
    ours.gmail.faults.next("messages.list", "server_error")
    assert not await ours.read()
    assert await ours.cursor() == before
    assert await ours.read()
    assert await stored(ours.pool) == texts


async def test_a_full_sync_is_bounded(ours: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FULL_SYNC_MAX", 4)
    texts = await deliver_many(ours, 9)
    ours.gmail.mailbox(US).forget_history()
    await ours.read()
    assert await stored(ours.pool) == texts[-4:]


async def test_who_was_cut_off_from_the_database_goes_on_at_once(ours: Post) -> None:
    me = new_id()
    assert await mailboxes.claim(ours.pool, "other", me, 60) is not None
    assert await mailboxes.claim(ours.pool, "other", new_id(), 60) is None
    again = await mailboxes.claim(ours.pool, "other", me, 60)
    assert again is not None
    await mailboxes.advance(ours.pool, again, 5, 60)
    assert await mailboxes.claim(ours.pool, "other", me, 60) is None


async def test_the_place_never_moves_back(ours: Post) -> None:
    lease = await mailboxes.claim(ours.pool, "other", new_id(), 60)
    assert lease is not None
    for cursor, stands_at in ((50, 50), (9, 50), (100, 100), (99, 100)):
        await mailboxes.advance(ours.pool, lease, cursor, 60)
        state = await mailboxes.state(ours.pool, "other")
        assert state is not None
        assert state.cursor == stands_at


async def test_a_push_during_a_reading_is_remembered(ours: Post) -> None:
    lease = await mailboxes.claim(ours.pool, "other", new_id(), 60)
    assert lease is not None
    await mailboxes.mark_dirty(ours.pool, "other")
    assert await mailboxes.claim(ours.pool, "other", new_id(), 60) is None
    await mailboxes.advance(ours.pool, lease, 5, 60)
    assert await mailboxes.claim(ours.pool, "other", new_id(), 60) is not None


async def test_one_process_reads_at_a_time_and_another_goes_on_when_it_is_gone(ours: Post) -> None:
    gone = await mailboxes.claim(ours.pool, "other", new_id(), 0.2)
    assert gone is not None
    assert await mailboxes.claim(ours.pool, "other", new_id(), 60) is None

    async def claim() -> mailboxes.Lease | None:
        await mailboxes.mark_dirty(ours.pool, "other")
        return await mailboxes.claim(ours.pool, "other", new_id(), 60)

    heir = await until(claim)
    assert await mailboxes.begin_mail(ours.pool, gone, "m") is None
    assert await mailboxes.begin_mail(ours.pool, heir, "m") == 1
    await mailboxes.put_off(ours.pool, gone, 0)
    assert await mailboxes.claim(ours.pool, "other", new_id(), 60) is None


async def test_a_mailbox_stays_with_whoever_reads_a_slow_mail(
    ours: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "SECONDS", 0.5)
    gate, sort = asyncio.Event(), ours.sorter.sort

    async def slow(ref: Ref) -> None:
        await gate.wait()
        await sort(ref)

    monkeypatch.setattr(ours.sorter, "sort", slow)
    texts = await deliver_many(ours, 1)
    await mailboxes.mark_dirty(ours.pool, US)
    async with running(ours.mailbox):
        held = "select held_until from mailboxes where mail is not null"
        first = await until(lambda: ours.pool.fetchval(held))
        await until(
            lambda: ours.pool.fetchval(f"select ({held}) > $1::timestamptz + interval '1 second'", first)
        )
        await mailboxes.mark_dirty(ours.pool, US)
        assert await mailboxes.claim(ours.pool, US, new_id(), 60) is None
        gate.set()
        await until(lambda: ours.pool.fetchval("select true from messages"))
    assert await stored(ours.pool) == texts


async def test_several_processes_share_a_mailbox(
    ours: Post, pool: Pool, hints: Hints, tmp_path: Path
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        others = [await stack.enter_async_context(post(ours.gmail, pool, hints, tmp_path)) for _ in range(2)]
        async with running(ours.mailbox, *(other.mailbox for other in others)):
            texts: list[str] = []
            for batch in range(5):
                texts += await deliver_many(ours, 3, first=batch * 10)
                await mailboxes.mark_dirty(pool, US)
                hints.ring()
                await asyncio.sleep(0.05)
            await until(lambda: pool.fetchval("select count(*) = 15 from messages"))
    assert await stored(pool) == texts


# ---------------------------------------------------------------- mails that break things (I13)


def breaking(monkeypatch: pytest.MonkeyPatch, how: Callable[[], None]) -> None:
    """Let reading a mail with the word POISON go wrong."""
    read = mime.read

    def poisoned(raw: bytes) -> mime.Mail:
        if b"POISON" in raw:
            how()
        return read(raw)

    monkeypatch.setattr(mime, "read", poisoned)


def raises() -> None:
    raise ZeroDivisionError


def recurses() -> None:
    recurses()


@pytest.mark.parametrize("how", [raises, recurses])
async def test_a_mail_that_breaks_its_reader_is_set_aside_and_the_next_have_their_turn(
    ours: Post, monkeypatch: pytest.MonkeyPatch, how: Callable[[], None]
) -> None:
    breaking(monkeypatch, how)
    await deliver_many(ours, 1)
    bad = await ours.deliver(text="POISON")
    await deliver_many(ours, 2, first=1)
    assert await ours.read()
    assert await stored(ours.pool) == ["Question 0?", "Question 1?", "Question 2?"]
    row = await ours.pool.fetchrow("select disposition, raw from inbound where provider_id = $1", bad.id)
    assert row is not None
    assert (row["disposition"], row["raw"]) == ("unreadable", bad.raw)
    assert await ours.cursor() == ours.gmail.mailbox(US).history_id


async def test_a_mail_that_never_ends_is_set_aside(ours: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAIL_TIMEOUT", 0.5)
    sort = ours.sorter.sort

    async def slow(ref: Ref) -> None:
        if b"POISON" in ours.gmail.mailbox(US).messages[ref.id].raw:
            await asyncio.sleep(60)
        await sort(ref)

    monkeypatch.setattr(ours.sorter, "sort", slow)
    bad = await ours.deliver(text="POISON")
    texts = await deliver_many(ours, 2)
    assert await ours.read()
    assert await stored(ours.pool) == texts
    assert (await ours.inbound())[bad.id] == "unreadable"


async def test_a_mail_that_kills_its_reader_is_set_aside(ours: Post) -> None:
    """A dead process says nothing; what counts is that it had begun."""
    bad = await ours.deliver(text="POISON")
    texts = await deliver_many(ours, 1)
    for _ in range(module.TRIES_MAX):
        await ours.pool.execute("update mailboxes set dirty = true, held_until = null")
        lease = await mailboxes.claim(ours.pool, US, new_id(), 60)
        assert lease is not None
        await mailboxes.begin_mail(ours.pool, lease, bad.id)
    assert await ours.read()
    assert await stored(ours.pool) == texts
    assert (await ours.inbound())[bad.id] == "unreadable"


async def test_no_mail_is_given_up_because_gmail_is_away(ours: Post) -> None:
    texts = await deliver_many(ours, 1)
    for _ in range(module.TRIES_MAX + 3):
        ours.gmail.faults.next("messages.get", "server_error", times=3)
        assert not await ours.read()
    ours.gmail.clear()
    assert await ours.read()
    assert await stored(ours.pool) == texts


async def test_a_mail_gmail_withholds_keeps_no_other_waiting_and_is_given_up_late(
    ours: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    withheld = await ours.deliver(text="Withheld")
    original, before = ours.client.original, await ours.cursor()

    async def withholding(mail: str) -> bytes:
        if mail == withheld.id:
            raise Broken
        return await original(mail)

    monkeypatch.setattr(ours.client, "original", withholding)
    texts = await deliver_many(ours, 2)
    for _ in range(2):
        assert not await ours.read()
        assert await stored(ours.pool) == texts
        assert await ours.cursor() == before
    monkeypatch.setattr(module, "WITHHELD_FOR", 0.0)
    assert await ours.read()
    assert (await ours.inbound())[withheld.id] == "unreadable"
    assert await ours.cursor() == ours.gmail.mailbox(US).history_id


async def test_a_mail_deleted_in_between_is_no_trouble(ours: Post) -> None:
    gone = await ours.deliver(text="Never mind")
    ours.gmail.mailbox(US).remove(gone.id)
    texts = await deliver_many(ours, 1)
    assert await ours.read()
    assert await stored(ours.pool) == texts


@pytest.mark.parametrize("label", ["SPAM", "TRASH", "DRAFT"])
async def test_some_places_are_passed_over(ours: Post, label: str) -> None:
    await ours.deliver(labels=(label,))
    assert await ours.read()
    assert await ours.inbound() == {}


# ---------------------------------------------------------------- Gmail's moods


async def health(pool: Pool) -> tuple[bool, str]:
    [said] = await channel_health.current(pool)
    return said.healthy, said.detail


async def test_a_dead_token_makes_the_channel_unhealthy_and_is_tried_again_slowly(ours: Post) -> None:
    texts = await deliver_many(ours, 1)
    ours.gmail.tokens.revoke(US)
    assert not await ours.read()
    healthy, detail = await health(ours.pool)
    assert (healthy, "fte gmail auth" in detail) == (False, True)
    await mailboxes.mark_dirty(ours.pool, US)
    asked = ours.gmail.faults
    asked.next("token", "server_error", times=1)
    assert not await ours.mailbox.read_if_due()  # a push does not cut the pause short
    assert asked.take("token") is not None
    wait = await ours.pool.fetchval("select extract(epoch from held_until - now())::float8 from mailboxes")
    assert wait > module.SIGN_IN_PAUSE - 60
    ours.gmail.tokens.restore(US)
    assert await ours.read()
    assert await health(ours.pool) == (True, "")
    assert await stored(ours.pool) == texts


async def test_gmail_that_asks_for_a_pause_gets_it(ours: Post) -> None:
    ours.gmail.faults.next("history.list", "too_many", retry_after=77)
    assert not await ours.read()
    wait = await ours.pool.fetchval("select extract(epoch from held_until - now())::float8 from mailboxes")
    assert 70 < wait <= 77


async def test_one_failure_is_no_illness_but_several_are(ours: Post) -> None:
    ours.gmail.faults.next("history.list", "server_error", times=2)
    assert not await ours.read()
    assert (await health(ours.pool))[0]
    assert not await ours.read()
    assert not (await health(ours.pool))[0]
    assert await ours.read()
    assert (await health(ours.pool))[0]


async def test_an_answer_without_sense_does_not_end_the_reader(
    ours: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = await deliver_many(ours, 1)
    added_since = ours.client.added_since

    async def senseless(*_: Any) -> Page:
        raise KeyError("historyId")

    monkeypatch.setattr(ours.client, "added_since", senseless)
    monkeypatch.setattr(ours.client, "watch", senseless)
    ours.mailbox._topic = TOPIC
    await mailboxes.mark_dirty(ours.pool, US)
    async with running(ours.mailbox):
        await until(lambda: ours.mailbox._failures)
        monkeypatch.setattr(ours.client, "added_since", added_since)
        await ours.pool.execute("update mailboxes set held_until = null")
        await until(lambda: stored(ours.pool))
    assert await stored(ours.pool) == texts


async def test_the_watch_is_renewed_when_a_day_of_it_is_gone(ours: Post, hints: Hints) -> None:
    ours.mailbox._topic = TOPIC
    async with running(ours.mailbox):
        await until(lambda: ours.pool.fetchval("select watch_expires_at is not null from mailboxes"))
    assert ours.gmail.mailbox(US).watch is not None
    first = await ours.pool.fetchval("select watch_expires_at from mailboxes")
    await ours.mailbox._renew_watch()
    assert await ours.pool.fetchval("select watch_expires_at from mailboxes") == first
    await ours.pool.execute("update mailboxes set watch_expires_at = now() + interval '5 days 23 hours'")
    await ours.mailbox._renew_watch()
    assert await ours.pool.fetchval("select watch_expires_at from mailboxes") > first


async def test_a_watch_nobody_renews_any_more_is_forgotten(ours: Post) -> None:
    await ours.pool.execute("update mailboxes set watch_expires_at = now() + interval '1 day'")
    async with running(ours.mailbox):
        await until(lambda: ours.pool.fetchval("select watch_expires_at is null from mailboxes"))


async def test_a_watch_that_runs_out_makes_the_channel_unhealthy(ours: Post) -> None:
    ours.mailbox._topic = TOPIC
    await ours.pool.execute("update mailboxes set watch_expires_at = now() + interval '47 hours'")
    assert await ours.read()
    assert (await health(ours.pool))[0]  # it may yet be renewed
    ours.gmail.faults.next("watch", "refuse", status=403, times=1000)
    watching = asyncio.create_task(ours.mailbox._watch_for_ever())
    await until(lambda: ours.mailbox._watch_failures)
    assert await ours.read()
    healthy, detail = await health(ours.pool)
    assert (healthy, "fte gmail watch" in detail) == (False, True)
    ours.gmail.clear()
    await until(lambda: not ours.mailbox._watch_failures)
    watching.cancel()
    assert await ours.read()
    assert await health(ours.pool) == (True, "")


async def test_a_stop_in_the_middle_lets_the_next_process_go_on_at_once(
    ours: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ours.deliver()
    begun = asyncio.Event()

    async def slow(_: Any) -> None:
        begun.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(ours.sorter, "sort", slow)
    await mailboxes.mark_dirty(ours.pool, US)
    task = asyncio.create_task(ours.mailbox.run())
    await begun.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert await mailboxes.claim(ours.pool, US, new_id(), 60) is not None
