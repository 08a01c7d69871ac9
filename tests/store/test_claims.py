"""Claims whose holder is gone end with a new epoch; what a person leaves behind reaches the agent, and only the agent."""

import asyncio
from typing import Any

import pytest

from fte.domain.conversations import Actor
from fte.domain.errors import Conflict, NotFound, Refused, Rejected
from fte.domain.ids import new_id
from fte.domain.turns import Outcome, Trace, Verdict
from fte.pg.pool import Pool
from fte.store import claims, control, conversations, operators, presence, replies, turns
from tests.support import SECRET, hire, receive, seeing, until_waiting

ANSWER = Outcome("An answer.", Trace("test", "1"))
LEASE = 900.0


def key() -> str:
    return str(new_id())


async def vanish(pool: Pool, actor: Actor) -> None:
    """Nothing was heard of them for twenty minutes."""
    long_ago = "now() - interval '20 minutes'"
    await pool.execute(f"update operators set seen_at = {long_ago} where id = $1", actor.id)
    await pool.execute(f"update hands set at = {long_ago} where operator_id = $1", actor.id)


async def owner(pool: Pool) -> tuple[Any, ...]:
    row = await pool.fetchrow("select owner, operator_id, epoch, status from conversations")
    assert row is not None
    return tuple(row)


async def test_who_vanished_loses_the_claim_with_a_new_epoch_and_colleagues_hear_of_it(pool: Pool) -> None:
    first = await receive(pool, "Is anybody there?")
    ben = await hire(pool, "Ben")
    await control.take_over(pool, key(), first.conversation, ben)
    assert await claims.free_lost(pool, LEASE) == []
    await vanish(pool, ben)
    assert await claims.free_lost(pool, LEASE) == [first.conversation]
    assert await owner(pool) == ("human", None, 2, "escalated")
    assert await turns.claim(pool, new_id(), 5, 60) == []
    types = [row["type"] for row in await pool.fetch("select type from log order by position")]
    assert types[-3:] == ["claim.lost", "conversation.escalated", "escalation.raised"]
    audit = await pool.fetchrow("select operator_id, details, result from audit order by id desc limit 1")
    assert audit is not None
    assert audit["operator_id"] is None
    assert audit["details"] == {"by": "system", "holder": "Ben", "why": "vanished"}
    with pytest.raises(Conflict, match=r"Nobody holds .*Nothing was heard of whoever held it"):
        await control.reply(pool, key(), first.conversation, seeing(ben, 1, 1), "Back again!")
    view = await conversations.one(pool, first.conversation)
    assert view.brief is not None
    assert (view.brief.reason, view.brief.asked) == ("operator_vanished", "Is anybody there?")


async def test_several_sweepers_free_once(pool: Pool) -> None:
    first = await receive(pool)
    ben = await hire(pool, "Ben")
    await control.take_over(pool, key(), first.conversation, ben)
    await vanish(pool, ben)
    async with pool.transaction() as connection:
        await connection.execute(control._sql.lock, first.conversation)
        sweeping = [asyncio.create_task(claims.free_lost(pool, LEASE)) for _ in range(6)]
        await until_waiting(pool, 6)
    assert sum([len(await one) for one in sweeping]) == 1
    assert await claims.free_lost(pool, LEASE) == []
    assert (await owner(pool))[2] == 2
    assert await pool.fetchval("select count(*) from log where type = 'claim.lost'") == 1


async def test_what_nobody_waits_for_goes_back_to_the_ai(pool: Pool) -> None:
    first = await receive(pool)
    ben = await hire(pool, "Ben")
    await control.take_over(pool, key(), first.conversation, ben)
    await control.reply(pool, key(), first.conversation, seeing(ben, 1, 1), "There you go.")
    await vanish(pool, ben)
    await claims.free_lost(pool, LEASE)
    assert await owner(pool) == ("ai", None, 2, "open")
    assert await pool.fetchval("select count(*) from log where topic = 'fte.escalations'") == 0
    assert await turns.claim(pool, new_id(), 5, 60) == []
    await receive(pool, "Thanks!", into_ticket=first.ticket)
    assert (await turns.claim(pool, new_id(), 5, 60))[0].assignment.question == "Thanks!"


async def test_who_is_there_keeps_everything_and_nobody_elses(pool: Pool) -> None:
    ben, kim = await hire(pool, "Ben"), await hire(pool, "Kim")
    bens = [await receive(pool, identifier=f"b{n}@example.com") for n in range(3)]
    kims = await receive(pool, identifier="k@example.com")
    for received in bens:
        await control.take_over(pool, key(), received.conversation, ben)
    await control.take_over(pool, key(), kims.conversation, kim)
    await vanish(pool, ben)
    await vanish(pool, kim)
    await presence.heard_of(pool, ben.id, LEASE)
    assert await claims.free_lost(pool, LEASE) == [kims.conversation]


async def test_a_heartbeat_is_written_at_most_once_in_ten_seconds(pool: Pool) -> None:
    ben = await hire(pool, "Ben")
    await presence.heard_of(pool, ben.id, LEASE)
    first = await pool.fetchval("select xmin::text from operators")
    await asyncio.gather(*(presence.heard_of(pool, ben.id, LEASE) for _ in range(20)))
    assert await pool.fetchval("select xmin::text from operators") == first


async def test_what_the_holder_said_is_in_the_brief_of_who_comes_next(pool: Pool) -> None:
    first = await receive(pool, "I want my money back")
    ben = await hire(pool, "Ben")
    await control.take_over(pool, key(), first.conversation, ben)
    await control.reply(pool, key(), first.conversation, seeing(ben, 1, 1), "I will refund it by Friday.")
    await receive(pool, "It is Saturday.", into_ticket=first.ticket)
    await vanish(pool, ben)
    await claims.free_lost(pool, LEASE)
    brief = (await conversations.one(pool, first.conversation)).brief
    assert brief is not None
    assert brief.asked == "It is Saturday."
    assert "Ben promised: I will refund it by Friday." in brief.tried


@pytest.mark.parametrize(("why", "words"), [("revoked", "taken away"), ("demoted", "no longer answer")])
async def test_who_may_no_longer_act_loses_what_they_hold_at_once(pool: Pool, why: str, words: str) -> None:
    first = await receive(pool)
    ben, kim = await hire(pool, "Ben"), await hire(pool, "Kim")
    await control.take_over(pool, key(), first.conversation, ben)
    freed = (
        await operators.revoke(pool, "Ben")
        if why == "revoked"
        else await operators.set_role(pool, "Ben", "observer")
    )
    assert freed == [first.conversation]
    assert await owner(pool) == ("human", None, 2, "escalated")
    with pytest.raises(Conflict, match=words):
        await control.reply(pool, key(), first.conversation, seeing(ben, 1, 1), "Still me")
    await control.take_over(pool, key(), first.conversation, kim)


async def test_a_takeover_that_slipped_past_a_revocation_does_not_last(pool: Pool) -> None:
    first = await receive(pool)
    ben = await hire(pool, "Ben")
    await operators.revoke(pool, "Ben")
    await control.take_over(pool, key(), first.conversation, ben)  # its token was looked at a moment before
    assert await claims.free_lost(pool, LEASE) == [first.conversation]


async def test_a_promotion_frees_nothing(pool: Pool) -> None:
    first = await receive(pool)
    ben = await hire(pool, "Ben")
    await control.take_over(pool, key(), first.conversation, ben)
    assert await operators.set_role(pool, "Ben", "lead") == []
    token = await operators.rotate(pool, "Ben", days=3)
    view = await operators.by_token(pool, token)
    assert view is not None
    assert (view.id, view.role) == (ben.id, "lead")
    assert (await operators.one(pool, "Ben")).held == [1]


async def test_operators_that_are_not_there(pool: Pool) -> None:
    for work in (operators.rotate(pool, "X"), operators.set_duty(pool, "X", "on"), operators.one(pool, "X")):
        with pytest.raises(NotFound):
            await work
    await operators.add(pool, "Ben", "agent")
    with pytest.raises(Rejected):
        await operators.set_duty(pool, "Ben", "perhaps")
    with pytest.raises(Rejected):
        await operators.set_role(pool, "Ben", "king")


# ---------------------------------------------------------------- who won, and when


async def test_the_loser_of_each_race_is_told_who_won_and_when(pool: Pool) -> None:
    first = await receive(pool)
    ben, kim, lee = await hire(pool, "Ben"), await hire(pool, "Kim"), await hire(pool, "Lee", "lead")
    await control.take_over(pool, key(), first.conversation, ben)
    await pool.execute("update hands set at = now() - interval '5 minutes'")
    with pytest.raises(Conflict, match="Ben has taken over this conversation 5 minutes ago"):
        await control.take_over(pool, key(), first.conversation, kim)
    with pytest.raises(Conflict, match=r"Ben holds .*Ben took it over 5 minutes ago"):
        await control.reply(pool, key(), first.conversation, seeing(kim, 1, 0), "hi")
    with pytest.raises(Refused, match=r"Ben holds .*Ben took it over 5 minutes ago"):
        await control.release(pool, key(), first.conversation, seeing(kim, 1, 0), "")
    with pytest.raises(Conflict, match=r"Ben holds .*Ben took it over 5 minutes ago"):
        await control.resolve(pool, key(), first.conversation, seeing(kim, 1, 0), "")
    await control.release(pool, key(), first.conversation, seeing(lee, 1, 1), "")
    with pytest.raises(Conflict, match=r"The AI holds .*Lee gave it back to the AI just now"):
        await control.reply(pool, key(), first.conversation, seeing(ben, 1, 1), "hi")
    with pytest.raises(Conflict, match=r"AI has this conversation already.*Lee gave it back"):
        await control.release(pool, key(), first.conversation, seeing(ben, 1, 1), "")
    await control.take_over(pool, key(), first.conversation, kim)
    with pytest.raises(Conflict, match=r"Kim holds .*Lee gave it back .*Kim took it over"):
        await control.reply(pool, key(), first.conversation, seeing(ben, 1, 1), "hi")
    await control.resolve(pool, key(), first.conversation, seeing(kim, 1, 3), "")
    with pytest.raises(Conflict, match=r"resolved already.*Kim resolved it just now"):
        await control.resolve(pool, key(), first.conversation, seeing(ben, 1, 1), "")


# ---------------------------------------------------------------- given back


async def test_what_the_person_answered_is_not_answered_again_and_the_agent_knows_what_they_said(
    pool: Pool,
) -> None:
    first = await receive(pool, "When will it arrive?")
    ben = await hire(pool, "Ben")
    await control.take_over(pool, key(), first.conversation, ben)
    await control.reply(pool, key(), first.conversation, seeing(ben, 1, 1), "I'll send it by Monday.")
    await control.note(pool, key(), first.conversation, ben, "An impatient one.")
    await control.release(pool, key(), first.conversation, seeing(ben, 3, 1), "", "No discounts.")
    assert await turns.claim(pool, new_id(), 5, 60) == []
    await receive(pool, "Fine. And how do I export?", into_ticket=first.ticket)
    (claim,) = await turns.claim(pool, new_id(), 5, 60)
    assert claim.assignment.question == "Fine. And how do I export?"
    assert claim.assignment.handover == (
        "To know: No discounts.",
        "Our colleague wrote: I'll send it by Monday.",
        "Our colleague promised: I'll send it by Monday.",
    )
    assert "impatient" not in str(claim.assignment)
    assert await turns.finish(pool, claim, ANSWER) is Verdict.ACCEPT
    said = await pool.fetch("select content from messages where direction = 'outbound' order by seq")
    assert [row["content"] for row in said] == ["I'll send it by Monday.", "An answer."]
    audit = await pool.fetchval("select details from audit where action = 'release'")
    assert audit == {"reason": "", "text": 13}


async def test_what_came_after_a_colleagues_answer_from_elsewhere_is_still_open(pool: Pool) -> None:
    """We hear of the answer only after the customer's next message, as from a mailbox that was not read for a while."""
    first = await receive(pool, "one", channel="email", account="us", verified=True)
    at = await pool.fetchval("select now()")
    await pool.execute("update inbound set sent_at = now() - interval '1 hour'")
    await receive(pool, "two", channel="email", account="us", verified=True, into_ticket=first.ticket)
    await control.reply_from_elsewhere(
        pool,
        channel="email",
        account="us",
        provider_id="g9",
        conversation=first.conversation,
        text="To one.",
        sent_at=at,
    )
    row = await pool.fetchrow("select owner, answered_seq, last_inbound_seq from conversations")
    assert row is not None
    assert tuple(row) == ("human", 1, 2)


@pytest.mark.parametrize("channel", ["email", "whatsapp"])
@pytest.mark.parametrize("state", ["draft", "queued"])
async def test_an_answer_from_elsewhere_withdraws_what_the_agent_had_ready(
    pool: Pool, channel: str, state: str
) -> None:
    first = await receive(pool, channel=channel, account="us", verified=True)
    await pool.execute("update turns set due_at = now()")
    await turns.finish(pool, (await turns.claim(pool, new_id(), 1, 60))[0], ANSWER)
    await pool.execute("update replies set state = $1", state)
    await control.reply_from_elsewhere(
        pool,
        channel=channel,  # type: ignore[arg-type]
        account="us",
        provider_id="p9",
        conversation=first.conversation,
        text="A person's.",
    )
    states = await pool.fetch(
        "select m.role, r.state from replies r join messages m on m.id = r.message_id order by m.seq"
    )
    assert [tuple(row) for row in states] == [("agent", "superseded"), ("operator", "sent")]
    assert await replies.claim(pool, SECRET, new_id(), ["email", "whatsapp"], 5, 30) == []


# ---------------------------------------------------------------- the watch on the fence


async def test_an_ai_reply_that_left_after_a_takeover_is_counted_and_no_other(pool: Pool) -> None:
    first = await receive(pool, channel="email", account="us", verified=True)
    ben = await hire(pool, "Ben")
    await pool.execute("update turns set due_at = now()")
    await turns.finish(pool, (await turns.claim(pool, new_id(), 1, 60))[0], ANSWER)
    (sending,) = await replies.claim(pool, SECRET, new_id(), ["email"], 1, 30)
    done = await control.take_over(pool, key(), first.conversation, ben)
    assert len(done.in_flight) == 1
    await replies.accepted(pool, sending.reply, "in-flight")
    assert await claims.sends_after_takeover(pool) == 0
    await control.reply(pool, key(), first.conversation, seeing(ben, 9, 1), "Mine.")
    (mine,) = await replies.claim(pool, SECRET, new_id(), ["email"], 1, 30)
    await replies.accepted(pool, mine.reply, "mine")
    assert await claims.sends_after_takeover(pool) == 0
    await pool.execute(
        "update replies set state = 'sending', provider_id = null, began_at = now() where epoch = 0"
    )
    await replies.accepted(pool, sending.reply, "late")
    assert await claims.sends_after_takeover(pool) == 1


# ---------------------------------------------------------------- duty, and who looks at what


async def test_duty_is_said_and_ends_with_the_lease(pool: Pool) -> None:
    ben = await hire(pool, "Ben")
    assert not (await presence.on_duty(pool, LEASE)).here
    await operators.set_duty(pool, "Ben", "on")
    assert (await presence.on_duty(pool, LEASE, "9 to 5")).here
    await presence.heard_of(pool, ben.id, LEASE)
    same = key()
    for _ in range(2):
        await presence.set_duty(pool, same, ben, "off")
    with pytest.raises(Conflict):
        await presence.set_duty(pool, same, ben, "on")
    assert not (await presence.on_duty(pool, LEASE)).here
    assert await pool.fetchval("select count(*) from audit where action = 'duty'") == 1
    await pool.execute(
        "update operators set seen_at = now() - interval '1 hour', duty_at = now() - interval '1 hour'"
    )
    await presence.heard_of(pool, ben.id, LEASE)
    (view,) = (await presence.team(pool, LEASE)).members
    assert (view.duty, view.on_duty, view.present) == ("auto", True, True)


async def test_who_writes_is_shown_for_seconds_and_announced_when_it_changes(pool: Pool) -> None:
    first = await receive(pool)
    ben = await hire(pool, "Ben")

    async def told() -> list[str]:
        rows = await pool.fetch("select payload from log where type = 'presence.changed' order by position")
        return [row["payload"]["doing"] for row in rows]

    for _ in range(5):
        await presence.attend(pool, first.conversation, ben, "viewing")
    assert await told() == ["viewing"]
    await presence.attend(pool, first.conversation, ben, "writing")
    (shown,) = (await conversations.one(pool, first.conversation)).item.attending
    assert (shown.operator, shown.doing) == ("Ben", "writing")
    assert await told() == ["viewing"]  # too soon after the last one
    await pool.execute("update attention set told_at = now() - interval '3 seconds'")
    await presence.attend(pool, first.conversation, ben, "writing")
    await presence.attend(pool, first.conversation, ben, "left")
    await presence.attend(pool, first.conversation, ben, "left")
    assert await told() == ["viewing", "writing", "left"]
    await presence.attend(pool, first.conversation, ben, "viewing")
    await pool.execute("update attention set until = now() - interval '1 second'")
    assert (await conversations.queue(pool, ben.id)).items[0].attending == []
    with pytest.raises(NotFound):
        await presence.attend(pool, new_id(), ben, "viewing")
