"""One simulated mailbox: its mails, threads, drafts and history, and what Gmail's search finds in it."""

import itertools
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from fte.demo.providers.mail import Reading, encoded
from fte.domain.errors import Rejected

HistoryKind = Literal["messagesAdded", "messagesDeleted", "labelsAdded", "labelsRemoved"]
Format = Literal["minimal", "full", "raw", "metadata"]

FIRST_HISTORY: Final = 1_000
HIDDEN: Final = frozenset({"SPAM", "TRASH"})
"""Labels a list leaves out unless it is asked for them."""


@dataclass(slots=True)
class StoredMail:
    id: str
    thread_id: str
    raw: bytes
    labels: set[str]
    received_at: float
    history_id: int
    reading: Reading

    def reference(self) -> dict[str, Any]:
        return {"id": self.id, "threadId": self.thread_id}


@dataclass(frozen=True, slots=True)
class HistoryRecord:
    """One change. `labels` are those the message had afterwards, `changed` the ones that came or went."""

    id: int
    kind: HistoryKind
    message_id: str
    thread_id: str
    labels: frozenset[str]
    changed: frozenset[str] = frozenset()

    def shown(self) -> dict[str, Any]:
        message = {"id": self.message_id, "threadId": self.thread_id}
        entry: dict[str, Any] = {"message": message | {"labelIds": sorted(self.labels)}}
        if self.changed:
            entry["labelIds"] = sorted(self.changed)
        return {"id": str(self.id), "messages": [message], self.kind: [entry]}


@dataclass(slots=True)
class Watch:
    """A watch on the mailbox; `expires_at` is seconds since 1970."""

    topic: str
    labels: frozenset[str]
    exclude: bool
    expires_at: float

    def covers(self, labels: Collection[str]) -> bool:
        if time.time() >= self.expires_at:
            return False
        return not self.labels or bool(self.labels & set(labels)) != self.exclude


class Ids:
    """Ids like Gmail's: 16 hexadecimal digits that grow, unique over all mailboxes of a simulator."""

    def __init__(self) -> None:
        self._numbers = itertools.count((time.time_ns() // 1_000_000) << 20)

    def next(self) -> str:
        return f"{next(self._numbers):016x}"


@dataclass(slots=True)
class Mailbox:
    """The mails of one address. `history_id` grows with every change and is never given twice."""

    address: str
    ids: Ids
    history_id: int = FIRST_HISTORY
    oldest_history: int = 0
    messages: dict[str, StoredMail] = field(default_factory=dict)
    drafts: dict[str, str] = field(default_factory=dict)
    history: list[HistoryRecord] = field(default_factory=list)
    watch: Watch | None = None

    def add(self, raw: bytes, labels: Collection[str], thread_id: str | None = None) -> StoredMail:
        """Store a mail, in the thread named or in the one its references belong to."""
        reading = Reading(raw)
        message_id = self.ids.next()
        mail = StoredMail(
            id=message_id,
            thread_id=thread_id or self._thread_of(reading) or message_id,
            raw=raw,
            labels=set(labels),
            received_at=time.time(),
            history_id=0,
            reading=reading,
        )
        self.messages[message_id] = mail
        self._record("messagesAdded", mail)
        return mail

    def remove(self, message_id: str) -> None:
        """Delete a mail for good. Its history stays, as Gmail's does."""
        mail = self.messages.pop(message_id)
        self._record("messagesDeleted", mail)

    def relabel(self, message_id: str, add: Collection[str] = (), remove: Collection[str] = ()) -> StoredMail:
        mail = self.messages[message_id]
        added, removed = set(add) - mail.labels, set(remove) & mail.labels
        mail.labels = (mail.labels | added) - removed
        if added:
            self._record("labelsAdded", mail, added)
        if removed:
            self._record("labelsRemoved", mail, removed)
        return mail

    def forget_history(self) -> None:
        """Let every history id given so far be too old to start from."""
        self.history_id += 1
        self.oldest_history = self.history_id
        self.history.clear()

    def thread(self, thread_id: str) -> list[StoredMail]:
        """The mails of a thread, oldest first."""
        return [mail for mail in self.messages.values() if mail.thread_id == thread_id]

    def changes(self, start: int, kinds: Collection[str], label: str | None) -> Iterator[HistoryRecord]:
        """What happened after `start`, oldest first."""
        for record in self.history:
            if record.id <= start or (kinds and record.kind not in kinds):
                continue
            if label is None or label in record.labels | record.changed:
                yield record

    def found(self, query: "Query", labels: Collection[str], hidden_too: bool) -> list[StoredMail]:
        """What a list shows, newest first."""
        return [
            mail
            for mail in reversed(self.messages.values())
            if set(labels) <= mail.labels
            and (hidden_too or query.names_a_place or not HIDDEN & mail.labels)
            and query.matches(mail)
        ]

    def _thread_of(self, reading: Reading) -> str | None:
        known = set(reading.references)
        for mail in reversed(self.messages.values()):
            if mail.reading.message_id in known and mail.reading.base_subject == reading.base_subject:
                return mail.thread_id
        return None

    def _record(self, kind: HistoryKind, mail: StoredMail, changed: Collection[str] = ()) -> None:
        self.history_id += 1
        mail.history_id = self.history_id
        self.history.append(
            HistoryRecord(
                self.history_id,
                kind,
                mail.id,
                mail.thread_id,
                frozenset(mail.labels),
                frozenset(changed),
            )
        )


class Query:
    """A search in Gmail's words: in, label, is, from, to, subject, rfc822msgid, after, before; `-` turns one round.

    Raises Rejected for an operator it does not know: finding everything would hide a mistake.
    """

    def __init__(self, text: str) -> None:
        self._terms = [_term(word) for word in text.split()]
        self.names_a_place = any(
            operator == "in" and value in ("anywhere", "spam", "trash") for _, operator, value in self._terms
        )

    def matches(self, mail: StoredMail) -> bool:
        return all(_matches(mail, operator, value) != turned for turned, operator, value in self._terms)


def _term(word: str) -> tuple[bool, str, str]:
    turned = word.startswith("-")
    operator, colon, value = word.removeprefix("-").partition(":")
    if not colon:
        return turned, "text", operator.casefold()
    if operator not in _OPERATORS:
        raise Rejected(f"The simulated search does not know {operator!r}.")
    if operator in ("after", "before"):
        return turned, operator, str(_moment(value))
    return turned, operator, value.strip('"').casefold()


def _matches(mail: StoredMail, operator: str, value: str) -> bool:
    return _OPERATORS[operator](mail, value)


def _moment(value: str) -> float:
    """Seconds since 1970, as a number of them or as a day."""
    if value.isdecimal():
        return float(value)
    try:
        year, month, day = (int(part) for part in value.replace("-", "/").split("/"))
        return datetime(year, month, day, tzinfo=UTC).timestamp()
    except ValueError:
        raise Rejected(f"{value!r} is neither a day nor seconds.") from None


def _in(mail: StoredMail, place: str) -> bool:
    if place == "anywhere":
        return True
    names = {"drafts": "DRAFT", "draft": "DRAFT", "chats": "CHAT", "chat": "CHAT"}
    return names.get(place, place.upper()) in mail.labels


_OPERATORS: Final[dict[str, Callable[[StoredMail, str], bool]]] = {
    "in": _in,
    "label": _in,
    "is": _in,
    "from": lambda mail, value: value in mail.reading.header("From").casefold(),
    "to": lambda mail, value: value in mail.reading.header("To").casefold(),
    "subject": lambda mail, value: value in mail.reading.header("Subject").casefold(),
    "rfc822msgid": lambda mail, value: mail.reading.message_id.strip("<>").casefold() == value.strip("<>"),
    "after": lambda mail, value: mail.received_at >= float(value),
    "before": lambda mail, value: mail.received_at < float(value),
    "text": lambda mail, value: (
        value in (mail.reading.header("Subject") + " " + mail.reading.text()).casefold()
    ),
}


def shown(
    mail: StoredMail, format_: Format, attachment_id: str, wanted: Sequence[str] = ()
) -> dict[str, Any]:
    """A mail as `messages.get` answers it. `wanted` are the headers of the metadata format; none: all."""
    answer: dict[str, Any] = mail.reference() | {
        "labelIds": sorted(mail.labels),
        "snippet": mail.reading.snippet,
        "historyId": str(mail.history_id),
        "internalDate": str(int(mail.received_at * 1000)),
        "sizeEstimate": len(mail.raw),
    }
    if format_ == "raw":
        answer["raw"] = encoded(mail.raw)
    elif format_ != "minimal":
        payload = mail.reading.payload(attachment_id)
        if format_ == "metadata":
            payload = {"mimeType": payload["mimeType"], "headers": _picked(payload["headers"], wanted)}
        answer["payload"] = payload
    return answer


def _picked(headers: list[dict[str, str]], wanted: Sequence[str]) -> list[dict[str, str]]:
    names = {name.lower() for name in wanted}
    return [header for header in headers if not names or header["name"].lower() in names]
