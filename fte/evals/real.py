"""A case made of a real conversation: who wrote and what they could be known by is replaced, the same by the same.

Names are found where they are known (the customer, the operators), where letters have them (a salutation, the line after
a closing) and where somebody is introduced ("my colleague …"). What else tells who somebody is, only a person can find:
the file is for review.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from fte.agent.secrets import ACCOUNT, CARD, masked
from fte.domain.courtesies import CLOSINGS, GREETINGS
from fte.domain.errors import NotFound, Rejected
from fte.domain.escalation import REASONS
from fte.evals.case import ANY
from fte.wire import MessageView, TicketView

NAMES_MAX: Final = 100
"""Names, and firms, that are looked for in a conversation's texts."""
HISTORY_SHOWN: Final = 20
"""Earlier messages that go into the case."""
_NAMES: Final = (
    "Robin Vale", "Kim Marsh", "Jona Field", "Sam Brook", "Toni Hill", "Lou Stone", "Mika Wood", "Nic Shore",
)  # fmt: skip
_KEY: Final = r"(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[a-zA-Z])[A-Za-z0-9_\-]{16,}(?![\w-])"
_MAIL: Final = r"(?<![\w.+%'-])[\w.+%'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
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
    r"(?P<a>[A-ZÀ-Þ][\w'-]{1,40}(?: [A-ZÀ-Þ][\w'-]{1,40}){0,2})"
    rf"|(?:^\s*(?:{CLOSINGS}|best|thanks|groeten|mvg)[,!. ]*\n\s*)"
    r"(?P<b>[A-ZÀ-Þ][\w'-]{1,40}(?: [A-ZÀ-Þ][\w'-]{1,40}){0,2})"
)


_NAME: Final = r"[A-ZÀ-Þ][\w'-]{1,40}(?: [A-ZÀ-Þ][\w'-]{1,40}){0,2}"
_INTRODUCED: Final = re.compile(
    r"\b(?i:colleagues?|boss|manager|wife|husband|assistant|accountant|bookkeeper|partner|kolleg(?:e|in)|chef(?:in)?|herrn?|frau|mr\.?|mrs\.?"
    r"|ms\.?|dr\.?|mme|m\.|coll[eè]gue|compañer[oa]|señora?|signora?|collega|mevrouw|meneer"
    r"|my name is|i am called|ich hei(?:ß|ss)e|mein name ist|je m'appelle|me llamo|mi chiamo|meu nome é|mijn naam is)"
    rf"(?i:,? (?:is|was|called|named|namens|ist|heißt))?,? (?P<name>{_NAME})"
)
_FIRM: Final = re.compile(
    r"(?P<a>(?:[A-ZÀ-Þ][\w&'-]{1,40} (?:(?:&|and|und|et|y) )?){1,3})"
    r"(?:GmbH|AG|KG|UG|Ltd|Limited|Inc|LLC|LLP|B\.?V\.?"
    r"|SARL|S\.?r\.?l\.?|S\.A\.|Oy|ApS)(?!\w)"
    rf"|(?i:\b(?:work(?:ing)? (?:at|for)|employed (?:at|by)|company is|company called|on behalf of|firma)) (?P<b>{_NAME})"
)
_DATE: Final = (
    r"(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4}|\d{1,2}(?:\.|st|nd|rd|th)? (?:of )?[A-Za-zÀ-ÿ]{3,10}\.?,? \d{4}"
    r"|[A-Z][a-z]{2,8} \d{1,2},? \d{4})"
)
_BIRTH: Final = (
    r"(?i:\b(?:born|birth|birthday|dob|d\.o\.b\.?|geboren|geb\.?|geburts(?:datum|tag)|née?|naissance|nacid[oa]|nacimiento|nat[oa]"
    rf"|nascita|nascid[oa]|geboortedatum))(?i:[\s:,(]|on|am|is|ist|date|el|le|il|em|op){{1,8}}(?P<number>{_DATE})"
)
_PAPER: Final = (
    r"(?i:\b(?:passport|reisepass\w*|passnummer|passeport|pasaporte|passaporto|paspoort\w*"
    r"|(?:personal)?ausweis\w*|(?:id|identity) card"
    r"|driving licen[cs]e|driver's licen[cs]e|dni|ssn|social security|steuer-?id|bsn|codice fiscale|nif"
    r"|(?:licen[cs]e|number) plate|plate|kennzeichen|kenteken|matr[ií]cula|plaque))"
    r"(?i:[\s:,#.(]|no\b|nr\b|number|nummer|is\b|ist\b|est\b|es\b){1,6}"
    r"(?P<number>(?=[A-ZÄÖÜ -]{0,12}\d)[A-ZÄÖÜ0-9][A-ZÄÖÜ0-9-]{0,12}"
    r"(?: [A-ZÄÖÜ0-9-]{0,12}\d[A-ZÄÖÜ0-9-]{0,12}){0,3})"
)
_STREET: Final = (
    r"(?:\b[A-ZÀ-Þ][\w.'-]{0,40}(?:straße|strasse|str\.|weg|platz|allee|gasse|ring"
    r"|laan|straat|plein|gracht|kade) ?\d{1,4} ?[a-zA-Z]?\b"
    r"|\b(?:[A-ZÀ-Þ][\w.'-]{1,40} ){1,2}(?:Straße|Strasse|Str\.|Weg|Platz|Allee) \d{1,4}[a-z]?\b"
    r"|\b\d{1,5}[a-zA-Z]? (?:[A-Z][\w'-]{1,40} ){1,3}"
    r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Drive|Way|Square|Court|Boulevard|Blvd)\b\.?"
    r"|\b\d{1,4},? (?:bis )?(?i:rue|avenue|boulevard|place|chemin) (?:[\w'-]{1,40} ){0,3}[\w'-]{1,40}"
    r"|\b(?i:via|calle|rua|viale|plaza|avenida) (?:[\w'-]{1,40} ){0,3}[\w'-]{1,40},? \d{1,4}\b)"
)
_POSTCODE: Final = (
    r"(?:(?<=[,\n] )|(?<=\n)|(?<=in )|(?<=, ))(?:[A-Z]{1,2}-)?\d{5} [A-ZÀ-Þ][\w-]+(?: [A-ZÀ-Þ][\w-]+)?"
    r"|\b\d{4} ?[A-Z]{2}\b(?:,? [A-ZÀ-Þ][\w-]+)?|\b[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}\b"
    r"|\b(?:[A-Z][\w-]+,? )?[A-Z]{2} \d{5}(?:-\d{4})?\b"
)
_HANDLE: Final = r"(?<![\w.@/])@(?!(?:all|here|channel|everyone|team)\b)\w[\w.]{1,29}\w"
_FREE_MAIL: Final = re.compile(
    r"(?:gmail|googlemail|outlook|hotmail|live|yahoo|icloud|me|gmx|web|proton(?:mail)?|aol|mail)\.\w+(?:\.\w+)?"
)
_FIRMS: Final = ("Elmwood", "Northgate", "Fairfield", "Redbrick")


@dataclass(slots=True)
class Redaction:
    """Replaces the same by the same, over all texts of a conversation."""

    names: list[str] = field(default_factory=list)
    hosts: frozenset[str] = frozenset()
    """Of our own: they stay."""
    firms: list[str] = field(default_factory=list)
    known: dict[tuple[str, str], str] = field(default_factory=dict)

    def learn(self, texts: Iterable[str]) -> None:
        """Take the names out of salutations, closings and introductions, and the firms out of mail addresses."""
        for text in texts:
            for match in (*_CALLED.finditer(text), *_INTRODUCED.finditer(text)):
                name = next(filter(None, match.groups()))
                if name[0].isupper() and name not in self.names and name.lower() not in _NO_NAMES:
                    self.names.append(name)
            found = [(match["a"] or match["b"]).strip() for match in _FIRM.finditer(text)]
            for match in re.finditer(_MAIL, text):
                host = match[0].rpartition("@")[2].lower()
                if not self._ours(host) and not _FREE_MAIL.fullmatch(host):
                    found += [
                        host.split(".")[-3 if host.count(".") > 1 and len(host.split(".")[-2]) < 4 else -2]
                    ]
            for firm in found:
                if len(firm) > 2 and firm.lower() not in map(str.lower, self.firms):
                    self.firms.append(firm)
        del self.names[NAMES_MAX:], self.firms[NAMES_MAX:]

    def _ours(self, host: str) -> bool:
        return any(host == ours or host.endswith(f".{ours}") for ours in self.hosts)

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
            return self._url(whole)
        key = (kind, re.sub(r"\W", "", part).casefold())
        count = sum(known == kind for known, _ in self.known)
        return whole.replace(part, self.known.setdefault(key, make(count + 1, part)))

    def _nameless(self, text: str) -> str:
        for number, name in enumerate(self.names):
            stand_in = _NAMES[number % len(_NAMES)]
            first, _, last = stand_in.partition(" ")
            parts = name.split()
            for joined in _written_together(parts):
                text = re.sub(joined, lambda m, s=stand_in: _joined(m[0], s), text)  # type: ignore[misc]
            text = re.sub(rf"(?i)(?<!\w){re.escape(name)}(?!\w)", stand_in if len(parts) > 1 else first, text)
            for place, part in enumerate(parts):
                if len(part) > 2:
                    other = first if place == 0 else last
                    text = re.sub(rf"(?<!\w){re.escape(part)}(?:'s)?(?!\w)", other, text)
        for number, firm in enumerate(self.firms):
            stand_in = _FIRMS[number % len(_FIRMS)]
            text = re.sub(rf"(?i)(?<![^\W_]){re.escape(firm)}(?![^\W_])", stand_in, text)
        return text

    def _url(self, url: str) -> str:
        """An address without its query: that may let somebody in. Of another's than ours, only that it is one stays."""
        bare = url.partition("?")[0].partition("#")[0]
        host = (
            re.sub(r"(?i)^https?://", "", bare).partition("/")[0].rpartition("@")[2].partition(":")[0].lower()
        )
        if self._ours(host):
            return re.sub(_KEY, "token", bare)
        key = ("site", host)
        number = sum(kind == "site" for kind, _ in self.known) + 1
        return f"https://{self.known.setdefault(key, f'site{number}.example')}/page"


_ESCALATED: Final = "escalated: "
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
    ("birth", _BIRTH, lambda n, was: "1 January 1980"),
    ("paper", _PAPER, lambda n, was: _unlike(was)),
    ("street", _STREET, lambda n, was: f"{n} Main Street"),
    ("postcode", _POSTCODE, lambda n, was: "00000 Town"),
    ("handle", _HANDLE, lambda n, was: f"@person{n}"),
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


def _unlike(number: str) -> str:
    """Letters and digits of the same shape that say nothing."""
    return re.sub(r"\d", "0", re.sub(r"[^\W\d_]", "X", number))


def _written_together(name: list[str]) -> Iterator[str]:
    """Patterns for a name as it stands in an address: `lena.brandt`, `brandt-lena`, `lenabrandt`, `l.brandt`."""
    if len(name) > 1:
        first, last = re.escape(name[0]), re.escape(name[-1])
        for one, apart, other in ((first, "{0,2}", last), (last, "{0,2}", first), (first[0], "?", last)):
            yield rf"(?i)(?<![^\W_]){one}[\s._-]{apart}{other}(?![^\W_])"


def _joined(was: str, name: str) -> str:
    """The stand-in written as the name was: small, or without its blank."""
    apart = re.search(r"[\s._-]+", was)
    joined = name.replace(" ", apart[0] if apart else "")
    return joined.lower() if was.islower() else joined


def made(ticket: TicketView, upto: int | None = None, hosts: Iterable[str] = ()) -> str:
    """A suite's file with one case: the customer's messages up to number `upto`, and what became of them.

    `hosts` are our own: links to them, and to those in our messages, stay what they are.

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
    redaction = Redaction(hosts=frozenset({*hosts, *_named_by_us(said)}))
    people = [ticket.item.customer, *ticket.operators.values()]
    redaction.names += [
        name for name in dict.fromkeys(people) if name and re.fullmatch(r"[^\W\d_][^@+\d]*", name)
    ]
    redaction.learn(f"{m.author}\n{m.content}" for m in said)
    return _file(ticket, redaction, new, history, _became(ticket, said, last))


def _named_by_us(said: list[MessageView]) -> Iterator[str]:
    for message in said:
        if message.role == "agent":
            for match in re.finditer(_URL, message.content):
                yield re.sub(r"(?i)^https?://", "", match[0]).partition("/")[0].rpartition("@")[2].lower()


def _became(ticket: TicketView, said: list[MessageView], last: MessageView) -> str:
    if last.outcome == "escalated":
        return f"escalate = {_toml([_reason(ticket, said, last)])}"
    answers = [m.role for m in said if m.seq > last.seq and m.role in ("agent", "operator")]
    if answers:
        return "stay = true" if answers[0] == "agent" else f"escalate = {_toml(['any'])}"
    raise Rejected(
        "Nothing came of this message yet: it is neither answered nor handed over.",
        remedy="Wait for the answer, or choose an earlier message with --message.",
    )


def _reason(ticket: TicketView, said: list[MessageView], last: MessageView) -> str:
    """Why it was handed over: as the run says that told the customer, or the event of it, or the conversation now."""
    told = next((m.run_id for m in said if m.seq > last.seq and m.role == "agent"), None)
    verdicts = (verdict for run in ticket.runs if run.id == told for verdict in run.verdicts)
    found = [verdict.removeprefix(_ESCALATED) for verdict in verdicts if verdict.startswith(_ESCALATED)]
    for event in ticket.events:
        if (
            event.type == "conversation.escalated"
            and event.at >= last.created_at
            and isinstance(event.payload, dict)
        ):
            found.append(str(event.payload.get("reason")))
    found.append(ticket.item.reason or ANY)
    return next((reason for reason in found if reason in REASONS), ANY)


def _file(
    ticket: TicketView, redaction: Redaction, new: list[MessageView], history: list[MessageView], became: str
) -> str:
    told = [_toml(f"{_ROLES.get(m.role, 'agent')}@{m.channel}: {redaction.of(m.content)}") for m in history]
    earlier = ["history = [", *(f"  {line}," for line in told), "]"] if told else []
    customer = redaction.of(ticket.item.customer) if redaction.names else "Alex Morgan"
    wanted = [
        "# Made of a real conversation. Read it before you keep it: rules do not find every name, firm, place or story.",
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
