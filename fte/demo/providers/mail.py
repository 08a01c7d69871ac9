"""Mails as Gmail sees them: writing one, reading its headers, and showing it the way the API does."""

import base64
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.utils import format_datetime, formataddr, getaddresses, make_msgid
from typing import Any, Final

import msgspec

SNIPPET: Final = 200
PARTS_MAX: Final = 1_000
"""Parts of one mail that are shown, so that a mail of nothing but nesting costs little."""
_PREFIX = re.compile(r"^\s*(?:(?:re|aw|fwd?|wg|sv|antw)\s*:\s*)+", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"<[^<>\s]+>")


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    content: bytes
    media_type: str = "application/octet-stream"


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail as its writer thinks of it. `headers` are added, or replace what is there; `date` is an RFC 5322 one."""

    sender: str
    name: str = ""
    subject: str = ""
    text: str = ""
    html: str | None = None
    message_id: str | None = None
    in_reply_to: str | None = None
    references: list[str] = []
    headers: dict[str, str] = {}
    attachments: list[Attachment] = []
    date: str | None = None

    def to_bytes(self, to: str) -> bytes:
        message = EmailMessage(policy=policy.SMTP)
        message["From"] = formataddr((self.name, self.sender))
        message["To"] = to
        message["Subject"] = self.subject
        message["Date"] = self.date or format_datetime(datetime.now(UTC))
        self._write_body(message)
        for name, value in self.headers.items():
            del message[name]
            message[name] = value
        return with_headers(message.as_bytes(), self._ids())

    def _ids(self) -> dict[str, str]:
        """The headers with Message-IDs, as mail programs write them: the standard library encodes long ones."""
        ids = {"Message-ID": self.message_id or make_msgid(domain=domain(self.sender))}
        if self.in_reply_to:
            ids["In-Reply-To"] = self.in_reply_to
            ids["References"] = "\r\n ".join(self.references or [self.in_reply_to])
        replaced = {name.lower() for name in self.headers}
        return {name: value for name, value in ids.items() if name.lower() not in replaced}

    def _write_body(self, message: EmailMessage) -> None:
        message.set_content(self.text)
        if self.html is not None:
            message.add_alternative(self.html, subtype="html")
        for attachment in self.attachments:
            main, _, sub = attachment.media_type.partition("/")
            message.add_attachment(
                attachment.content, maintype=main, subtype=sub or "octet-stream", filename=attachment.name
            )


class Reading:
    """A mail's headers, read so that nothing a stranger writes can raise."""

    def __init__(self, raw: bytes) -> None:
        self.message: Message = message_from_bytes(raw)

    def header(self, name: str) -> str:
        """The first header of that name, decoded, on one line; empty when there is none."""
        value = self.message.get(name)
        return "" if value is None else decoded(str(value))

    def addresses(self, *names: str) -> list[str]:
        """The addresses in these headers, in lower case."""
        values = [str(value) for name in names for value in self.message.get_all(name, [])]
        return ["".join(address.split()).lower() for _, address in getaddresses(values) if "@" in address]

    @property
    def message_id(self) -> str:
        return next(iter(_MESSAGE_ID.findall(self.header("Message-ID"))), "")

    @property
    def references(self) -> list[str]:
        return _MESSAGE_ID.findall(self.header("References") + " " + self.header("In-Reply-To"))

    @property
    def base_subject(self) -> str:
        return " ".join(_PREFIX.sub("", self.header("Subject")).split()).casefold()

    def text(self, subtype: str = "plain") -> str:
        """The first body of that subtype, its lines ended by \\n; empty when there is none."""
        for part in self._parts():
            if part.get_content_type() == f"text/{subtype}" and not part.get_filename():
                return text_of(part).replace("\r\n", "\n")
        return ""

    @property
    def snippet(self) -> str:
        return " ".join(self.text().split())[:SNIPPET]

    def payload(self, attachment_id: str) -> dict[str, Any]:
        """The mail as a Gmail `MessagePart`. Attachments are named by `attachment_id` and their part."""
        budget = iter(range(PARTS_MAX))
        return _shown(self.message, "", attachment_id, budget)

    def attachment(self, part_id: str) -> bytes | None:
        """The content of a part by its id, such as `1.2`."""
        part: Message = self.message
        for step in filter(None, part_id.split(".")):
            children = _children(part)
            if not step.isdecimal() or int(step) >= len(children):
                return None
            part = children[int(step)]
        return content_of(part)

    def _parts(self) -> Iterator[Message]:
        waiting, budget = [self.message], PARTS_MAX
        while waiting and budget:
            part, budget = waiting.pop(0), budget - 1
            yield part
            waiting[:0] = _children(part)


def decoded(value: str) -> str:
    """A header's text: RFC 2047 words decoded, folds undone."""
    unfolded = re.sub(r"\r?\n(?=[ \t])", "", value)
    try:
        return str(make_header(decode_header(unfolded)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return unfolded


def domain(address: str) -> str:
    return address.rpartition("@")[2] or "localhost"


def content_of(part: Message) -> bytes:
    if part.is_multipart():
        return b"".join(child.as_bytes() for child in _children(part))
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def text_of(part: Message) -> str:
    content = content_of(part)
    try:
        return content.decode(part.get_content_charset() or "utf-8", "replace")
    except (LookupError, UnicodeError):
        return content.decode("utf-8", "replace")


def encoded(content: bytes) -> str:
    """base64url, as the API has it everywhere."""
    return base64.urlsafe_b64encode(content).decode()


def with_headers(raw: bytes, headers: Mapping[str, str]) -> bytes:
    """The mail with these headers put on top, in this order. Nothing else of it changes."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + raw


def without_header(raw: bytes, name: str) -> bytes:
    """The mail without the headers of that name, folded lines included."""
    head, body = _split(raw)
    pattern = re.compile(rb"^" + re.escape(name.encode()) + rb"[ \t]*:.*\r?\n(?:[ \t].*\r?\n)*", re.I | re.M)
    return pattern.sub(b"", head) + body


def _split(raw: bytes) -> tuple[bytes, bytes]:
    match = re.search(rb"\r?\n(?=\r?\n)", raw)
    return (raw, b"") if match is None else (raw[: match.end()], raw[match.end() :])


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []


def _shown(part: Message, part_id: str, attachment_id: str, budget: Iterator[int]) -> dict[str, Any]:
    children = _children(part)
    shown: dict[str, Any] = {
        "partId": part_id,
        "mimeType": part.get_content_type(),
        "filename": decoded(part.get_filename() or ""),
        "headers": [{"name": name, "value": decoded(str(value))} for name, value in part.items()],
        "body": {"size": 0} if children else _body(part, part_id, attachment_id),
    }
    if children:
        shown["parts"] = [
            _shown(child, f"{part_id}.{number}" if part_id else str(number), attachment_id, budget)
            for number, child in enumerate(children)
            if next(budget, None) is not None
        ]
    return shown


def _body(part: Message, part_id: str, attachment_id: str) -> dict[str, Any]:
    content = content_of(part)
    if part.get_filename() or part.get_content_maintype() not in ("text", "multipart"):
        return {"size": len(content), "attachmentId": f"{attachment_id}_{part_id.replace('.', '-')}"}
    if part.get_content_maintype() == "text":
        content = text_of(part).encode("utf-8", "replace")
    return {"size": len(content), "data": encoded(content)}
