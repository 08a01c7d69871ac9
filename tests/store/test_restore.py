"""A restored database is a past: what it holds as unsent may have been sent, and nobody is answered on its word alone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from fte.bus import cursors
from fte.bus.log import LogBus
from fte.daemon.sender import Sender
from fte.domain.errors import Conflict, NotFound
from fte.domain.ids import new_id
from fte.pg import log
from fte.pg.hints import Hints
from fte.pg.log import Cursor
from fte.pg.pool import Pool
from fte.store import control, identity, replies, restore, turns
from fte.wire import Envelope
from tests.identity.support import chat, mail
from tests.store.test_drafts import held, hold_all
from tests.support import SECRET, hire, receive, seeing, until
from tests.support_delivery import Post, answer, answered, states

AHEAD = 1_000_000
"""Transactions by which the server of the backup was ahead of this one."""


@pytest.fixture
async def post(pool: Pool, hints: Hints) -> AsyncIterator[Post]:
    """A provider, and a sender that begins when the database is settled."""
    yield Post("email")


@contextlib.asynccontextmanager
async def sending(pool: Pool, hints: Hints, post: Post) -> AsyncIterator[None]:
    sender = Sender(
        pool, LogBus(pool, hints), hints, SECRET, {"email": post}, company="Us", public_url="http://x"
    )
    running = asyncio.create_task(sender.run())
    yield
    running.cancel()
    await asyncio.wait({running})


async def owner(pool: Pool, conversation: UUID) -> tuple[str, str]:
    row = await pool.fetchrow(
        "select owner, escalation_reason from conversations where id = $1", conversation
    )
    assert row is not None
    return row["owner"], row["escalation_reason"]


# ---------------------------------------------------------------- what was on its way


@pytest.mark.parametrize("state", ["queued", "sending"])
async def test_what_was_sent_since_is_found_and_not_sent_again(
    pool: Pool, hints: Hints, post: Post, state: str
) -> None:
    received = await answered(pool)
    reply = await pool.fetchval("select id from replies")
    if state == "sending":
        await replies.claim(pool, SECRET, new_id(), ["email"], 1, 600)
    post.ids[reply] = "m-1"
    counts = await restore.settle(pool)
    assert counts == {
        "messages_in_doubt": 1,
        "codes_and_notices_cancelled": 0,
        "conversations_handed_over": 1,
    }
    assert await owner(pool, received.conversation) == ("human", "restored")
    async with sending(pool, hints, post):
        await until(lambda: pool.fetchval("select count(*) from replies where state = 'sent'"))
    assert post.texts == []


async def test_what_was_not_sent_is_a_persons_to_send(pool: Pool, hints: Hints, post: Post) -> None:
    received = await answered(pool, "An answer.")
    await restore.settle(pool)
    async with sending(pool, hints, post):
        await until(lambda: pool.fetchval("select count(*) from replies where state = 'failed'"))
        assert post.texts == []
        ann = await hire(pool, "Ann")
        await control.take_over(pool, str(new_id()), received.conversation, seeing(ann, 9, 1))
        await control.send_again(pool, str(new_id()), received.conversation, seeing(ann, 9, 2))
        await until(lambda: post.texts == ["An answer."])


async def test_what_nobody_can_tell_stays_in_doubt(pool: Pool, hints: Hints, post: Post) -> None:
    post.knows = False
    await answered(pool)
    await restore.settle(pool)
    async with sending(pool, hints, post):
        await until(lambda: post.asked >= 1)
        await until(lambda: pool.fetchval("select count(*) from replies where lease_holder is null"))
    assert await states(pool) == ["unknown"]
    assert post.texts == []


async def test_codes_and_notices_are_not_sent_again(pool: Pool) -> None:
    lead = await hire(pool, "Lee", "lead")
    received = await mail(pool, "vera@gmail.com")
    await identity.request_link(
        pool, str(new_id()), received.conversation, lead, "email", "vera@work.example"
    )
    await restore.settle(pool)
    assert await states(pool) == ["cancelled"]


async def test_what_is_shown_on_the_form_needs_no_provider(pool: Pool) -> None:
    await receive(pool)
    await answer(pool, "There.")
    await pool.execute("update replies set state = 'queued'")
    await restore.settle(pool)
    assert await replies.show_due(pool, 10) == 1
    assert await states(pool) == ["sent"]


# ---------------------------------------------------------------- what was owed


async def test_an_answer_that_was_owed_or_held_is_a_persons(pool: Pool) -> None:
    await hold_all(pool)
    waiting, _ = await held(pool, identifier="eve@gmail.com", channel="email", account="us", verified=True)
    owed, running = await mail(pool, "vera@gmail.com"), await mail(pool, "bob@gmail.com")
    await pool.execute("update turns set due_at = now() where conversation_id = $1", running.conversation)
    claim = (await turns.claim(pool, new_id(), 1, 600))[0]
    assert claim.conversation == running.conversation
    done = await chat(pool, "+4915112345678")
    await pool.execute("update turns set state = 'done' where conversation_id = $1", done.conversation)
    await restore.settle(pool)
    for received in (owed, running, waiting):
        assert await owner(pool, received.conversation) == ("human", "restored")
    assert await owner(pool, done.conversation) == ("ai", None)
    assert not await pool.fetchval("select count(*) from turns where state in ('due', 'running')")
    assert not await pool.fetchval("select count(*) from drafts where state = 'pending'")
    told = await pool.fetchval("select count(*) from log where type = 'conversation.escalated'")
    assert told == 3


async def test_a_message_from_before_that_comes_again_is_a_persons(pool: Pool) -> None:
    await restore.settle(pool)
    now = datetime.now(UTC)
    past = await mail(pool, "vera@gmail.com", sent_at=now - timedelta(minutes=9))
    assert await owner(pool, past.conversation) == ("human", "restored")
    assert not await pool.fetchval("select count(*) from turns where state in ('due', 'running')")
    assert await pool.fetchval("select outcome from messages") == "handed_over"
    new = await mail(pool, "bob@gmail.com", sent_at=now + timedelta(seconds=9))
    assert await owner(pool, new.conversation) == ("ai", None)
    fresh = await chat(pool, "+4915112345678")
    assert await owner(pool, fresh.conversation) == ("ai", None)
    assert await pool.fetchval("select count(*) from turns where state = 'due'") == 2


async def test_after_a_release_the_ai_has_it_again(pool: Pool) -> None:
    await restore.settle(pool)
    past = await mail(pool, "vera@gmail.com", sent_at=datetime.now(UTC) - timedelta(minutes=9))
    ann = await hire(pool, "Ann")
    await control.take_over(pool, str(new_id()), past.conversation, seeing(ann, 1, 1))
    await control.release(pool, str(new_id()), past.conversation, seeing(ann, 1, 2), "not answered yet")
    assert await pool.fetchval("select count(*) from turns where state = 'due'") == 1


# ---------------------------------------------------------------- the log


async def test_groups_read_on_although_this_server_counts_from_the_beginning(
    pool: Pool, hints: Hints
) -> None:
    received = await mail(pool, "vera@gmail.com")
    await pool.execute("update log set tx = (tx::text::bigint + $1)::text::xid8", AHEAD)
    far = f"{AHEAD * 2}:{AHEAD * 2}:"
    await pool.execute(
        "insert into cursors (group_name, seen, position) values ('g', $1::text::pg_snapshot, 9)", far
    )
    await restore.settle(pool)
    heard: list[Envelope] = []

    async def handler(event: Envelope) -> None:
        heard.append(event)

    reading = asyncio.create_task(LogBus(pool, hints).consume(["fte.conversations"], "g", handler))
    await until(lambda: any(e.type == "message.received" for e in heard))
    await receive(pool, "more", into_ticket=received.ticket)
    hints.ring()
    await until(lambda: sum(e.type == "message.received" for e in heard) == 2)
    reading.cancel()
    assert (await cursors.current(pool, "g")).position >= 0


async def test_a_place_of_the_other_server_is_refused(pool: Pool) -> None:
    await mail(pool, "vera@gmail.com")
    there = Cursor(f"{AHEAD}:{AHEAD}:")
    here = await log.end(pool)
    for place in (there, here):
        await restore.settle(pool)
        with pytest.raises(NotFound, match="no longer kept"):
            await log.check(pool, place)
        with pytest.raises(NotFound, match="no longer kept"):
            await log.read(pool, ["fte.conversations"], place)
    await log.check(pool, await log.end(pool))


# ---------------------------------------------------------------- by whom, and when


async def test_a_copy_is_known_and_settled_once(pool: Pool) -> None:
    await restore.check_home(pool)
    await restore.check_home(pool)
    await pool.execute("update home set database = database::bigint + 1")
    with pytest.raises(Conflict, match="restored from a backup"):
        await restore.check_home(pool)
    await restore.settle(pool)
    await restore.check_home(pool)


async def test_nothing_is_settled_under_a_running_daemon(pool: Pool, database_url: str) -> None:
    daemon = await Pool.open(database_url, size=1)
    with pytest.raises(Conflict, match="daemon is connected"):
        await restore.settle(pool)
    await daemon.close()
    await until(
        lambda: pool.fetchval("select count(*) < 2 from pg_stat_activity where datname = current_database()")
    )
    await restore.settle(pool)


async def test_where_nothing_was_lost_all_goes_on(pool: Pool) -> None:
    owed = await answered(pool)
    past = await mail(pool, "bob@gmail.com")
    assert await restore.settle(pool, nothing_lost=True) == {}
    assert await states(pool) == ["queued"]
    for received in (owed, past):
        assert (await owner(pool, received.conversation))[0] == "ai"
    again = await mail(pool, "eve@gmail.com", sent_at=datetime.now(UTC) - timedelta(minutes=9))
    assert (await owner(pool, again.conversation))[0] == "ai"
