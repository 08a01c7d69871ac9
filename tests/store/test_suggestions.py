"""What people answered and no page said: suggested, and decided on once."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from fte.domain.errors import Conflict, NotFound
from fte.domain.escalation import Reason
from fte.domain.ids import new_id
from fte.domain.suggestions import Source
from fte.domain.turns import Escalation, Outcome, Trace
from fte.pg.pool import Pool
from fte.store import control, drafts, suggestions, turns
from fte.store.drafts import approve
from tests.store.test_drafts import held, hold_all
from tests.store.test_reports import ANSWER, LOST, NEAR
from tests.support import hire, receive, seeing

SAID = "Hello Ada, visitors park behind the house, in the places that are marked with a V."


def key() -> str:
    return str(new_id())


async def taught(
    pool: Pool,
    said: str = SAID,
    outcome: Outcome = LOST,
    resolved: bool = True,
    question: str = "Where can I park?",
) -> UUID:
    """A person answers where the AI had found nothing (or another `outcome`); the answer's id."""
    who = f"{new_id()}@example.com"
    talk = (await receive(pool, question, identifier=who)).conversation
    await pool.execute("update turns set due_at = now() where conversation_id = $1", talk)
    [claim] = [c for c in await turns.claim(pool, new_id(), 10, 60) if c.conversation == talk]
    await turns.finish(pool, claim, outcome)
    sam = await hire(pool, f"Sam {who[28:36]}")
    epoch = await pool.fetchval("select epoch from conversations where id = $1", talk)
    await control.take_over(pool, key(), talk, seeing(sam, 2, epoch))
    await control.reply(pool, key(), talk, seeing(sam, 9, epoch + 1), said)
    if resolved:
        await control.resolve(pool, key(), talk, seeing(sam, 9, epoch + 1), "solved")
    message: UUID = await pool.fetchval(
        "select id from messages where conversation_id = $1 and role = 'operator'", talk
    )
    return message


async def waiting(pool: Pool) -> list[Source]:
    return await suggestions.waiting(pool, datetime.now(UTC))


async def decide(pool: Pool, found: Source, operator: UUID, document: str | None = None) -> None:
    async with pool.transaction() as connection:
        await suggestions.decide(connection, [found], operator, document)


async def test_an_answer_of_a_person_that_no_page_had_is_suggested(pool: Pool) -> None:
    message = await taught(pool)
    [found] = await waiting(pool)
    assert (found.id, found.kind, found.question, found.answer) == (
        message,
        "answered",
        "Where can I park?",
        SAID,
    )
    assert "Ada" in found.names
    assert found.operator.startswith("Sam")


async def test_an_answer_where_the_ai_had_found_only_what_did_not_answer_is_suggested(pool: Pool) -> None:
    message = await taught(pool, outcome=NEAR)
    assert [found.id for found in await waiting(pool)] == [message]


@pytest.mark.parametrize("reason", ["human_request", "repeated_question"])
async def test_an_answer_to_whom_a_rule_brought_to_a_person_is_suggested(pool: Pool, reason: Reason) -> None:
    trace = Trace("rules", "1", verdicts=(f"escalated: {reason}",))
    outcome = Outcome("A person will read this.", trace, Escalation(reason, "normal", "?"))
    message = await taught(pool, outcome=outcome, question="Let me ask a person: where can I park?")
    [found] = await waiting(pool)
    assert (found.id, found.question, found.answer) == (
        message,
        "Let me ask a person: where can I park?",
        SAID,
    )


async def test_what_teaches_nothing_is_not(pool: Pool) -> None:
    await taught(pool, "Behind the house.")
    await taught(pool, outcome=ANSWER)
    await taught(pool, resolved=False)
    for reason in ("legal", "refund_request", "pricing_inquiry"):
        trace = Trace("rules", "1", verdicts=(f"escalated: {reason}",))
        await taught(pool, outcome=replace(LOST, trace=trace, escalation=Escalation(reason, "normal", "?")))
    assert await waiting(pool) == []


async def test_what_a_person_changed_in_a_draft_is_suggested_at_once(pool: Pool) -> None:
    sam = await hold_all(pool)
    _, draft = await held(pool)
    text = f"{draft.body} And this is what was missing in what the AI had written about it."
    await approve(pool, key(), draft.id, seeing(sam, 9, draft.epoch), draft.hash, text)
    [found] = await waiting(pool)
    assert (found.kind, found.draft, found.answer) == ("edited", draft.body, text)
    assert (await drafts.one(pool, draft.id)).state == "approved"


async def test_what_was_approved_as_it_was_teaches_nothing(pool: Pool) -> None:
    sam = await hold_all(pool)
    _, draft = await held(pool)
    await approve(pool, key(), draft.id, seeing(sam, 9, draft.epoch), draft.hash)
    assert await waiting(pool) == []


@pytest.mark.parametrize("document", [None, "learned/1-parking.md"])
async def test_it_is_decided_on_once_whoever_is_first(pool: Pool, document: str | None) -> None:
    await taught(pool)
    [found] = await waiting(pool)
    lea, kim = await hire(pool, "Lea", "lead"), await hire(pool, "Kim", "lead")
    outcomes = await asyncio.gather(
        *(decide(pool, found, who.id, document) for who in (lea, kim, lea)), return_exceptions=True
    )
    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 2
    assert await waiting(pool) == []
    with pytest.raises(Conflict, match=r"(Lea|Kim) (approved|rejected) this suggestion already"):
        await suggestions.some(pool, [found.id], datetime.now(UTC))
    assert await pool.fetchval("select count(*) from audit where action = 'teach'") == 1


async def test_there_is_no_suggestion_that_there_is_not(pool: Pool) -> None:
    with pytest.raises(NotFound):
        await suggestions.some(pool, [new_id()], datetime.now(UTC))


async def test_several_are_decided_on_together_or_not_at_all(pool: Pool) -> None:
    first, second = await taught(pool), await taught(pool)
    both = await suggestions.some(pool, [second, first], datetime.now(UTC))
    assert [found.id for found in both] == [second, first]
    lea = await hire(pool, "Lea", "lead")
    await decide(pool, both[0], lea.id)
    with pytest.raises(Conflict, match="Lea rejected this suggestion already"):
        async with pool.transaction() as connection:
            await suggestions.decide(connection, both, lea.id, "learned/1-parking.md")
    assert [found.id for found in await waiting(pool)] == [first]
    with pytest.raises(Conflict):
        await suggestions.some(pool, [first, second], datetime.now(UTC))
    third = await taught(pool)
    rest = await suggestions.some(pool, [first, third], datetime.now(UTC))
    async with pool.transaction() as connection:
        await suggestions.decide(connection, rest, lea.id, "learned/1-parking.md")
    sources = await pool.fetch("select message_id from suggestions where source = 'learned/1-parking.md'")
    assert {row["message_id"] for row in sources} == {first, third}
    assert await pool.fetchval("select count(*) from audit where action = 'teach'") == 3


async def test_two_who_decide_on_the_same_in_another_order_do_not_wait_for_each_other_for_ever(
    pool: Pool,
) -> None:
    ids = [await taught(pool) for _ in range(4)]
    all_ = await suggestions.some(pool, ids, datetime.now(UTC))
    lea, kim = await hire(pool, "Lea", "lead"), await hire(pool, "Kim", "lead")

    async def together(sources: list[Source], who: UUID) -> None:
        async with pool.transaction() as connection:
            await suggestions.decide(connection, sources, who)

    outcomes = await asyncio.gather(
        *(
            together(sources, who.id)
            for who, sources in ((lea, all_), (kim, all_[::-1]), (lea, all_[::-1]), (kim, all_))
        ),
        return_exceptions=True,
    )
    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 3
