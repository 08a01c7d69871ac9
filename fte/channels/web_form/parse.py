"""The web form's fields: what was typed becomes a checked value, or a list of all that is wrong."""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fte.channels.files import Attached, Files, placeholder
from fte.domain.errors import Rejected
from fte.domain.identity import EMAIL_MAX, LOCAL_MAX, ascii_domain
from fte.domain.text import one_line, storable
from fte.domain.tickets import CATEGORIES, PRIORITIES, Category, Priority

HONEYPOT: Final = "fte_leave_empty"
"""A field no person sees and no browser fills in; only a program that fills in everything does."""
KEY_MAX: Final = 200
"""Characters in a submission id."""
FILES_MAX: Final = 5
"""Files of one message."""
FILE_BYTES_MAX: Final = 5 * 1024 * 1024
"""Bytes of one file."""
FILES_BYTES_MAX: Final = 7 * 1024 * 1024
"""Bytes of all files of a message."""
FILE_NAME_MAX: Final = 255
"""Characters of a file's name as it is sent; what is stored is shorter."""


@dataclass(frozen=True, slots=True)
class Length:
    """How many characters a text may have, both ends included."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low:,} to {self.high:,} characters"


NAME: Final = Length(2, 100)
SUBJECT: Final = Length(5, 200)
MESSAGE: Final = Length(10, 5_000)
ANSWER: Final = Length(1, 5_000)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came in a form. `media_type` is what its sender calls it."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A first message. `email` is as it was typed, its domain in ASCII; `submission_id` may be empty."""

    name: str
    email: str
    subject: str
    category: Category
    message: str
    priority: Priority
    submission_id: str
    attachments: tuple[Attached, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A further message of a customer on their ticket's page."""

    message: str
    submission_id: str
    attachments: tuple[Attached, ...]


def parse_form(fields: Mapping[str, object]) -> Form:
    """The form in these fields; fields it does not know are ignored.

    Raises Rejected naming every field that is wrong, not only the first.
    """
    return Form(**_checked(fields, _FORM_RULES))


def parse_answer(fields: Mapping[str, object]) -> Answer:
    """The further message in these fields. Raises Rejected like `parse_form`."""
    return Answer(**_checked(fields, _ANSWER_RULES))


def provider_id(key: str, *content: str, files: Sequence[Attached] = ()) -> str:
    """The id a message is stored under once. Other content or files under one key have another id, so none is lost."""
    sums = (part for file in files for part in (file.name, hashlib.sha256(file.content or b"").hexdigest()))
    return hashlib.sha256("\0".join((key, *content, *sums)).encode("utf-8", "surrogatepass")).hexdigest()


def with_files(message: str, files: Sequence[Attached]) -> str:
    """The text of a message, and a line for each of its files, for whoever reads only the text."""
    lines = "\n".join(map(placeholder, files))
    return f"{message}\n\n{lines}" if lines else message


def normal_email(text: str) -> str | None:
    """The address mail is sent to, or None when none could be: as it was typed, the domain in ASCII.

    Quoted local parts and address literals are legal, and nobody's: they are not taken.
    """
    local, at, domain = text.strip().rpartition("@")
    # ASCII only: some other letters look like ASCII or become it, which would be somebody else's address.
    if not at or len(local) > LOCAL_MAX or not _LOCAL.fullmatch(local):
        return None
    host = None if domain.endswith(".") else ascii_domain(domain)
    if host is None or len(local) + 1 + len(host) > EMAIL_MAX:
        return None
    return f"{local}@{host}"


class _Wrong(Exception):
    """What is wrong with one field, as a sentence for the person who filled it in."""


_Rule = Callable[[object], Any]
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


def _checked(fields: Mapping[str, object], rules: Mapping[str, _Rule]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, rule in rules.items():
        try:
            values[name] = rule(fields.get(name))
        except _Wrong as wrong:
            problems[name] = str(wrong)
    problems |= _unwanted(fields)
    if problems:
        raise Rejected("Some details need another look.", fields=problems)
    return values


def _unwanted(fields: Mapping[str, object]) -> dict[str, str]:
    problems = {}
    if fields.get(HONEYPOT):
        problems[HONEYPOT] = (
            "A hidden field that must stay empty was filled in, perhaps by your browser. "
            "Please leave it empty and send again."
        )
    return problems


def _text(value: object, what: str, length: Length, clean: Callable[[str], str]) -> str:
    if value is None:
        raise _Wrong(f"Please enter {what}, {length}.")
    if not isinstance(value, str):
        raise _Wrong(f"Please enter {what} as text, {length}.")
    if _UNSTORABLE.search(value):
        raise _Wrong(f"Please type {what} again: this holds a character that cannot be stored.")
    text = clean(value)
    count = _visible_length(text)
    if count == 0:
        raise _Wrong(f"Please enter {what}, {length}.")
    if count < length.low or len(text) > length.high:
        given = count if count < length.low else len(text)
        raise _Wrong(f"{what.capitalize()} needs {length}; this has {given:,}.")
    return text


def _visible_length(text: str) -> int:
    """Characters a reader could see: a message of invisible ones is an empty message."""
    if text.isascii():
        return len(text)
    return sum(unicodedata.category(character) not in ("Cc", "Cf") or character == "\n" for character in text)


def _line(what: str, length: Length) -> _Rule:
    def rule(value: object) -> str:
        text = _text(value, what, length, one_line)
        if not text.isprintable() and any(unicodedata.category(character) == "Cc" for character in text):
            raise _Wrong(f"Please type {what} again: this holds a control character.")
        return text

    return rule


def _block(what: str, length: Length) -> _Rule:
    return lambda value: _text(value, what, length, lambda text: storable(text).strip())


def _email(value: object) -> str:
    if value is None or value == "":
        raise _Wrong(f"Please enter your e-mail address, at most {EMAIL_MAX} characters.")
    if not isinstance(value, str):
        raise _Wrong(f"Please enter your e-mail address as text, at most {EMAIL_MAX} characters.")
    if len(value.strip()) > EMAIL_MAX:
        raise _Wrong(
            f"An e-mail address has at most {EMAIL_MAX} characters; this has {len(value.strip()):,}."
        )
    address = normal_email(value)
    if address is None:
        raise _Wrong("Please check your e-mail address: it should look like name@example.com.")
    return address


def _one_of(what: str, choices: tuple[str, ...], default: str | None = None) -> _Rule:
    def rule(value: object) -> str:
        if default is not None and (value is None or value == ""):
            return default
        if not isinstance(value, str) or value not in choices:
            raise _Wrong(f"Please choose {what}: {', '.join(choices[:-1])} or {choices[-1]}.")
        return value

    return rule


def _submission_id(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > KEY_MAX or _UNSTORABLE.search(value):
        raise _Wrong(f"A submission id is text of at most {KEY_MAX} characters; leave it out to get one.")
    return value


def _files(value: object) -> tuple[Attached, ...]:
    if value is None or value == "":
        return ()
    if not isinstance(value, list):
        raise _Wrong("The file did not come along. Send a list of files, each with its name and content.")
    if len(value) > FILES_MAX:
        raise _Wrong(f"Please attach at most {FILES_MAX} files; these are {len(value):,}.")
    files = Files(most=FILES_MAX, bytes_max=FILE_BYTES_MAX, total_max=FILES_BYTES_MAX)
    for each in value:
        upload = each if isinstance(each, Upload) else _decoded(each)
        files.add(upload.name, upload.media_type, upload.content)
        file = files.found[-1]
        if file.reason is not None:
            why = file.reason if upload.content else "empty"
            raise _Wrong(f"{file.name} cannot be taken: {why}. Please leave it out.")
    return tuple(files.found)


def _decoded(value: object) -> Upload:
    """A file of a JSON body."""
    name, content = (value.get("name"), value.get("content")) if isinstance(value, Mapping) else (None, None)
    if not isinstance(name, str) or not isinstance(content, str) or len(name) > FILE_NAME_MAX:
        raise _Wrong(
            f"Each file needs a name of at most {FILE_NAME_MAX} characters and its content in base64."
        )
    try:
        return Upload(name, "", base64.b64decode(content, validate=True))
    except ValueError:
        raise _Wrong("The content of a file must be in base64.") from None


_FORM_RULES: Final[dict[str, _Rule]] = {
    "name": _line("your name", NAME),
    "email": _email,
    "subject": _line("a subject", SUBJECT),
    "category": _one_of("a category", CATEGORIES),
    "message": _block("your message", MESSAGE),
    "priority": _one_of("a priority", PRIORITIES, default="medium"),
    "submission_id": _submission_id,
    "attachments": _files,
}
_ANSWER_RULES: Final[dict[str, _Rule]] = {
    "message": _block("your message", ANSWER),
    "submission_id": _submission_id,
    "attachments": _files,
}
