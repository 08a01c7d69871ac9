"""What providers report of a message, in any order; mails that come back; and colleagues who answer from elsewhere."""

import asyncio
import itertools
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fte.domain.delivery import WINDOW_CLOSED, settled
from fte.domain.errors import Conflict
from fte.domain.ids import new_id
from fte.domain.turns import Outcome, Trace, Verdict
from fte.pg.pool import Pool
from fte.store import control, replies, turns
from fte.store.replies import Claim
from tests.support import SECRET, hire, receive, seeing, until_settled, until_waiting
from tests.support_delivery import answered, states

REPORTS = ["sent", "delivered", "read", "failed"]


async def in_flight(pool: Pool, channel: str = "whatsapp") -> Claim:
    """An AI's reply somebody is sending."""
    await answered(pool, channel=channel)
    (claim,) = await replies.claim(pool, SECRET, new_id(), ["email", "whatsapp"], 1, 30)
    return claim


@given(st.lists(st.sampled_from([*REPORTS, "queued", "nonsense"]), max_size=6), st.randoms())
def test_the_state_depends_on_what_was_reported_and_not_on_the_order(
    reports: list[str], chance: random.Random
) -> None:
    shuffled = reports + chance.sample(reports, len(reports) // 2)
    chance.shuffle(shuffled)
    assert settled(set(shuffled)) == settled(set(reports))


def test_what_was_read_has_not_failed() -> None:
    assert settled({"failed", "read"}) == "read"
    assert settled({"failed", "delivered", "sent"}) == "delivered"
    assert settled({"failed", "sent"}) == "failed"
    assert settled(set()) == "sent"


@pytest.mark.parametrize("reports", list(itertools.permutations(["sent", "delivered", "read"])), ids="-".join)
async def test_reports_lead_to_one_state_in_every_order_before_and_after_the_id_is_known(
    pool: Pool, reports: tuple[str, ...]
) -> None:
    claim = await in_flight(pool)
    await replies.report(pool, "whatsapp", "SM1", reports[0], None, None)
    assert await states(pool) == ["sending"]
    assert await replies.accepted(pool, claim.reply, "SM1")
    for status in reports[1:] + reports:
        await replies.report(pool, "whatsapp", "SM1", status, None, None)
    assert await states(pool) == ["read"]
    assert await pool.fetchval("select delivery_status from messages where role = 'agent'") == "read"
    assert await pool.fetchval("select count(*) from delivery_reports") == 3


@pytest.mark.parametrize("answer_first", [True, False])
async def test_a_report_races_with_the_answer_that_names_the_id(pool: Pool, answer_first: bool) -> None:
    claim = await in_flight(pool)

    def answer() -> Any:
        return replies.accepted(pool, claim.reply, "SM1")

    def report() -> Any:
        return replies.report(pool, "whatsapp", "SM1", "delivered", None, None)

    async with pool.transaction() as connection:
        # The answer has looked for reports when it comes to the log, and the report is stored then.
        await connection.execute("lock table log in share mode")
        racing = [asyncio.create_task((answer if answer_first else report)())]
        await until_settled(pool, racing)
        racing.append(asyncio.create_task((report if answer_first else answer)()))
        await until_settled(pool, racing)
    await asyncio.gather(*racing)
    assert await states(pool) == ["delivered"]


async def test_a_report_with_our_reply_id_resolves_a_doubt(pool: Pool) -> None:
    claim = await in_flight(pool)
    await replies.park(pool, claim, "the line went dead", 60)
    assert await states(pool) == ["unknown"]
    await replies.report(pool, "whatsapp", "SM1", "delivered", None, claim.reply.reply_id)
    assert await states(pool) == ["delivered"]
    assert await replies.is_ours(pool, "whatsapp", "SM1")


async def test_a_closed_window_is_tried_once_more_knowing_that_and_then_goes_to_a_person(pool: Pool) -> None:
    claim = await in_flight(pool)
    assert claim.reply.window_until is not None and claim.reply.window_until > claim.reply.began_at
    await replies.accepted(pool, claim.reply, "SM1")
    await replies.report(pool, "whatsapp", "SM1", "failed", WINDOW_CLOSED, claim.reply.reply_id)
    (again,) = await replies.claim(pool, SECRET, new_id(), ["whatsapp"], 1, 30)
    assert again.reply.window_until is not None and again.reply.window_until < again.reply.began_at
    await replies.report(pool, "whatsapp", "SM1", "failed", WINDOW_CLOSED, claim.reply.reply_id)
    assert await states(pool) == ["sending"]
    await replies.accepted(pool, again.reply, "SM2")
    await replies.report(pool, "whatsapp", "SM2", "failed", WINDOW_CLOSED, claim.reply.reply_id)
    assert await states(pool) == ["failed"]
    assert await pool.fetchval("select escalation_reason from conversations") == "delivery_failed"


async def test_what_is_said_of_a_message_its_window_cost_does_not_touch_the_next(pool: Pool) -> None:
    claim = await in_flight(pool)
    await replies.accepted(pool, claim.reply, "SM1")
    await replies.report(pool, "whatsapp", "SM1", "failed", WINDOW_CLOSED, claim.reply.reply_id)
    (again,) = await replies.claim(pool, SECRET, new_id(), ["whatsapp"], 1, 30)
    await replies.report(pool, "whatsapp", "SM1", "sent", None, claim.reply.reply_id)
    assert await states(pool) == ["sending"]
    assert await replies.put_back(pool, again, 0, "Twilio is away")
    (third,) = await replies.claim(pool, SECRET, new_id(), ["whatsapp"], 1, 30)
    assert third.reply.window_until is not None and third.reply.window_until < third.reply.began_at
    assert await replies.accepted(pool, third.reply, "SM2")
    await replies.report(pool, "whatsapp", "SM2", "delivered", None, claim.reply.reply_id)
    assert await states(pool) == ["delivered"]


async def test_every_change_of_a_reply_is_announced(pool: Pool) -> None:
    claim = await in_flight(pool)
    await replies.put_back(pool, claim, 0, "busy")
    sam = await hire(pool, "Sam")
    await control.take_over(pool, str(new_id()), claim.reply.conversation_id, sam)
    rows = await pool.fetch(
        "select payload->>'state' as state from log"
        " where topic = 'fte.conversations' and type = 'delivery.changed' order by position"
    )
    assert [row["state"] for row in rows] == ["sending", "queued", "superseded"]


async def test_a_mail_that_comes_back_fails_its_reply_and_a_delay_does_not(pool: Pool) -> None:
    claim = await in_flight(pool, "email")
    await replies.accepted(pool, claim.reply, "g1")
    assert await replies.bounced(pool, claim.reply.reply_id, "4.4.1 delayed", permanent=False)
    assert await states(pool) == ["sent"]
    assert await replies.bounced(pool, claim.reply.reply_id, "5.1.1 no such user", permanent=True)
    assert await states(pool) == ["failed"]
    assert not await replies.bounced(pool, new_id(), "5.1.1", permanent=True)


async def test_who_lost_the_lease_changes_nothing(pool: Pool) -> None:
    claim = await in_flight(pool)
    await pool.execute("update replies set lease_until = now() - interval '1 second'")
    (asked,) = await replies.claim_overdue(pool, SECRET, new_id(), ["whatsapp"], 5, 30)
    assert not await replies.put_back(pool, claim, 0, "late")
    assert not await replies.fail(pool, claim, "late")
    assert not await replies.park(pool, claim, "late", 1)
    assert not await replies.keep_draft(pool, claim, "d1")
    assert await states(pool) == ["sending"]
    assert await replies.put_back(pool, asked, 0, "never got there")
    assert await states(pool) == ["queued"]


@pytest.mark.parametrize(("limit", "taken"), [(1, 1), (3, 3), (5, 4)])
async def test_no_more_is_taken_than_there_is_room_for(pool: Pool, limit: int, taken: int) -> None:
    for number in range(4):
        await answered(pool, identifier=f"c{number}@example.com")
    await pool.execute(
        "update replies set state = (array['sending', 'unknown'])[1 + n % 2],"
        "                   lease_until = now() - interval '1 minute', due_at = now() - interval '1 minute'"
        "  from (select id, row_number() over (order by id) as n from replies) numbered"
        " where numbered.id = replies.id"
    )
    claims = await replies.claim_overdue(pool, SECRET, new_id(), ["email"], limit, 30)
    assert len(claims) == taken
    rest = await replies.claim_overdue(pool, SECRET, new_id(), ["email"], 5, 30)
    assert len({one.reply.reply_id for one in [*claims, *rest]}) == 4


async def test_who_renews_late_does_not_hold_what_is_somebody_elses(pool: Pool) -> None:
    late = await in_flight(pool)
    await pool.execute("update replies set lease_until = now() - interval '1 second'")
    (heir,) = await replies.claim_overdue(pool, SECRET, new_id(), ["whatsapp"], 1, 30)
    until_ = await pool.fetchval("select lease_until from replies")
    await replies.renew(pool, [late], 60)
    assert await pool.fetchval("select lease_until from replies") == until_
    await replies.renew(pool, [late, heir], 60)
    assert await pool.fetchval("select lease_until from replies") > until_


async def test_a_colleague_who_answers_from_another_client_has_taken_over(pool: Pool) -> None:
    received = await receive(pool, channel="email", account="us", verified=True)
    await pool.execute("update turns set due_at = now()")
    (running,) = await turns.claim(pool, new_id(), 1, 60)

    async def hear() -> bool:
        return await control.reply_from_elsewhere(
            pool,
            channel="email",
            account="us",
            provider_id="g9",
            conversation=received.conversation,
            text="Hello!",
        )

    assert sorted(await asyncio.gather(*(hear() for _ in range(6)))) == [False] * 5 + [True]
    assert await turns.finish(pool, running, Outcome("An answer.", Trace("t", "1"))) is Verdict.VOID
    rows = await pool.fetch("select role, content, delivery_status from messages order by seq")
    assert [tuple(row) for row in rows][1:] == [("operator", "Hello!", "sent")]
    row = await pool.fetchrow(
        "select owner, operator_id, epoch, answered_seq = last_inbound_seq as done from conversations"
    )
    assert row is not None and tuple(row) == ("human", None, 1, True)
    sam = await hire(pool, "Sam")
    done = await control.take_over(pool, str(new_id()), received.conversation, sam)
    await control.reply(pool, str(new_id()), received.conversation, seeing(sam, 2, done.epoch), "Me again.")
    assert await replies.is_ours(pool, "email", "g9")


async def test_a_takeover_waits_for_a_claim_that_is_being_made_and_names_its_reply(pool: Pool) -> None:
    received = await answered(pool)
    sam = await hire(pool, "Sam")
    async with pool.transaction() as connection:
        (claimed,) = await connection.fetch(replies._sql.claim, 1, new_id(), 30.0, ["email"])
        takeover = asyncio.create_task(control.take_over(pool, str(new_id()), received.conversation, sam))
        await until_waiting(pool, 1)
    message = await pool.fetchval("select message_id from replies where id = $1", claimed["id"])
    assert (await takeover).in_flight == [message]


async def test_a_claim_looks_at_the_epoch_itself(pool: Pool) -> None:
    """Whoever withdraws replies may be a moment late; the claim is what nothing gets past."""
    await answered(pool)
    await pool.execute("update conversations set epoch = epoch + 1")
    assert await pool.fetch(replies._sql.claim, 1, new_id(), 30.0, ["email"]) == []
    await pool.execute("update conversations set epoch = epoch - 1")
    assert len(await pool.fetch(replies._sql.claim, 1, new_id(), 30.0, ["email"])) == 1


async def test_a_claim_leaves_alone_what_a_takeover_is_about_to_withdraw(pool: Pool) -> None:
    received = await answered(pool)
    async with pool.transaction() as connection:
        await connection.execute(control._sql.lock, received.conversation)
        assert await replies.claim(pool, SECRET, new_id(), ["email"], 1, 30) == []
    assert len(await replies.claim(pool, SECRET, new_id(), ["email"], 1, 30)) == 1


async def test_a_person_sends_again_what_did_not_arrive(pool: Pool) -> None:
    claim = await in_flight(pool, "email")
    await replies.park(pool, claim, "the line went dead", 60)
    conversation = claim.reply.conversation_id
    sam = await hire(pool, "Sam")
    with pytest.raises(Conflict):
        await control.send_again(pool, str(new_id()), conversation, seeing(sam, 2, 1))
    done = await control.take_over(pool, str(new_id()), conversation, sam)
    key = str(new_id())
    for _ in range(2):
        await control.send_again(pool, key, conversation, seeing(sam, 2, done.epoch))
    assert await states(pool) == ["queued"]
    (again,) = await replies.claim(pool, SECRET, new_id(), ["email"], 1, 30)
    assert again.reply.reply_id == claim.reply.reply_id
    await replies.accepted(pool, again.reply, "g2")
    with pytest.raises(Conflict, match="on its way"):
        await control.send_again(pool, str(new_id()), conversation, seeing(sam, 2, done.epoch))
