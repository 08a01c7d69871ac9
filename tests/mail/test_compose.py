"""What we send: exactly our headers, no markup of anybody else's, and a text that comes back as it went."""

import email
import email.policy
import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fte.channels.gmail.compose import compose, envelope_of
from fte.channels.gmail.machine import machine
from fte.channels.gmail.mime import Mail, read
from fte.channels.gmail.reference import message_id, references_of, reply_of
from fte.domain.delivery import Outgoing
from fte.domain.errors import Rejected
from fte.domain.text import storable
from tests.mail.support import REPLY, SECRET, outgoing

OURS = [
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "auto-submitted",
    "x-auto-response-suppress",
    "x-fte-loop",
    "x-fte-reply",
    "mime-version",
    "content-type",
]
HOSTILE = [
    "x\r\nBcc: victim@example.com",
    "x\nBcc: victim@example.com\n\n<script>alert(1)</script>",
    '"; <evil@example.org>, "',
    "Jané, Eve <evil@example.org>",
    'Jané" <evil@example.org>, "',
    "=?utf-8?q?x=0d=0aBcc:_v=40example.com?=",
    "<script>alert(1)</script><img src=x onerror=y>",
    "a\x00b\ud800c\u202ed\u2028e",
    "x" * 5_000,
    "é" * 5_000,
    "&lt;b&gt; </p></body> -->",
    "",
    "   ",
]


def composed(reply: Outgoing) -> bytes:
    return compose(
        reply, from_name="Tallywren Support", from_address="support@tallywren.example", secret=SECRET
    )


def page_of(raw: bytes) -> str:
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def check_is_ours(raw: bytes) -> Mail:
    """Exactly our headers, one recipient, no line a server would refuse, and no tag but our own."""
    mail = read(raw)
    assert [name for name, _ in mail.headers] == OURS
    assert [each.email for each in mail.to] == ["jane@example.com"]
    assert [each.email for each in mail.senders] == ["support@tallywren.example"]
    assert all(len(line) <= 998 and line.isascii() for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"") and b"\r" not in raw.replace(b"\r\n", b"")
    tags = {tag.lower() for tag in re.findall(r"<[/!]?([a-zA-Z]+)", page_of(raw))}
    assert tags <= {"doctype", "html", "head", "meta", "body", "p", "br"}
    with_library = email.message_from_bytes(raw, policy=email.policy.default)
    assert [each.addr_spec for each in with_library["To"].addresses] == ["jane@example.com"]
    return mail


@pytest.mark.parametrize("field", ["recipient_name", "text", "subject", "reference", "envelope-subject"])
@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_text_stays_text(field: str, number: int) -> None:
    text = HOSTILE[number]
    envelope = outgoing().envelope
    changes = {"envelope": envelope | {"subject": text}} if field == "envelope-subject" else {field: text}
    check_is_ours(composed(outgoing(**changes)))


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_any_text_stays_text(name: str, subject: str, text: str) -> None:
    reply = outgoing(recipient_name=name, text=text, envelope=outgoing().envelope | {"subject": subject})
    mail = check_is_ours(composed(reply))
    assert _words(mail.original) == _words(text)


def _words(text: str) -> list[str]:
    return storable(text).split()


@pytest.mark.parametrize(
    "text",
    [
        "One line",
        "Zwei\n\nAbsätze – „mit“ Zeichen 🙂",
        "From the start\n.\n..\nFrom again",
        "a" * 3_000,
        "  indented\n\ttabbed",
        "--\nnot a signature to the reader of original",
        "100 % <b>bold</b> & =3D",
    ],
)
def test_a_text_comes_back_as_it_went(text: str) -> None:
    raw = composed(outgoing(text=text))
    assert read(raw).original == text
    plain = email.message_from_bytes(raw, policy=email.policy.default).get_body(("plain",))
    assert plain is not None and plain.get_content().replace("\r\n", "\n") == f"{text}\n"


def test_the_same_reply_is_the_same_mail() -> None:
    assert composed(outgoing()) == composed(outgoing())


def test_an_answer_joins_its_thread() -> None:
    mail = read(composed(outgoing()))
    assert mail.subject == "Re: Export"
    assert mail.in_reply_to == "<q1@example.com>"
    assert mail.references[0] == "<q0@example.com>" and mail.references[-1] == "<q1@example.com>"
    assert mail.message_id == message_id(SECRET, REPLY, "tallywren.example")
    assert mail.message_id not in mail.references


@pytest.mark.parametrize("subject", ["Re: Export", "AW: Export", "RE: Export", "Odp: Export", "回复：Export"])
def test_a_reply_subject_stays(subject: str) -> None:
    assert read(composed(outgoing(envelope=outgoing().envelope | {"subject": subject}))).subject == subject


def test_a_new_thread_names_the_ticket() -> None:
    mail = read(composed(outgoing(envelope={}, kind="notice", role="system")))
    assert mail.subject == "Export [T-17]"
    assert mail.in_reply_to == ""
    assert references_of(mail, SECRET) == [REPLY]


@pytest.mark.parametrize(
    ("kind", "role", "mark"),
    [
        ("answer", "agent", "auto-replied"),
        ("answer", "system", "auto-replied"),
        ("answer", "operator", None),
        ("notice", "operator", "auto-generated"),
        ("code", "system", "auto-generated"),
    ],
)
def test_only_a_persons_answer_is_not_marked_as_automatic(kind: str, role: str, mark: str | None) -> None:
    mail = read(composed(outgoing(kind=kind, role=role)))
    assert mail.header("auto-submitted") == mark
    assert mail.header("x-auto-response-suppress") == "All"
    assert mail.header("x-fte-reply") == str(REPLY)
    assert machine(mail, own=()) == "it carries our own loop mark"


def test_a_person_gets_the_reference_they_left_out() -> None:
    assert read(composed(outgoing(role="operator", text="Done."))).original == "Done.\n\nTicket T-17"
    assert read(composed(outgoing(role="operator", text="Done, see T-17."))).original == "Done, see T-17."
    assert read(composed(outgoing(role="agent", text="Done."))).original == "Done."


@pytest.mark.parametrize(
    "address", ["", "jane", "jane@", "@example.com", "a@b\r\nBcc: c@d", "a@b, c@d", "<a@b>"]
)
def test_what_is_no_address_gets_no_mail(address: str) -> None:
    with pytest.raises(Rejected):
        composed(outgoing(recipient=address))


def test_message_ids_are_repeated_only_when_they_are_ones() -> None:
    envelope = {
        "message_id": "<ok@x>\r\nBcc: y@z",
        "references": ["<a@b>", "x\r\nBcc: y@z", 7, None, "<" + "l" * 400 + "@x>"],
        "subject": "S",
    }
    mail = read(composed(outgoing(envelope=envelope)))
    assert mail.in_reply_to == ""
    assert [each for each in mail.references if "fte." not in each] == ["<a@b>"]


def test_many_references_keep_the_first_and_the_newest() -> None:
    earlier = [f"<{number}@example.com>" for number in range(200)]
    mail = read(composed(outgoing(envelope=outgoing().envelope | {"references": earlier})))
    assert mail.references[0] == "<0@example.com>" and mail.references[-3] == "<199@example.com>"
    assert len(mail.references) == 32
    assert references_of(mail, SECRET) == [REPLY]


def test_the_envelope_is_what_composing_needs() -> None:
    mail = read(b"Message-ID: <m@x>\r\nReferences: <a@x> <b@x>\r\nSubject: =?utf-8?q?=C3=BC?=\r\n\r\nHi\r\n")
    assert envelope_of(mail, "t1") == {
        "thread_id": "t1",
        "message_id": "<m@x>",
        "references": ["<a@x>", "<b@x>"],
        "subject": "ü",
    }


# ---------------------------------------------------------------- the signed reference


def _answering(in_reply_to: str = "", references: str = "") -> Mail:
    return read(f"In-Reply-To: {in_reply_to}\r\nReferences: {references}\r\n\r\nHi\r\n".encode())


def test_an_answer_finds_its_reply_even_when_gmail_renamed_it() -> None:
    sent = read(composed(outgoing()))
    back = _answering(
        "<CAF-renamed@mail.gmail.com>", " ".join([*sent.references, "<CAF-renamed@mail.gmail.com>"])
    )
    assert references_of(back, SECRET) == [REPLY]


def test_the_newest_reference_comes_first() -> None:
    ids = [UUID(int=number) for number in (1, 2, 3)]
    tokens = [message_id(SECRET, each, "x.example") for each in ids]
    assert references_of(_answering(tokens[1], " ".join(tokens)), SECRET) == [ids[1], ids[2], ids[0]]


@pytest.mark.parametrize(
    "candidate", ["", "<>", "<fte..@x>", "<fte.@x>", "fte", "<a@b>", "<fte." + "0" * 32 + "@x>"]
)
def test_what_is_no_reference_matches_nothing(candidate: str) -> None:
    assert reply_of(candidate, SECRET) is None
    assert references_of(_answering(candidate), SECRET) == []


def test_a_guessed_or_changed_reference_matches_nothing() -> None:
    token = message_id(SECRET, REPLY, "x.example")
    assert reply_of(token, SECRET) == REPLY
    assert reply_of(token.upper().replace("X.EXAMPLE", "other.example"), SECRET) == REPLY
    assert reply_of(token, b"another secret") is None
    for place in range(5, 70):
        changed = token[:place] + ("1" if token[place] != "1" else "2") + token[place + 1 :]
        assert reply_of(changed, SECRET) is None
    assert reply_of(message_id(SECRET, UUID(int=9), "x").replace(UUID(int=9).hex, REPLY.hex), SECRET) is None
