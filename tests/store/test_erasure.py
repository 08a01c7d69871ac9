"""Erasure: afterwards nothing of the person is anywhere, nothing is sent, and what came before does not come back."""

import asyncio
import dataclasses
import hashlib
from typing import Any
from uuid import UUID

import pytest

from fte.bus import dead_letters
from fte.bus.log import LogBus
from fte.daemon.collector import Collector
from fte.daemon.sender import Sender
from fte.domain.conversations import Actor
from fte.domain.errors import Conflict, NotFound
from fte.domain.ids import new_id
from fte.domain.measurements import Prices
from fte.domain.modes import Rule
from fte.domain.turns import Escalation, Outcome, Passage, ToolCall, Trace, Verdict
from fte.pg import log
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store import (
    control,
    conversation_merges,
    desk,
    erasure,
    exports,
    identity,
    mail_threads,
    mailboxes,
    merges,
    modes,
    replies,
    turns,
    whatsapp,
)
from fte.store.intake import Attachment, MailReference, Received, set_aside, take_in
from fte.wire import decode
from tests.identity.support import chat, form, later, mail, owner
from tests.store.everywhere import columns_with
from tests.support import SECRET, form_message, hire, seeing, until, until_waiting
from tests.support_delivery import Post, answer, take_slowly

WORD = "zanzibar"
"""Stands in everything the customer, the model and operators write about them."""
ADDRESS = f"{WORD}@gmail.com"
NUMBER = "+4915112345678"
CANARIES = (WORD, NUMBER.removeprefix("+"))
DESK = "desk@example.org"
OURS = "+14155238886"
TRACE = Trace(
    "test",
    "1",
    (Passage("Exports", "exports.md", "general", 0.9, "Settings."),),
    (ToolCall("search", {"query": WORD}, WORD),),
    (WORD,),
)
SAID = Outcome(f"Dear {WORD}!", TRACE)
HANDED_OVER = Outcome(
    f"A colleague of mine answers you, {WORD}.",
    TRACE,
    Escalation("refund_request", "high", WORD, (WORD,), (WORD,), WORD),
)
FAILED = Outcome(WORD, dataclasses.replace(TRACE, error=WORD), failed=True)
MAIL: dict[str, Any] = {
    "provider_id": "mail-1",
    "name": f"Ada {WORD}",
    "subject": WORD,
    "raw": f"From: {ADDRESS}".encode(),
    "envelope": {"thread_id": "t-1", "subject": WORD},
    "attachments": (
        Attachment(
            name=f"{WORD}.txt", media_type="text/plain", size=9, state="stored", content=WORD.encode()
        ),
        Attachment(name=WORD, media_type="image/png", size=None, state="pending", source=f"https://x/{WORD}"),
    ),
    "references": (MailReference(kind="message", value=f"<{WORD}@gmail.com>"),),
}


def key() -> str:
    return str(new_id())


async def ran(pool: Pool, outcome: Outcome) -> Verdict:
    await pool.execute("update turns set due_at = now() where state = 'due'")
    claim = (await turns.claim(pool, new_id(), 1, 60))[0]
    return await turns.finish(pool, claim, outcome)


async def newest(pool: Pool, conversation: UUID) -> int:
    seq: int = await pool.fetchval("select last_seq from conversations where id = $1", conversation)
    return seq


async def by_mail(pool: Pool, lead: Actor) -> Received:
    """A mail with files, answered, taken over, spoken about, released and settled."""
    received = await mail(pool, ADDRESS, f"I am {WORD}.", **MAIL)
    assert await ran(pool, FAILED) is Verdict.RETRY
    assert await ran(pool, SAID) is Verdict.ACCEPT
    talk = received.conversation
    await control.take_over(pool, key(), talk, seeing(lead, 2))
    await control.note(pool, key(), talk, seeing(lead, 2), f"@Lee: that is {WORD}")
    await desk.tag(pool, key(), talk, seeing(lead, 3), [WORD], [])
    await control.reply(pool, key(), talk, seeing(lead, await newest(pool, talk), 1), f"Yes, {WORD}.")
    await identity.request_link(pool, key(), talk, seeing(lead, 9), "email", f"other.{ADDRESS}")
    seen = await newest(pool, talk)
    await control.release(pool, key(), talk, seeing(lead, seen, 1), f"done, {WORD}", f"be kind to {WORD}")
    await control.resolve(pool, key(), talk, seeing(lead, seen, 2), f"{WORD} is happy")
    return received


async def delivered(pool: Pool) -> None:
    """What waits is sent, all but what is held, and the provider says something about it."""
    for channel in ("email", "whatsapp"):
        claims = await replies.claim(pool, SECRET, new_id(), [channel], 50, 60)  # type: ignore[list-item]
        for number, claim in enumerate(claims):
            await replies.keep_draft(pool, claim, f"draft-{WORD}")
            await replies.accepted(pool, claim.reply, f"{channel}-out-{number}")
            await replies.report(
                pool, claim.reply.channel, f"{channel}-out-{number}", "failed", f"no {WORD}", None
            )


async def beside(pool: Pool) -> None:
    """What is not a message of theirs, and yet names them."""
    lease = await mailboxes.claim(pool, DESK, new_id(), 60)
    assert lease is not None
    await mailboxes.begin_mail(pool, lease, "mail-1")
    raw = f"From: <{ADDRESS.upper()}>\r\n\r\nTo whom it may concern".encode()
    await set_aside(pool, "email", DESK, "odd-1", "unreadable", "too odd", raw=raw)
    await set_aside(pool, "email", DESK, "back-1", "bounce", f"550 <{ADDRESS}> is unknown")
    talk = str(await pool.fetchval("select id from conversations order by number limit 1"))
    event = log.Event(
        "fte.conversations", talk, "odd", {"conversation_id": talk, "words": f"Dear {WORD}", "n": 1}
    )
    async with pool.transaction() as connection:
        await log.emit(connection, [event])
    events, _ = await log.read(pool, ["fte.conversations"], log.Cursor())
    await dead_letters.bury(pool, "workers", events[-1][1], ValueError(WORD), 5)


async def lived(pool: Pool, hints: Hints) -> UUID:
    """A customer who wrote on all channels, was merged, and about whom all was written that can be."""
    lead = await hire(pool, "Lee", "lead")
    first = await by_mail(pool, lead)
    await later(pool, "25 hours")
    second = await mail(pool, ADDRESS, f"Again {WORD}.", provider_id="mail-2")
    assert await ran(pool, HANDED_OVER) is Verdict.ACCEPT
    await control.take_over(pool, key(), first.conversation, seeing(lead, 99, 3))
    await conversation_merges.merge_in(
        pool, key(), first.conversation, seeing(lead, 99, 4), second.conversation
    )
    chatting = await chat(pool, NUMBER, f"It is {WORD}", provider_id="SM1", name=WORD)
    await whatsapp.due(pool, OURS, 60, 60)
    assert await ran(pool, SAID) is Verdict.ACCEPT
    await mailboxes.mark_dirty(pool, DESK)
    await form(pool, ADDRESS, f"On the form, {WORD}.", provider_id="form-1", name=WORD, subject=WORD)
    assert await ran(pool, SAID) is Verdict.ACCEPT
    await form(pool, ADDRESS, f"Once more, {WORD}.", provider_id="form-2", name=WORD, subject=WORD)
    await modes.configure(pool, key(), lead.id, "web_form", None, Rule("draft"))
    assert await ran(pool, SAID) is Verdict.ACCEPT
    await delivered(pool)
    customer = await owner(pool, first)
    await merges.merge(pool, key(), customer, await owner(pool, chatting), lead)
    await beside(pool)
    collecting = asyncio.create_task(Collector(pool, LogBus(pool, hints), Prices(1.0, 1.0)).run())
    await until(lambda: pool.fetchval("select count(*) >= 8 from agent_metrics"))
    collecting.cancel()
    return customer


# ---------------------------------------------------------------- nothing is left


async def test_nothing_of_the_person_is_left_anywhere(pool: Pool, hints: Hints) -> None:
    customer = await lived(pool, hints)
    before = await columns_with(pool, *CANARIES)
    assert {table.partition(".")[0] for table in before} >= {
        "attachments", "audit", "conversations", "customer_identifiers", "customers", "delivery_reports", "drafts",
        "inbound", "link_codes", "log", "mail_references", "messages", "releases", "replies", "runs", "tickets",
    }  # fmt: skip
    assert {"inbound.raw", "inbound.reason", "attachments.content", "conversations.escalation_brief"} < before
    guessed = hashlib.sha256(ADDRESS.encode()).hexdigest()
    assert await columns_with(pool, guessed) == {"notices.address_hash"}
    metrics = await pool.fetchval("select count(*) from agent_metrics")
    bystander = await mail(pool, "bob@gmail.com", "I am another.", provider_id="mail-bob")
    admin = await hire(pool, "Ann", "admin")
    done = await erasure.erase(pool, key(), customer, admin)
    assert done.erased
    assert done.counts["conversations"] == 5
    assert await columns_with(pool, *CANARIES) == set()
    assert await columns_with(pool, "mail-1", "mail-2", "SM1", "form-1", "odd-1", "back-1", guessed) == set()
    assert await pool.fetchval("select count(*) from agent_metrics") == metrics
    assert await pool.fetchval("select count(*) from audit where action = 'take_over'") == 2
    assert await pool.fetchval("select content from messages") == "I am another."
    assert (await owner(pool, bystander)) == await pool.fetchval("select id from customers")
    told = await pool.fetch("select payload from log where type = 'conversation.erased'")
    assert len(told) == 5
    assert all(set(row["payload"]) == {"conversation_id"} for row in told)


async def test_every_table_is_thought_of(pool: Pool) -> None:
    """A table that refers to what is erased, and is not, would make every erasure fail: name it in `erasure.py`."""
    referring = await pool.fetch(
        """with recursive reach (id) as (
               select 'customers'::regclass::oid
               union
               select conrelid from pg_constraint c join reach on c.confrelid = reach.id where contype = 'f'
           ) select id::regclass::text as name from reach"""
    )
    erased = {*erasure._OF_CONVERSATIONS, *erasure._OF_CUSTOMERS, *erasure._WITH_THEM, "conversations"}
    assert {row["name"] for row in referring} <= erased


async def test_no_deletion_reads_a_whole_table(pool: Pool) -> None:
    """Each reference to what is erased has an index that begins with it."""
    bare = await pool.fetch(
        """with recursive reach (id) as (
               select 'customers'::regclass::oid
               union
               select conrelid from pg_constraint c join reach on c.confrelid = reach.id where contype = 'f'
           )
           select c.conrelid::regclass::text || '.' || a.attname as reference
             from pg_constraint c join reach on reach.id = c.confrelid
             join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
            where c.contype = 'f' and not exists (
                  select from pg_index i
                   where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1]
                     and (i.indpred is null
                          or pg_get_expr(i.indpred, i.indrelid) = format('(%s IS NOT NULL)', a.attname)))"""
    )
    assert [row["reference"] for row in bare] == []


async def test_who_is_part_of_another_or_unknown_is_not_erased(pool: Pool) -> None:
    admin = await hire(pool, "Ann", "admin")
    kept, merged = await owner(pool, await mail(pool, ADDRESS)), await owner(pool, await chat(pool, NUMBER))
    await merges.merge(pool, key(), kept, merged, admin)
    with pytest.raises(Conflict, match="part of another"):
        await erasure.erase(pool, key(), merged, admin)
    with pytest.raises(NotFound):
        await erasure.plan(pool, new_id())


async def test_once_per_key(pool: Pool) -> None:
    admin, used = await hire(pool, "Ann", "admin"), key()
    customer = await owner(pool, await mail(pool, ADDRESS))
    done = await erasure.erase(pool, used, customer, admin)
    assert await erasure.erase(pool, used, customer, admin) == done
    with pytest.raises(Conflict, match="key"):
        await erasure.erase(pool, used, new_id(), admin)
    with pytest.raises(NotFound):
        await erasure.erase(pool, key(), customer, admin)
    assert await pool.fetchval("select count(*) from erasures") == 1


# ---------------------------------------------------------------- nothing is sent


async def test_what_waits_to_be_sent_is_not_and_what_is_being_sent_is_named(pool: Pool, hints: Hints) -> None:
    admin, gate, post = await hire(pool, "Ann", "admin"), asyncio.Event(), Post("email")
    post.script = [take_slowly(gate)]
    first = await mail(pool, ADDRESS, "One?")
    await answer(pool, "The first.")
    sender = Sender(
        pool, LogBus(pool, hints), hints, SECRET, {"email": post}, company="Us", public_url="http://x"
    )
    sending = asyncio.create_task(sender.run())
    await until(lambda: pool.fetchval("select count(*) from replies where state = 'sending'"))
    await mail(pool, ADDRESS, "Two?")
    await answer(pool, "The second.")
    await pool.execute(
        "update messages set role = 'operator' where content = 'The second.'"
    )  # no epoch holds it
    await mail(pool, ADDRESS, "Three?")
    thinking = await turns.claim(pool, new_id(), 1, 60) or await _soon(pool)
    customer, used = await owner(pool, first), key()
    held = await erasure.erase(pool, used, customer, admin)
    assert not held.erased
    assert held.in_flight == [await pool.fetchval("select id from messages where content = 'The first.'")]
    assert await turns.finish(pool, thinking[0], Outcome("The third.", Trace("test", "1"))) is Verdict.VOID
    gate.set()
    await until(lambda: pool.fetchval("select count(*) from replies where state = 'sent'"))
    await mail(pool, "bob@gmail.com", "And I?")
    await answer(pool, "For Bob.")
    await until(lambda: "For Bob." in post.texts)
    assert (await erasure.erase(pool, used, customer, admin)).erased
    sending.cancel()
    assert post.texts == ["The first.", "For Bob."]


async def _soon(pool: Pool) -> list[turns.Claim]:
    await pool.execute("update turns set due_at = now() where state = 'due'")
    return await turns.claim(pool, new_id(), 1, 60)


async def test_a_run_that_ends_after_the_erasure_comes_to_nothing(pool: Pool) -> None:
    admin = await hire(pool, "Ann", "admin")
    received = await mail(pool, ADDRESS)
    claim = (await _soon(pool))[0]
    await erasure.erase(pool, key(), await owner(pool, received), admin)
    assert await turns.finish(pool, claim, SAID) is Verdict.VOID
    assert await columns_with(pool, *CANARIES) == set()
    wasted = await pool.fetchval("select count(*) from log where type = 'run.wasted'")
    assert wasted == 1, "it has cost its tokens all the same"


# ---------------------------------------------------------------- nothing comes back


async def test_what_is_delivered_again_is_not_taken_in(pool: Pool, hints: Hints) -> None:
    customer = await lived(pool, hints)
    admin = await hire(pool, "Ann", "admin")
    await erasure.erase(pool, key(), customer, admin)
    again = await mail(pool, ADDRESS, f"I am {WORD}.", **MAIL)
    assert again.duplicate
    assert again.gone
    assert (await chat(pool, NUMBER, WORD, provider_id="SM1")).gone
    assert (await form(pool, ADDRESS, WORD, provider_id="form-1")).gone
    for provider_id in ("odd-1", "back-1"):
        await set_aside(pool, "email", DESK, provider_id, "unreadable", ADDRESS, raw=ADDRESS.encode())
    await replies.report(pool, "email", "email-out-0", "failed", ADDRESS, None)
    assert await mail_threads.known(pool, DESK, ["mail-1", "odd-1", "new"]) == {"mail-1", "odd-1"}
    assert await whatsapp.missing(pool, OURS, ["SM1", "SM2"]) == {"SM2"}
    assert await columns_with(pool, *CANARIES) == set()
    assert await pool.fetchval("select count(*) from customers") == 0


async def test_a_report_about_an_erased_reply_is_not_kept_although_its_provider_id_was_never_known(
    pool: Pool,
) -> None:
    admin = await hire(pool, "Ann", "admin")
    received = await chat(pool, NUMBER)
    await answer(pool, "Hello.")
    reply = await pool.fetchval("select id from replies")
    await erasure.erase(pool, key(), await owner(pool, received), admin)
    await replies.report(pool, "whatsapp", "SM-late", "failed", f"{NUMBER} is not there", reply)
    assert await pool.fetchval("select count(*) from delivery_reports") == 0


async def test_our_old_answers_in_the_providers_list_are_not_a_colleagues(pool: Pool, hints: Hints) -> None:
    admin = await hire(pool, "Ann", "admin")
    await whatsapp.due(pool, OURS, 60, 60)
    received = await chat(pool, NUMBER, WORD, provider_id="SM1")
    await answer(pool, f"Dear {WORD}")
    claim = (await replies.claim(pool, SECRET, new_id(), ["whatsapp"], 1, 60))[0]
    await replies.accepted(pool, claim.reply, "SM-ours")
    await erasure.erase(pool, key(), await owner(pool, received), admin)
    anew = await chat(pool, NUMBER, "Hello, I am new here.", provider_id="SM3")
    assert await whatsapp.strangers(pool, OURS, {"SM-ours": NUMBER}) == {}
    assert not await control.reply_from_elsewhere(
        pool,
        channel="whatsapp",
        account=OURS,
        provider_id="SM-ours",
        conversation=anew.conversation,
        text=WORD,
    )
    assert await columns_with(pool, WORD) == set()


async def test_who_writes_anew_is_a_new_customer(pool: Pool) -> None:
    admin = await hire(pool, "Ann", "admin")
    old = await mail(pool, ADDRESS, provider_id="mail-1")
    erased = await owner(pool, old)
    await erasure.erase(pool, key(), erased, admin)
    new = await mail(pool, ADDRESS, "Hello again.", provider_id="mail-9")
    assert not new.duplicate
    assert await owner(pool, new) != erased
    assert await pool.fetchval("select count(*) from turns where state = 'due'") == 1


async def test_hashes_are_those_of_an_hmac_with_this_databases_key(pool: Pool) -> None:
    """Compared with another implementation (RFC 2104), and of no use without the key."""
    import hmac

    inner = await pool.fetchval("select inner_pad from erasure_key")
    secret = bytes(byte ^ 0x36 for byte in inner[:32])
    text = b'["email", "desk", "1"]'
    assert await pool.fetchval("select erasure_hash('email', 'desk', '1')") == hmac.digest(
        secret, text, "sha256"
    )
    assert len(set(secret)) > 8


# ---------------------------------------------------------------- while they write


async def test_messages_that_arrive_meanwhile_are_erased_or_begin_anew(pool: Pool) -> None:
    """Whichever comes first: no message is lost without being erased, and none refers to what is gone."""
    admin = await hire(pool, "Ann", "admin")
    for round_ in range(12):
        first = await form(pool, ADDRESS, "The first.", provider_id=f"form-{round_}")
        customer = await owner(pool, first)

        async def write(number: int, ticket: UUID = first.ticket, round_: int = round_) -> Received:
            message = form_message(
                "More.", provider_id=f"more-{round_}-{number}", identifier=ADDRESS, into_ticket=ticket
            )
            return await take_in(pool, SECRET, message)

        *written, done = await asyncio.gather(
            *(write(number) for number in range(4)), erasure.erase(pool, key(), customer, admin)
        )
        assert done.erased
        kept = await pool.fetchval("select count(*) from messages")
        assert done.counts["messages"] + kept == 5
        assert not any(one.duplicate for one in written)
        for left in await pool.fetch("select id from customers"):
            await erasure.erase(pool, key(), left["id"], admin)


async def test_a_message_that_waits_for_an_erasure_begins_anew(pool: Pool) -> None:
    first = await form(pool, ADDRESS, "The first.")
    customer = await owner(pool, first)
    async with pool.transaction() as connection:
        await erasure._locked(connection, customer)
        writing = asyncio.create_task(form(pool, ADDRESS, "More.", into_ticket=first.ticket))
        await until_waiting(pool, 1)
        await erasure._erase(connection, [customer], [first.conversation])
    written = await writing
    assert not written.duplicate
    assert await pool.fetchval("select content from messages") == "More."
    assert written.conversation != first.conversation


# ---------------------------------------------------------------- everything that is held


async def test_an_export_holds_everything_and_nothing_of_others(pool: Pool, hints: Hints) -> None:
    customer = await lived(pool, hints)
    await mail(pool, "bob@gmail.com", "bobs words", provider_id="mail-bob", raw=b"bobs words")
    lead = await hire(pool, "Lea", "lead")
    export = await exports.begin(pool, customer, lead.id)
    text = b"".join([piece async for piece in exports.document(pool, export)])
    document = decode(text, dict[str, Any])
    assert document["format"] == "fte.customer/1"
    assert document["complete"] is True
    assert b"bob" not in text
    talks = document["conversations"]
    assert sorted(talk["initial_channel"] for talk in talks) == [
        "email",
        "email",
        "web_form",
        "web_form",
        "whatsapp",
    ]
    assert [talk["verified"] for talk in talks if talk["initial_channel"] == "web_form"] == [False] * 2
    first = min(talks, key=lambda talk: talk["number"])
    assert {"tickets", "messages", "replies", "runs", "handovers", "received", "audit", "proofs"} < set(first)
    assert (
        next(m["content"] for m in first["messages"] if m["direction"] == "note") == f"@Lee: that is {WORD}"
    )
    assert {"name": f"{WORD}.txt", "state": "stored"}.items() <= first["attachments"][0].items()
    assert {i["identifier_value"] for i in document["identifiers"]} == {ADDRESS, NUMBER}
    assert document["files"][0]["base64"] == "emFuemliYXI="
    assert {original["provider_id"] for original in document["originals"]} >= {"mail-1"}
    assert {aside["provider_id"] for aside in document["set_aside"]} == {"odd-1", "back-1"}
    secrets = await pool.fetch(
        "select public_hash as hash from tickets union all select code_hash from link_codes"
    )
    assert not any(row["hash"].hex().encode() in text for row in secrets)
    assert (
        await pool.fetchval(
            "select count(*) from audit where action = 'export' and operator_id = $1", lead.id
        )
        == 1
    )
