"""Two conversations of one customer made one, and made two again."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from fte.domain.conversations import Actor
from fte.domain.errors import Conflict, NotFound, Refused, Rejected
from fte.domain.ids import new_id
from fte.domain.turns import Outcome, Trace, Verdict
from fte.pg.pool import Pool
from fte.store import (
    control,
    conversation_merges,
    conversations,
    identity,
    merges,
    replies,
    tickets,
    turns,
)
from fte.store.intake import Received
from tests.identity.support import chat, form, later, mail, owner
from tests.support import SECRET, hire, seeing, until_waiting

ADDRESS = "vera@gmail.com"
ANSWER = Outcome("An answer.", Trace("test", "1"))


def key() -> str:
    return str(new_id())


async def two(pool: Pool) -> tuple[Received, Received]:
    """An older and a newer conversation of one proven customer, both answered by the AI."""
    older = await mail(pool, ADDRESS, "the old one")
    await answer(pool)
    await later(pool, "25 hours")
    newer = await mail(pool, ADDRESS, "the new one")
    await answer(pool)
    assert older.conversation != newer.conversation
    return older, newer


async def answer(pool: Pool) -> None:
    await pool.execute("update turns set due_at = now() where state = 'due'")
    for claim in await turns.claim(pool, new_id(), 50, 60):
        await turns.finish(pool, claim, ANSWER)


async def merge(pool: Pool, kept: Received, merged: Received, actor: Actor) -> Any:
    epoch = await pool.fetchval("select epoch from conversations where id = $1", kept.conversation)
    return await conversation_merges.merge_in(
        pool, key(), kept.conversation, seeing(actor, 99, epoch), merged.conversation
    )


async def part(pool: Pool, merged: Received, actor: Actor) -> Any:
    epoch = await pool.fetchval("select epoch from conversations where id = $1", merged.conversation)
    return await conversation_merges.part(pool, key(), merged.conversation, seeing(actor, 99, epoch))


async def state(pool: Pool, conversation: UUID) -> dict[str, Any]:
    row = await pool.fetchrow(
        "select c.owner, c.operator_id, c.status, c.answered_seq, c.merged_into, c.ended_at, c.resolution_type,"
        " t.status as ticket, t.resolution, t.resolution_notes, t.resolved_at"
        " from conversations c join tickets t on t.conversation_id = c.id where c.id = $1",
        conversation,
    )
    return dict(row or {})


async def test_what_the_customer_writes_to_the_merged_one_goes_to_the_kept_one(pool: Pool) -> None:
    older, newer = await two(pool)
    sam = await hire(pool, "Sam")
    await merge(pool, older, newer, sam)
    merged = await state(pool, newer.conversation)
    assert (merged["ticket"], merged["resolution"], merged["status"]) == ("resolved", "duplicate", "resolved")
    into = await mail(pool, ADDRESS, "in the merged thread", into_ticket=newer.ticket)
    joined = await mail(pool, ADDRESS, "a new thread")
    assert into.conversation == joined.conversation == older.conversation
    assert (await state(pool, newer.conversation))["status"] == "resolved"
    await pool.execute("update turns set due_at = now()")
    [claim] = await turns.claim(pool, new_id(), 9, 60)
    assert claim.conversation == older.conversation
    assert claim.assignment.question == "in the merged thread\na new thread"


async def test_the_ai_is_silent_in_a_merged_conversation(pool: Pool) -> None:
    older, newer = await two(pool)
    sam = await hire(pool, "Sam")
    again = await mail(pool, ADDRESS, "still waiting", into_ticket=newer.ticket)
    await pool.execute("update turns set due_at = now() where state = 'due'")
    [claim] = await turns.claim(pool, new_id(), 9, 60)
    await control.take_over(pool, key(), older.conversation, sam)
    await merge(pool, older, newer, sam)
    assert again.conversation == newer.conversation
    assert await turns.finish(pool, claim, ANSWER) is Verdict.VOID
    assert await pool.fetchval("select count(*) from turns where state in ('due', 'running')") == 0


async def test_what_was_queued_there_never_leaves(pool: Pool) -> None:
    older, newer = await two(pool)
    sam = await hire(pool, "Sam")
    await merge(pool, older, newer, sam)
    rows = await pool.fetch("select state from replies where conversation_id = $1", newer.conversation)
    assert [row["state"] for row in rows] == ["superseded"]
    sent = await replies.claim(pool, SECRET, new_id(), ["email"], 9, 30)
    assert {claim.reply.conversation_id for claim in sent} == {older.conversation}


async def test_undone_all_is_as_it_was(pool: Pool) -> None:
    older, newer = await two(pool)
    sam = await hire(pool, "Sam")
    await control.resolve(pool, key(), older.conversation, seeing(sam, 9), "all done")
    before = [await state(pool, talk.conversation) for talk in (older, newer)]
    await merge(pool, newer, older, sam)
    assert (await state(pool, older.conversation)) != before[0]
    await part(pool, older, sam)
    assert [await state(pool, talk.conversation) for talk in (older, newer)] == before
    back = await mail(pool, ADDRESS, "on its own again", into_ticket=older.ticket)
    assert back.conversation == older.conversation
    with pytest.raises(Conflict, match="not part"):
        await part(pool, older, sam)


async def test_undone_an_open_one_is_open_again(pool: Pool) -> None:
    older, newer = await two(pool)
    sam = await hire(pool, "Sam")
    before = await state(pool, newer.conversation)
    assert before["ticket"] == "waiting_customer"
    await merge(pool, older, newer, sam)
    await part(pool, newer, sam)
    assert await state(pool, newer.conversation) == before


async def test_whoever_undoes_holds_it_where_the_customer_was_waiting(pool: Pool) -> None:
    older, newer = await two(pool)
    sam = await hire(pool, "Sam")
    await mail(pool, ADDRESS, "waiting", into_ticket=newer.ticket)
    with pytest.raises(Conflict, match="waits for an answer"):
        await merge(pool, older, newer, sam)
    await control.take_over(pool, key(), older.conversation, sam)
    await merge(pool, older, newer, sam)
    done = await part(pool, newer, sam)
    assert (done.owner, done.status) == ("human", "open")
    row = await state(pool, newer.conversation)
    assert (row["operator_id"], row["ticket"]) == (sam.id, "escalated")
    assert await pool.fetchval("select count(*) from turns where state in ('due', 'running')") == 0


async def waits(pool: Pool, conversation: UUID) -> tuple[Any, list[str]]:
    """Since when the customer waits there, and the clocks that run; counted, not left to the sweeper."""
    row: Any = await pool.fetchrow(
        "select waiting_since, clocks, clocks_stale_at from conversations where id = $1", conversation
    )
    assert row["clocks_stale_at"] is None
    return row["waiting_since"], sorted(row["clocks"])


async def test_a_customer_who_waits_goes_on_waiting_in_the_kept_one_and_again_when_undone(pool: Pool) -> None:
    older, newer = await two(pool)
    sam = await hire(pool, "Sam")
    for talk in (older, newer):
        await control.take_over(pool, key(), talk.conversation, sam)
    before = [await waits(pool, talk.conversation) for talk in (older, newer)]
    (since, running), (later_, _) = before
    assert since < later_ and "first_response" in running
    await merge(pool, newer, older, sam)
    assert await waits(pool, older.conversation) == (None, [])
    assert await waits(pool, newer.conversation) == (since, running)
    await part(pool, older, sam)
    assert [await waits(pool, talk.conversation) for talk in (older, newer)] == before


async def test_an_answer_in_the_kept_one_is_an_answer(pool: Pool) -> None:
    older, newer = await two(pool)
    sam = await hire(pool, "Sam")
    await control.take_over(pool, key(), newer.conversation, sam)
    await merge(pool, newer, older, sam)
    assert await control.reply_from_elsewhere(
        pool, channel="email", account="", provider_id="m1", conversation=newer.conversation, text="Here."
    )
    assert (await waits(pool, newer.conversation))[0] is None
    await part(pool, older, sam)
    assert (await waits(pool, newer.conversation))[0] is None
    assert (await waits(pool, older.conversation))[0] is not None


async def test_only_one_proven_customers_conversations_are_one(pool: Pool) -> None:
    older, newer = await two(pool)
    sam = await hire(pool, "Sam")
    stranger = await mail(pool, "bo@example.com")
    claimed = await form(pool, ADDRESS)
    await answer(pool)
    with pytest.raises(Conflict, match="two customers"):
        await merge(pool, older, stranger, sam)
    with pytest.raises(Conflict, match="proves"):
        await merge(pool, older, claimed, sam)
    with pytest.raises(Rejected):
        await merge(pool, older, older, sam)
    with pytest.raises(NotFound):
        await conversation_merges.merge_in(pool, key(), older.conversation, seeing(sam, 99, 0), new_id())
    await merge(pool, older, newer, sam)
    with pytest.raises(Conflict, match="part of #1"):
        await merge(pool, older, newer, sam)
    with pytest.raises(Conflict, match="part of #1"):
        await control.take_over(pool, key(), newer.conversation, sam)


async def test_a_colleagues_conversation_is_not_merged_away(pool: Pool) -> None:
    older, newer = await two(pool)
    sam, kim = await hire(pool, "Sam"), await hire(pool, "Kim")
    await control.take_over(pool, key(), newer.conversation, kim)
    with pytest.raises(Refused, match="Kim holds"):
        await merge(pool, older, newer, sam)


async def test_merges_upon_merges_lead_to_the_last_one(pool: Pool) -> None:
    first, second = await two(pool)
    await later(pool, "25 hours")
    third = await mail(pool, ADDRESS, "three")
    await answer(pool)
    sam = await hire(pool, "Sam")
    await merge(pool, second, first, sam)
    await merge(pool, third, second, sam)
    assert (await mail(pool, ADDRESS, "?", into_ticket=first.ticket)).conversation == third.conversation
    await part(pool, second, sam)
    assert (await mail(pool, ADDRESS, "?", into_ticket=first.ticket)).conversation == second.conversation


async def test_the_page_of_a_merged_ticket_goes_on(pool: Pool) -> None:
    older, newer = await two(pool)
    sam = await hire(pool, "Sam")
    await merge(pool, older, newer, sam)
    written = await mail(pool, ADDRESS, "on the page", into_ticket=newer.ticket)
    assert written.ticket_id == newer.ticket_id
    page = await tickets.by_public_id(pool, newer.ticket_id)
    assert [m.content for m in page.messages if m.sender == "customer"] == ["the new one", "on the page"]
    assert page.status == "open"


async def test_a_colleagues_mail_in_the_merged_thread_takes_over_the_kept_one(pool: Pool) -> None:
    older, newer = await two(pool)
    sam = await hire(pool, "Sam")
    await merge(pool, older, newer, sam)
    await control.reply_from_elsewhere(
        pool, channel="email", account="us", provider_id="x", conversation=newer.conversation, text="Me."
    )
    assert (await state(pool, older.conversation))["owner"] == "human"
    assert (await state(pool, newer.conversation))["owner"] == "ai"


async def test_a_message_on_its_way_while_it_is_merged_is_not_lost(pool: Pool) -> None:
    older, newer = await two(pool)
    async with pool.transaction() as other:
        await other.execute("select from conversations where id = $1 for update", newer.conversation)
        coming = asyncio.create_task(mail(pool, ADDRESS, "caught between", into_ticket=newer.ticket))
        await until_waiting(pool, 1)
        await other.execute(
            "update conversations set merged_into = $2, status = 'resolved' where id = $1",
            newer.conversation,
            older.conversation,
        )
    assert (await coming).conversation == older.conversation


async def test_racing_messages_and_merges_lose_nothing_and_deadlock_never(pool: Pool) -> None:
    older, newer = await two(pool)
    sam = await hire(pool, "Sam")

    async def customer() -> None:
        for n in range(15):
            await mail(pool, ADDRESS, f"message {n}", into_ticket=(older, newer)[n % 2].ticket)

    async def desk() -> None:
        for n in range(10):
            kept, merged = (older, newer) if n % 2 else (newer, older)
            try:
                await merge(pool, kept, merged, sam)
                await part(pool, merged, sam)
            except Conflict:
                await asyncio.sleep(0)

    await asyncio.gather(customer(), desk(), desk())
    assert await pool.fetchval("select count(*) from messages where content like 'message %'") == 15
    stray = await pool.fetchval(
        "select count(*) from conversation_merges g join messages m on m.conversation_id = g.merged"
        " where g.undone_at is null and m.direction = 'inbound' and m.created_at > g.merged_at"
    )
    assert stray == 0


async def test_customers_made_two_again_share_no_conversation(pool: Pool) -> None:
    lead = await hire(pool, "Lea", "lead")
    by_mail = await mail(pool, ADDRESS)
    by_chat = await chat(pool, "+447700900123")
    await answer(pool)
    one, other = await owner(pool, by_mail), await owner(pool, by_chat)
    done = await merges.merge(pool, key(), one, other, lead)
    await merge(pool, by_mail, by_chat, lead)
    await merges.unmerge(pool, key(), done.merge_id, lead)
    assert (await state(pool, by_chat.conversation))["merged_into"] is None
    back = await chat(pool, "+447700900123", "me again")
    assert back.conversation != by_mail.conversation


async def test_both_say_that_they_are_one_and_a_repeated_request_merges_once(pool: Pool) -> None:
    older, newer = await two(pool)
    sam = await hire(pool, "Sam")
    same = key()
    for _ in range(2):
        await conversation_merges.merge_in(
            pool, same, older.conversation, seeing(sam, 99, 0), newer.conversation
        )
    events = await pool.fetch(
        "select key, payload from log where type = 'conversation.merged' order by position"
    )
    assert [row["key"] for row in events] == [str(older.conversation), str(newer.conversation)]
    assert "the new one" not in str([row["payload"] for row in events])
    view = await conversations.one(pool, older.conversation)
    assert [one.number for one in view.merged] == [2]
    view = await conversations.one(pool, newer.conversation)
    assert (view.merged_into, view.item.merged_into) == (older.conversation, 1)
    assert view.ended is not None, "a merge is an end"
    ended = (view.ended.operator, view.ended.resolution, view.ended.reason)
    assert ended == ("Sam", "duplicate", "Goes on in #1.")


async def test_a_screen_from_before_a_change_of_hands_merges_nothing(pool: Pool) -> None:
    older, newer = await two(pool)
    sam = await hire(pool, "Sam")
    await control.take_over(pool, key(), older.conversation, sam)
    with pytest.raises(Conflict, match="changed hands"):
        await conversation_merges.merge_in(
            pool, key(), older.conversation, seeing(sam, 99, 0), newer.conversation
        )


async def test_nobody_is_lost_from_the_queue_by_a_merge(pool: Pool) -> None:
    older, newer = await two(pool)
    sam = await hire(pool, "Sam")
    await pool.execute("update replies set state = 'sent'")
    await control.take_over(pool, key(), newer.conversation, sam)
    with pytest.raises(Conflict, match="with people"):
        await merge(pool, older, newer, sam)


async def on_page(pool: Pool, ticket: Received, body: str) -> Received:
    """What somebody writes on the page of a ticket, as the route hands it to intake."""
    envelope = {tickets.PAGE: str(ticket.ticket)}
    return await form(pool, ADDRESS, body, into_ticket=ticket.ticket, envelope=envelope)


async def two_forms(pool: Pool) -> tuple[Received, Received]:
    """Two conversations of one address that was typed into the form, both answered by the AI."""
    older, newer = await form(pool, ADDRESS, "the old one"), await form(pool, "VERA@gmail.com", "the new one")
    await answer(pool)
    assert older.conversation != newer.conversation
    return older, newer


async def said_on(pool: Pool, ticket: Received) -> list[str]:
    return [message.content for message in (await tickets.by_public_id(pool, ticket.ticket_id)).messages]


async def test_two_claims_of_one_address_become_one_and_two_again(pool: Pool) -> None:
    older, newer = await two_forms(pool)
    sam = await hire(pool, "Sam")
    before = await state(pool, newer.conversation)
    await merge(pool, older, newer, sam)
    written = await on_page(pool, newer, "on the new page")
    assert (written.conversation, written.ticket_id) == (older.conversation, newer.ticket_id)
    await part(pool, newer, sam)
    assert await state(pool, newer.conversation) == before
    assert (await on_page(pool, newer, "alone again")).conversation == newer.conversation
    assert "on the new page" in await said_on(pool, newer)


async def test_pages_of_claims_made_one_show_what_we_say_and_nothing_another_page_was_told(
    pool: Pool,
) -> None:
    older, newer = await two_forms(pool)
    sam = await hire(pool, "Sam")
    await control.take_over(pool, key(), older.conversation, sam)
    epoch = await pool.fetchval("select epoch from conversations where id = $1", older.conversation)
    await control.reply(pool, key(), older.conversation, seeing(sam, 99, epoch), "Before they were one.")
    await merge(pool, older, newer, sam)
    await on_page(pool, older, "told on the old page")
    await on_page(pool, newer, "told on the new page")
    await control.reply(pool, key(), older.conversation, seeing(sam, 99, epoch), "Said to both.")
    await pool.execute("update messages set delivery_status = 'sent' where delivery_status = 'queued'")
    old, new = await said_on(pool, older), await said_on(pool, newer)
    assert old == [
        "the old one",
        "An answer.",
        "Before they were one.",
        "told on the old page",
        "Said to both.",
    ]
    assert new == ["the new one", "An answer.", "told on the new page", "Said to both."]
    await part(pool, newer, sam)
    await control.reply(pool, key(), older.conversation, seeing(sam, 99, epoch), "To the old one alone.")
    await pool.execute("update messages set delivery_status = 'sent' where delivery_status = 'queued'")
    assert await said_on(pool, newer) == new
    assert await said_on(pool, older) == [*old, "To the old one alone."]


async def test_nothing_the_ai_writes_goes_to_pages_nobody_proved_to_be_one_persons_unread(pool: Pool) -> None:
    older, newer = await two_forms(pool)
    sam = await hire(pool, "Sam")
    await merge(pool, older, newer, sam)
    await on_page(pool, newer, "What did I write last time?")
    await answer(pool)
    assert (await said_on(pool, newer))[-1] == "What did I write last time?"
    assert await pool.fetchval("select state from drafts") == "pending"
    await part(pool, newer, sam)
    await on_page(pool, older, "And now?")
    await answer(pool)
    assert (await said_on(pool, older))[-1] == "An answer."


async def test_a_claim_is_one_with_nothing_but_a_claim_of_its_own_address(pool: Pool) -> None:
    older, newer = await two_forms(pool)
    lead = await hire(pool, "Lea", "lead")
    other = await form(pool, "vera@example.org", "another address")
    proven = await mail(pool, ADDRESS, "proven")
    await answer(pool)
    with pytest.raises(Conflict, match="Nothing proves who wrote"):
        await merge(pool, older, proven, lead)
    await merges.merge(pool, key(), await owner(pool, older), await owner(pool, other), lead)
    with pytest.raises(Conflict, match="two addresses"):
        await merge(pool, older, other, lead)
    epoch = await pool.fetchval("select epoch from conversations where id = $1", newer.conversation)
    await identity.request_link(pool, key(), newer.conversation, seeing(lead, 99, epoch), "email", ADDRESS)
    with pytest.raises(Conflict, match="code is on its way"):
        await merge(pool, older, newer, lead)
    await pool.execute("update link_codes set expires_at = now()")
    await merge(pool, older, newer, lead)
    with pytest.raises(Conflict, match="prove only one"):
        await identity.request_link(
            pool, key(), older.conversation, seeing(lead, 99, epoch), "email", ADDRESS
        )
