"""What becomes of each mail: who may go on with which conversation, and what is never answered."""

import contextlib
from email.message import EmailMessage
from pathlib import Path

import asyncpg
import pytest

from fte.channels.gmail import machine
from fte.channels.gmail.channel import GmailChannel
from fte.daemon import mail_sorter as module
from fte.demo.providers import SimulatedGmail
from fte.demo.providers.mailbox import StoredMail
from fte.domain.ids import new_id
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store import replies
from tests.databases import created_database
from tests.gmail.support import ADA, US, Post, post
from tests.support import SECRET, until
from tests.support_agent import at_work
from tests.support_delivery import answer

EVE = "eve@evil.example"


async def conversation_of(ours: Post, mail: StoredMail) -> asyncpg.Record:
    row = await ours.pool.fetchrow(
        "select c.*, m.id as message, m.content, m.sender, m.outcome, m.reason, i.ticket_id, i.envelope, i.sent_at,"
        " i.raw from inbound i join messages m on m.id = i.message_id join conversations c on c.id = m.conversation_id"
        " where i.provider_id = $1",
        mail.id,
    )
    assert row is not None, "the mail is no message"
    return row


async def outcome(ours: Post, mail: StoredMail) -> tuple[str, str]:
    row = await ours.pool.fetchrow(
        "select disposition, coalesce(reason, '') as reason from inbound where provider_id = $1", mail.id
    )
    assert row is not None, "nothing is known of the mail"
    return row["disposition"], row["reason"]


async def send_due(ours: Post, text: str = "Under Settings.") -> list[str]:
    """Answer what is owed, and send it: the AI and the sender in one. The Gmail ids of what was sent."""
    await answer(ours.pool, text)
    channel = GmailChannel(ours.client, account=ours.account, from_name="Acme", secret=SECRET)
    sent = []
    for claim in await replies.claim(ours.pool, SECRET, new_id(), ["email"], 50, 60):

        async def keep(draft: str, claim: replies.Claim = claim) -> None:
            assert await replies.keep_draft(ours.pool, claim, draft)

        sent.append(await channel.send(claim.reply, keep))
        await replies.accepted(ours.pool, claim.reply, sent[-1])
    return sent


@pytest.fixture
async def asked(ours: Post) -> StoredMail:
    """Ada asked, and was answered."""
    mail = await ours.deliver()
    await ours.read()
    await send_due(ours)
    await ours.read()
    return mail


# ---------------------------------------------------------------- a customer's mail


async def test_a_mail_becomes_a_message_with_all_an_answer_needs(ours: Post) -> None:
    mail = await ours.deliver(subject="=?utf-8?q?Caf=C3=A9?=", attachments=[])
    await ours.read()
    row = await conversation_of(ours, mail)
    assert (row["content"], row["sender"], row["verified"]) == ("How do I export my data?", ADA, True)
    assert row["envelope"]["thread_id"] == mail.thread_id
    assert row["envelope"]["message_id"] == mail.reading.message_id
    assert abs(row["sent_at"].timestamp() - mail.received_at) < 0.01
    assert row["raw"] == mail.raw
    ticket = await ours.pool.fetchrow("select * from tickets")
    assert ticket is not None
    assert (ticket["subject"], ticket["source_channel"]) == ("Café", "email")
    references = await ours.pool.fetch("select kind, value from mail_references")
    assert {(r["kind"], r["value"]) for r in references} == {
        ("thread", mail.thread_id),
        ("message", mail.reading.message_id),
    }


async def test_attachments_are_kept(ours: Post) -> None:
    mail = await ours.gmail.deliver(_with_file())
    await ours.read()
    row = await conversation_of(ours, mail)
    [kept] = await ours.pool.fetch("select * from attachments where message_id = $1", row["message"])
    assert (kept["name"], kept["state"], bytes(kept["content"]).strip()) == ("a.txt", "stored", b"hello")


def _with_file() -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"], mail["Message-ID"] = ADA, US, "A file", "<f@example.net>"
    mail.set_content("See there")
    mail.add_attachment("hello", filename="a.txt")
    return mail.as_bytes()


async def test_of_a_long_mail_the_beginning_is_kept(ours: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RAW_MAX", 100)
    mail = await ours.deliver()
    await ours.read()
    assert (await conversation_of(ours, mail))["raw"] == mail.raw[:100]


async def test_a_mail_that_is_too_large_is_left_to_a_person(
    ours: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAIL_MAX", 10)
    mail = await ours.deliver()
    await ours.read()
    assert (await outcome(ours, mail))[0] == "unreadable"


# ---------------------------------------------------------------- which conversation (T6)


async def test_an_answer_to_our_answer_goes_on_with_the_conversation(ours: Post, asked: StoredMail) -> None:
    sent = ours.gmail.outbox[-1]
    mail = await ours.deliver(subject="Re: Export", text="And invoices?", in_reply_to=sent.message_id)
    await ours.read()
    first, second = await conversation_of(ours, asked), await conversation_of(ours, mail)
    assert second["id"] == first["id"]
    assert second["ticket_id"] == first["ticket_id"]


@pytest.mark.parametrize("keeps", [True, False], ids=["our Message-ID kept", "Message-ID replaced"])
async def test_days_later_too(ours: Post, keeps: bool) -> None:
    """Long after the time within which a new mail would join the newest conversation anyway."""
    ours.gmail.keeps_message_ids = keeps
    asked = await ours.deliver()
    await ours.read()
    await send_due(ours)
    await ours.read()
    await ours.pool.execute("update conversations set last_message_at = now() - interval '9 days'")
    sent = ours.gmail.outbox[-1]
    mail = await ours.deliver(subject="Re: Export", text="And invoices?", in_reply_to=sent.message_id)
    await ours.read()
    assert (await conversation_of(ours, mail))["id"] == (await conversation_of(ours, asked))["id"]


async def test_gmails_thread_alone_is_enough_for_its_customer(ours: Post, asked: StoredMail) -> None:
    await ours.pool.execute("update conversations set last_message_at = now() - interval '9 days'")
    await ours.pool.execute("delete from mail_references where kind = 'message'")
    mail = await ours.deliver(subject="Re: Export", text="Still?", in_reply_to=asked.reading.message_id)
    assert mail.thread_id == asked.thread_id
    await ours.read()
    assert (await conversation_of(ours, mail))["id"] == (await conversation_of(ours, asked))["id"]


async def test_a_forged_sender_gets_a_conversation_of_its_own(ours: Post, asked: StoredMail) -> None:
    """Whoever writes in Ada's name, knowing the thread's Message-IDs, sees nothing of what Ada wrote."""
    mail = await ours.deliver(
        subject="Re: Export",
        text="What did I write before?",
        in_reply_to=asked.reading.message_id,
        dmarc="fail",
    )
    await ours.read()
    first, forged = await conversation_of(ours, asked), await conversation_of(ours, mail)
    assert forged["id"] != first["id"]
    assert not forged["verified"]
    assert forged["linked_to"] == first["id"]
    contents = await ours.pool.fetch("select content from messages where conversation_id = $1", forged["id"])
    assert [row["content"] for row in contents] == ["What did I write before?"]


async def test_a_verdict_written_by_the_sender_counts_for_nothing(ours: Post, asked: StoredMail) -> None:
    mail = await ours.deliver(
        subject="Re: Export",
        in_reply_to=asked.reading.message_id,
        dmarc="fail",
        headers={"Authentication-Results": "mx.google.com; dmarc=pass header.from=example.net"},
    )
    await ours.read()
    forged = await conversation_of(ours, mail)
    assert (forged["id"] == (await conversation_of(ours, asked))["id"], forged["verified"]) == (False, False)


@pytest.fixture
async def vague(ours: Post) -> StoredMail:
    """Somebody asked whose host proves nothing, and was answered."""
    mail = await ours.deliver(dmarc="fail")
    await ours.read()
    await send_due(ours)
    await ours.read()
    return mail


async def test_our_signed_reference_speaks_for_a_sender_nobody_vouches_for(
    ours: Post, vague: StoredMail
) -> None:
    """Only who got our mail knows its Message-ID."""
    sent = ours.gmail.outbox[-1].message_id
    mail = await ours.deliver(subject="Re: Export", text="Thanks", dmarc="fail", in_reply_to=sent)
    await ours.read()
    assert (await conversation_of(ours, mail))["id"] == (await conversation_of(ours, vague))["id"]


async def test_any_other_reference_does_not(ours: Post, vague: StoredMail) -> None:
    own = vague.reading.message_id
    mail = await ours.deliver(subject="Re: Export", text="Thanks", dmarc="fail", in_reply_to=own)
    assert mail.thread_id == vague.thread_id
    await ours.read()
    forged = await conversation_of(ours, mail)
    assert forged["id"] != (await conversation_of(ours, vague))["id"]
    assert forged["linked_to"] == (await conversation_of(ours, vague))["id"]


async def test_nor_does_it_open_a_conversation_with_somebody_proven(ours: Post, asked: StoredMail) -> None:
    """Our mail may have been forwarded: what Ada proved is not given away for a Message-ID."""
    sent = ours.gmail.outbox[-1].message_id
    mail = await ours.deliver(subject="Re: Export", text="Thanks", dmarc="fail", in_reply_to=sent)
    await ours.read()
    other, first = await conversation_of(ours, mail), await conversation_of(ours, asked)
    assert other["id"] != first["id"]
    assert (other["linked_to"], other["verified"]) == (first["id"], False)


async def test_nor_does_a_made_up_signature(ours: Post, vague: StoredMail) -> None:
    real = ours.gmail.outbox[-1].message_id
    head, reply, mac = real.partition("@")[0].split(".")
    made_up = f"{head}.{reply}.{'0' * len(mac)}@example.com>"
    mail = await ours.deliver(subject="Re: Export", dmarc="fail", in_reply_to=made_up)
    await ours.read()
    assert (await conversation_of(ours, mail))["id"] != (await conversation_of(ours, vague))["id"]


@pytest.mark.parametrize("dmarc", ["pass", "fail"])
@pytest.mark.parametrize("signed", [True, False], ids=["our reference", "a reference of Ada's"])
async def test_a_stranger_in_the_thread_is_shown_beside_it(
    ours: Post, asked: StoredMail, dmarc: str, signed: bool
) -> None:
    known = ours.gmail.outbox[-1].message_id if signed else asked.reading.message_id
    mail = await ours.deliver(sender=EVE, subject="Re: Export", in_reply_to=known, dmarc=dmarc)
    await ours.read()
    first, strangers = await conversation_of(ours, asked), await conversation_of(ours, mail)
    assert strangers["id"] != first["id"]
    assert strangers["linked_to"] == first["id"]
    assert strangers["customer_id"] != first["customer_id"]


async def test_a_reference_of_another_installation_means_nothing(ours: Post, asked: StoredMail) -> None:
    from fte.channels.gmail.reference import message_id

    foreign = message_id(b"x" * 32, new_id(), "example.com")
    mail = await ours.deliver(sender=EVE, subject="Other", in_reply_to=foreign)
    await ours.read()
    assert (await conversation_of(ours, mail))["linked_to"] is None


# ---------------------------------------------------------------- our side


async def test_our_own_mails_are_known(ours: Post, asked: StoredMail) -> None:
    [sent] = await ours.pool.fetch("select provider_id from replies")
    mail = ours.gmail.mailbox(US).messages[sent["provider_id"]]
    assert (await outcome(ours, mail))[0] == "own"
    assert await ours.pool.fetchval("select count(*) from messages") == 2


async def test_a_reply_nobody_knew_about_is_settled_by_the_mail_itself(ours: Post) -> None:
    """Sent, but the answer to that was lost, and nobody could find it: then it is parked, until it is read."""
    await ours.deliver()
    await ours.read()
    [sent] = await send_due(ours)
    await ours.pool.execute("update replies set state = 'unknown', provider_id = null")
    await ours.read()
    row = await ours.pool.fetchrow("select state, provider_id from replies")
    assert row is not None
    assert (row["state"], row["provider_id"]) == ("sent", sent)


def from_us(to: str, in_reply_to: str, text: str = "Sam here: done.", **headers: str) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = US, to, "Re: Export"
    mail["In-Reply-To"] = mail["References"] = in_reply_to
    mail["Message-ID"] = f"<{new_id()}@mail.gmail.com>"
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(f"{text}\n\nOn Monday Ada wrote:\n> How do I export my data?\n")
    return mail.as_bytes()


async def _forgotten(ours: Post) -> str:
    """Ada asked and was answered, and then a backup from before the answer was restored. The answer's reply."""
    await ours.deliver()
    await ours.read()
    await send_due(ours)
    reply = await ours.pool.fetchval("select id from replies")
    await ours.pool.execute("delete from replies")
    await ours.pool.execute("delete from messages where direction = 'outbound'")
    await ours.pool.execute("update conversations set last_seq = 1, answered_seq = 0")
    return str(reply)


async def test_an_answer_of_a_time_that_was_lost_is_shown_and_is_nobodys_to_repeat(ours: Post) -> None:
    await _forgotten(ours)
    await ours.read()
    said = await ours.pool.fetchrow("select * from messages where direction = 'outbound'")
    assert said is not None
    assert "Under Settings." in said["content"]
    assert await ours.pool.fetchval("select (owner, answered_seq) from conversations") == ("human", 1)


async def test_an_answer_that_was_erased_is_not_shown(ours: Post) -> None:
    reply = await _forgotten(ours)
    await ours.pool.execute("insert into erased select erasure_hash('reply', '', $1)", reply)
    await ours.read()
    assert not await ours.pool.fetchval("select count(*) from messages where direction = 'outbound'")


async def test_a_colleague_who_answers_from_gmail_takes_over(ours: Post, asked: StoredMail) -> None:
    raw = from_us(f"Ada <{ADA.upper()}>", asked.reading.message_id)
    mail = ours.gmail.mailbox(US).add(raw, {"SENT"})
    await ours.read()
    await ours.read()
    assert (await outcome(ours, mail))[0] == "colleague"
    [said] = await ours.pool.fetch("select content, conversation_id from messages where role = 'operator'")
    conversation = await conversation_of(ours, asked)
    assert (said["content"], said["conversation_id"]) == ("Sam here: done.", conversation["id"])
    assert conversation["owner"] == "human"


async def test_an_answer_to_a_colleague_comes_back_to_the_conversation(ours: Post, asked: StoredMail) -> None:
    sent = ours.gmail.mailbox(US).add(from_us(ADA, asked.reading.message_id), {"SENT"})
    await ours.read()
    await ours.pool.execute("delete from mail_references where kind = 'thread'")
    mail = await ours.deliver(subject="Re: Export", text="Thanks!", in_reply_to=sent.reading.message_id)
    await ours.read()
    assert (await conversation_of(ours, mail))["id"] == (await conversation_of(ours, asked))["id"]


async def test_a_colleague_who_writes_to_somebody_else_changes_nothing(ours: Post, asked: StoredMail) -> None:
    inside = ours.gmail.mailbox(US).add(from_us("boss@example.com", asked.reading.message_id), {"SENT"})
    other = ours.gmail.mailbox(US).add(from_us("bob@example.org", "<none@example.org>"), {"SENT"})
    await ours.read()
    assert (await outcome(ours, inside))[0] == (await outcome(ours, other))[0] == "colleague"
    assert (await conversation_of(ours, asked))["owner"] == "ai"


async def test_the_mailboxes_own_vacation_note_is_no_colleague(ours: Post, asked: StoredMail) -> None:
    note = from_us(ADA, asked.reading.message_id, "I am away", Auto_Submitted="auto-replied")
    mail = ours.gmail.mailbox(US).add(note, {"SENT"})
    await ours.read()
    assert (await outcome(ours, mail))[0] == "machine"
    assert (await conversation_of(ours, asked))["owner"] == "ai"


# ---------------------------------------------------------------- machines and bounces (I16)


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto-Submitted": "auto-replied"},
        {"Precedence": "bulk"},
        {"List-Id": "<news.example.net>"},
        {"X-Auto-Response-Suppress": "All"},
        {"X-FTE-Loop": "1"},
    ],
    ids=lambda headers: next(iter(headers)),
)
async def test_machines_are_never_answered(ours: Post, headers: dict[str, str]) -> None:
    mail = await ours.deliver(headers=headers)
    await ours.read()
    disposition, reason = await outcome(ours, mail)
    assert (disposition, bool(reason)) == ("machine", True)
    assert await ours.pool.fetchval("select count(*) from turns") == 0


@pytest.mark.parametrize("sender", [US, "no-reply@example.net", "mailer-daemon@example.net"])
async def test_nor_are_senders_who_take_no_answers(ours: Post, sender: str) -> None:
    mail = await ours.deliver(sender=sender)
    await ours.read()
    assert (await outcome(ours, mail))[0] == "machine"


def report(message_id: str, status: str, action: str) -> bytes:
    return (
        "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\r\nTo: support@example.com\r\n"
        "Subject: Delivery Status Notification\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nYour message was not delivered.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; googlemail.com\r\n\r\n"
        f"Final-Recipient: rfc822; ada@example.net\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; {status.replace('.', '')} no such user\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: {message_id}\r\nSubject: Re: Export\r\n\r\nHi\r\n"
        "--b--\r\n"
    ).encode()


async def test_a_bounce_fails_the_reply_it_is_about(ours: Post, asked: StoredMail) -> None:
    raw = report(ours.gmail.outbox[-1].message_id, "5.1.1", "failed")
    mail = await ours.gmail.deliver(raw, return_path="")
    await ours.read()
    assert (await outcome(ours, mail))[0] == "bounce"
    assert await ours.pool.fetchval("select state from replies") == "failed"
    assert (await conversation_of(ours, asked))["owner"] == "human"


async def test_a_delay_fails_nothing(ours: Post, asked: StoredMail) -> None:
    raw = report(ours.gmail.outbox[-1].message_id, "4.4.1", "delayed")
    mail = await ours.gmail.deliver(raw, return_path="")
    await ours.read()
    assert (await outcome(ours, mail))[0] == "bounce"
    assert await ours.pool.fetchval("select state from replies") == "sent"


async def test_a_bounce_of_somebody_elses_mail_fails_nothing(ours: Post, asked: StoredMail) -> None:
    """It names our reply by the header anybody can write, not by what we signed."""
    [reply] = await ours.pool.fetch("select id from replies")
    raw = report("<other@example.com>", "5.1.1", "failed").replace(
        b"Subject: Re: Export", b"X-FTE-Reply: " + str(reply["id"]).encode()
    )
    mail = await ours.gmail.deliver(raw, return_path="")
    await ours.read()
    assert (await outcome(ours, mail))[0] == "bounce"
    assert await ours.pool.fetchval("select state from replies") == "sent"


# ---------------------------------------------------------------- a subject that the conversation has not met


@pytest.mark.parametrize(
    ("subject", "text", "reason"),
    [
        ("URGENT: my account was hacked, a stranger is logged in", "Thank you", "security_incident"),
        ("AW: I want a refund and I will call my lawyer", "See the subject line please", "legal"),
    ],
)
async def test_what_a_later_mail_says_in_its_subject_is_read(
    ours: Post, hints: Hints, asked: StoredMail, subject: str, text: str, reason: str
) -> None:
    mail = await ours.deliver(subject=subject, text=text)
    await ours.read()
    row = await conversation_of(ours, mail)
    assert row["ticket_id"] == (await conversation_of(ours, asked))["ticket_id"]
    assert row["content"] == f"{subject.removeprefix('AW: ')}\n\n{text}"
    async with at_work(ours.pool, hints):
        await until(lambda: ours.pool.fetchval("select true from conversations where owner = 'human'"))
    assert await ours.pool.fetchval("select escalation_reason from conversations") == reason


async def test_thanks_below_a_subject_of_their_own_do_not_leave_a_case_closed(
    ours: Post, asked: StoredMail
) -> None:
    await ours.pool.execute("update conversations set status = 'resolved', ended_at = now()")
    thanks = await ours.deliver(subject="Re: Export", text="Thank you")
    await ours.read()
    assert (await conversation_of(ours, thanks))["status"] == "resolved"
    mail = await ours.deliver(subject="My account was hacked", text="Thank you")
    await ours.read()
    row = await conversation_of(ours, mail)
    assert (row["status"], row["outcome"]) == ("open", None)


async def test_a_subject_the_conversation_has_met_is_not_said_again(ours: Post, asked: StoredMail) -> None:
    texts = []
    for subject in ("Re: export", "My invoice", "Re: My invoice", "WG: My invoice", "Re: Export [#1]"):
        mail = await ours.deliver(subject=subject, text="Please help me with it.")
        await ours.read()
        texts.append((await conversation_of(ours, mail))["content"])
    help_me = "Please help me with it."
    assert texts == [help_me, f"My invoice\n\n{help_me}", help_me, help_me, help_me]


async def test_the_first_mail_of_a_conversation_keeps_its_subject_apart(ours: Post) -> None:
    mail = await ours.deliver(subject="My invoice", text="Please help.")
    await ours.read()
    assert (await conversation_of(ours, mail))["content"] == "Please help."
    assert await ours.pool.fetchval("select subject from tickets") == "My invoice"


async def test_the_same_mail_is_known_again_by_text_and_subject(ours: Post, asked: StoredMail) -> None:
    mails = []
    for _ in range(3):
        mails.append(await ours.deliver(subject="My invoice", text="Where is it?"))
        await ours.read()
        await send_due(ours)
    outcomes = [(await conversation_of(ours, mail))["outcome"] for mail in mails]
    assert outcomes == ["answered", "answered", "suppressed"]


# ---------------------------------------------------------------- the rate brake


async def test_the_same_mail_again_and_again_is_answered_twice(ours: Post) -> None:
    mails = []
    for _ in range(4):
        mails.append(await ours.deliver(dmarc="fail"))
        await ours.read()
        await send_due(ours)
    outcomes = [(await conversation_of(ours, mail))["outcome"] for mail in mails]
    assert outcomes == ["answered", "answered", "suppressed", "suppressed"]
    assert len(ours.gmail.outbox) == 2


@pytest.mark.parametrize("dmarc", ["pass", "fail"])
async def test_one_address_gets_ten_answers_an_hour(ours: Post, dmarc: str) -> None:
    for number in range(13):
        await ours.deliver(text=f"Robot says {number}", subject=str(number), dmarc=dmarc)
        await ours.read()
        await send_due(ours)
    assert len(ours.gmail.outbox) == 10
    suppressed = await ours.pool.fetch("select reason from messages where outcome = 'suppressed'")
    assert len(suppressed) == 3
    assert all("within an hour" in row["reason"] for row in suppressed)
    await ours.deliver(sender="bob@example.org", text="And me?")
    await ours.read()
    await send_due(ours)
    assert len(ours.gmail.outbox) == 10 + 1


async def test_a_flood_is_braked_before_the_first_answer_is_written(ours: Post) -> None:
    for number in range(25):
        await ours.deliver(text=f"Robot says {number}", subject=str(number), dmarc="fail")
    await ours.read()
    await send_due(ours)
    assert len(ours.gmail.outbox) == 10


# ---------------------------------------------------------------- two installations (I16)


@pytest.mark.parametrize(
    "detection", [True, False], ids=["as it is", "with the detection of machines broken"]
)
async def test_two_installations_do_not_go_on_for_ever(
    server: str, hints: Hints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, detection: bool
) -> None:
    them = "help@example.org"
    limit = 3
    if not detection:
        monkeypatch.setattr(machine, "machine", lambda *_, **__: None)
        limit = 2 * 10 + 1
    async with contextlib.AsyncExitStack() as stack:
        gmail = await stack.enter_async_context(SimulatedGmail(US, them).running())
        sides = []
        for account in (US, them):
            pool = await Pool.open(await stack.enter_async_context(created_database(server)))
            stack.push_async_callback(pool.close)
            sides.append(await stack.enter_async_context(post(gmail, pool, hints, tmp_path, account=account)))
        raw = from_us(them, "<start@example.com>", "Hello, what are your hours?")
        gmail.mailbox(US).add(raw, {"SENT"})
        await gmail.deliver(raw, them)
        for turn in range(40):
            for side in sides:
                await side.read()
                await send_due(side, f"Thank you for writing, number {turn}.")
        assert 1 + len(gmail.outbox) <= limit
