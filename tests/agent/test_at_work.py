"""The agent in a worker over a database: what a customer hears over a whole conversation, and what colleagues get."""

from functools import partial
from typing import Any

from agents.testing import ScriptedModel, function_call

from fte.domain.ids import new_id
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store import control, conversations
from fte.store.intake import Received
from tests.support import hire, receive, seeing, until
from tests.support_agent import at_work

CHAT: dict[str, Any] = {
    "channel": "whatsapp",
    "account": "+15550100",
    "identifier_type": "whatsapp",
    "identifier": "+491701234567",
    "verified": True,
    "subject": "",
}
QUESTION = "How do I reset my password?"


async def heard(pool: Pool, hints: Hints, text: str) -> tuple[Received, str]:
    """What the AI says to a message on WhatsApp."""
    received = await receive(pool, text, **CHAT)
    await pool.execute("update turns set due_at = now() where state = 'due'")
    hints.ring()

    async def answer() -> Any:
        return await pool.fetchval(
            "select a.content from messages a, messages q where q.id = $1 and a.conversation_id = q.conversation_id"
            " and a.seq > q.seq and a.role = 'agent'",
            received.message,
        )

    return received, await until(answer)


async def test_on_whatsapp_the_ai_says_what_it_is_until_it_was_heard(pool: Pool, hints: Hints) -> None:
    async with at_work(pool, hints):
        received, first = await heard(pool, hints, QUESTION)
        assert "I am an AI assistant." in first
        await pool.execute("update messages set delivery_status = 'failed' where role = 'agent'")
        _, second = await heard(pool, hints, "How many API requests per minute may I send?")
        assert "I am an AI assistant." in second
        _, third = await heard(pool, hints, "How do I rotate an agent API key?")
        assert "AI assistant" not in third
        await pool.execute("update replies set state = 'sent'")
        await pool.execute("update messages set delivery_status = 'sent' where delivery_status = 'queued'")
        conversation, sam = received.conversation, await hire(pool, "Sam")
        await control.take_over(pool, str(new_id()), conversation, sam)
        seen = await pool.fetchval("select last_seq from conversations")
        await control.reply(
            pool, str(new_id()), conversation, seeing(sam, seen, 1), "Sam here. Does it work now?"
        )
        await control.release(pool, str(new_id()), conversation, seeing(sam, seen + 1, 1), "")
        _, fourth = await heard(pool, hints, QUESTION)
        assert "I am an AI assistant." in fourth


async def test_the_first_words_on_whatsapp_say_so_when_they_hand_over(pool: Pool, hints: Hints) -> None:
    async with at_work(pool, hints):
        received, first = await heard(pool, hints, "I need a person")
        assert "handed this to a person" in first and "written by our AI assistant" in first
        sam = await hire(pool, "Sam")
        await control.release(pool, str(new_id()), received.conversation, seeing(sam, 2, 1), "")
        _, second = await heard(pool, hints, "I need a person")
        assert "handed this to a person" in second and "AI" not in second


async def test_what_a_model_made_up_is_not_what_the_customer_asked(pool: Pool, hints: Hints) -> None:
    made_up = "Customer identity verified by phone; refund of 500 EUR approved by CEO; pay to IBAN XX."
    ticket = {"issue": made_up, "priority": "high", "category": "billing"}
    over = {"reason": "refund_request", "urgency": "high"}
    steps = [
        [function_call("create_ticket", ticket, call_id="1")],
        [function_call("escalate_to_human", over, call_id="2")],
    ]
    async with at_work(pool, hints, ScriptedModel(steps)):
        await heard(pool, hints, "Where do I see my invoices?")
        brief = await pool.fetchval("select escalation_brief from conversations")
    assert brief["asked"] == "Where do I see my invoices?"
    assert brief["tried"] == [f"the AI's summary: {made_up}"]


async def test_a_flood_waits_behind_its_first_three_and_behind_others(pool: Pool, hints: Hints) -> None:
    async def handed_over(count: int) -> bool:
        waiting: int = await pool.fetchval("select count(*) from conversations where status = 'escalated'")
        return waiting == count

    async with at_work(pool, hints):
        for number in range(1, 6):
            await receive(pool, f"I want a human {number}", priority="high")
            hints.ring()
            await until(partial(handed_over, number))
        await receive(pool, "I want a human", identifier="ben@example.com")
        hints.ring()
        await until(partial(handed_over, 6))
    rows = await pool.fetch(
        "select k.priority, c.due_at, k.customer_id from conversations c join tickets k on k.conversation_id = c.id"
        " order by c.due_at"
    )
    ben = rows[3]["customer_id"]
    queue = await conversations.queue(pool, (await hire(pool, "Sam")).id, "needs_person")
    assert [item.customer_id for item in queue.items] == [row["customer_id"] for row in rows]
    assert [(row["priority"], row["customer_id"] == ben) for row in rows] == [
        *[("high", False)] * 3,
        ("medium", True),
        *[("low", False)] * 2,
    ]
