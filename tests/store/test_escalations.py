"""An operator's hand-over to people: told to the customer once, and what people then find."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from fte.agent import brief
from fte.agent.company import Company
from fte.domain.conversations import Actor
from fte.domain.errors import Conflict
from fte.domain.escalation import URGENT_MAX, ReasonToAsk
from fte.domain.ids import new_id
from fte.domain.modes import Rule
from fte.domain.turns import Outcome, Trace, Urgency, Verdict
from fte.pg.pool import Pool
from fte.store import control, conversations, escalations, modes, replies, turns
from fte.wire import ActionDone
from tests.support import SECRET, hire, receive, seeing, until_waiting

ANSWER = Outcome("An answer.", Trace("test", "1"))
MAIL: dict[str, Any] = {"channel": "email", "account": "us", "verified": True}


async def escalate(
    pool: Pool,
    conversation: Any,
    actor: Actor,
    reason: ReasonToAsk = "legal",
    urgency: Urgency | None = None,
    note: str = "",
    key: str = "",
) -> ActionDone:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    handed_on = partial(
        brief.handed_on,
        reason,
        urgency,
        actor.name,
        note,
        company=Company("Acme"),
        now=now,
        on_duty=True,
    )
    return await escalations.escalate(
        pool, key or str(new_id()), conversation, actor, reason, urgency, note, handed_on
    )


async def answered(pool: Pool, **message: Any) -> Any:
    """A conversation in which the AI has said something."""
    talk = (await receive(pool, **message)).conversation
    await pool.execute("update turns set due_at = now()")
    [claim] = await turns.claim(pool, new_id(), 1, 60)
    assert await turns.finish(pool, claim, ANSWER) is Verdict.ACCEPT
    return talk


async def told(pool: Pool) -> list[str]:
    rows = await pool.fetch("select content from messages where direction = 'outbound' order by seq")
    return [row["content"] for row in rows if row["content"] != ANSWER.reply]


async def test_the_customer_is_told_once_and_people_find_why(pool: Pool) -> None:
    talk = await answered(pool)
    robot = await hire(pool, "Robot")
    done = await escalate(pool, talk, seeing(robot, 2), "legal", "low", "They name\na court.", key="one")
    assert (done.owner, done.status, done.epoch, done.last_seq) == ("human", "escalated", 1, 3)
    assert (
        await escalate(pool, talk, seeing(robot, 2), "legal", "low", "They name\na court.", key="one") == done
    )
    with pytest.raises(Conflict, match="People have this conversation already"):
        await escalate(pool, talk, seeing(robot, 3, 1), "legal")
    [words] = await told(pool)
    assert words.startswith("Hello Ada,") and "a person" in words
    view = await conversations.one(pool, talk)
    assert (view.item.reason, view.item.urgency, view.item.priority) == ("legal", "high", "high")
    assert (view.item.unanswered, view.messages[-1].role, view.messages[-1].delivery_status) == (
        False,
        "agent",
        "sent",
    )
    assert view.brief is not None
    assert view.brief.asked == "How do I export my data?"
    assert view.brief.tried[-1] == "Robot handed it to people: They name a court."
    [row] = await pool.fetch("select action, details, operator_id from audit where action = 'escalate'")
    assert (row["action"], row["operator_id"]) == ("escalate", robot.id)
    assert row["details"] == {"reason": "legal", "urgency": "low", "text": len("They name\na court.")}
    raised = await pool.fetch(
        "select topic, payload from log where payload ->> 'reason' = 'legal' order by position"
    )
    assert [one["topic"] for one in raised] == ["fte.conversations", "fte.escalations"]
    assert raised[1]["payload"]["number"] == view.item.number
    assert raised[1]["payload"]["operator"] == "Robot"


async def test_of_racing_hand_overs_one_is_told(pool: Pool) -> None:
    talk = await answered(pool)
    people = [await hire(pool, f"P{n}") for n in range(5)]
    async with pool.transaction() as connection:
        await connection.execute(control._sql.lock, talk)
        racing = [asyncio.create_task(escalate(pool, talk, seeing(one, 2))) for one in people]
        await until_waiting(pool, 5)
    results = await asyncio.gather(*racing, return_exceptions=True)
    assert sum(isinstance(result, Conflict) for result in results) == 4
    assert len(await told(pool)) == 1


async def test_what_the_ai_had_under_way_is_void_and_the_words_go_out(pool: Pool) -> None:
    talk = await answered(pool, body="Wo finde ich meine letzte Rechnung?", **MAIL)
    received = await receive(pool, "Und wie kann ich sie ausdrucken?", **MAIL)
    assert received.conversation == talk
    await pool.execute("update turns set due_at = now() where state = 'due'")
    [claim] = await turns.claim(pool, new_id(), 1, 60)
    done = await escalate(pool, talk, seeing(await hire(pool, "Sam"), 3), "no_answer_found")
    assert done.epoch == 1  # what was prepared before counts no more, wherever it is
    assert await turns.finish(pool, claim, ANSWER) is Verdict.VOID
    states = await pool.fetch(
        "select m.content, r.state from replies r join messages m on m.id = r.message_id"
    )
    assert sorted(row["state"] for row in states) == ["queued", "superseded"]
    [delivery] = await replies.claim(pool, SECRET, new_id(), ("email",), 5, 60)
    assert delivery.reply.message_id == done.message_id
    assert "Guten Tag Ada" in delivery.reply.text and "#1" in delivery.reply.text
    view = await conversations.one(pool, talk)
    assert view.brief is not None
    assert view.brief.asked == "Wo finde ich meine letzte Rechnung?\nUnd wie kann ich sie ausdrucken?"
    outcomes = await pool.fetch("select outcome from messages where direction = 'inbound'")
    assert [row["outcome"] for row in outcomes] == ["handed_over"] * 2


async def test_nobody_hands_over_what_people_have_or_what_is_settled(pool: Pool) -> None:
    talk = await answered(pool)
    sam, kim = await hire(pool, "Sam"), await hire(pool, "Kim")
    with pytest.raises(Conflict, match="changed hands"):
        await escalate(pool, talk, seeing(kim, 2, 7))
    await control.take_over(pool, "k1", talk, sam)
    with pytest.raises(Conflict, match="already; Sam holds it"):
        await escalate(pool, talk, seeing(kim, 2, 1))
    await control.resolve(pool, "k2", talk, seeing(sam, 2, 1), "")
    with pytest.raises(Conflict, match="resolved"):
        await escalate(pool, talk, seeing(kim, 2, 2))
    assert await told(pool) == []


async def test_where_the_ai_is_off_nothing_is_said(pool: Pool) -> None:
    talk = await answered(pool)
    lea = await hire(pool, "Lea", "lead")
    await modes.configure(pool, "k", lea.id, "web_form", None, Rule("off"))
    done = await escalate(pool, talk, seeing(lea, 2), "human_request")
    assert (done.owner, done.message_id, done.last_seq) == ("human", None, 2)
    assert await told(pool) == []
    assert (await conversations.queue(pool, lea.id, "needs_person")).needs_person == 1


async def test_of_one_customer_few_are_urgent(pool: Pool) -> None:
    robot = await hire(pool, "Robot")
    for n in range(URGENT_MAX + 1):
        talk = await answered(
            pool, subject=f"Matter {n}", **(MAIL | {"verified": False, "channel": "web_form"})
        )
        await escalate(pool, talk, seeing(robot, 2), "human_request", "high")
    rows = await pool.fetch(
        """select c.escalation_urgency, k.priority from conversations c join tickets k on k.conversation_id = c.id
            order by c.number"""
    )
    assert [tuple(row) for row in rows] == [("high", "high")] * URGENT_MAX + [("low", "low")]
