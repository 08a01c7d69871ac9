"""A case made of a real conversation: who wrote and what they could be known by is replaced, the same by the same.

Names are found where they are known (the customer, the operators) and where letters have them (a salutation, the line
after a closing). What else tells who somebody is, only a person can find: the file is for review.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from fte.agent.secrets import ACCOUNT, CARD, masked
from fte.domain.courtesies import CLOSINGS, GREETINGS
from fte.domain.errors import NotFound, Rejected
from fte.wire import MessageView, TicketView

HISTORY_SHOWN: Final = 20
"""Earlier messages that go into the case."""
_NAMES: Final = (
    "Robin Vale", "Kim Marsh", "Jona Field", "Sam Brook", "Toni Hill", "Lou Stone", "Mika Wood", "Nic Shore",
)  # fmt: skip
_KEY: Final = r"(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[a-zA-Z])[A-Za-z0-9_\-]{16,}(?![\w-])"
_MAIL: Final = r"[\w.+%'-]+@[\w-]+(?:\.[\w-]+)+"
_URL: Final = r"(?i:https?://|www\.)[^\s<>\"')\]]+"
_IBAN: Final = r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b"
_NO_ACCOUNT: Final = "DE00 0000 0000 0000 0000 00"
_IP: Final = r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"
_PHONE: Final = (
    r"(?<![\w.-])(?!\d{4}-\d\d-\d\d|\d\d[./]\d\d[./]\d{4})\+?\(?\d(?:[\s().\-/]{0,2}\d){7,14}(?![\w-])"
)
_ORDER: Final = (
    r"(?i:\b(?:order|invoice|customer|account|contract|reference|ref|booking|case|ticket|bestellung"
    r"|rechnung|kunden\w*|commande"
    r"|facture|pedido|factura|no|nr|number|nummer)\b\.?:? *(?:no\.?|nr\.?"
    r"|number)? *#?)(?P<number>[A-Z]{0,4}-?\d[\dA-Z-]{3,})"
    r"|#\d{4,}|(?<![\w-])\d{6,}(?![\w-])"
)
_CALLED: Final = re.compile(
    rf"(?im)(?:^\s*{GREETINGS}\s+(?:mr\.?|mrs\.?|ms\.?|herr|frau|m\.|mme)?\s*)"
    r"(?P<a>[A-ZÀ-Þ][\w'-]+(?: [A-ZÀ-Þ][\w'-]+){0,2})"
    rf"|(?:^\s*(?:{CLOSINGS}|best|thanks|groeten|mvg)[,!. ]*\n\s*)"
    r"(?P<b>[A-ZÀ-Þ][\w'-]+(?: [A-ZÀ-Þ][\w'-]+){0,2})"
)


@dataclass(slots=True)
class Redaction:
    """Replaces the same by the same, over all texts of a conversation."""

    names: list[str] = field(default_factory=list)
    known: dict[tuple[str, str], str] = field(default_factory=dict)

    def learn(self, texts: Iterable[str]) -> None:
        """Take the names out of salutations and closings."""
        for text in texts:
            for match in _CALLED.finditer(text):
                name = match["a"] or match["b"]
                if name[0].isupper() and name not in self.names and name.lower() not in _NO_NAMES:
                    self.names.append(name)

    def of(self, text: str) -> str:
        """The text without what tells who it is about."""
        text = masked(text)
        for kind, pattern, make in _KINDS:
            text = re.sub(pattern, lambda m, k=kind, f=make: self._put(k, m, f), text)  # type: ignore[misc]
        return self._nameless(text).replace(CARD, "4111 1111 1111 1111").replace(ACCOUNT, _NO_ACCOUNT)

    def _put(self, kind: str, match: re.Match[str], make: Callable[[int, str], str]) -> str:
        whole = match[0]
        part = match.groupdict().get("number") or whole
        if kind == "url":
            return _url(whole)
        key = (kind, re.sub(r"\W", "", part).casefold())
        count = sum(known == kind for known, _ in self.known)
        return whole.replace(part, self.known.setdefault(key, make(count + 1, part)))

    def _nameless(self, text: str) -> str:
        for number, name in enumerate(self.names):
            stand_in = _NAMES[number % len(_NAMES)]
            first, _, last = stand_in.partition(" ")
            parts = name.split()
            text = re.sub(rf"(?i)(?<!\w){re.escape(name)}(?!\w)", stand_in if len(parts) > 1 else first, text)
            for place, part in enumerate(parts):
                if len(part) > 2:
                    other = first if place == 0 else last
                    text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", other, text)
        return text


_ROLES: Final = {"customer": "customer", "agent": "agent", "operator": "operator"}
_NO_NAMES: Final = frozenset(
    {
        "support",
        "team",
        "there",
        "all",
        "everyone",
        "sir",
        "madam",
        "customer",
        "you",
        "again",
        "together",
        "both",
        "service",
    }
)
_KINDS: Final[tuple[tuple[str, str, Callable[[int, str], str]], ...]] = (
    ("url", _URL, lambda n, was: was),
    ("mail", _MAIL, lambda n, was: f"person{n}@mail.example"),
    ("token", _KEY, lambda n, was: f"{_prefix(was)}token{n}000000000000"),
    ("iban", _IBAN, lambda n, was: _NO_ACCOUNT),
    ("ip", _IP, lambda n, was: f"192.0.2.{n}"),
    ("order", _ORDER, lambda n, was: _like(was, n)),
    ("phone", _PHONE, lambda n, was: f"+44 7700 9000{n:02d}"),
)  # fmt: skip


def _prefix(token: str) -> str:
    """A kind of token is no secret: `twp_`, `sk-`."""
    match = re.match(r"[a-z]{2,4}[_-]", token)
    return match[0] if match else ""


def _like(number: str, count: int) -> str:
    """A number of the same shape: letters and dashes stay, digits become zeros that end in `count`."""
    zeros = re.sub(r"\d", "0", number)
    return zeros[: -len(str(count))] + str(count)


def _url(url: str) -> str:
    """An address without its path's end and query: they may name somebody or let somebody in."""
    bare = url.partition("?")[0].partition("#")[0]
    return re.sub(_KEY, "token", bare)


def made(ticket: TicketView, upto: int | None = None) -> str:
    """A suite's file with one case: the customer's messages up to number `upto`, and what became of them.

    `upto` is the sequence number of the customer's last message; the newest one's by default. What is asked of the
    answer is what happened: handed over with its reason, answered by a person, or by the AI. Raises NotFound without
    such a message, Rejected when nothing came of it yet.
    """
    said = [m for m in ticket.messages if m.direction != "note"]
    inbound = [m for m in said if m.direction == "inbound" and (upto is None or m.seq <= upto)]
    if not inbound or (upto is not None and inbound[-1].seq != upto):
        raise NotFound(
            "There is no such message of the customer."
            if upto is not None
            else "The customer wrote nothing.",
            remedy=f"`fte tickets show {ticket.item.number}` shows the messages with their numbers.",
        )
    last = inbound[-1]
    before = [m for m in said if m.seq < last.seq]
    start = next((at + 1 for at in range(len(before) - 1, -1, -1) if before[at].direction != "inbound"), 0)
    new, history = [*before[start:], last], before[:start][-HISTORY_SHOWN:]
    redaction = Redaction()
    people = [ticket.item.customer, *ticket.operators.values()]
    redaction.names += [
        name for name in dict.fromkeys(people) if name and re.fullmatch(r"[^\W\d_][^@+\d]*", name)
    ]
    redaction.learn(m.content for m in said)
    return _file(ticket, redaction, new, history, _became(said, last))


def _became(said: list[MessageView], last: MessageView) -> str:
    if last.outcome == "escalated" or last.reason:
        return f"escalate = {_toml([last.reason or 'any'])}"
    answers = [m.role for m in said if m.seq > last.seq and m.role in ("agent", "operator")]
    if answers:
        return "stay = true" if answers[0] == "agent" else f"escalate = {_toml(['any'])}"
    raise Rejected(
        "Nothing came of this message yet: it is neither answered nor handed over.",
        remedy="Wait for the answer, or choose an earlier message with --message.",
    )


def _file(
    ticket: TicketView, redaction: Redaction, new: list[MessageView], history: list[MessageView], became: str
) -> str:
    told = [_toml(f"{_ROLES.get(m.role, 'agent')}@{m.channel}: {redaction.of(m.content)}") for m in history]
    earlier = ["history = [", *(f"  {line}," for line in told), "]"] if told else []
    customer = redaction.of(ticket.item.customer) if redaction.names else "Alex Morgan"
    wanted = [
        "# Made of a real conversation. Read it before you keep it: rules find addresses, not every name or story.",
        "version = 1",
        'about = "Real conversations"',
        'knowledge = "own"',
        "",
        "[[case]]",
        f"name = {_toml(f'ticket-{new[-1].seq}-of-{ticket.item.number % 1000}')}",
        f"channel = {_toml(new[-1].channel)}",
        f"customer = {_toml(customer)}",
        f"subject = {_toml(redaction.of(ticket.item.subject or ''))}",
        *earlier,
        "messages = [",
        *(f"  {_toml(redaction.of(m.content))}," for m in new),
        "]",
        "# What happened. Is it what should happen? Name the page (source) and what must be said (facts), too.",
        became,
    ]
    return "\n".join(wanted) + "\n"


def _toml(value: str | list[str]) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
