"""A day with one conversation of each kind, and what the report says of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fte.domain.ids import new_id
from fte.domain.report import ALL, ChannelDay, Report, markdown
from fte.domain.turns import Escalation, Outcome, Passage, ToolCall, Trace
from fte.pg.pool import Pool
from fte.store import control, reports, turns
from tests.support import hire, receive, seeing

EXPORT = Passage("Export your data", "export.md", "help", 0.8, "Select Export.")
SEARCHED = ToolCall("search_knowledge_base", {"query": "x"}, "")
FOUND = Trace("test", "1", passages=(EXPORT,), tools=(SEARCHED,))
NOTHING = Trace("test", "1", tools=(SEARCHED,))
ANSWER = Outcome("Select Export.", FOUND, category="technical")
LOST = Outcome("A person will read this.", NOTHING, Escalation("no_answer_found", "normal", "?"))
PERSON = Outcome(
    "A person will read this.",
    Trace("rules", "1", verdicts=("escalated: human_request",)),
    Escalation("human_request", "normal", "?"),
)


PROVEN: dict[str, Any] = {"channel": "email", "account": "support@example.com", "verified": True}


async def said(pool: Pool, who: str, body: str, outcome: Outcome, **changes: Any) -> None:
    await receive(pool, body, identifier=f"{who.lower()}@example.com", name=who, **changes)
    await pool.execute("update turns set due_at = now() where state = 'due'")
    [claim] = await turns.claim(pool, new_id(), 1, 60)
    await turns.finish(pool, claim, outcome)


@pytest.fixture
async def day(pool: Pool) -> Pool:
    await said(pool, "Ada", "How do I export my data?", ANSWER, **PROVEN)
    await pool.execute("update messages set delivery_status = 'sent' where direction = 'outbound'")
    await said(pool, "Ada", "Thanks!", Outcome("You are welcome.", Trace("test", "1")), **PROVEN)
    await said(pool, "Bo", "A person, please", PERSON)
    await said(pool, "Cy", "Where can I park? I am cy@example.com, +49 170 1234567", LOST)
    await said(pool, "Di", "How do I export?", ANSWER)
    for name, value, facts in (
        ("turn_seconds", 2.0, {}),
        ("turn_seconds", 4.0, {}),
        ("escalation", 1.0, {"reason": "no_answer_found"}),
    ):
        await pool.execute(
            "insert into agent_metrics (metric_name, metric_value, channel, dimensions) values ($1, $2, 'web_form', $3)",
            name,
            value,
            facts,
        )
    return pool


async def made(pool: Pool, hours: float = 1.0) -> Report:
    now = datetime.now(UTC)
    since, until = now - timedelta(hours=1), now + timedelta(minutes=5)
    return await reports.report(pool, since, until, now + timedelta(hours=hours))


def on(report: Report, channel: str) -> ChannelDay:
    return next(found for found in report.channels if found.channel == channel)


async def test_each_channel_and_all_of_them_are_counted(day: Pool) -> None:
    report = await made(day)
    form, mail, total = on(report, "web_form"), on(report, "email"), on(report, ALL)
    assert (form.messages, form.conversations, form.customers, form.answers_ai) == (3, 3, 3, 1)
    assert (mail.messages, mail.conversations, mail.customers, mail.answers_ai) == (2, 1, 1, 1)
    assert (total.messages, total.conversations, total.customers, total.answers_ai) == (5, 4, 4, 2)
    assert on(report, "whatsapp") == ChannelDay(channel="whatsapp")
    assert (form.answer_p50, form.answer_p95) == (3.0, pytest.approx(3.9))
    assert (form.escalations, total.escalations) == ({"no_answer_found": 1}, {"no_answer_found": 1})
    assert report.categories == {"general": 2, "technical": 2}
    assert [(page.source, page.answers) for page in report.pages] == [("export.md", 2)]


async def test_how_long_people_took_counts_from_what_nobody_had_answered(pool: Pool) -> None:
    ben = await hire(pool, "Ben")
    await said(pool, "Ada", "How do I export?", ANSWER, **PROVEN)
    await said(pool, "Ada", "And to PDF? A person, please", PERSON, **PROVEN)
    talk = await pool.fetchval("select id from conversations")
    await control.take_over(pool, "key-1", talk, ben)
    epoch = await pool.fetchval("select epoch from conversations")
    await control.reply(pool, "key-2", talk, seeing(ben, 9, epoch), "With Print.")
    await pool.execute(
        "update messages set created_at = created_at - interval '30 minutes' where content like 'And%'"
    )
    await pool.execute("update messages set delivery_status = 'sent' where direction = 'outbound'")
    mail = on(await made(pool), "email")
    assert mail.answers_people == 1
    assert mail.people_p50 == pytest.approx(1_800, abs=60)
    assert "| 30 min | 30 min |" in markdown(await made(pool))


async def test_the_topic_of_what_has_no_category_is_that_of_the_page(pool: Pool) -> None:
    await pool.execute(
        "insert into documents (id, source, title, category, content_hash, embedder)"
        " values (gen_random_uuid(), 'export.md', 'Export', 'data', '', 'none')"
    )
    await said(pool, "Ada", "How do I export?", replace(ANSWER, category=None))
    await said(pool, "Bo", "How do I export?", ANSWER)
    await said(pool, "Cy", "Where can I park?", replace(LOST, category=None))
    assert (await made(pool)).categories == {"data": 1, "general": 1, "technical": 1}


async def test_what_the_customer_said_and_what_is_assumed_are_counted_apart(day: Pool) -> None:
    assert on(await made(day), ALL).resolutions == {"confirmed": 1, "handed_over": 2, "undecided": 1}
    later = await made(day, hours=30)
    assert on(later, ALL).resolutions == {"confirmed": 1, "handed_over": 2, "assumed": 1}
    assert on(later, "email").resolutions == {"confirmed": 1}


async def test_only_what_nothing_was_found_for_is_unanswered(day: Pool) -> None:
    now = datetime.now(UTC)
    [question] = await reports.unanswered(day, now - timedelta(hours=1), now + timedelta(minutes=5))
    assert (question.number, question.channel) == (3, "web_form")
    assert question.text.startswith("Where can I park?")
    assert await reports.unanswered(day, now - timedelta(days=2), now - timedelta(days=1)) == []


NEAR = Outcome(
    "A person will read this.",
    Trace("test", "1", passages=(EXPORT,), tools=(SEARCHED,), verdicts=("escalated: no_answer_found",)),
    Escalation("no_answer_found", "normal", "?"),
)
"""A page was found, and did not answer."""


async def test_what_a_page_was_near_to_and_did_not_answer_is_unanswered(pool: Pool) -> None:
    await said(pool, "Cy", "What is your fax number?", NEAR)
    await said(pool, "Di", "I want my money back", replace(NEAR, trace=replace(NEAR.trace, verdicts=())))
    now = datetime.now(UTC)
    found = await reports.unanswered(pool, now - timedelta(hours=1), now + timedelta(minutes=5))
    assert [question.text for question in found] == ["What is your fax number?"]


async def test_a_day_without_customers_says_so(pool: Pool) -> None:
    report = await made(pool)
    assert on(report, ALL) == ChannelDay(channel=ALL)
    assert "No customer wrote." in markdown(report)


async def test_the_report_in_words(day: Pool) -> None:
    words = markdown(await made(day, hours=30))
    assert "| Web form | 3 | 3 | 3 |" in words
    assert "| Assumed: silent for 24 h since the AI's answer | 0 | 1 | 1 |" in words
    assert "- No answer found: 1" in words
    assert "- Export your data (export.md): 2" in words
    assert "WhatsApp" not in words


async def test_customers_words_are_no_markup_of_the_report(pool: Pool) -> None:
    await said(pool, "Cy", "<script>alert(1)</script> | [x](http://evil) \n# **Where** can I park?", LOST)
    from fte.cli.report import open_questions
    from fte.knowledge.embed import WordLlamaEmbedder

    now = datetime.now(UTC)
    gaps = await open_questions(pool, WordLlamaEmbedder(), now - timedelta(hours=1), now + timedelta(hours=1))
    assert [gap.nearest for gap in gaps] == [None]
    import dataclasses

    words = markdown(dataclasses.replace(await made(pool), gaps=tuple(gaps)))
    [line] = [line for line in words.splitlines() if "park" in line]
    assert line.startswith(
        r"- \<script\>alert(1)\</script\> \| \[x\](http://evil) \# \*\*Where\*\* can I park?"
    )
