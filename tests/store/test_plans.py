"""Plans in a filled database: what every message and every screen does must not grow with what is stored."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from benchmarks import fill
from fte.domain.ids import new_id
from fte.domain.suggestions import ANSWER_MIN
from fte.domain.turns import HISTORY_MAX, Outcome, Trace
from fte.pg import log
from fte.pg.pool import Pool
from fte.store import (
    attachments,
    claims,
    control,
    conversations,
    customers,
    deadlines,
    inspection,
    operators,
    suggestions,
    tickets,
    turns,
)
from tests.support import receive

MESSAGES = 20_000
"""With their conversations, runs, events and so on more than 100,000 rows."""
GROWING = frozenset(
    [
        "customers",
        "customer_identifiers",
        "conversations",
        "tickets",
        "turns",
        "runs",
        "messages",
        "attachments",
        "inbound",
        "replies",
        "hands",
        "releases",
        "log",
        "audit",
    ]
)
EXECUTIONS = 8
"""More than the five after which PostgreSQL may prefer a plan that ignores the parameters."""
A_CONVERSATION = UUID(fill.conversation(MESSAGES // 8))
AN_OPERATOR = UUID("00000009-0000-7000-8000-000000000002")
MESSAGE_INDEX = "messages_conversation_id_seq_key"
FILES_INDEX = "attachments_message_id_ordinal_key"


@pytest.fixture(scope="module")
async def filled(server: str) -> AsyncIterator[Pool]:
    """A filled and analysed database, on one connection."""
    admin = await asyncpg.connect(server.replace("/fte?", "/postgres?"))
    await admin.execute("create database plans template fte")
    url = server.replace("/fte?", "/plans?")
    await fill.fill(url, MESSAGES)
    pool = await Pool.open(url, size=1)
    yield pool
    await pool.close()
    await admin.execute("drop database plans with (force)")
    await admin.close()


async def plan(pool: Pool, statement: str, *arguments: Any) -> list[dict[str, Any]]:
    """The nodes of the statement's plan."""
    found = await pool.fetchval(f"explain (format json) {statement}", *arguments)
    [root] = json.loads(found) if isinstance(found, str) else found
    return list(nodes(root["Plan"]))


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


def indexes(found: list[dict[str, Any]]) -> set[str]:
    return {node["Index Name"] for node in found if "Index Name" in node}


def scanned(found: list[dict[str, Any]]) -> set[str]:
    """The growing tables that are read from end to end."""
    return {node["Relation Name"] for node in found if node["Node Type"] == "Seq Scan"} & GROWING


async def past(pool: Pool) -> str:
    """A snapshot of a short while ago."""
    snapshot: str = await pool.fetchval("select pg_current_snapshot()::text")
    return snapshot


async def reads(pool: Pool) -> dict[str, int]:
    """Rows read by sequential scans so far, by growing table."""
    await pool.fetchval("select pg_stat_force_next_flush()")
    rows = await pool.fetch("select relname, seq_tup_read from pg_stat_user_tables")
    return {row["relname"]: row["seq_tup_read"] for row in rows if row["relname"] in GROWING}


async def statements(pool: Pool) -> dict[str, tuple[str, tuple[Any, ...], set[str]]]:
    """Each hot statement with arguments as the product passes them, and the indexes meant for it."""
    seen = await past(pool)
    topics = ["fte.conversations", "fte.tickets.incoming"]
    some_turns = [row["id"] for row in await pool.fetch("select id from turns limit 50")]
    some_talks = [row["id"] for row in await pool.fetch("select id from conversations limit 200")]
    pick, due, held, people, recent, resolved = (
        conversations._sql.pick,
        "conversations_due",
        "conversations_held",
        "conversations_with_people",
        "conversations_recent",
        "conversations_resolved",
    )
    return {
        "claim": (turns._sql.claim, (50, new_id(), 60.0), {"turns_due", "turns_pkey", "tickets_pkey"}),
        "load one": (
            turns._sql.load,
            (some_turns[:1], HISTORY_MAX),
            {"turns_pkey", "conversations_pkey", "tickets_pkey", "customers_pkey", MESSAGE_INDEX},
        ),
        "load many": (turns._sql.load, (some_turns, HISTORY_MAX), {"turns_pkey", MESSAGE_INDEX}),
        "next due": (turns._sql.next_due, (), {"turns_due"}),
        "recover": (turns._sql.recover, (), set()),
        "lock": (turns._sql.lock, (A_CONVERSATION, some_turns[0]), {"conversations_pkey", "turns_pkey"}),
        "answer": (
            turns._sql.answer,
            (
                new_id(),
                A_CONVERSATION,
                999,
                "web_form",
                "An answer.",
                None,
                0,
                0,
                [],
                "sent",
                some_turns[0],
                0,
                new_id(),
                3,
                None,
                None,
                "answered",
                [new_id()],
                [None],
            ),
            {"conversations_pkey", "turns_pkey", "tickets_pkey", MESSAGE_INDEX},
        ),
        "facts of an action": (
            control._sql.facts,
            (A_CONVERSATION, 0),
            {"conversations_pkey", "tickets_conversation", "hands_pkey", MESSAGE_INDEX},
        ),
        "claims that are lost": (claims._sql.lost, (900.0, None, 200), {"conversations_claimed"}),
        "claim facts": (claims._sql.facts, (A_CONVERSATION,), {"conversations_pkey", "hands_pkey"}),
        "take over": (
            control._sql.take_over,
            (A_CONVERSATION, new_id(), AN_OPERATOR, 1, "escalated"),
            {"conversations_pkey", "turns_open", MESSAGE_INDEX, "replies_part"},
        ),
        "search customers": (
            customers._sql.search,
            ("Customer 77", "%Customer 77%", None, None, 51, 2_000),
            {"customers_keys", "customer_identifiers_keys"},
        ),
        "search customers by number": (
            customers._sql.search,
            ("0151 2345", "%0151 2345%", "1512345", "%1512345%", 51, 2_000),
            {"customers_keys", "customer_identifiers_keys"},
        ),
        "pick open": (pick, ("open", AN_OPERATOR, None, 200, []), {due, people, recent}),
        "pick resolved": (pick, ("resolved", AN_OPERATOR, None, 200, []), {resolved}),
        "pick mine": (pick, ("mine", AN_OPERATOR, None, 200, []), {due, held}),
        "pick who needs a person": (pick, ("needs_person", AN_OPERATOR, None, 200, []), {due, people}),
        "pick all": (pick, ("all", AN_OPERATOR, None, 200, []), {due, people, recent, resolved}),
        "pick mentions": (pick, ("mentions", AN_OPERATOR, None, 200, []), {"conversations_pkey"}),
        "events of a ticket": (inspection._sql.events, (str(A_CONVERSATION), 2_000), {"log_conversation"}),
        "items": (
            conversations._sql.items,
            (some_talks[:50],),
            {"conversations_pkey", "customers_pkey", "tickets_conversation", MESSAGE_INDEX},
        ),
        "pick snoozed": (pick, ("snoozed", AN_OPERATOR, None, 200, []), {"conversations_snoozed"}),
        "ring": (deadlines._sql.ring, (100, 2.0), {"conversations_alarms", "conversations_stale"}),
        "wake": (deadlines._sql.wake, (100,), {"conversations_snoozed"}),
        "count": (
            deadlines._sql.counted,
            (some_talks[:50], False),
            {"conversations_pkey", "tickets_conversation"},
        ),
        "needs person": (conversations._sql.needs_person, (), {people}),
        "facts": (
            conversations._sql.facts,
            (A_CONVERSATION,),
            {"conversations_pkey", "customers_pkey", "audit_conversation"},
        ),
        "messages": (conversations._sql.messages, (A_CONVERSATION, None, 50), {MESSAGE_INDEX, FILES_INDEX}),
        "earlier messages": (
            conversations._sql.messages,
            (A_CONVERSATION, 40, 50),
            {MESSAGE_INDEX, FILES_INDEX},
        ),
        "attachment": (attachments._sql.one, (new_id(),), {"attachments_pkey"}),
        "runs": (conversations._sql.runs, (A_CONVERSATION, [new_id()], 50), set()),
        "ticket": (
            tickets._sql.by_public_hash,
            (b"h" * 32,),
            {"tickets_public_hash_key", "conversations_pkey", "customers_pkey", MESSAGE_INDEX},
        ),
        "open window": (log._sql.open_window, (topics, seen, 500), {"log_tx"}),
        "read on": (log._sql.read_on, (topics, seen, seen, 0, 500), {"log_tx"}),
        "operator": (operators._sql.by_token, (b"h" * 32,), {"operators_token_hash_key"}),
        "suggestions": (
            suggestions._sql.sources,
            (UUID(int=0), ANSWER_MIN, None, suggestions.SOURCES_MAX),
            {"messages_of_people", MESSAGE_INDEX},
        ),
    }


async def test_hot_statements_use_their_indexes(filled: Pool) -> None:
    wrong = {}
    for name, (statement, arguments, meant) in (await statements(filled)).items():
        found = await plan(filled, statement, *arguments)
        if scanned(found) or not meant <= indexes(found):
            wrong[name] = (
                f"scans {scanned(found) or 'nothing'}, does not use {meant - indexes(found) or 'nothing'}"
            )
    assert wrong == {}


async def test_a_table_without_its_index_is_noticed(filled: Pool) -> None:
    """The check itself: without the index, the same statement scans."""
    async with filled.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute("alter table messages drop constraint messages_conversation_id_seq_key")
            statement = f"explain (format json) {conversations._sql.messages}"
            found = await connection.fetchval(statement, A_CONVERSATION, None, 50)
        finally:
            await transaction.rollback()
    assert scanned(list(nodes(found[0]["Plan"]))) == {"messages"}


async def test_a_message_reads_no_growing_table_from_end_to_end(filled: Pool) -> None:
    """What the server really did, intake's inner statements and foreign keys included."""
    before = await reads(filled)
    for number in range(EXECUTIONS):
        into = UUID(fill.ticket(number * 20 + fill.OPEN[0])) if number % 2 else None
        received = await receive(filled, identifier=f"new{number}@example.com", into_ticket=into)
        [claim] = await turns.claim(filled, new_id(), 1, 60.0)
        await turns.finish(filled, claim, Outcome("An answer.", Trace("test", "1")))
        if into is None:
            await tickets.by_public_id(filled, received.ticket_id)
    assert await reads(filled) == before


async def test_a_screen_reads_no_growing_table_from_end_to_end(filled: Pool) -> None:
    before = await reads(filled)
    cursor = await log.end(filled)
    for _ in range(EXECUTIONS):
        for view in conversations.VIEWS:
            await conversations.queue(filled, AN_OPERATOR, view)
        await conversations.one(filled, A_CONVERSATION)
        assert (await customers.search(filled, "customer 77")).customers
        _, cursor = await log.read(filled, ["fte.conversations"], cursor)
    assert await reads(filled) == before


async def test_a_page_of_ten_thousand_due_reads_a_page(filled: Pool) -> None:
    """With 10,000 open conversations, each with a clock, a page of the queue walks an index and reads no more rows than
    it shows."""
    async with filled.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute("set local session_replication_role = replica")
            await connection.execute(
                "insert into conversations (id, customer_id, initial_channel, owner, status, due_at, due_kind)"
                " select gen_random_uuid(), (select id from customers limit 1), 'email', 'human', 'open',"
                "        now() + make_interval(secs => n * 7919 % 100000), 'next_response' from generate_series(1, 10000) n"
            )
            await connection.execute("analyze conversations")
            statement = f"explain (analyze, format json) {conversations._sql.pick}"
            [root] = await connection.fetchval(statement, "open", AN_OPERATOR, None, 200, [])
        finally:
            await transaction.rollback()
    walked = [node for node in nodes(root["Plan"]) if node.get("Index Name") == "conversations_due"]
    assert [node["Actual Rows"] for node in walked] == [200]
    assert not any(node.get("Rows Removed by Filter", 0) > 1_000 for node in walked)
