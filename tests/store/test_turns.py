"""Turns: claimed once, finished once, void when the world moved on."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from fte.domain import turns as rules
from fte.domain.budget import Spent
from fte.domain.escalation import URGENT_MAX
from fte.domain.ids import new_id
from fte.domain.turns import ATTEMPTS_MAX, DISCARDS_MAX, PATIENCE, Escalation, Outcome, Trace, Verdict
from fte.pg.pool import Pool
from fte.store import control, turns
from fte.store.turns import Claim
from tests.support import hire, receive, seeing

TRACE = Trace("test", "1")
ANSWER = Outcome("An answer.", TRACE)
HANDOVER = Outcome(
    "A person will read this.", TRACE, Escalation("human_request", "normal", "a person please")
)
FAILURE = Outcome("A person will read this.", TRACE, Escalation("agent_failure", "normal", "?"), failed=True)


async def claim_one(pool: Pool, lease: float = 60.0) -> Claim:
    claims = await turns.claim(pool, new_id(), 10, lease)
    assert len(claims) == 1
    return claims[0]


async def replies(pool: Pool) -> list[str]:
    return [
        row["content"]
        for row in await pool.fetch("select content from messages where role = 'agent' order by seq")
    ]


async def test_nothing_is_due_when_no_turn_waits(pool: Pool) -> None:
    assert await turns.next_due(pool) is None
    await receive(pool)
    assert await turns.next_due(pool) == 0
    await claim_one(pool)
    assert await turns.next_due(pool) is None


async def test_the_next_turn_is_due_when_its_time_comes(pool: Pool) -> None:
    await receive(pool)
    await pool.execute("update turns set due_at = now() + interval '1 hour'")
    wait = await turns.next_due(pool)
    assert wait is not None and 3000 < wait <= 3600


async def test_claimers_never_share_a_turn(pool: Pool) -> None:
    for number in range(20):
        await receive(pool, f"{number}", identifier=f"c{number}@example.com")
    taken = await asyncio.gather(*(turns.claim(pool, new_id(), 3, 60) for _ in range(10)))
    ids = [claim.turn for claims in taken for claim in claims]
    assert len(ids) == len(set(ids)) == 20


async def test_the_assignment_holds_what_the_answer_is_owed_for(pool: Pool) -> None:
    first = await receive(pool, "one", name="Ada", subject="My subject")
    await receive(pool, "two", into_ticket=first.ticket, subject="")
    claim = await claim_one(pool)
    assert claim.assignment.question == "one\ntwo"
    assert claim.assignment.customer_name == "Ada"
    assert claim.assignment.subject == "My subject"
    assert claim.assignment.first_answer
    assert await turns.finish(pool, claim, ANSWER) is Verdict.ACCEPT
    await receive(pool, "three", into_ticket=first.ticket, subject="")
    claim = await claim_one(pool)
    assert claim.assignment.question == "three"
    assert [line.content for line in claim.assignment.lines] == ["one", "two", "An answer.", "three"]
    assert not claim.assignment.first_answer


async def test_the_assignment_holds_nothing_of_others(pool: Pool) -> None:
    await receive(pool, "Ben's secret", identifier="ben@example.com", verified=True)
    await claim_one(pool)
    await receive(pool, "one", identifier="ada@example.com", verified=True)
    claim = await claim_one(pool)
    assert [line.content for line in claim.assignment.lines] == ["one"]
    assert claim.assignment.question == "one"


async def test_an_answer_becomes_true_as_a_whole(pool: Pool) -> None:
    received = await receive(pool)
    claim = await claim_one(pool)
    assert await pool.fetchval("select status from tickets") == "processing"
    await turns.finish(pool, claim, ANSWER)
    assert await pool.fetchval("select status from tickets") == "waiting_customer"
    assert await pool.fetchval("select outcome from messages where id = $1", received.message) == "answered"
    assert await pool.fetchval("select state from turns") == "done"
    assert await pool.fetchval("select state from replies") == "sent"
    assert await pool.fetchval("select outcome from runs") == "answered"
    types = {row["type"] for row in await pool.fetch("select type from log")}
    assert {"reply.sent", "turn.finished", "turn.started"} <= types


async def test_finishing_twice_says_it_once(pool: Pool) -> None:
    await receive(pool)
    claim = await claim_one(pool)
    verdicts = await asyncio.gather(*(turns.finish(pool, claim, ANSWER) for _ in range(8)))
    assert sorted(v.value for v in verdicts) == ["accept"] + ["void"] * 7
    assert await replies(pool) == ["An answer."]


async def test_a_message_that_came_meanwhile_makes_the_run_start_again(pool: Pool) -> None:
    first = await receive(pool, "one")
    claim = await claim_one(pool)
    await receive(pool, "two", into_ticket=first.ticket)
    assert await turns.finish(pool, claim, ANSWER) is Verdict.RERUN
    assert await replies(pool) == []
    again = await claim_one(pool)
    assert again.assignment.question == "one\ntwo"
    assert again.attempts == 1
    assert await turns.finish(pool, again, ANSWER) is Verdict.ACCEPT
    assert await replies(pool) == ["An answer."]


async def test_a_customer_who_never_stops_writing_is_answered_all_the_same(pool: Pool) -> None:
    first = await receive(pool, "0")
    for number in range(DISCARDS_MAX + 1):
        claim = await claim_one(pool)
        await receive(pool, f"{number + 1}", into_ticket=first.ticket)
        verdict = await turns.finish(pool, claim, ANSWER)
    assert verdict is Verdict.ACCEPT
    assert (await claim_one(pool)).assignment.question == f"{DISCARDS_MAX + 1}"


async def test_a_failed_run_is_tried_again_then_a_person_gets_it(pool: Pool) -> None:
    await receive(pool)
    for attempt in range(1, ATTEMPTS_MAX + 1):
        await pool.execute("update turns set due_at = now()")
        claim = await claim_one(pool)
        verdict = await turns.finish(pool, claim, FAILURE)
        assert verdict is (Verdict.RETRY if attempt < ATTEMPTS_MAX else Verdict.ACCEPT)
    assert await replies(pool) == ["A person will read this."]
    assert await pool.fetchval("select owner from conversations") == "human"


async def test_a_provider_that_is_away_does_not_take_the_last_attempt(pool: Pool) -> None:
    """Until the customer has waited long enough: then a person gets it."""
    away = replace(FAILURE, retry_after=1.0)
    await receive(pool)
    for number in range(1, ATTEMPTS_MAX + 4):
        await pool.execute("update turns set due_at = now()")
        claim = await claim_one(pool)
        assert claim.attempts == min(number, ATTEMPTS_MAX)
        verdict = await turns.finish(pool, claim, away)
        assert verdict is (Verdict.RETRY if number < ATTEMPTS_MAX else Verdict.WAIT)
        assert await pool.fetchval("select due_at - now() > interval '1 second' from turns")
    assert await replies(pool) == []
    await pool.execute("update messages set created_at = now() - make_interval(secs => $1)", PATIENCE)
    await pool.execute("update turns set due_at = now()")
    assert await turns.finish(pool, await claim_one(pool), away) is Verdict.ACCEPT
    assert await replies(pool) == ["A person will read this."]


async def test_what_would_fail_again_is_handed_over_at_once(pool: Pool) -> None:
    await receive(pool)
    verdict = await turns.finish(pool, await claim_one(pool), replace(FAILURE, retry_after=None))
    assert verdict is Verdict.ACCEPT
    assert await replies(pool) == ["A person will read this."]


async def test_an_escalation_silences_the_agent_and_tells_everybody(pool: Pool) -> None:
    first = await receive(pool)
    await turns.finish(pool, await claim_one(pool), HANDOVER)
    row = await pool.fetchrow("select * from conversations")
    assert (row["owner"], row["status"], row["epoch"], row["operator_id"]) == ("human", "escalated", 1, None)
    assert row["escalation_brief"]["asked"] == "a person please"
    assert await pool.fetchval("select status from tickets") == "escalated"
    assert await pool.fetchval("select count(*) from log where topic = 'fte.escalations'") == 1
    await receive(pool, "hello?", into_ticket=first.ticket)
    assert await turns.claim(pool, new_id(), 10, 60) == []


async def test_a_lost_lease_voids_the_run(pool: Pool) -> None:
    await receive(pool)
    slow = await claim_one(pool, lease=0.0)
    await turns.recover(pool)
    quick = await claim_one(pool)
    assert await turns.finish(pool, slow, Outcome("too late", TRACE)) is Verdict.VOID
    assert await turns.finish(pool, quick, ANSWER) is Verdict.ACCEPT
    assert await turns.finish(pool, slow, Outcome("too late", TRACE)) is Verdict.VOID
    assert await replies(pool) == ["An answer."]


async def test_the_same_worker_that_lost_and_regained_a_turn_cannot_finish_the_old_claim(pool: Pool) -> None:
    await receive(pool)
    me = new_id()
    old = (await turns.claim(pool, me, 1, 0.0))[0]
    await turns.recover(pool)
    new = (await turns.claim(pool, me, 1, 60.0))[0]
    assert await turns.finish(pool, old, Outcome("too late", TRACE)) is Verdict.VOID
    assert await turns.finish(pool, new, ANSWER) is Verdict.ACCEPT


async def test_what_is_given_back_is_due_at_once_and_counts_as_no_attempt(pool: Pool) -> None:
    await receive(pool)
    claim = await claim_one(pool)
    await turns.give_back(pool, claim.holder)
    assert (await claim_one(pool)).attempts == 1


async def test_a_later_reply_never_carries_an_earlier_number(pool: Pool) -> None:
    first = await receive(pool)
    for _ in range(3):
        await turns.finish(pool, await claim_one(pool), ANSWER)
        await receive(pool, "more", into_ticket=first.ticket)
    rows = await pool.fetch("select seq, role from messages order by seq")
    assert [row["seq"] for row in rows] == list(range(1, 8))
    assert [row["role"] for row in rows] == ["customer", "agent"] * 3 + ["customer"]


@pytest.mark.parametrize("guard", ["lease", "epoch", "newer"])
async def test_each_guard_of_the_finish_is_needed(
    pool: Pool, guard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted bugs: with one guard of `judge` taken out, the history shows what it had prevented."""
    real = rules.judge

    def mutant(outcome: Outcome, **facts: Any) -> Verdict:
        if guard == "lease":
            facts["lease_held"] = True
        elif guard == "epoch":
            facts["control"] = replace(facts["control"], owner="ai")
            facts["epoch"] = facts["control"].epoch
            facts["lease_held"] = True
        else:
            facts["answers_seq"] = facts["control"].last_inbound_seq
        return real(outcome, **facts)

    monkeypatch.setattr(turns, "judge", mutant)
    with pytest.raises(AssertionError):
        if guard == "lease":
            await test_a_lost_lease_voids_the_run(pool)
        elif guard == "epoch":
            await _nothing_after_a_takeover(pool)
        else:
            await test_a_message_that_came_meanwhile_makes_the_run_start_again(pool)


async def _nothing_after_a_takeover(pool: Pool) -> None:
    received = await receive(pool)
    claim = await claim_one(pool)
    await take_over(pool, received.conversation)
    assert await turns.finish(pool, claim, ANSWER) is Verdict.VOID
    assert await replies(pool) == []


async def take_over(pool: Pool, conversation: UUID) -> None:
    sam = await hire(pool, "Sam")
    await control.take_over(pool, "k", conversation, seeing(sam, 1))


async def test_nothing_is_said_after_a_takeover(pool: Pool) -> None:
    await _nothing_after_a_takeover(pool)


async def test_what_the_model_cost_is_known_to_every_worker(pool: Pool) -> None:
    """Also what came to nothing: it was paid for."""
    dear = replace(ANSWER, trace=replace(TRACE, input_tokens=900, output_tokens=100))
    first = await receive(pool)
    claim = await claim_one(pool)
    assert claim.assignment.spent == Spent()
    await control_takes(pool, claim)
    assert await turns.finish(pool, claim, dear) is Verdict.VOID
    assert first and await turns.spent_today(pool) == Spent(0, 900, 100)
    await asyncio.gather(*(receive(pool, identifier=f"c{n}@example.com") for n in range(20)))
    claims = await turns.claim(pool, new_id(), 20, 60.0)
    assert {c.assignment.spent for c in claims} == {Spent(0, 900, 100)}
    await asyncio.gather(*(turns.finish(pool, c, dear) for c in claims))
    assert await turns.spent_today(pool) == Spent(0, 21 * 900, 21 * 100)
    async with pool.transaction() as connection:
        await turns.open_turn(connection, claims[3].conversation, claims[3].ticket, "email")
    assert (await claim_one(pool)).assignment.spent == Spent(1000, 21 * 900, 21 * 100)


async def test_five_hundred_calls_for_a_person_are_known_to_be_one_customers(pool: Pool) -> None:
    for number in range(4):
        await receive(pool, f"escalate me {number}")
        await pool.execute("update conversations set last_message_at = now() - interval '2 days'")
        claim = await claim_one(pool)
        assert len(claim.assignment.waiting_elsewhere) == (number if number else 0)
        await turns.finish(pool, claim, HANDOVER)
        await pool.execute("update conversations set last_message_at = now() - interval '2 days'")
    assert claim.assignment.waiting_elsewhere[0].endswith("(human_request)")


async def test_hand_overs_that_were_read_at_the_same_time_are_not_all_urgent(pool: Pool) -> None:
    for number in range(10):
        await receive(pool, f"I want a human {number}")
    claims = await turns.claim(pool, new_id(), 10, 60)
    verdicts = await asyncio.gather(*(turns.finish(pool, claim, HANDOVER) for claim in claims))
    assert Counter(verdicts) == {Verdict.ACCEPT: URGENT_MAX, Verdict.RERUN: 10 - URGENT_MAX}
    again = await turns.claim(pool, new_id(), 10, 60)
    assert {len(claim.assignment.waiting_elsewhere) for claim in again} == {URGENT_MAX}
    low = replace(HANDOVER, escalation=Escalation("human_request", "low", "a person please"))
    assert {await turns.finish(pool, claim, low) for claim in again} == {Verdict.ACCEPT}


async def test_what_others_claim_takes_no_place_of_whoever_is_proven(pool: Pool) -> None:
    for number in range(URGENT_MAX):
        await receive(pool, f"escalate me {number}")
        await turns.finish(pool, await claim_one(pool), HANDOVER)
    await receive(pool, "escalate me", channel="email", verified=True, subject="")
    await pool.execute("update turns set due_at = now() where state = 'due'")
    assert await pool.fetchval("select count(distinct customer_id) from conversations") == 1
    assert (await claim_one(pool)).assignment.waiting_elsewhere == ()


async def test_a_model_that_costs_nothing_leaves_no_row(pool: Pool) -> None:
    await receive(pool)
    await turns.finish(pool, await claim_one(pool), ANSWER)
    assert await pool.fetchval("select count(*) from model_use") == 0


async def test_yesterday_is_over(pool: Pool) -> None:
    await pool.execute("insert into model_use values ((now() at time zone 'utc')::date - 1, 0, 1, 900, 100)")
    assert await turns.spent_today(pool) == Spent()


async def control_takes(pool: Pool, claim: Claim) -> None:
    await pool.execute(
        "update conversations set owner = 'human', epoch = epoch + 1 where id = $1", claim.conversation
    )
