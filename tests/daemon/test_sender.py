"""The sender: every reply reaches its provider once, in order, and never after a takeover."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from fte.bus.log import LogBus
from fte.daemon import leases
from fte.daemon import sender as module
from fte.daemon.sender import Sender
from fte.domain.delivery import Outgoing
from fte.domain.errors import InDoubt, Rejected, Unavailable
from fte.domain.ids import new_id
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.ports import KeepDraft
from fte.store import control, replies
from tests.support import SECRET, hire, receive, seeing, until
from tests.support_delivery import Post, answer, answered, refuse, states, take_and_hang, take_slowly


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same decisions within a test's patience."""
    monkeypatch.setattr(leases, "SECONDS", 1.0)
    monkeypatch.setattr(module, "ASK_AGAIN", 0.05)
    monkeypatch.setattr(module, "PARK_AFTER", 0.5)
    monkeypatch.setattr(module, "PARKED_ASK_AGAIN", 0.05)
    monkeypatch.setattr(module, "POLL", 0.05)


@contextlib.asynccontextmanager
async def sending(pool: Pool, hints: Hints, *posts: Post) -> AsyncIterator[Sender]:
    providers = {post.name: post for post in posts}
    sender = Sender(
        pool,
        LogBus(pool, hints),
        hints,
        SECRET,
        providers,
        company="Acme",
        public_url="https://help.acme.example/",
    )
    task = asyncio.create_task(sender.run())
    try:
        yield sender
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def delivery_status(pool: Pool) -> str:
    status: str = await pool.fetchval("select delivery_status from messages where role = 'agent'")
    return status


async def test_a_queued_reply_is_handed_over_once(pool: Pool, hints: Hints) -> None:
    await answered(pool)
    post = Post()
    async with sending(pool, hints, post), sending(pool, hints, post):
        await until(lambda: pool.fetchval("select true from replies where state = 'sent'"))
    assert post.texts == ["An answer."]
    assert await pool.fetchval("select provider_id from replies") == "email-0"
    assert await delivery_status(pool) == "sent"
    states = await pool.fetch(
        "select payload->>'state' as state from log"
        " where topic = 'fte.conversations' and type = 'delivery.changed' order by position"
    )
    assert [row["state"] for row in states] == ["sending", "sent"]


async def test_what_was_accepted_before_the_line_went_dead_is_found_and_not_sent_again(
    pool: Pool, hints: Hints
) -> None:
    await answered(pool)
    post = Post(script=[take_and_hang])
    async with sending(pool, hints, post):
        await until(lambda: pool.fetchval("select true from replies where state = 'sent'"))
    assert post.texts == ["An answer."]


async def test_what_the_provider_never_got_is_sent_again(pool: Pool, hints: Hints) -> None:
    await answered(pool)
    post = Post(script=[refuse(InDoubt("the connection was lost"))])
    async with sending(pool, hints, post):
        await until(lambda: pool.fetchval("select true from replies where state = 'sent'"))
    assert post.texts == ["An answer."]
    assert post.asked == 1


class SlowPost(Post):
    """Takes its time, and knows how much was asked of it at once."""

    at_once = most = 0

    async def send(self, reply: Outgoing, keep_draft: KeepDraft) -> str:
        async with self.busy():
            return await super().send(reply, keep_draft)

    async def find(self, reply: Outgoing) -> str | None:
        async with self.busy():
            return await super().find(reply)

    @contextlib.asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0.2)
        yield
        self.at_once -= 1


async def test_what_is_sent_and_what_is_asked_about_share_the_places(
    pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONCURRENCY", 2)
    for number in range(6):
        await answered(pool, identifier=f"c{number}@example.com")
    await pool.execute(
        "update replies set state = 'sending', lease_until = now() - interval '1 minute'"
        " where id in (select id from replies order by id limit 3)"
    )

    def held(claim: Callable[..., Any]) -> Callable[..., Any]:
        """The claim, after as many turns of the loop as the other one needs to come here, if nothing keeps it away."""

        async def held_and_claimed(*arguments: Any) -> Any:
            for _ in range(100):
                await asyncio.sleep(0)
            return await claim(*arguments)

        return held_and_claimed

    monkeypatch.setattr(replies, "claim", held(replies.claim))
    monkeypatch.setattr(replies, "claim_overdue", held(replies.claim_overdue))
    post = SlowPost()
    async with sending(pool, hints, post):
        await until(lambda: pool.fetchval("select count(*) = 6 from replies where state = 'sent'"))
    assert post.most == 2


async def test_while_a_reply_is_being_sent_nobody_asks_about_it(
    pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "SECONDS", 0.5)
    await answered(pool)
    gate = asyncio.Event()
    post = Post(script=[take_slowly(gate)])
    async with sending(pool, hints, post), sending(pool, hints, post):
        first = await until(lambda: pool.fetchval("select lease_until from replies"))
        await until(
            lambda: pool.fetchval(
                "select lease_until > $1::timestamptz + interval '1 second' from replies", first
            )
        )
        gate.set()
        await until(lambda: pool.fetchval("select true from replies where state = 'sent'"))
    assert post.texts == ["An answer."]
    assert post.asked == 0


async def test_a_provider_that_is_away_is_tried_again(pool: Pool, hints: Hints) -> None:
    await answered(pool)
    post = Post(script=[refuse(Unavailable("down for maintenance"))])
    async with sending(pool, hints, post):
        await until(lambda: pool.fetchval("select true from replies where error like 'down%'"))
        assert await states(pool) == ["queued"]
        await pool.execute("update replies set due_at = now()")
        await until(lambda: pool.fetchval("select true from replies where state = 'sent'"))
    assert post.texts == ["An answer."]
    assert await pool.fetchval("select error from replies") is None


async def test_a_reply_that_waited_too_long_for_its_provider_goes_to_a_person(
    pool: Pool, hints: Hints
) -> None:
    await answered(pool)
    await pool.execute("update replies set queued_at = now() - interval '1 day'")
    async with sending(pool, hints, Post(script=[refuse(Unavailable("down"))])):
        await until(lambda: pool.fetchval("select true from replies where state = 'failed'"))
    assert await pool.fetchval("select owner from conversations") == "human"


async def test_a_refusal_is_final_and_a_person_is_told_why(pool: Pool, hints: Hints) -> None:
    await answered(pool)
    async with sending(pool, hints, Post(script=[refuse(Rejected("550: no such mailbox"))])):
        await until(lambda: pool.fetchval("select true from replies where state = 'failed'"))
    assert await delivery_status(pool) == "failed"
    row = await pool.fetchrow("select owner, status, escalation_reason, escalation_brief from conversations")
    assert row is not None
    assert (row["owner"], row["status"], row["escalation_reason"]) == (
        "human",
        "escalated",
        "delivery_failed",
    )
    assert "550: no such mailbox" in row["escalation_brief"]["tried"][0]
    assert await pool.fetchval("select count(*) from log where topic = 'fte.escalations'") == 1


async def test_what_nobody_can_tell_is_parked_and_resolved_when_somebody_can(
    pool: Pool, hints: Hints
) -> None:
    await answered(pool)
    post = Post(script=[take_and_hang], knows=False)
    async with sending(pool, hints, post):
        await until(lambda: pool.fetchval("select true from replies where state = 'unknown'"))
        assert await pool.fetchval("select escalation_reason from conversations") == "delivery_unknown"
        asked = post.asked
        await until(lambda: post.asked > asked)
        assert await states(pool) == ["unknown"]
        assert await pool.fetchval("select count(*) from log where topic = 'fte.escalations'") == 1
        post.knows = True
        await until(lambda: pool.fetchval("select true from replies where state = 'sent'"))
    assert post.texts == ["An answer."]


async def test_what_was_parked_and_never_left_is_for_the_person_to_send(pool: Pool, hints: Hints) -> None:
    """They may have written since; from behind it would overtake that."""
    await answered(pool)
    post = Post(script=[refuse(InDoubt("the line went dead"))], knows=False)
    async with sending(pool, hints, post):
        await until(lambda: pool.fetchval("select true from replies where state = 'unknown'"))
        post.knows = True
        await until(lambda: pool.fetchval("select true from replies where state = 'failed'"))
    assert post.texts == []
    assert await pool.fetchval("select error from replies") == "the provider never had it"


async def test_a_sender_that_was_stopped_after_its_claim_sends_nothing(
    pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    await answered(pool)
    post = Post()
    looks = itertools.count()
    with monkeypatch.context() as slow:
        slow.setattr(module, "now", lambda: next(looks) * (module.BEGIN_BY + 1))
        async with sending(pool, hints, post):
            await until(lambda: post.asked)
    assert post.texts == []
    async with sending(pool, hints, post):
        await pool.execute("update replies set due_at = now() where state = 'queued'")
        await until(lambda: pool.fetchval("select true from replies where state = 'sent'"))
    assert post.texts == ["An answer."]


async def test_replies_of_a_conversation_leave_in_order(pool: Pool, hints: Hints) -> None:
    received = await answered(pool, "first")
    await receive(pool, channel="email", account="us", verified=True, into_ticket=received.ticket)
    await answer(pool, "second")
    post = Post(script=[refuse(Unavailable("busy"))])
    async with sending(pool, hints, post):
        await until(lambda: pool.fetchval("select true from replies where error = 'busy'"))
        assert post.texts == []
        await pool.execute("update replies set due_at = now()")
        await until(lambda: len(post.accepted) == 2)
    assert post.texts == ["first", "second"]


async def test_a_long_message_leaves_in_parts_each_after_the_one_before(pool: Pool, hints: Hints) -> None:
    text = "This is a sentence that says something. " * 100
    await answered(pool, text, channel="whatsapp")
    parts = await pool.fetchval("select count(*) from replies")
    assert parts == 3
    post = Post("whatsapp", script=[refuse(Unavailable("busy"))])
    async with sending(pool, hints, post):
        await until(lambda: pool.fetchval("select true from replies where error = 'busy'"))
        assert await states(pool) == ["queued"] * 3
        await pool.execute("update replies set due_at = now()")
        await until(lambda: len(post.accepted) == 3)
        await until(lambda: pool.fetchval("select bool_and(state = 'sent') from replies"))
    assert " ".join(post.texts).split() == text.split()
    assert await delivery_status(pool) == "sent"


async def test_when_a_part_is_refused_the_rest_stays_here(pool: Pool, hints: Hints) -> None:
    await answered(pool, "This is a sentence that says something. " * 100, channel="whatsapp")
    async with sending(pool, hints, Post("whatsapp", script=[refuse(Rejected("no"))])):
        await until(lambda: pool.fetchval("select true from replies where state = 'failed'"))
    assert await states(pool) == ["failed", "cancelled", "cancelled"]
    assert await delivery_status(pool) == "failed"


async def test_what_the_ai_wrote_in_an_older_epoch_is_never_sent(pool: Pool, hints: Hints) -> None:
    """A takeover withdraws replies by itself; the sender's own look at the epoch is what this is about."""
    await answered(pool)
    await pool.execute("update conversations set epoch = epoch + 1")
    post = Post()
    async with sending(pool, hints, post):
        await until(lambda: pool.fetchval("select true from replies where state = 'superseded'"))
    assert post.texts == []
    assert await delivery_status(pool) == "superseded"


async def test_what_a_person_wrote_is_sent_whoever_owns_the_conversation_by_then(
    pool: Pool, hints: Hints
) -> None:
    received = await receive(pool, channel="email", account="us", verified=True)
    sam = await hire(pool, "Sam")
    await control.take_over(pool, str(new_id()), received.conversation, sam)
    await control.reply(pool, str(new_id()), received.conversation, seeing(sam, 1, 1), "By hand.")
    await control.resolve(pool, str(new_id()), received.conversation, seeing(sam, 2, 1), "done")
    post = Post()
    async with sending(pool, hints, post):
        await until(lambda: pool.fetchval("select true from replies where state = 'sent'"))
    assert post.texts == ["By hand."]


async def test_after_a_takeover_is_acknowledged_no_reply_of_the_ai_begins_its_way(
    pool: Pool, hints: Hints
) -> None:
    """The fence under fire: every reply that was accepted had been named by the takeover as in flight, or came before."""
    seed = random.randrange(10**9)
    chance = random.Random(seed)
    conversations = []
    for number in range(30):
        received = await answered(pool, f"answer {number}", identifier=f"c{number}@example.com")
        conversations.append(received.conversation)
    sam = await hire(pool, "Sam")
    post = Post()
    allowed: set[object] = set()

    async def take_over(conversation: object) -> None:
        await asyncio.sleep(chance.random() * 0.3)
        done = await control.take_over(pool, str(new_id()), conversation, sam)  # type: ignore[arg-type]
        allowed.update(done.in_flight)
        acknowledged[conversation] = len(post.accepted)

    acknowledged: dict[object, int] = {}
    async with sending(pool, hints, post), sending(pool, hints, post):
        await asyncio.gather(*(take_over(conversation) for conversation in conversations))
        await until(
            lambda: pool.fetchval("select count(*) = 0 from replies where state in ('queued', 'sending')")
        )
    rows = await pool.fetch("select r.id, r.message_id, r.conversation_id, r.state from replies r")
    order = {reply: place for place, (reply, _) in enumerate(post.accepted)}
    for row in rows:
        if row["id"] in order:
            before = order[row["id"]] < acknowledged[row["conversation_id"]]
            assert before or row["message_id"] in allowed, f"seed {seed}"
        else:
            assert row["state"] == "superseded", f"seed {seed}"


async def test_an_answer_on_the_web_form_is_announced_by_mail_once_a_day(pool: Pool, hints: Hints) -> None:
    await pool.execute("insert into mailboxes (account) values ('support@acme.example')")
    for number, address in enumerate(["a.da@gmail.com", "ada+1@gmail.com", "ADA@googlemail.com"]):
        await answered(
            pool,
            "An answer.",
            channel="web_form",
            verified=False,
            identifier=address,
            body=f"BUY PILLS {number}",
            name="Pills",
            subject="Pills",
        )
    post = Post()
    async with sending(pool, hints, post):
        await until(
            lambda: pool.fetchval("select true from replies where kind = 'notice' and state = 'sent'")
        )
    (text,) = post.texts
    assert "https://help.acme.example/support/ticket/" in text
    assert "pills" not in text.lower()
    assert await pool.fetchval("select count(*) from replies where kind = 'notice'") == 1
    assert (
        await pool.fetchval(
            "select count(*) from log where type = 'delivery.changed' and payload->>'kind' = 'answer'"
        )
        == 0
    )


async def test_without_a_mailbox_there_is_no_notice(pool: Pool) -> None:
    await answered(pool, "An answer.", channel="web_form", verified=False)
    assert await pool.fetchval("select count(*) from replies where kind = 'notice'") == 0


async def test_a_persons_answer_on_the_web_form_is_announced_too(pool: Pool, hints: Hints) -> None:
    await pool.execute("insert into mailboxes (account) values ('support@acme.example')")
    received = await receive(pool)
    sam = await hire(pool, "Sam")
    await control.take_over(pool, str(new_id()), received.conversation, sam)
    await control.reply(pool, str(new_id()), received.conversation, seeing(sam, 1, 1), "By hand.")
    post = Post()
    async with sending(pool, hints, post):
        await until(lambda: post.texts)
    assert "By hand" not in post.texts[0]
