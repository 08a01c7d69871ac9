"""Operators' actions: one owner, nothing unseen is answered, everything done once and written down."""

import asyncio
import random

import pytest

from fte.domain.errors import Conflict, NotFound, Refused
from fte.domain.ids import new_id
from fte.domain.turns import Escalation, Outcome, Trace, Verdict
from fte.pg.pool import Pool
from fte.store import control, conversations, operators, turns
from fte.store.conversations import MESSAGES_MAX
from tests.support import hire, receive, seeing, until_waiting

ANSWER = Outcome("An answer.", Trace("test", "1"))


def key() -> str:
    return str(new_id())


async def test_of_racing_takeovers_one_wins_and_the_others_learn_who(pool: Pool) -> None:
    conversation = (await receive(pool)).conversation
    people = [await hire(pool, f"P{n}") for n in range(6)]
    async with pool.transaction() as connection:
        await connection.execute(control._sql.lock, conversation)
        racing = [
            asyncio.create_task(control.take_over(pool, key(), conversation, person)) for person in people
        ]
        await until_waiting(pool, 6)
    results = await asyncio.gather(*racing, return_exceptions=True)
    holder = await pool.fetchval(
        "select o.name from conversations c join operators o on o.id = c.operator_id"
    )
    lost = [result for result in results if isinstance(result, Conflict)]
    assert len(lost) == 5
    assert all(holder in error.message for error in lost)
    assert await pool.fetchval("select epoch from conversations") == 1


async def test_a_takeover_voids_what_the_agent_had_under_way(pool: Pool) -> None:
    conversation = (await receive(pool)).conversation
    claim = (await turns.claim(pool, new_id(), 1, 60))[0]
    sam = await hire(pool, "Sam")
    done = await control.take_over(pool, key(), conversation, sam)
    assert (done.owner, done.epoch) == ("human", 1)
    assert await turns.finish(pool, claim, ANSWER) is Verdict.VOID
    assert await pool.fetchval("select count(*) from messages where role = 'agent'") == 0
    assert await pool.fetchval("select outcome from messages") == "handed_over"


async def test_a_queued_reply_is_withdrawn_and_one_in_flight_is_named(pool: Pool) -> None:
    received = await receive(pool, verified=True, channel="email")
    await pool.execute("update turns set due_at = now()")
    claim = (await turns.claim(pool, new_id(), 1, 60))[0]
    await turns.finish(pool, claim, ANSWER)
    assert await pool.fetchval("select state from replies") == "queued"
    sam = await hire(pool, "Sam")
    await pool.execute("update replies set state = 'sending'")
    done = await control.take_over(pool, key(), received.conversation, sam)
    leaving = [await pool.fetchval("select message_id from replies")]
    assert done.in_flight == leaving
    again = await control.take_over(pool, key(), received.conversation, sam)
    assert (again.in_flight, again.epoch) == (leaving, done.epoch)
    await control.release(pool, key(), received.conversation, seeing(sam, 9), "")
    await pool.execute("update replies set state = 'queued'")
    done = await control.take_over(pool, key(), received.conversation, sam)
    assert done.in_flight == []
    assert await pool.fetchval("select state from replies") == "superseded"


async def test_a_person_answers_and_gives_back(pool: Pool) -> None:
    first = await receive(pool, "I want a person")
    sam = await hire(pool, "Sam")
    await control.take_over(pool, key(), first.conversation, sam)
    done = await control.reply(pool, key(), first.conversation, seeing(sam, 1, 1), "Here I am.")
    assert done.last_seq == 2
    assert await pool.fetchval("select status from tickets") == "waiting_customer"
    await control.release(pool, key(), first.conversation, seeing(sam, 2), "all said")
    assert await turns.claim(pool, new_id(), 5, 60) == []  # everything is answered
    await receive(pool, "Thanks, and one more thing", into_ticket=first.ticket)
    claim = (await turns.claim(pool, new_id(), 5, 60))[0]
    assert claim.assignment.question == "Thanks, and one more thing"
    assert [line.role for line in claim.assignment.lines] == ["customer", "operator", "customer"]
    assert await turns.finish(pool, claim, ANSWER) is Verdict.ACCEPT


async def test_release_owes_an_answer_to_what_nobody_answered(pool: Pool) -> None:
    first = await receive(pool, "one")
    sam = await hire(pool, "Sam")
    await control.take_over(pool, key(), first.conversation, sam)
    await receive(pool, "two", into_ticket=first.ticket)
    await control.release(pool, key(), first.conversation, seeing(sam, 2), "")
    claim = (await turns.claim(pool, new_id(), 5, 60))[0]
    assert claim.assignment.question == "one\ntwo"
    assert await pool.fetchval("select count(*) from messages where outcome is null") == 2


async def test_only_the_holder_replies(pool: Pool) -> None:
    conversation = (await receive(pool)).conversation
    sam, kim = await hire(pool, "Sam"), await hire(pool, "Kim")
    with pytest.raises(Conflict, match="The AI holds"):
        await control.reply(pool, key(), conversation, seeing(sam, 1, 1), "hi")
    await control.take_over(pool, key(), conversation, sam)
    with pytest.raises(Conflict, match="Sam holds"):
        await control.reply(pool, key(), conversation, seeing(kim, 1, 1), "hi")
    assert await pool.fetchval("select count(*) from messages where role = 'operator'") == 0


async def test_a_reply_to_what_was_not_seen_is_refused(pool: Pool) -> None:
    first = await receive(pool, "one")
    sam = await hire(pool, "Sam")
    await control.take_over(pool, key(), first.conversation, sam)
    await receive(pool, "two", into_ticket=first.ticket)
    with pytest.raises(Conflict, match="written again"):
        await control.reply(pool, key(), first.conversation, seeing(sam, 1, 1), "an answer to one")
    await control.reply(pool, key(), first.conversation, seeing(sam, 2, 1), "an answer to both")
    with pytest.raises(Conflict, match="written again"):
        await receive(pool, "three", into_ticket=first.ticket)
        await control.resolve(pool, key(), first.conversation, seeing(sam, 3, 1), "")


async def test_a_screen_from_before_a_change_of_hands_decides_nothing(pool: Pool) -> None:
    """Sam's second window does not know that the AI spoke in between."""
    first = await receive(pool, "one")
    sam = await hire(pool, "Sam")
    await control.take_over(pool, key(), first.conversation, sam)
    await control.release(pool, key(), first.conversation, sam, "")
    await turns.finish(pool, (await turns.claim(pool, new_id(), 1, 60))[0], ANSWER)
    await control.take_over(pool, key(), first.conversation, sam)
    with pytest.raises(Conflict, match="changed hands"):
        await control.reply(pool, key(), first.conversation, seeing(sam, 1, 1), "said already")
    with pytest.raises(Conflict, match="changed hands"):
        await control.resolve(pool, key(), first.conversation, seeing(sam, 1, 1), "")
    await control.reply(pool, key(), first.conversation, seeing(sam, 2, 3), "new")


async def test_a_request_repeated_is_done_once(pool: Pool) -> None:
    conversation = (await receive(pool)).conversation
    sam = await hire(pool, "Sam")
    await control.take_over(pool, key(), conversation, sam)
    same = key()
    results = await asyncio.gather(
        *(control.reply(pool, same, conversation, seeing(sam, 1, 1), "once") for _ in range(8))
    )
    assert len({result.message_id for result in results}) == 1
    assert await pool.fetchval("select count(*) from messages where role = 'operator'") == 1
    with pytest.raises(Conflict, match="another request"):
        await control.reply(pool, same, conversation, seeing(sam, 1, 1), "something else")


async def test_a_note_is_for_colleagues_and_answers_nothing(pool: Pool) -> None:
    first = await receive(pool)
    sam = await hire(pool, "Sam")
    await control.note(pool, key(), first.conversation, sam, "VIP")
    claim = (await turns.claim(pool, new_id(), 1, 60))[0]
    assert [line.role for line in claim.assignment.lines] == ["customer"]
    assert await turns.finish(pool, claim, ANSWER) is Verdict.ACCEPT
    view = await conversations.one(pool, first.conversation)
    assert [m.direction for m in view.messages] == ["inbound", "note", "outbound"]
    from fte.store import tickets

    assert "VIP" not in str(await tickets.by_public_id(pool, first.ticket_id))


async def test_resolving_ends_it_and_a_new_message_begins_again_with_the_agent(pool: Pool) -> None:
    first = await receive(pool)
    sam = await hire(pool, "Sam")
    await control.take_over(pool, key(), first.conversation, sam)
    await control.reply(pool, key(), first.conversation, seeing(sam, 1, 1), "done")
    await control.resolve(pool, key(), first.conversation, seeing(sam, 2, 1), "fixed")
    row = await pool.fetchrow(
        "select t.status, t.resolution_notes, c.resolution_type from tickets t, conversations c"
    )
    assert tuple(row) == ("resolved", "fixed", "person")
    ended = (await conversations.one(pool, first.conversation)).ended
    assert ended is not None and ended.at is not None
    assert (ended.operator, ended.resolution, ended.reason) == ("Sam", "solved", "fixed")
    with pytest.raises(Conflict, match="resolved already"):
        await control.resolve(pool, key(), first.conversation, seeing(sam, 2), "")
    await receive(pool, "again", into_ticket=first.ticket)
    assert (await conversations.one(pool, first.conversation)).ended is None
    assert (await turns.claim(pool, new_id(), 1, 60))[0].assignment.question == "again"
    kim = await hire(pool, "Kim")
    await control.resolve(pool, key(), first.conversation, seeing(kim, 3, 2), "", "no_answer_needed")
    ended = (await conversations.one(pool, first.conversation)).ended
    assert ended is not None, "it ended once more"
    assert (ended.operator, ended.resolution, ended.reason) == ("Kim", "no_answer_needed", None)


async def test_a_lead_may_release_for_somebody_who_vanished(pool: Pool) -> None:
    conversation = (await receive(pool)).conversation
    sam, kim, lee = await hire(pool, "Sam"), await hire(pool, "Kim"), await hire(pool, "Lee", "lead")
    await control.take_over(pool, key(), conversation, sam)
    with pytest.raises(Refused):
        await control.release(pool, key(), conversation, kim, "")
    with pytest.raises(Conflict, match="changed hands"):
        await control.release(pool, key(), conversation, seeing(lee, 1, 0), "from an old screen")
    await control.release(pool, key(), conversation, seeing(lee, 1, 1), "Sam is ill")
    assert await pool.fetchval("select owner from conversations") == "ai"


async def test_everything_is_audited_and_announced_without_the_words(pool: Pool) -> None:
    conversation = (await receive(pool)).conversation
    sam = await hire(pool, "Sam")
    await control.take_over(pool, key(), conversation, sam)
    await control.reply(pool, key(), conversation, seeing(sam, 1, 1), "private words")
    await control.note(pool, key(), conversation, sam, "private words")
    await control.release(pool, key(), conversation, sam, "done")
    await control.resolve(pool, key(), conversation, seeing(sam, 3, 2), "done")
    audit = await pool.fetch(
        "select action, details from audit where conversation_id is not null order by id"
    )
    assert [row["action"] for row in audit] == ["take_over", "reply", "note", "release", "resolve"]
    assert "private" not in str([row["details"] for row in audit])
    events = await pool.fetch(
        "select type, payload from log where topic = 'fte.conversations' order by position"
    )
    assert [row["type"] for row in events] == [
        "message.received",
        "conversation.taken_over",
        "reply.sent",
        "note.added",
        "conversation.released",
        "conversation.resolved",
    ]
    assert "private" not in str([row["payload"] for row in events])


async def test_unknown_conversations_are_not_found(pool: Pool) -> None:
    sam = await hire(pool, "Sam")
    with pytest.raises(NotFound):
        await control.take_over(pool, key(), new_id(), sam)
    with pytest.raises(NotFound):
        await conversations.one(pool, new_id())


@pytest.mark.parametrize("seed", range(3))
async def test_no_agent_reply_follows_an_acknowledged_takeover(pool: Pool, seed: int) -> None:
    """Races of intake, claim, finish, takeover and release: what the agent says falls between its own epochs."""
    dice = random.Random(seed)
    first = await receive(pool, "0")
    sam = await hire(pool, "Sam")
    taken: list[tuple[int, int]] = []

    async def customer() -> None:
        for number in range(12):
            await receive(pool, str(number), into_ticket=first.ticket)
            await asyncio.sleep(dice.random() * 0.01)

    async def agent() -> None:
        for _ in range(40):
            for claim in await turns.claim(pool, new_id(), 1, 60):
                await asyncio.sleep(dice.random() * 0.01)
                await turns.finish(pool, claim, ANSWER)
            await asyncio.sleep(0.002)

    async def person() -> None:
        for _ in range(6):
            await asyncio.sleep(dice.random() * 0.02)
            done = await control.take_over(pool, key(), first.conversation, sam)
            await asyncio.sleep(dice.random() * 0.02)
            last = await pool.fetchval("select coalesce(max(seq), 0) from messages where role = 'agent'")
            taken.append((done.last_seq, last))
            await control.release(pool, key(), first.conversation, seeing(sam, 999), "")

    await asyncio.gather(customer(), agent(), agent(), person())
    assert len(taken) == 6
    assert all(last_of_agent <= at_takeover for at_takeover, last_of_agent in taken)


async def test_the_queue_shows_what_is_due_first(pool: Pool) -> None:
    sam = await hire(pool, "Sam")
    calm = await receive(pool, "calm", identifier="calm@example.com", name="Calm")
    held = await receive(pool, "held", identifier="held@example.com", name="Held")
    await control.take_over(pool, key(), held.conversation, sam)
    for name, urgency in (("Normal", "normal"), ("Urgent", "high")):
        await receive(pool, name, identifier=f"{name}@example.com", name=name)
        claims = await turns.claim(pool, new_id(), 9, 60)
        for claim in claims:
            escalation = (
                Escalation("human_request", urgency, name) if claim.assignment.customer_name == name else None
            )
            await turns.finish(pool, claim, Outcome("…", Trace("t", "1"), escalation))
    await receive(pool, "done", identifier="done@example.com", name="Done")
    last = await pool.fetchval("select id from conversations order by number desc limit 1")
    await control.resolve(pool, key(), last, seeing(sam, 1), "")
    page = await conversations.queue(pool, sam.id)
    assert [item.customer for item in page.items] == ["Held", "Normal", "Urgent", "Calm"]
    assert page.needs_person == 2
    assert [i.customer for i in (await conversations.queue(pool, sam.id, "mine")).items] == ["Held"]
    assert [i.customer for i in (await conversations.queue(pool, sam.id, "resolved")).items] == ["Done"]
    assert [i.customer for i in (await conversations.queue(pool, sam.id, search="CALM@ex")).items] == ["Calm"]
    assert (await conversations.queue(pool, sam.id, search="100%_\\")).items == []
    by_id = await conversations.queue(pool, sam.id, ids=[calm.conversation, last, new_id()])
    assert [item.customer for item in by_id.items] == ["Calm", "Done"]


async def test_a_long_conversation_is_read_in_parts(pool: Pool) -> None:
    first = await receive(pool, "1")
    for number in range(2, MESSAGES_MAX + 6):
        await receive(pool, str(number), into_ticket=first.ticket)
    newest = await conversations.one(pool, first.conversation)
    assert newest.messages[0].content == "6"
    assert newest.earlier == 5
    older = await conversations.one(pool, first.conversation, before=6)
    assert [m.content for m in older.messages] == ["1", "2", "3", "4", "5"]
    assert older.earlier == 0


async def test_a_revoked_token_and_one_that_is_over_open_nothing(pool: Pool) -> None:
    token = await operators.add(pool, "Sam", "agent")
    assert await operators.by_token(pool, token) is not None
    assert await operators.by_token(pool, token + "x") is None
    await operators.revoke(pool, "Sam")
    assert await operators.by_token(pool, token) is None
    again = await operators.add(pool, "Sam", "lead", days=1)
    assert await operators.by_token(pool, again) is not None
    await pool.execute(
        "update operators set expires_at = now() - interval '1 second' where revoked_at is null"
    )
    assert await operators.by_token(pool, again) is None
    assert (
        await pool.fetchval("select count(*) from operators o where o::text like '%' || $1 || '%'", token)
        == 0
    )


@pytest.mark.parametrize("action", ["take_over", "resolve"])
async def test_an_action_and_a_claim_never_wait_for_each_other(pool: Pool, action: str) -> None:
    """A claim takes the turn, then the ticket. Whoever took them the other way round would deadlock with it."""
    first = await receive(pool)
    sam = await hire(pool, "Sam")
    async with pool.transaction() as claiming:
        await claiming.execute("select id from turns for update")
        if action == "take_over":
            acting = asyncio.create_task(control.take_over(pool, key(), first.conversation, sam))
        else:
            acting = asyncio.create_task(control.resolve(pool, key(), first.conversation, seeing(sam, 1), ""))
        await until_waiting(pool, 1)
        await claiming.execute("update tickets set status = 'processing'")
    await acting
