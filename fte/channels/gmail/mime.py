"""A mail as it came over the wire, understood: who wrote, what is new in it, what is attached. Never raises."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from fte.channels.files import Attached, Files, placeholder
from fte.channels.gmail import quoting
from fte.channels.gmail.addresses import addresses
from fte.channels.gmail.decoding import (
    HEADER_MAX,
    TEXT_BYTES_MAX,
    decoded,
    header_text,
    parameters,
    transferred,
)
from fte.channels.gmail.html import read_html
from fte.channels.gmail.invitation import summary
from fte.channels.gmail.quoting import Line, Split, plain_lines, shown, split, tidy
from fte.channels.gmail.structure import DEPTH_MAX, Headers, Part, structure
from fte.domain import headings
from fte.domain.text import one_line

RAW_MAX: Final = 36 * 1024 * 1024
"""Bytes of a mail read: Gmail takes 25 MB of content, which base64 makes a third longer."""
TEXT_MAX: Final = 64_000
"""Characters of a mail's new text."""
ORIGINAL_MAX: Final = 400_000
"""Characters kept of the whole readable text."""
BODY_PARTS_MAX: Final = 100
"""Text parts of a mail read as its body."""
SUBJECT_MAX: Final = 500
"""Characters of a subject."""
REFERENCES_MAX: Final = 100
"""Message-IDs read of References; the oldest one and the newest ones."""
MESSAGE_ID_MAX: Final = 998
"""Characters of a Message-ID."""
MESSAGES_MAX: Final = 5
"""Mails attached to one mail that are read."""
MESSAGES_DEPTH_MAX: Final = 3
"""Mails inside mails inside mails."""
INNER_DEPTH_MAX: Final = 20
"""Multiparts inside multiparts of a mail that is inside a mail."""
INVITATIONS_MAX: Final = 5

FORWARD_MARK: Final = "[Forwarded message, not written by the sender:]"

_MESSAGE_ID: Final = re.compile(r"<([^<>\s]{1,996})>")
_NEEDS_HTML: Final = re.compile(
    r"html|view (?:this|the) (?:e-?mail|message)|in (?:your|a) browser|does not support|nicht (?:dar|an)gezeigt",
    re.IGNORECASE,
)
_CID_MARK: Final = re.compile(r"\[cid:([^\]\s]{1,200})\]")
_ENCRYPTED: Final = "[This mail is encrypted and cannot be read here.]"
_SIGNATURES: Final = frozenset(
    {
        "application/pgp-signature",
        "application/pkcs7-signature",
        "application/x-pkcs7-signature",
        "application/pgp-keys",
    }
)
_CALENDARS: Final = frozenset({"text/calendar", "application/ics"})
_BODIES: Final = frozenset({"text/plain", "text/html", "text/markdown", "text/enriched", "text/x-markdown"})


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: the display name (decoded, one line, may be empty) and the address in lower case."""

    name: str
    email: str

    @property
    def domain(self) -> str:
        return self.email.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail. All text is storable (`fte.domain.text.storable`); header values are on one line.

    `text` is what is new in this mail, for the agent: own words, then forwarded parts (marked), invitations and
    a line for each attachment; of a new mail with nothing in it, the subject. `own` is only what
    the sender wrote. `original` is the readable text as it came, quotes and signature included. `forwarded` is what
    was forwarded. `senders` are all From addresses; `sender` is the first (its `email` is empty when there is none).
    `headers` are the top ones in order, names in lower case, values undecoded. `delivery_status` and `returned` are
    of bounces: the report's fields, and the headers of the mail it is about. `notes` say which limits cut something.
    """

    message_id: str
    in_reply_to: str
    references: tuple[str, ...]
    subject: str
    sender: Address
    senders: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    date: datetime | None
    text: str
    own: str
    original: str
    forwarded: str
    attachments: tuple[Attached, ...]
    headers: Headers = field(repr=False)
    media_type: str
    report_type: str
    delivery_status: str = field(repr=False)
    returned: str = field(repr=False)
    notes: tuple[str, ...]

    def header(self, name: str) -> str | None:
        """The top-most header of this name (lower case), undecoded; None when there is none."""
        return next((value for key, value in self.headers if key == name), None)

    def all(self, name: str) -> list[str]:
        """All headers of this name (lower case), undecoded, the top-most first."""
        return [value for key, value in self.headers if key == name]


def read(raw: bytes) -> Mail:
    """The mail in these bytes, whatever they are."""
    return _read(raw[:RAW_MAX], _Body(notes=["the mail is too large"] if len(raw) > RAW_MAX else []), 0)


@dataclass(slots=True)
class _Body:
    """What the parts of a mail add up to."""

    sections: list[list[Line]] = field(default_factory=list)
    files: Files = field(default_factory=Files)
    attached_mails: list[str] = field(default_factory=list)
    invitations: list[str] = field(default_factory=list)
    images: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    shown_images: list[str] = field(default_factory=list)
    delivery_status: str = ""
    returned: str = ""
    remarks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _read(raw: bytes, body: _Body, depth: int) -> Mail:
    found = structure(raw, DEPTH_MAX if depth == 0 else INNER_DEPTH_MAX)
    root = found.root
    body.notes += found.notes
    reader = _Reader(raw, body, depth)
    reader.learn_names(root)
    reader.part(root, top=True)
    subject = header_text(root.header("subject"))[:SUBJECT_MAX].strip()
    in_reply_to = message_ids([value for name, value in root.headers if name == "in-reply-to"])
    references = message_ids([value for name, value in root.headers if name == "references"])
    forward = headings.FORWARD.match(subject) is not None
    reply = bool(in_reply_to or references) or headings.REPLY.match(subject) is not None
    parts = _split(body, reply=reply, forward=forward)
    own = _cut(tidy(parts.own), TEXT_MAX, body)
    forwarded = _cut("\n\n".join(filter(None, [tidy(parts.forwarded), *body.attached_mails])), TEXT_MAX, body)
    senders = _addresses(root, "from")
    return Mail(
        message_id=next(iter(message_ids([root.header("message-id")])), ""),
        in_reply_to=in_reply_to[0] if in_reply_to else "",
        references=tuple(references),
        subject=subject,
        sender=senders[0] if senders else Address("", ""),
        senders=senders,
        reply_to=_addresses(root, "reply-to"),
        to=_addresses(root, "to"),
        cc=_addresses(root, "cc"),
        date=_date(root.header("date")),
        text=_text(own, forwarded, body, "" if reply else subject),
        own=own,
        original=_cut(
            "\n\n".join(filter(None, (shown(lines) for lines in body.sections))), ORIGINAL_MAX, body
        ),
        forwarded=forwarded,
        attachments=tuple(body.files.found),
        headers=root.headers,
        media_type=root.media_type,
        report_type=root.parameters.get("report-type", "").lower(),
        delivery_status=body.delivery_status,
        returned=body.returned,
        notes=tuple(dict.fromkeys(body.notes)),
    )


def _split(body: _Body, *, reply: bool, forward: bool) -> Split:
    """All sections as one body: a list's or a scanner's footer is a section of its own."""
    lines: list[Line] = []
    for section in body.sections:
        lines += [Line(""), *section] if lines else section
    if len(lines) > quoting.LINES_MAX:
        body.notes.append(f"more than {quoting.LINES_MAX:,} lines")
    return split(lines[: quoting.LINES_MAX], reply=reply, forward=forward)


def _text(own: str, forwarded: str, body: _Body, subject: str) -> str:
    said = [own]
    if forwarded:
        marked = "\n".join(f"> {line}".rstrip() for line in forwarded.split("\n"))
        said.append(f"{FORWARD_MARK}\n{marked}")
    said += body.invitations + body.remarks
    if not own:
        said += body.shown_images
    # The files come last, and what is too long is cut before them: who answers must know that they are there.
    files = "\n".join(map(placeholder, body.files.found))
    words = "\n\n".join(part for part in said if part)
    if not files:
        return _cut(words or subject, TEXT_MAX, body)
    return "\n\n".join(filter(None, (_cut(words, TEXT_MAX - len(files) - 2, body), files)))


def _cut(text: str, limit: int, body: _Body) -> str:
    if len(text) <= limit:
        return text
    body.notes.append(f"text longer than {limit:,} characters")
    return text[: limit - 40].rstrip() + "\n[cut here: the text is longer]"


# ---------------------------------------------------------------- headers


def _addresses(part: Part, name: str) -> tuple[Address, ...]:
    values = [value for key, value in part.headers if key == name]
    return tuple(Address(shown_name, email) for shown_name, email in addresses(values))


def message_ids(values: list[str]) -> list[str]:
    """The Message-IDs in these headers, in angle brackets, each once; of very many the first and the newest.

    Some programs encode long ones as if they were text, though RFC 2047 (section 5) forbids it in such headers, and
    fold the encoded words, so that a Message-ID comes apart: it is put together before it is looked for.
    """
    found = list(
        dict.fromkeys(f"<{each}>" for value in values for each in _MESSAGE_ID.findall(_plain(value)))
    )
    return found if len(found) <= REFERENCES_MAX else [found[0], *found[1 - REFERENCES_MAX :]]


def _plain(value: str) -> str:
    """A header of Message-IDs without encoded words. One beside another leaves no space: it belongs inside one."""
    value = value[:HEADER_MAX]
    return header_text(value) if "=?" in value else value


def _date(value: str) -> datetime | None:
    """The date in UTC; None when it is none that a database could hold."""
    try:
        date = parsedate_to_datetime(value[:200])
        date = (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
    return date if 1970 <= date.year <= 2200 else None


# ---------------------------------------------------------------- parts


class _Reader:
    """Goes through the parts of one mail and sorts what they hold."""

    def __init__(self, raw: bytes, body: _Body, depth: int) -> None:
        self._raw = raw
        self._body = body
        self._depth = depth

    def learn_names(self, root: Part) -> None:
        """The file names of parts that an HTML body may show."""
        for part in _leaves(root):
            content_id = _content_id(part)
            if content_id:
                self._body.names[content_id] = _file_name(part)

    def part(self, part: Part, *, top: bool = False) -> None:
        media_type = part.media_type
        if part.children or part.multipart:
            self._multipart(part)
        elif media_type in ("message/rfc822", "message/global"):
            self._mail(part)
        elif media_type in ("message/delivery-status", "message/global-delivery-status"):
            self._body.delivery_status = self._body.delivery_status or self._text(part)[:HEADER_MAX]
        elif media_type in ("text/rfc822-headers", "message/global-headers"):
            self._body.returned = self._body.returned or self._text(part)[: 4 * HEADER_MAX]
        elif media_type in _CALENDARS:
            self._calendar(part)
        elif media_type in ("application/pkcs7-mime", "application/x-pkcs7-mime") and top:
            self._body.remarks.append(_ENCRYPTED)
        elif media_type in _BODIES and not _is_file(part):
            self._section(part)
        elif media_type not in _SIGNATURES and not media_type.startswith("message/disposition"):
            self._file(part)

    def _multipart(self, part: Part) -> None:
        if not part.children:
            if "boundary" not in part.parameters:
                self._section(part)  # what cannot be taken apart is read as the text it is
        elif part.media_type == "multipart/alternative":
            self._alternative(part)
        elif part.media_type == "multipart/encrypted":
            self._body.remarks.append(_ENCRYPTED)
        else:
            for child in self._shown_first(part):
                self.part(child)

    def _shown_first(self, part: Part) -> list[Part]:
        """The children, HTML before the images that it shows."""
        if part.media_type != "multipart/related":
            return part.children
        return sorted(part.children, key=lambda child: child.media_type.startswith("image/"))

    def _alternative(self, part: Part) -> None:
        """Of several versions of a text take the plain one, unless it only says that there is another."""
        leaves = _leaves(part)
        plain = [leaf for leaf in leaves if leaf.media_type == "text/plain" and not _is_file(leaf)]
        pages = [leaf for leaf in leaves if leaf.media_type == "text/html" and not _is_file(leaf)]
        others = [
            leaf
            for leaf in leaves
            if leaf not in plain
            and leaf not in pages
            and (_is_file(leaf) or not leaf.media_type.startswith("text/"))
        ]
        calendars = [leaf for leaf in leaves if leaf.media_type in _CALENDARS and leaf not in others]
        html_lines = [lines for page in pages for lines in self._lines(page)]
        plain_lines_ = [lines for leaf in plain for lines in self._lines(leaf)]
        if pages and _is_placeholder(plain_lines_, html_lines):
            self._body.sections += html_lines
        else:
            self._body.sections += plain_lines_ or html_lines
        for leaf in others + calendars:
            self.part(leaf)

    def _section(self, part: Part) -> None:
        self._body.sections += self._lines(part)

    def _lines(self, part: Part) -> list[list[Line]]:
        """The lines of a text part; an empty list when it has none or too many parts came before it."""
        if len(self._body.sections) >= BODY_PARTS_MAX:
            self._body.notes.append(f"more than {BODY_PARTS_MAX} text parts")
            return []
        text = self._text(part)
        if part.media_type in ("text/html", "text/enriched"):
            page = read_html(text, self._body.names)
            self._body.images |= page.images
            lines = page.lines
        else:
            flowed = part.parameters.get("format", "").lower() == "flowed"
            delsp = part.parameters.get("delsp", "").lower() == "yes"
            lines = plain_lines(_CID_MARK.sub(self._image_mark, text), flowed=flowed, delsp=delsp)
        return [lines] if any(not line.blank for line in lines) else []

    def _image_mark(self, match: re.Match[str]) -> str:
        name = self._body.names.get(match[1], "")
        self._body.images.add(match[1])
        return f"[image: {name}]" if name else "[image]"

    def _text(self, part: Part) -> str:
        content = self._content(part, TEXT_BYTES_MAX * 2)
        if content is None:
            self._body.notes.append("a text in an unknown encoding")
            return ""
        if len(content) > TEXT_BYTES_MAX:
            self._body.notes.append("a text part is too large")
        return decoded(content[:TEXT_BYTES_MAX], part.parameters.get("charset", ""))

    def _content(self, part: Part, limit: int) -> bytes | None:
        return transferred(
            self._raw[part.start : min(part.end, part.start + limit)],
            part.header("content-transfer-encoding"),
        )

    def _calendar(self, part: Part) -> None:
        said = summary(self._text(part))
        if said and said not in self._body.invitations and len(self._body.invitations) < INVITATIONS_MAX:
            self._body.invitations.append(said)

    def _file(self, part: Part) -> None:
        name = _file_name(part)
        if part.media_type.startswith("image/") and self._is_inline(part):
            if len(self._body.shown_images) < BODY_PARTS_MAX:
                self._body.shown_images.append(f"[image: {name}]" if name else "[image]")
            return
        content = self._content(part, RAW_MAX)
        if content is None:
            size = part.end - part.start
            self._body.files.refuse(name, part.media_type, size, "encoding not understood")
        else:
            self._body.files.add(name, part.media_type, content)

    def _is_inline(self, part: Part) -> bool:
        """An image that the text shows in place is part of the text, mostly a logo."""
        content_id = _content_id(part)
        location = one_line(part.header("content-location"))
        return bool(content_id and content_id in self._body.images) or bool(
            location and location in self._body.images
        )

    def _mail(self, part: Part) -> None:
        """A mail inside the mail: what a bounce is about, or what somebody forwards as a file."""
        content = self._content(part, RAW_MAX) or b""
        if self._body.delivery_status or _head(content).header("x-fte-reply"):
            self._body.returned = self._body.returned or _header_lines(content)
        if len(self._body.attached_mails) >= MESSAGES_MAX or self._depth >= MESSAGES_DEPTH_MAX:
            self._body.files.refuse(
                _file_name(part) or "mail.eml", part.media_type, len(content), "too many mails inside"
            )
            return
        inner = _read(content, _Body(files=self._body.files), self._depth + 1)
        heading = f"From: {inner.sender.name} <{inner.sender.email}>\nSubject: {inner.subject}"
        self._body.attached_mails.append(f"{heading}\n\n{inner.original}".strip())


def _leaves(part: Part) -> list[Part]:
    """All parts that are no multipart, in order."""
    found: list[Part] = []
    open_parts = [part]
    while open_parts:
        each = open_parts.pop()
        if each.children:
            open_parts += reversed(each.children)
        else:
            found.append(each)
    return found


def _content_id(part: Part) -> str:
    return one_line(part.header("content-id")).strip("<> ")


def _file_name(part: Part) -> str:
    disposition = parameters(part.header("content-disposition"))
    return header_text(disposition.get("filename") or part.parameters.get("name", ""))


def _is_file(part: Part) -> bool:
    disposition = part.header("content-disposition").partition(";")[0].strip().lower()
    return disposition == "attachment" or bool(_file_name(part))


def _is_placeholder(plain: list[list[Line]], pages: list[list[Line]]) -> bool:
    """Whether a plain text only stands in for the page beside it."""
    length = _length(plain)
    page = _length(pages)
    if not length:
        return True
    said = " ".join(line.text for lines in plain for line in lines)[:400]
    return page > 4 * length and (length < 40 or (length < 300 and _NEEDS_HTML.search(said) is not None))


def _length(sections: list[list[Line]]) -> int:
    return sum(len(line.text.strip()) for lines in sections for line in lines)


def _head(content: bytes) -> Part:
    return structure(content[: 4 * HEADER_MAX]).root


def _header_lines(content: bytes) -> str:
    return "\n".join(f"{name}: {value}" for name, value in _head(content).headers)[: 4 * HEADER_MAX]
