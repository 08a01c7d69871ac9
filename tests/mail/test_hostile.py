"""Mail that wants to break its reader: whatever the bytes, an answer in bounded time and memory."""

import random
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fte.channels import files
from fte.channels.gmail import mime
from fte.channels.gmail.mime import Mail, read
from fte.domain.attachments import NAME_MAX
from fte.domain.text import storable
from tests.mail.fuzz import check, mutated
from tests.mail.support import corpus

MAILS = corpus()
SECONDS = 20.0
"""Time for the worst mail, on a machine that does other things too."""

_HEADER = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=b",
        b'Content-Type: multipart/alternative; boundary="c"',
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b",
        b"Content-Type: text/html; charset=utf-7",
        b"Content-Type: text/plain; charset=punycode; format=flowed; delsp=yes",
        b"Content-Type: message/rfc822",
        b"Content-Type: message/delivery-status",
        b"Content-Type: text/calendar",
        b"Content-Type: image/png; name*0*=x''%ff; name*1=\"a",
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: quoted-printable",
        b"Content-Disposition: attachment; filename=../..",
        b'From: "a" <b@c>, d@e',
        b"Subject: =?utf-7?b?////?= =?x?q?=ff?=",
        b"References: <a@b> <c",
        b"Date: 99999999999999",
        b"Authentication-Results: mx.google.com; dmarc=pass (((",
        b"",
    ]
)
_PIECE = st.one_of(
    _HEADER,
    st.sampled_from(
        [b"--b", b"--c", b"--b--", b"--c--", b"> q", b"On Mon, 5 Mar 2024 10:00 a@b.c wrote:", b"-- "]
    ),
    st.sampled_from(
        [b"<div style='display:none'>", b"</div>", b"<!--", b"<a href='", b"BEGIN:VEVENT", b"=", b"&#x;"]
    ),
    st.binary(max_size=40),
)


@given(st.binary(max_size=2_000))
def test_any_bytes_are_a_mail(raw: bytes) -> None:
    check(raw)


@settings(max_examples=300)
@given(st.lists(_PIECE, max_size=40), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_any_structure_is_a_mail(pieces: list[bytes], line_break: bytes) -> None:
    check(line_break.join(pieces))


@given(st.integers(0, len(MAILS) - 1), st.integers(0, 2**32))
def test_damaged_mails_are_mails(number: int, seed: int) -> None:
    check(mutated(MAILS[number], MAILS, random.Random(seed)))


def _timed(raw: bytes) -> Mail:
    began = time.process_time()
    mail = check(raw)
    assert time.process_time() - began < SECONDS
    return mail


_HEAD = b"From: a@b.c\r\nSubject: x\r\n"
_MIXED = _HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
_HTML = _HEAD + b"Content-Type: text/html\r\n\r\n"
_BIG = 25_000_000
_HUGE = {
    "newlines": _HEAD + b"\n" * _BIG,
    "one-line": _HEAD + b"\r\n" + b"a" * _BIG,
    "no-body": b"a: b\n" * (_BIG // 5),
    "soft-breaks": _HEAD + b"Content-Transfer-Encoding: quoted-printable\n\n" + b"= " * (_BIG // 2),
    "delimiters": _MIXED + b"--b\n" * (_BIG // 4),
    "parts-without-body": _MIXED + (b"--b\n" + b"A: b\n" * 5_000) * 1_000,
    "near-delimiters": _MIXED + b"--c\n" * (_BIG // 4),
    "long-delimiter": _MIXED + b"--" + b" " * _BIG,
    "nested": _HEAD
    + b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(99_999)),
    "mails-in-mails": _HEAD + b"Content-Type: message/rfc822\n\n" * 100_000,
    "nested-comments": b"From: " + b"(" * 200_000 + b"\n\n",
    "encoded-words": b"Subject: " + b"=?utf-8?q?a?= " * 20_000 + b"\n\n",
    "crossed-tags": _HTML + b"<p>" + b"".join(b"<b x=%d>" % n for n in range(20_000)) + b"<p>x" * 50_000,
    "deep-tags": _HTML + b"<div>" * 400_000,
    "open-tags": _HTML + b"<a " * 600_000 + b">",
    "open-comments": _HTML + b"<!--" * 500_000,
    "open-quotes": _HTML + b"<a b='" * 300_000,
    "end-tags": _HTML + b"<b></i>" * 280_000,
    "separators": _HEAD + b"\r\n" + (b"-" * 5_000 + b"x\n") * 400,
    "stars": _HEAD + b"\r\n" + (b"*" * 10_000 + b"x\n") * 200,
    "signatures": _HEAD + b"\r\n" + b"-- \nx\n" * 400_000,
    "closings": _HEAD + b"\r\n" + b"best\n+1 222 333 444\n" * 100_000,
    "attributions": _HEAD + b"In-Reply-To: <a@b>\r\n\r\n" + b"On Mon 2024 at 10:10 a@b.c\n" * 80_000,
    "labels": _HEAD + b"\r\n" + b"From: a@b.c\n" * 160_000,
}


@pytest.mark.parametrize("name", sorted(_HUGE))
def test_a_huge_mail_takes_bounded_time(name: str) -> None:
    _timed(_HUGE[name])


def test_a_huge_mail_takes_bounded_memory() -> None:
    part = b"--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    raw = _MIXED + part + b"JVBERi0x" + b"QUJDQUJDQUJDQUJD\r\n" * (_BIG // 18)
    tracemalloc.start()
    mail = read(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [file.reason for file in mail.attachments] == ["larger than 10 MB"]
    assert peak < 8 * len(raw)


def test_a_body_is_cut_where_its_limit_says() -> None:
    mail = read(_HEAD + b"\r\n" + b"word " * 400_000)
    assert len(mail.own) <= mime.TEXT_MAX and len(mail.original) <= mime.ORIGINAL_MAX
    assert mail.own.endswith("[cut here: the text is longer]")
    assert mail.notes


def test_files_are_kept_up_to_their_limits() -> None:
    found = files.Files()
    for number in range(files.LISTED_MAX + 10):
        found.add(f"{number}.pdf", "application/pdf", b"%PDF-" + bytes(files.TOTAL_BYTES_MAX // 4))
    kept = [file for file in found.found if file.state == "stored"]
    assert len(kept) == 3 and len(found.found) == files.LISTED_MAX
    assert sum(len(file.content or b"") for file in found.found) <= files.TOTAL_BYTES_MAX


@given(st.text(max_size=300))
def test_a_file_name_is_safe(name: str) -> None:
    safe = files.file_name(name, "image/png")
    assert 0 < len(safe) <= NAME_MAX + 13
    assert (
        not set(safe) & set('/\\<>:"|?*\r\n\0\u202e') and safe not in (".", "..") and not safe.startswith(".")
    )
    assert safe == storable(safe)
