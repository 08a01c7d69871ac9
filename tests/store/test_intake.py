import asyncio

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fte.domain.ids import public_ticket_id
from fte.pg.pool import Pool
from fte.store import tickets
from fte.store.intake import take_in
from tests.support import SECRET, form_message, receive


async def _count(pool: Pool, table: str) -> int:
    count: int = await pool.fetchval(f"select count(*) from {table}")
    return count


async def test_one_message_leaves_one_of_everything(pool: Pool) -> None:
    received = await receive(pool, "Hello there")
    for table in (
        "customers",
        "customer_identifiers",
        "conversations",
        "tickets",
        "messages",
        "turns",
        "inbound",
    ):
        assert await _count(pool, table) == 1, table
    events = await pool.fetch("select topic, type, key from log order by position")
    assert [(e["topic"], e["type"]) for e in events] == [
        ("fte.conversations", "message.received"),
        ("fte.channels.webform.inbound", "message.received"),
        ("fte.tickets.incoming", "turn.due"),
    ]
    assert {e["key"] for e in events} == {str(received.conversation)}


async def test_the_ticket_is_readable_at_once(pool: Pool) -> None:
    received = await receive(pool, "Hello there")
    view = await tickets.by_public_id(pool, received.ticket_id)
    assert view.status == "open"
    assert [(m.sender, m.content) for m in view.messages] == [("customer", "Hello there")]


async def test_the_public_id_is_not_stored(pool: Pool) -> None:
    received = await receive(pool)
    assert received.ticket_id == public_ticket_id(SECRET, received.ticket)
    assert (
        await pool.fetchval(
            "select count(*) from tickets t where t::text like '%' || $1 || '%'", received.ticket_id
        )
        == 0
    )


async def test_sixteen_first_contacts_at_once_make_one_customer(pool: Pool) -> None:
    received = await asyncio.gather(*(receive(pool, f"message {n}") for n in range(16)))
    assert len({r.ticket for r in received}) == 16
    assert await _count(pool, "customers") == 1
    assert await _count(pool, "messages") == 16


async def test_deliveries_of_one_provider_id_collapse(pool: Pool) -> None:
    message = form_message("once", provider_id="same")
    received = await asyncio.gather(*(take_in(pool, SECRET, message) for _ in range(12)))
    assert sum(not r.duplicate for r in received) == 1
    assert len({(r.conversation, r.ticket, r.message, r.ticket_id) for r in received}) == 1
    assert await _count(pool, "messages") == 1
    assert await _count(pool, "customers") == 1


async def test_a_claimed_address_opens_no_history(pool: Pool) -> None:
    first = await receive(pool, "first", verified=True, channel="email")
    claimed = await receive(pool, "second", verified=False)
    assert claimed.conversation != first.conversation
    assert await _count(pool, "customers") == 1


async def test_a_verified_customer_continues_their_conversation_on_the_same_ticket(pool: Pool) -> None:
    first = await receive(pool, "first", verified=True, channel="email")
    second = await receive(pool, "second", verified=True, channel="email")
    assert (second.conversation, second.ticket, second.ticket_id) == (
        first.conversation,
        first.ticket,
        first.ticket_id,
    )
    assert await _count(pool, "turns") == 1
    assert [r["seq"] for r in await pool.fetch("select seq from messages order by seq")] == [1, 2]


async def test_after_a_day_a_new_conversation_begins(pool: Pool) -> None:
    first = await receive(pool, "first", verified=True, channel="email")
    await pool.execute("update conversations set last_message_at = now() - interval '24 hours 1 second'")
    second = await receive(pool, "second", verified=True, channel="email")
    assert second.conversation != first.conversation


async def test_an_answer_on_the_ticket_page_joins_its_conversation(pool: Pool) -> None:
    first = await receive(pool, "first")
    second = await receive(pool, "second", into_ticket=first.ticket)
    assert second.conversation == first.conversation
    assert second.ticket_id == first.ticket_id


async def test_a_burst_waits_for_the_quiet_period_but_not_for_ever(pool: Pool) -> None:
    await receive(
        pool, "first", verified=True, channel="whatsapp", identifier_type="whatsapp", identifier="+4912345"
    )
    await pool.execute("update turns set created_at = now() - interval '18 seconds'")
    await receive(
        pool, "second", verified=True, channel="whatsapp", identifier_type="whatsapp", identifier="+4912345"
    )
    wait = await pool.fetchval("select extract(epoch from due_at - now())::float8 from turns")
    assert 0 < wait <= 2.0


async def test_a_message_while_a_person_has_the_conversation_owes_no_turn(pool: Pool) -> None:
    first = await receive(pool, "first")
    await pool.execute("update turns set state = 'cancelled'")
    await pool.execute("update conversations set owner = 'human', status = 'escalated'")
    await receive(pool, "second", into_ticket=first.ticket)
    assert await pool.fetchval("select count(*) from turns where state in ('due', 'running')") == 0
    assert await pool.fetchval("select outcome from messages where seq = 2") == "handed_over"
    assert await pool.fetchval("select status from tickets") == "escalated"


async def test_a_message_reopens_a_resolved_ticket(pool: Pool) -> None:
    first = await receive(pool, "first")
    await pool.execute("update turns set state = 'done'")
    await pool.execute("update conversations set status = 'resolved', ended_at = now()")
    await pool.execute("update tickets set status = 'resolved', resolved_at = now()")
    await receive(pool, "second", into_ticket=first.ticket)
    assert await pool.fetchval("select status from tickets") == "open"
    assert await pool.fetchval("select status from conversations") == "open"
    assert await pool.fetchval("select count(*) from turns where state = 'due'") == 1


@given(body=st.text(st.characters(), max_size=300), name=st.text(st.characters(), max_size=60))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_text_is_stored_and_what_cleaning_changed_is_kept(pool: Pool, body: str, name: str) -> None:
    received = await receive(pool, body, name=name, identifier="any@example.com")
    row = await pool.fetchrow(
        "select m.content, i.raw from messages m join inbound i on i.message_id = m.id where m.id = $1",
        received.message,
    )
    assert (row["raw"].decode("utf-8", "surrogatepass") if row["raw"] is not None else row["content"]) == body


@pytest.mark.parametrize("body", ["a\x00b", "\ud800", "\udfff and \x00", "line\r\nbreak\u2028here"])
async def test_unstorable_text_is_made_storable(pool: Pool, body: str) -> None:
    received = await receive(pool, body)
    content = await pool.fetchval("select content from messages where id = $1", received.message)
    assert "\x00" not in content and content.strip()


@pytest.mark.parametrize(
    "table", ["inbound", "conversations", "tickets", "turns", "messages", "channel_configs"]
)
async def test_every_table_knows_the_three_channels_and_no_other(pool: Pool, table: str) -> None:
    type_ = await pool.fetchval(
        "select domain_name from information_schema.columns"
        " where table_name = $1 and column_name in ('channel', 'initial_channel', 'source_channel')",
        table,
    )
    assert type_ == "channel"
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute("select 'fax'::channel")
