"""What operators do with tickets beside speaking."""

import asyncio

import pytest

from fte.domain.errors import Conflict, NotFound, Refused, Rejected
from fte.domain.ids import new_id
from fte.domain.turns import Outcome, Trace, Verdict
from fte.pg.pool import Pool
from fte.store import canned, control, conversations, desk, operators, turns
from fte.wire import CannedReply
from tests.support import hire, receive, seeing

ANSWER = Outcome("An answer.", Trace("test", "1"), category="technical", priority="low")


def key() -> str:
    return str(new_id())


async def test_what_a_person_chose_the_agent_does_not_change(pool: Pool) -> None:
    talk = (await receive(pool)).conversation
    sam = await hire(pool, "Sam")
    await desk.set_priority(pool, key(), talk, sam, "high")
    await turns.finish(pool, (await turns.claim(pool, new_id(), 1, 60))[0], ANSWER)
    row = await pool.fetchrow("select priority, category from tickets")
    assert tuple(row) == ("high", "technical")
    await desk.set_category(pool, key(), talk, sam, "billing")
    assert await pool.fetchval("select category from tickets") == "billing"


async def test_tags_are_set_and_found(pool: Pool) -> None:
    talk = (await receive(pool)).conversation
    other = (await receive(pool, identifier="bo@example.com", name="Bo")).conversation
    sam = await hire(pool, "Sam")
    await desk.tag(pool, key(), talk, sam, ["VIP", "needs docs"], [])
    await desk.tag(pool, key(), talk, sam, ["late"], ["vip"])
    await desk.tag(pool, key(), other, sam, ["vip"], [])
    [item] = (await conversations.queue(pool, sam.id, search="tag:late")).items
    assert (item.conversation_id, item.tags) == (talk, ["late", "needs-docs"])
    assert [i.customer for i in (await conversations.queue(pool, sam.id, search="bo tag:vip")).items] == [
        "Bo"
    ]
    assert (await conversations.queue(pool, sam.id, search="ada tag:vip")).items == []
    assert [i.customer for i in (await conversations.queue(pool, sam.id, search="#VIP bo")).items] == ["Bo"]
    assert [i.number for i in (await conversations.queue(pool, sam.id, search="#1")).items] == [1]
    await desk.set_priority(pool, key(), other, sam, "high")
    assert [i.customer for i in (await conversations.queue(pool, sam.id, search="high")).items] == ["Bo"]
    with pytest.raises(Rejected):
        await desk.tag(pool, key(), talk, sam, ["a/b"], [])


async def test_tags_added_at_once_all_stay(pool: Pool) -> None:
    talk = (await receive(pool)).conversation
    sam = await hire(pool, "Sam")
    await asyncio.gather(*(desk.tag(pool, key(), talk, sam, [f"t{n}"], []) for n in range(8)))
    assert len(await pool.fetchval("select tags from tickets")) == 8


async def test_every_change_is_announced_with_what_was(pool: Pool) -> None:
    talk = (await receive(pool)).conversation
    sam = await hire(pool, "Sam")
    await desk.tag(pool, key(), talk, sam, ["vip"], [])
    await desk.tag(pool, key(), talk, sam, ["vip"], [])  # changes nothing
    facts = await pool.fetch("select payload from log where type = 'ticket.changed'")
    assert [(f["payload"]["tags"], f["payload"]["was"]["tags"]) for f in facts] == [(["vip"], [])]
    assert await pool.fetchval("select count(*) from audit where action = 'tag'") == 2


async def test_assigning_is_a_takeover_for_somebody_else(pool: Pool) -> None:
    talk = (await receive(pool)).conversation
    claim = (await turns.claim(pool, new_id(), 1, 60))[0]
    sam, kim = await hire(pool, "Sam"), await hire(pool, "Kim")
    done = await desk.assign(pool, key(), talk, seeing(sam, 1, 0), "kim")
    assert (done.owner, done.epoch) == ("human", 1)
    assert await turns.finish(pool, claim, ANSWER) is Verdict.VOID
    await control.reply(pool, key(), talk, seeing(kim, 1, 1), "Kim here.")
    assert await pool.fetchval(
        "select payload ->> 'holder' from log where type = 'conversation.assigned'"
    ) == str(kim.id)


async def test_only_a_lead_assigns_what_a_colleague_holds(pool: Pool) -> None:
    talk = (await receive(pool)).conversation
    sam, kim, lea = await hire(pool, "Sam"), await hire(pool, "Kim"), await hire(pool, "Lea", "lead")
    await control.take_over(pool, key(), talk, sam)
    with pytest.raises(Refused, match="Sam holds"):
        await desk.assign(pool, key(), talk, seeing(kim, 1, 1), "Kim")
    with pytest.raises(Conflict, match="changed hands"):
        await desk.assign(pool, key(), talk, seeing(lea, 1, 0), "Kim")
    await desk.assign(pool, key(), talk, seeing(lea, 1, 1), "Kim")
    with pytest.raises(Conflict, match="Kim holds"):
        await control.reply(pool, key(), talk, seeing(sam, 1, 2), "Still me?")
    with pytest.raises(Conflict, match="already"):
        await desk.assign(pool, key(), talk, seeing(lea, 1, 2), "Kim")


async def test_given_to_nobody_it_needs_a_person_and_says_so(pool: Pool) -> None:
    talk = (await receive(pool)).conversation
    sam = await hire(pool, "Sam")
    await desk.assign(pool, key(), talk, seeing(sam, 1, 0), None)
    page = await conversations.queue(pool, sam.id, "needs_person")
    assert [(item.reason, item.status) for item in page.items] == [("handed_on", "escalated")]
    assert await pool.fetchval("select count(*) from log where type = 'escalation.raised'") == 1
    await desk.assign(pool, key(), talk, seeing(sam, 1, 1), "Sam")
    assert (await conversations.queue(pool, sam.id, "mine")).items[0].operator == "Sam"


async def test_who_cannot_answer_is_given_nothing(pool: Pool) -> None:
    talk = (await receive(pool)).conversation
    sam = await hire(pool, "Sam")
    await hire(pool, "Olga", "observer")
    await hire(pool, "Rita")
    await operators.revoke(pool, "Rita")
    for name in ("Olga", "Rita", "nobody"):
        with pytest.raises(NotFound, match="No colleague"):
            await desk.assign(pool, key(), talk, seeing(sam, 1, 0), name)


async def test_of_racing_assignments_one_wins(pool: Pool) -> None:
    talk = (await receive(pool)).conversation
    people = [await hire(pool, f"P{n}") for n in range(5)]
    results = await asyncio.gather(
        *(desk.assign(pool, key(), talk, seeing(p, 1, 0), p.name) for p in people), return_exceptions=True
    )
    assert sum(isinstance(result, Conflict) for result in results) == 4
    assert await pool.fetchval("select epoch from conversations") == 1


async def test_who_is_named_in_a_note_finds_it_until_they_act(pool: Pool) -> None:
    talk = (await receive(pool)).conversation
    sam, kim = await hire(pool, "Sam"), await hire(pool, "Kim Lee")
    done = await control.note(pool, key(), talk, sam, "A private word, @kim lee and @Nobody.")
    fact = await pool.fetchval("select payload from log where type = 'operator.mentioned'")
    assert fact["operators"] == [str(kim.id)]
    assert fact["message_id"] == str(done.message_id)
    assert "private" not in str(fact)
    [item] = (await conversations.queue(pool, kim.id, "mentions")).items
    assert item.mentions == ["Kim Lee"]
    assert (await conversations.queue(pool, sam.id, "mentions")).items == []
    await control.note(pool, key(), talk, kim, "Seen.")
    assert (await conversations.queue(pool, kim.id, "mentions")).items == []


async def test_a_note_asked_for_twice_mentions_once(pool: Pool) -> None:
    talk = (await receive(pool)).conversation
    sam = await hire(pool, "Sam")
    await hire(pool, "Kim")
    same = key()
    for _ in range(2):
        await control.note(pool, same, talk, sam, "@Kim")
    assert await pool.fetchval("select count(*) from mentions") == 1


async def test_how_it_was_resolved_is_kept_until_it_opens_again(pool: Pool) -> None:
    first = await receive(pool)
    sam = await hire(pool, "Sam")
    await control.resolve(pool, key(), first.conversation, seeing(sam, 1), "advertising", "spam")
    row = await pool.fetchrow("select resolution, resolution_notes from tickets")
    assert tuple(row) == ("spam", "advertising")
    await receive(pool, "again", into_ticket=first.ticket)
    assert await pool.fetchval("select resolution from tickets") is None


async def test_canned_replies_are_kept_by_their_keys(pool: Pool) -> None:
    lea = await hire(pool, "Lea", "lead")
    await canned.save(pool, lea.id, CannedReply(key="hi", title="Hello", body="Hello {first_name}"))
    await canned.save(pool, lea.id, CannedReply(key="hi", title="Hi", body="Hi {first_name}", language="en"))
    assert [(r.key, r.title, r.language) for r in await canned.listed(pool)] == [("hi", "Hi", "en")]
    with pytest.raises(Rejected):
        await canned.save(pool, lea.id, CannedReply(key="no", title="No", body="{password}"))
    await canned.remove(pool, lea.id, "hi")
    with pytest.raises(NotFound):
        await canned.remove(pool, lea.id, "hi")
    assert await pool.fetchval("select count(*) from audit where action = 'canned'") == 3
