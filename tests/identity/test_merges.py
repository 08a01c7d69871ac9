"""Customers made one by an operator, and made two again."""

import asyncio
from typing import Any

import pytest

from fte.domain.errors import Conflict, NotFound, Rejected
from fte.domain.ids import new_id
from fte.pg.pool import Pool
from fte.store import customers, merges
from tests.identity.support import chat, form, later, mail, owner
from tests.support import hire

NUMBER, ADDRESS = "+447700900123", "vera@gmail.com"


async def _belongings(pool: Pool) -> list[tuple[Any, ...]]:
    return [
        tuple(row)
        for row in await pool.fetch(
            "select 'identifier', id::text, customer_id from customer_identifiers"
            " union all select 'conversation', id::text, customer_id from conversations"
            " union all select 'ticket', id::text, customer_id from tickets order by 1, 2"
        )
    ]


async def test_all_changes_hands_and_comes_back(pool: Pool) -> None:
    lead = await hire(pool, "Lea", "lead")
    talks = [await chat(pool, NUMBER, name="Vera Real")]
    for _ in range(3):
        await later(pool, "25 hours")
        talks.append(await mail(pool, ADDRESS, name=""))
    talks.append(await form(pool, ADDRESS, name="Mallory"))
    kept, merged = await owner(pool, talks[0]), await owner(pool, talks[1])
    before = await _belongings(pool)
    done = await merges.merge(pool, "k1", kept, merged, lead)
    assert (done.identifiers, done.conversations, done.tickets) == (1, 4, 4)
    assert {row[2] for row in await _belongings(pool)} == {kept}
    page = await customers.one(pool, kept)
    assert (page.email, page.phone, len(page.merges)) == (ADDRESS, NUMBER, 1)
    assert await pool.fetchval("select name from customers where id = $1", merged) is None

    undone = await merges.unmerge(pool, "k2", done.merge_id, lead)
    assert (undone.identifiers, undone.conversations, undone.tickets) == (1, 4, 4)
    assert await _belongings(pool) == before
    assert (await customers.one(pool, kept)).email is None
    rows = await pool.fetch("select action from audit where operator_id is not null order by id")
    assert [row["action"] for row in rows] == ["merge", "unmerge"]


async def test_messages_since_go_where_their_conversation_goes(pool: Pool) -> None:
    lead = await hire(pool, "Lea", "lead")
    by_mail = await mail(pool, ADDRESS)
    await later(pool, "25 hours")
    by_chat = await chat(pool, NUMBER)
    kept, merged = await owner(pool, by_chat), await owner(pool, by_mail)
    done = await merges.merge(pool, "k1", kept, merged, lead)
    again = await mail(pool, ADDRESS, into_ticket=by_mail.ticket)
    assert again.conversation == by_mail.conversation
    undone = await merges.unmerge(pool, "k2", done.merge_id, lead)
    assert undone.mixed == 0
    assert await owner(pool, by_mail) == merged
    count = await pool.fetchval(
        "select count(*) from messages where conversation_id = $1", by_mail.conversation
    )
    assert count == 2
    assert (await mail(pool, ADDRESS)).conversation == by_mail.conversation


async def test_a_conversation_begun_since_goes_to_who_wrote_it(pool: Pool) -> None:
    lead = await hire(pool, "Lea", "lead")
    by_mail, by_chat = await mail(pool, ADDRESS), await chat(pool, NUMBER)
    kept, merged = await owner(pool, by_chat), await owner(pool, by_mail)
    done = await merges.merge(pool, "k1", kept, merged, lead)
    await later(pool, "25 hours")
    begun = await mail(pool, ADDRESS)
    assert await owner(pool, begun) == kept
    await pool.execute("update conversations set last_message_at = now() where id = $1", begun.conversation)
    await merges.unmerge(pool, "k2", done.merge_id, lead)
    assert await owner(pool, begun) == merged


async def test_where_both_wrote_neither_reads_on(pool: Pool) -> None:
    lead = await hire(pool, "Lea", "lead")
    by_mail, by_chat = await mail(pool, ADDRESS), await chat(pool, NUMBER)
    kept, merged = await owner(pool, by_chat), await owner(pool, by_mail)
    done = await merges.merge(pool, "k1", kept, merged, lead)
    both = await mail(pool, ADDRESS, "A secret.")
    assert both.conversation == by_chat.conversation
    undone = await merges.unmerge(pool, "k2", done.merge_id, lead)
    assert undone.mixed == 1
    assert (await chat(pool, NUMBER)).conversation != by_chat.conversation
    assert (await mail(pool, ADDRESS)).conversation == by_mail.conversation


async def test_once_per_key(pool: Pool) -> None:
    lead = await hire(pool, "Lea", "lead")
    a, b = await owner(pool, await mail(pool, ADDRESS)), await owner(pool, await chat(pool, NUMBER))
    done = await asyncio.gather(*(merges.merge(pool, "k", a, b, lead) for _ in range(6)))
    assert len({one.merge_id for one in done}) == 1
    with pytest.raises(Conflict):
        await merges.merge(pool, "k", b, a, lead)
    back = await asyncio.gather(*(merges.unmerge(pool, "u", done[0].merge_id, lead) for _ in range(6)))
    assert len({one.conversations for one in back}) == 1
    assert await pool.fetchval("select count(*) from audit where operator_id is not null") == 2


async def test_what_makes_no_sense_is_refused(pool: Pool) -> None:
    lead = await hire(pool, "Lea", "lead")
    a, b = await owner(pool, await mail(pool, ADDRESS)), await owner(pool, await chat(pool, NUMBER))
    with pytest.raises(Rejected):
        await merges.merge(pool, "1", a, a, lead)
    with pytest.raises(NotFound):
        await merges.merge(pool, "2", a, new_id(), lead)
    with pytest.raises(NotFound):
        await merges.unmerge(pool, "3", new_id(), lead)
    done = await merges.merge(pool, "4", a, b, lead)
    for kept, merged in ((a, b), (b, a)):
        with pytest.raises(Conflict):
            await merges.merge(pool, str(new_id()), kept, merged, lead)
    await merges.unmerge(pool, "5", done.merge_id, lead)
    with pytest.raises(Conflict, match="already"):
        await merges.unmerge(pool, "6", done.merge_id, lead)


async def test_merges_are_undone_in_the_other_order(pool: Pool) -> None:
    lead = await hire(pool, "Lea", "lead")
    a, b = await owner(pool, await mail(pool, ADDRESS)), await owner(pool, await chat(pool, NUMBER))
    c = await owner(pool, await mail(pool, "c@example.com"))
    before = await _belongings(pool)
    first = await merges.merge(pool, "1", b, a, lead)
    second = await merges.merge(pool, "2", c, b, lead)
    with pytest.raises(Conflict):
        await merges.unmerge(pool, "3", first.merge_id, lead)
    await merges.unmerge(pool, "4", second.merge_id, lead)
    await merges.unmerge(pool, "5", first.merge_id, lead)
    assert await _belongings(pool) == before


async def test_a_merged_claim_leaves_when_its_owner_comes(pool: Pool) -> None:
    """An operator is talked into merging a claim with Mallory: the address's owner is still somebody else."""
    lead = await hire(pool, "Lea", "lead")
    mallory = await owner(pool, await chat(pool, NUMBER))
    claimed = await owner(pool, await form(pool, ADDRESS))
    await merges.merge(pool, "1", mallory, claimed, lead)
    real = await mail(pool, ADDRESS, "A secret.")
    assert await owner(pool, real) not in (mallory, claimed)
    assert (await chat(pool, NUMBER)).conversation != real.conversation


async def test_merging_and_writing_at_once_leaves_nobody_behind(pool: Pool) -> None:
    lead = await hire(pool, "Lea", "lead")
    a, b = await owner(pool, await mail(pool, ADDRESS)), await owner(pool, await chat(pool, NUMBER))

    async def write(number: int) -> None:
        await (mail(pool, ADDRESS) if number % 2 else chat(pool, NUMBER))

    async def there_and_back(number: int) -> None:
        done = await merges.merge(pool, f"m{number}", a, b, lead)
        await merges.unmerge(pool, f"u{number}", done.merge_id, lead)

    for number in range(5):
        await asyncio.gather(there_and_back(number), *(write(n) for n in range(8)))
    rows = await pool.fetch("select identifier_value, customer_id from customer_identifiers")
    assert {row["identifier_value"]: row["customer_id"] for row in rows} == {ADDRESS: a, NUMBER: b}
    wrong = await pool.fetchval(
        "select count(*) from conversations c join tickets t on t.conversation_id = c.id"
        " where t.customer_id <> c.customer_id or c.customer_id <> all ($1)",
        [a, b],
    )
    assert wrong == 0


async def test_hints_are_hints(pool: Pool) -> None:
    a = await owner(pool, await mail(pool, ADDRESS, name="Vera Real"))
    b = await owner(pool, await chat(pool, NUMBER, name="vera real"))
    await mail(pool, "other@example.com", name="Vera")
    page = await customers.one(pool, a)
    assert [(d.id, d.why) for d in page.duplicates] == [(b, "same name")]
    assert page.merges == []
