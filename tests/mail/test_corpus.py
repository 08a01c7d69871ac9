"""A corpus of mails as people, programs and attackers write them: each is judged by its own expectation."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fte.channels.gmail.authenticity import authenticated
from fte.channels.gmail.machine import bounce, machine
from fte.channels.gmail.mime import Mail, read

CORPUS = Path(__file__).parent / "corpus"
NAMES = sorted(path.stem for path in CORPUS.glob("*.eml"))
OWN = frozenset({"support@tallywren.example"})


def test_the_corpus_is_large_and_complete() -> None:
    assert len(NAMES) >= 120
    assert sorted(path.stem for path in CORPUS.glob("*.json")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_mail(name: str) -> None:
    assert list(faults(name)) == []


def faults(name: str) -> Iterator[str]:
    """What of a mail is not as its expectation says."""
    mail = read((CORPUS / f"{name}.eml").read_bytes())
    wanted: dict[str, Any] = json.loads((CORPUS / f"{name}.json").read_text("utf-8"))
    yield from _text(mail, wanted)
    yield from _facts(mail, wanted)
    yield from _verdicts(mail, wanted)


def _text(mail: Mail, wanted: dict[str, Any]) -> Iterator[str]:
    if wanted["own"] is not None and mail.own != wanted["own"]:
        yield f"own: {mail.own!r} instead of {wanted['own']!r}"
    if wanted.get("text") is not None and mail.text != wanted["text"]:
        yield f"text: {mail.text!r} instead of {wanted['text']!r}"
    for part in wanted["forwarded"] or []:
        if part not in mail.forwarded or part not in mail.text:
            yield f"forwarded: no {part!r} in {mail.forwarded!r}"
    if (
        wanted["forwarded"] is None
        and mail.forwarded
        and wanted["bounce"] is None
        and wanted["machine"] is None
    ):
        yield f"forwarded: {mail.forwarded!r}"
    for part in wanted.get("has", []):
        if part not in mail.text:
            yield f"text: no {part!r} in {mail.text!r}"


def _facts(mail: Mail, wanted: dict[str, Any]) -> Iterator[str]:
    found = [[file.name, file.media_type, file.state, file.reason] for file in mail.attachments]
    if found != wanted["attachments"]:
        yield f"attachments: {found}"
    if "title" in wanted and mail.subject != wanted["title"]:
        yield f"subject: {mail.subject!r}"
    if "sender" in wanted and [mail.sender.name, mail.sender.email] != wanted["sender"]:
        yield f"sender: {mail.sender}"
    if "references" in wanted and [mail.in_reply_to, *mail.references] != wanted["references"]:
        yield f"references: {mail.in_reply_to} {mail.references}"
    if list(mail.notes) != wanted.get("notes", []):
        yield f"notes: {mail.notes}"


def _verdicts(mail: Mail, wanted: dict[str, Any]) -> Iterator[str]:
    why = machine(mail, own=OWN)
    if (why is None) != (wanted["machine"] is None) or (wanted["machine"] or "") not in (why or ""):
        yield f"machine: {why}"
    if authenticated(mail) != wanted["authentic"]:
        yield f"authentic: {authenticated(mail)}"
    report = bounce(mail)
    if (report is None) != (wanted["bounce"] is None):
        yield f"bounce: {report}"
    for field, value in (wanted["bounce"] or {}).items():
        got = getattr(report, field, None)
        got = list(got) if isinstance(got, tuple) else got if isinstance(got, bool | str) else str(got)
        if got != value:
            yield f"bounce.{field}: {got!r} instead of {value!r}"
