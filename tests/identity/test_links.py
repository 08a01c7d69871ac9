"""Proof by a code: sent to one channel, written back on another."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from fte.domain.errors import Conflict, Rejected
from fte.domain.identity import CODE_TRIES, CODES_A_DAY
from fte.domain.ids import new_id
from fte.pg.pool import Pool
from fte.store import customers, identity
from fte.store.intake import Received
from tests.identity.support import chat, code_sent, form, later, mail, owner
from tests.support import hire

NUMBER, ADDRESS = "+447700900123", "vera@gmail.com"


async def _ask(
    pool: Pool, where: Received, channel: Any = "email", address: str = "Vera@Gmail.com", name: str = "Sam"
) -> str:
    found = await pool.fetchrow("select id, name, role from operators where name = $1", name)
    if found is None:
        actor = await hire(pool, name)
    else:
        from fte.domain.conversations import Actor

        actor = Actor(found["id"], found["name"], found["role"], 0, 0)
    await identity.request_link(pool, str(new_id()), where.conversation, actor, channel, address)
    return await code_sent(pool)


async def _owner_of(pool: Pool, value: str) -> tuple[UUID, bool] | None:
    row = await pool.fetchrow(
        "select customer_id, verified from customer_identifiers where identifier_value = $1", value
    )
    return tuple(row) if row else None


def _wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


async def test_a_code_written_back_makes_two_customers_one(pool: Pool) -> None:
    by_mail, by_chat = await mail(pool, ADDRESS), await chat(pool, NUMBER)
    assert await owner(pool, by_mail) != await owner(pool, by_chat)
    code = await _ask(pool, by_chat)
    answer = await chat(pool, NUMBER, f"It is {code[:3]} {code[3:]}, thanks")
    assert answer.conversation == by_chat.conversation
    one = await owner(pool, by_chat)
    assert await owner(pool, by_mail) == one
    assert await _owner_of(pool, ADDRESS) == (one, True)
    merge = await pool.fetchrow("select proof, kept, operator_id is not null as asked from customer_merges")
    assert tuple(merge) == ("code", one, True)
    # From now on the newest conversation goes on, whatever the channel.
    assert (await mail(pool, ADDRESS)).conversation == by_chat.conversation


async def test_the_code_waits_as_a_reply_and_the_note_does_not_tell_it(pool: Pool) -> None:
    where = await chat(pool, NUMBER)
    code = await _ask(pool, where, address="Ve.ra+shop@Gmail.com")
    row = await pool.fetchrow(
        "select r.kind, r.part, r.state, r.channel, r.recipient, r.body, m.direction, m.content, l.code_hash"
        "  from replies r join messages m on m.id = r.message_id join link_codes l on l.id = r.id"
    )
    assert (row["kind"], row["part"], row["state"], row["channel"]) == ("code", 0, "queued", "email")
    assert row["recipient"] == "Ve.ra+shop@gmail.com"
    assert code in row["body"] and row["direction"] == "note" and code not in row["content"]
    assert code.encode() not in row["code_hash"]
    events = await pool.fetch("select payload::text as payload from log")
    assert not any(code in event["payload"] or "@" in event["payload"] for event in events)


async def test_a_new_address_is_added(pool: Pool) -> None:
    where = await chat(pool, NUMBER)
    await chat(pool, NUMBER, await _ask(pool, where))
    assert await _owner_of(pool, ADDRESS) == (await owner(pool, where), True)
    assert await pool.fetchval("select count(*) from customer_merges") == 0


async def test_a_claimed_address_is_proven_and_its_claims_stay_claims(pool: Pool) -> None:
    claim = await form(pool, ADDRESS, "Typed by anybody.")
    where = await chat(pool, NUMBER)
    await chat(pool, NUMBER, await _ask(pool, where))
    assert await _owner_of(pool, ADDRESS) == (await owner(pool, where), True)
    assert await owner(pool, claim) == await owner(pool, where)
    assert (
        await pool.fetchval("select verified from conversations where id = $1", claim.conversation) is False
    )
    assert (await mail(pool, ADDRESS)).conversation == where.conversation


async def test_what_is_proven_of_a_customer_does_not_come_with_a_claim(pool: Pool) -> None:
    """An identifier that somebody's customer only claimed is no proof of that customer."""
    other = await mail(pool, "other@example.com")
    claim = await form(pool, ADDRESS)
    await pool.execute("update customer_identifiers set customer_id = $1", await owner(pool, other))
    where = await chat(pool, NUMBER)
    await chat(pool, NUMBER, await _ask(pool, where))
    assert await _owner_of(pool, ADDRESS) == (await owner(pool, where), True)
    assert await owner(pool, other) != await owner(pool, where)
    assert await owner(pool, claim) != await owner(pool, where)


@pytest.mark.parametrize("theirs_first", [True, False])
async def test_a_claimant_cannot_tie_their_address_to_the_claimed_one(pool: Pool, theirs_first: bool) -> None:
    """Mallory fills in Vera's address and proves her own: she gets that conversation, and nothing of Vera's."""
    if theirs_first:
        await mail(pool, "mallory@evil.example")
    victim = await mail(pool, ADDRESS, "A secret.")
    bait = await form(pool, ADDRESS, name="Mallory")
    code = await _ask(pool, bait, address="mallory@evil.example")
    await form(pool, "", code, into_ticket=bait.ticket, name="")
    mallory = await _owner_of(pool, "mallory@evil.example")
    assert mallory is not None and mallory[1]
    assert await owner(pool, bait) == mallory[0] != await owner(pool, victim)
    assert await _owner_of(pool, ADDRESS) == (await owner(pool, victim), True)
    assert (await mail(pool, "mallory@evil.example")).conversation != victim.conversation


async def test_a_claimant_who_proves_the_claim_has_a_proven_conversation(pool: Pool) -> None:
    where = await form(pool, ADDRESS, name="Vera")
    code = await _ask(pool, where)
    await form(pool, "", code, into_ticket=where.ticket, name="")
    assert await pool.fetchval("select verified from conversations") is True
    assert (await mail(pool, ADDRESS)).conversation == where.conversation
    assert (await customers.lookup(pool, email=ADDRESS)).name == "Vera"


async def test_who_only_has_the_ticket_page_proves_nothing_in_a_proven_conversation(pool: Pool) -> None:
    where = await chat(pool, NUMBER)
    code = await _ask(pool, where)
    await form(pool, "", code, into_ticket=where.ticket)
    assert await _owner_of(pool, ADDRESS) is None
    await chat(pool, NUMBER, code)
    assert await _owner_of(pool, ADDRESS) is not None


async def test_wrong_codes_have_no_effect_and_end_after_a_few(pool: Pool) -> None:
    where = await chat(pool, NUMBER)
    code = await _ask(pool, where)
    before = await pool.fetchval("select count(*) from messages")
    for _ in range(CODE_TRIES):
        await chat(pool, NUMBER, _wrong(code))
    assert await pool.fetchval("select count(*) from messages") == before + CODE_TRIES
    await chat(pool, NUMBER, code)
    assert await _owner_of(pool, ADDRESS) is None


async def test_many_guesses_in_one_message_count_each(pool: Pool) -> None:
    where = await chat(pool, NUMBER)
    code = await _ask(pool, where)
    guesses = " ".join(f"{(int(code) - CODE_TRIES + n) % 1_000_000:06}" for n in range(CODE_TRIES + 1))
    await chat(pool, NUMBER, guesses)
    assert await _owner_of(pool, ADDRESS) is None


@pytest.mark.parametrize("text", ["1{}", "{}7", "", "call 0049{}"])
async def test_only_six_digits_by_themselves_are_a_code(pool: Pool, text: str) -> None:
    where = await chat(pool, NUMBER)
    await chat(pool, NUMBER, text.format(await _ask(pool, where)))
    assert await _owner_of(pool, ADDRESS) is None
    assert await pool.fetchval("select attempts from link_codes") == 0


async def test_a_code_ends(pool: Pool) -> None:
    where = await chat(pool, NUMBER)
    code = await _ask(pool, where)
    await pool.execute("update link_codes set expires_at = now() - interval '1 second'")
    await chat(pool, NUMBER, code)
    assert await _owner_of(pool, ADDRESS) is None


async def test_a_newer_code_ends_the_older_one(pool: Pool) -> None:
    where = await chat(pool, NUMBER)
    older = await _ask(pool, where)
    newer = await _ask(pool, where, address="new@example.com")
    await chat(pool, NUMBER, older)
    assert await _owner_of(pool, ADDRESS) is None
    await chat(pool, NUMBER, newer)
    assert await _owner_of(pool, "new@example.com") is not None


async def test_a_code_works_once_and_only_in_its_conversation(pool: Pool) -> None:
    where, elsewhere = await chat(pool, NUMBER), await chat(pool, "+447700900999")
    code = await _ask(pool, where)
    await chat(pool, "+447700900999", code)
    assert await _owner_of(pool, ADDRESS) is None
    await asyncio.gather(*(chat(pool, NUMBER, code) for _ in range(6)))
    assert await _owner_of(pool, ADDRESS) == (await owner(pool, where), True)
    assert await pool.fetchval("select count(*) from messages where role = 'system'") == 1
    assert await owner(pool, elsewhere) != await owner(pool, where)


async def test_what_a_dead_process_did_not_read_is_read_by_the_sweeper(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = await chat(pool, NUMBER)
    code = await _ask(pool, where)

    async def dies(*_: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(identity, "read_code", dies)
        await chat(pool, NUMBER, code)
    assert await _owner_of(pool, ADDRESS) is None
    assert await identity.read_codes(pool) == 1
    assert await _owner_of(pool, ADDRESS) is not None
    assert await identity.read_codes(pool) == 0


async def test_whatsapp_is_only_written_to_inside_its_window(pool: Pool) -> None:
    where = await mail(pool, ADDRESS)
    with pytest.raises(Conflict, match="24 hours"):
        await _ask(pool, where, "whatsapp", NUMBER)
    await chat(pool, "+551187654321")
    code = await _ask(pool, where, "whatsapp", "+55 11 98765-4321")
    row = await pool.fetchrow("select recipient, account from replies where kind = 'code'")
    assert tuple(row) == ("+551187654321", "+14155238886")
    await mail(pool, ADDRESS, code)
    assert await _owner_of(pool, "+5511987654321") == (await owner(pool, where), True)
    await chat(pool, "+447700900999")
    await later(pool, "25 hours")
    with pytest.raises(Conflict, match="24 hours"):
        await _ask(pool, where, "whatsapp", "+447700900999")


async def test_nobody_is_flooded_with_codes(pool: Pool) -> None:
    for serial in range(CODES_A_DAY):
        await _ask(pool, await chat(pool, f"+44770090020{serial}"))
    with pytest.raises(Conflict, match="codes"):
        await _ask(pool, await chat(pool, NUMBER))


async def test_what_cannot_be_asked_is_refused(pool: Pool) -> None:
    where = await mail(pool, ADDRESS)
    with pytest.raises(Rejected):
        await _ask(pool, where, address="no address")
    with pytest.raises(Conflict, match="already"):
        await _ask(pool, where, address="ve.ra@gmail.com")
