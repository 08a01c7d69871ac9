"""A reply as a mail: plain text, the same as HTML made only by escaping, and headers nobody can add to (threat T18)."""

import re
import unicodedata
from datetime import UTC
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from html import escape
from typing import Any, Final

from fte.channels.gmail.machine import LOOP_HEADER, REPLY_HEADER
from fte.channels.gmail.mime import Mail
from fte.channels.gmail.reference import message_id
from fte.domain import headings
from fte.domain.delivery import Outgoing
from fte.domain.errors import Rejected
from fte.domain.text import one_line, storable
from fte.wire import JSON

REFERENCES_MAX: Final = 30
"""Message-IDs in References: the first one and the newest."""
ID_MAX: Final = 250
"""Characters of a Message-ID we repeat."""
SUBJECT_MAX: Final = 250
NAME_MAX: Final = 80
"""Characters of a display name."""

_ID: Final = re.compile(r"<[!-;=?-~]{1,248}>")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_ID_HEADERS: Final = frozenset({"references", "in-reply-to", "message-id"})


class _Policy(EmailPolicy):
    """Message-IDs are folded between each other and never encoded, which the standard policy does to long ones."""

    def fold(self, name: str, value: Any) -> str:
        if name.lower() in _ID_HEADERS:
            return f"{name}: " + f"{self.linesep} ".join(str(value).split()) + self.linesep
        return str(super().fold(name, value))

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower() in _ID_HEADERS:
            return self.fold(name, value).encode("ascii")
        return bytes(super().fold_binary(name, value))


_POLICY: Final = _Policy(linesep="\r\n", cte_type="7bit")


def envelope_of(mail: Mail, thread_id: str) -> JSON:
    """What answering this mail will need: thread_id, message_id, references, subject."""
    return {
        "thread_id": thread_id,
        "message_id": mail.message_id,
        "references": list(mail.references),
        "subject": mail.subject,
    }


def compose(reply: Outgoing, *, from_name: str, from_address: str, secret: bytes) -> bytes:
    """The mail to hand to Gmail. Raises Rejected when an address is none that mail can be sent to."""
    mail = EmailMessage(policy=_POLICY)
    token = message_id(secret, reply.reply_id, from_address.rpartition("@")[2])
    mail["From"] = _mailbox(from_name, from_address)
    mail["To"] = _mailbox(reply.recipient_name, reply.recipient)
    mail["Subject"] = _subject(reply)
    mail["Date"] = reply.began_at.astimezone(UTC)
    mail["Message-ID"] = token
    _refer(mail, reply.envelope, token)
    _mark(mail, reply)
    text = _text(reply)
    mail.set_content(text, charset="utf-8")
    mail.add_alternative(_page(text), subtype="html", charset="utf-8")
    mail.set_boundary(f"fte-{reply.reply_id.hex}")  # the same reply is the same mail, byte for byte
    return mail.as_bytes()


def internal(subject: str, text: str, *, to: str, from_name: str, from_address: str) -> bytes:
    """A mail to a colleague, as plain text. Neither it nor an answer to it becomes a customer's message.

    Raises Rejected when an address is none that mail can be sent to, or is our own.
    """
    if to.lower() == from_address.lower():
        raise Rejected(
            "That is the mailbox customers write to.",
            fields={"address": "our own mailbox"},
            remedy="Name a colleague's address.",
        )
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = _mailbox(from_name, from_address)
    mail["To"] = mail["Reply-To"] = _mailbox("", to)  # an answer to us would become a customer's message
    mail["Subject"] = _line(subject, SUBJECT_MAX)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail[_title(LOOP_HEADER)] = "1"
    mail.set_content(storable(text), charset="utf-8")
    return mail.as_bytes()


def _mailbox(name: str, address: str) -> Address:
    if not _ADDRESS.fullmatch(address):
        raise Rejected(
            "No mail can be sent to or from this address.", fields={"address": "This is no e-mail address."}
        )
    local, _, domain = address.rpartition("@")
    try:
        return Address(_line(name, NAME_MAX), local, domain)
    except ValueError:
        raise Rejected(
            "No mail can be sent to this address.", fields={"address": "It cannot be written."}
        ) from None


def _line(text: str, limit: int) -> str:
    """One line a header can hold: no control or bidirectional character, none that would begin an encoded word."""
    text = "".join(each for each in one_line(text) if unicodedata.category(each) not in _UNSEEN)
    return text.replace("=?", "= ?")[:limit].strip()


def _subject(reply: Outgoing) -> str:
    """In a thread its own subject, which Gmail asks for (users.messages: threads need the same Subject)."""
    received = _line(str(reply.envelope.get("subject") or ""), SUBJECT_MAX)
    if reply.envelope.get("message_id") or received:
        return received if headings.REPLY.match(received) else f"Re: {received}".strip()
    subject = _line(reply.subject, SUBJECT_MAX)
    return (
        subject
        if not reply.reference or reply.reference in subject
        else f"{subject} [{_line(reply.reference, 40)}]".strip()
    )


def _refer(mail: EmailMessage, envelope: JSON, token: str) -> None:
    """In-Reply-To and References (RFC 5322 section 3.6.4).

    Gmail may give the mail another Message-ID, so the token stands among the references too, from where programs
    copy it into an answer; under a name of its own, because a mail that refers to itself confuses threading.
    """
    answered = _ids([envelope.get("message_id")])
    earlier = [each for each in _ids(envelope.get("references")) if each not in answered]
    if len(earlier) > REFERENCES_MAX:
        earlier = [earlier[0], *earlier[1 - REFERENCES_MAX :]]
    if answered:
        mail["In-Reply-To"] = answered[0]
    mail["References"] = " ".join([*earlier, token.replace("@", "@thread."), *answered])


def _ids(values: Any) -> list[str]:
    if not isinstance(values, list | tuple):
        return []
    return list(dict.fromkeys(each for each in values if isinstance(each, str) and _ID.fullmatch(each)))


def _mark(mail: EmailMessage, reply: Outgoing) -> None:
    """What keeps automatic mail from being answered automatically (RFC 3834, [MS-OXCMAIL] 2.2.3.2.14)."""
    if reply.kind != "answer":
        mail["Auto-Submitted"] = "auto-generated"
    elif reply.role != "operator":
        mail["Auto-Submitted"] = "auto-replied"
    mail["X-Auto-Response-Suppress"] = "All"
    mail[_title(LOOP_HEADER)] = "1"
    mail[_title(REPLY_HEADER)] = str(reply.reply_id)


def _title(name: str) -> str:
    return "-".join(word.upper() if word == "fte" else word.capitalize() for word in name.split("-"))


def _text(reply: Outgoing) -> str:
    """The text, with the ticket's reference below what a person wrote: the agent's has one already."""
    text = storable(reply.text).strip("\n")
    if (
        reply.kind == "answer"
        and reply.role == "operator"
        and reply.reference
        and reply.reference not in text
    ):
        text = f"{text}\n\nTicket {one_line(reply.reference)}"
    return f"{text}\n"


def _page(text: str) -> str:
    paragraphs = re.split(r"\n{2,}", text.strip("\n"))
    shown = "\n".join(
        f"<p>{escape(each, quote=True).replace(chr(10), '<br>' + chr(10))}</p>" for each in paragraphs
    )
    return f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"></head><body>\n{shown}\n</body></html>\n'
