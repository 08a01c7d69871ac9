"""What is new in a mail: the sender's words apart from quoted history, forwarded mail and signature."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from fte.channels.gmail import phrases

LINES_MAX: Final = 8_000
"""Lines of a body read; later ones are cut off."""
LINE_MAX: Final = 20_000
"""Characters up to which a broken line is put back together."""
PHRASE_MAX: Final = 120
"""Characters of a line that is nothing but a mail program's phrase."""
ATTRIBUTION_MAX: Final = 400
"""Characters of the line above a quotation, which programs break into several."""
ATTRIBUTION_LINES: Final = 4
BLOCK_LINES: Final = 14
"""Lines in which a header block must show what it is."""
SIGNATURE_LINES: Final = 40
CARD_LINES: Final = 12
"""Lines a signature may have: after the marker of RFC 3676, and after a mere closing."""

_QUOTE: Final = re.compile(r"(?:[ ]{0,3}>)+[ ]?")
_MARKER: Final = re.compile(r"[ \xa0]{0,2}--[ \xa0]?|_{2,4}|—|–{1,2}|-- ?\*?")
_DATED: Final = re.compile(r"\b(?:19|20)\d\d\b|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|\d年")
_TIMED: Final = re.compile(r"\b\d{1,2}[:.h]\d{2}\b|\b\d{1,2}\s?[ap]\.?m\b", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"\S@\S+\.\S")
_COLON: Final = re.compile(r"[:：]\W{0,6}$|[^\x00-\u2e7f]\W{0,6}$")
_RULE: Final = re.compile(r"\s*[-_=*─]{5,}\s*")
_POSTSCRIPT: Final = re.compile(r"\s*p\.?\s?s\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
    """One line, how deep it is quoted, and whether the HTML calls it part of a signature."""

    text: str
    depth: int = 0
    signature: bool = False

    @property
    def blank(self) -> bool:
        return not self.text.strip()


@dataclass(slots=True)
class Split:
    """A body taken apart. The lines of each kind are in their order, runs of one kind apart by a blank line."""

    own: list[str] = field(default_factory=list)
    quoted: list[str] = field(default_factory=list)
    forwarded: list[str] = field(default_factory=list)
    signature: list[str] = field(default_factory=list)


def plain_lines(text: str, *, flowed: bool = False, delsp: bool = False) -> list[Line]:
    """The lines of a plain text body; those of format=flowed (RFC 3676) are put back together."""
    lines: list[Line] = []
    open_line = False
    for raw in text.split("\n", LINES_MAX)[:LINES_MAX]:
        line = _plain_line(raw, flowed)
        signature = line.text in ("-- ", "--")
        soft = flowed and line.text.endswith(" ") and not signature
        text = line.text[:-1] if soft and delsp else line.text
        if open_line and not signature and lines[-1].depth == line.depth and len(lines[-1].text) < LINE_MAX:
            text = lines.pop().text + text
        lines.append(Line(text, line.depth))
        open_line = soft
    return [Line(line.text.rstrip() if line.text != "-- " else line.text, line.depth) for line in lines]


def _plain_line(raw: str, flowed: bool) -> Line:
    quote = _QUOTE.match(raw)
    if quote is None:
        return Line(raw[1:] if flowed and raw.startswith(" ") else raw)
    return Line(raw[quote.end() :], quote[0].count(">"))


def shown(lines: Sequence[Line]) -> str:
    """The readable text of a body, quotes marked with `>`."""
    return tidy(shown_lines(lines, 0))


def tidy(lines: Iterable[str]) -> str:
    """Lines as a text: no trailing spaces, single blank lines, no empty ends."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip("\n")


def split(lines: Sequence[Line], *, reply: bool, forward: bool) -> Split:
    """Take a body apart. `reply` and `forward` are what headers and subject say of the mail."""
    splitter = _Splitter(lines, reply, forward)
    splitter.run()
    return splitter.result()


class _Splitter:
    """Goes down a body once. What is not the sender's own is history in a reply, and forwarded otherwise."""

    def __init__(self, lines: Sequence[Line], reply: bool, forward: bool) -> None:
        self._lines = lines
        self._reply = reply
        self._forward = forward
        self._segments: list[list[Line]] = [[]]
        self._quoted: list[str] = []
        self._forwarded: list[str] = []

    def run(self) -> None:
        at = 0
        announced = False
        while at < len(self._lines):
            line = self._lines[at]
            if line.depth:
                at = self._quotation(at, announced)
                announced = False
            elif line.blank or line.signature:
                self._segments[-1].append(line)
                at += 1
            elif _is(phrases.FORWARDED, line.text):
                self._drop_rule()
                at = self._history(at, at + 1, self._forwarded)
            elif beginning := self._boundary(at):
                self._drop_rule()
                at = self._history(at, beginning, self._past)
            elif length := self._attribution(at):
                self._past.extend(each.text for each in self._lines[at : at + length])
                at += length
                announced = True
                if not self._quote_follows(at):
                    at = self._rest(at, self._past)
            else:
                self._segments[-1].append(line)
                at += 1

    def result(self) -> Split:
        found = Split(quoted=self._quoted, forwarded=self._forwarded)
        for segment in self._segments:
            own, signature = _unsigned(segment, anything_before=any(found.own))
            if any(own):
                found.own += ["", *own] if found.own else own
            found.signature += signature
        if not any(found.own):
            # Some programs put the cursor into the signature: words there are better than none.
            found.own = [line.text for segment in self._segments for line in segment if line.signature]
            found.own = [] if _is_card(found.own) else found.own
        return found

    @property
    def _past(self) -> list[str]:
        return self._forwarded if self._forward or not self._reply else self._quoted

    # -- quotations marked as such

    def _quotation(self, at: int, announced: bool) -> int:
        end = self._quotation_end(at)
        run = self._lines[at:end]
        first = next((line.text for line in run if not line.blank), "")
        if _is(phrases.FORWARDED, first) or (self._forward and announced):
            self._forwarded += shown_lines(run, 1)
        elif announced or self._reply or self._forward:
            self._past.extend(shown_lines(run, 0))
        else:
            self._segments[-1] += [Line(text) for text in shown_lines(run, 0)]
            return end
        self._segments.append([])
        return end

    def _quotation_end(self, at: int) -> int:
        end = at
        while at < len(self._lines):
            if self._lines[at].depth:
                end = at = at + 1
            elif self._lines[at].blank or self._is_fragment(at):
                at += 1
            else:
                break
        return end

    def _is_fragment(self, at: int) -> bool:
        """The end of a long quoted line that a program broke without marking it again."""
        if not 0 < at < len(self._lines) - 1:
            return False
        before, line, after = self._lines[at - 1 : at + 2]
        text = line.text.strip()
        long_before = before.depth > 0 and len(before.text) >= 55
        return long_before and after.depth > 0 and len(text) <= 40 and text[:1].islower()

    def _quote_follows(self, at: int) -> bool:
        return any(line.depth for line in self._lines[at : at + 3] if not line.blank)

    # -- history that is not marked

    def _boundary(self, at: int) -> int | None:
        """Where the history begins whose separator or header block is here."""
        if _is(phrases.SEPARATOR, self._lines[at].text):
            following = self._next_text(at + 1)
            return self._header_block(following) or at + 1
        return self._header_block(at)

    def _header_block(self, at: int) -> int | None:
        """Where a header block that begins here ends; None when none begins here."""
        if (
            at >= len(self._lines)
            or self._lines[at].depth
            or not phrases.LABEL.match(self._lines[at].text[:200])
        ):
            return None
        roles: set[str] = set()
        end, others, addressed = at, 0, False
        for number, line in enumerate(self._lines[at : at + BLOCK_LINES], start=at):
            label = phrases.LABEL.match(line.text[:200])
            if label:
                roles.add(label.lastgroup or "")
                end = number + 1
            elif not line.blank:
                others += 1
            if line.depth or others > 3:
                break
            addressed = addressed or (
                label is not None and _ADDRESS.search(line.text[:ATTRIBUTION_MAX]) is not None
            )
        said = "from" in roles and not roles.isdisjoint({"date", "subject"})
        return end if said and (len(roles) >= 4 or (len(roles) == 3 and addressed)) else None

    def _next_text(self, at: int) -> int:
        while at < len(self._lines) and self._lines[at].blank:
            at += 1
        return at

    def _history(self, at: int, begins: int, into: list[str]) -> int:
        """Take the heading, and all that follows, unless what follows is marked as quoted line by line."""
        into.extend(line.text for line in self._lines[at:begins])
        following = self._header_block(self._next_text(begins)) or begins
        into.extend(line.text for line in self._lines[begins:following])
        if not self._quote_follows(following):
            return self._rest(following, into)
        end = self._quotation_end(self._next_text(following))
        into.extend(shown_lines(self._lines[following:end], 0))
        self._segments.append([])
        return end

    def _rest(self, at: int, into: list[str]) -> int:
        into.extend(shown_lines(self._lines[at:], 0))
        self._segments.append([])
        return len(self._lines)

    def _drop_rule(self) -> None:
        """A line drawn above the history belongs to it."""
        segment = self._segments[-1]
        while segment and (segment[-1].blank or _RULE.fullmatch(segment[-1].text)):
            segment.pop()

    # -- the line above a quotation

    def _attribution(self, at: int) -> int:
        """How many lines, from this one on, say who wrote what follows; 0 when they do not."""
        joined = ""
        for count in range(1, ATTRIBUTION_LINES + 1):
            if at + count > len(self._lines):
                return 0
            line = self._lines[at + count - 1]
            if line.depth or line.blank or line.signature:
                return 0
            joined = f"{joined} {line.text.strip()}".strip()
            if len(joined) > ATTRIBUTION_MAX:
                return 0
            if _COLON.search(joined) and self._attributes(joined, at, count):
                return count
        return 0

    def _attributes(self, joined: str, at: int, count: int) -> bool:
        dated = _DATED.search(joined) is not None
        timed = _TIMED.search(joined) is not None
        addressed = _ADDRESS.search(joined) is not None
        followed = self._quote_follows(at + count)
        lead = phrases.LEAD.match(joined) is not None
        if count > 1 and not (lead and _continues(self._lines[at].text)):
            return False
        if phrases.WROTE.search(joined):
            return followed or (lead and dated and (timed or addressed))
        return followed and joined.endswith((":", "：")) and (addressed or (dated and timed))


def _continues(text: str) -> bool:
    """Whether a line could be the first of several that say who wrote something."""
    text = text.strip()
    dated = re.search(r"[\d@<]", text) is not None
    return dated and (not text.endswith((".", "!", "?", "…")) or _DATED.search(text) is not None)


def _is(phrase: re.Pattern[str], text: str) -> bool:
    return len(text) <= PHRASE_MAX and phrase.fullmatch(text) is not None


def shown_lines(lines: Sequence[Line], off: int) -> list[str]:
    """Lines with their quote marks, `off` levels less."""
    return ["> " * min(max(line.depth - off, 0), 20) + line.text for line in lines]


# ---------------------------------------------------------------- signatures


def _unsigned(segment: list[Line], *, anything_before: bool) -> tuple[list[str], list[str]]:
    """The own lines of a run, and those of the signature below them."""
    signature = [line.text for line in segment if line.signature]
    own = [line.text for line in segment if not line.signature]
    for cut in (_marked, _disclaimed, _carded):
        at = cut(own, anything_before)
        signature = own[at:] + signature
        own = own[:at]
    sent_from = [line for line in own if _is(phrases.SENT_FROM, line)]
    own = [line for line in own if not _is(phrases.SENT_FROM, line)]
    while own and (not own[-1].strip() or _RULE.fullmatch(own[-1])):
        own.pop()
    while own and not own[0].strip():
        own.pop(0)
    return own, sent_from + signature


def _marked(lines: list[str], anything_before: bool) -> int:
    """Where the signature marker of RFC 3676 section 4.3 is, or what people take for one."""
    for at, line in _tail(lines, SIGNATURE_LINES):
        if not _MARKER.fullmatch(line):
            continue
        below = [other for other in lines[at + 1 :] if other.strip()]
        exact = line == "-- "
        if len(below) > (SIGNATURE_LINES if exact else CARD_LINES):
            continue
        if exact or ((anything_before or any(lines[:at])) and not _asks(below)):
            return at
    return len(lines)


def _disclaimed(lines: list[str], _: bool) -> int:
    for at, line in _tail(lines, SIGNATURE_LINES):
        if phrases.DISCLAIMER.match(line[:400]) and not _asks(lines[at:]):
            return at
    return len(lines)


def _carded(lines: list[str], _: bool) -> int:
    """Where numbers and addresses begin below a closing; the closing and the name stay."""
    for at, line in _tail(lines, CARD_LINES):
        if len(line) > 60 or not phrases.CLOSING.fullmatch(line):
            continue
        below = lines[at + 1 :]
        if _asks(below):
            continue
        for further, other in enumerate(below, start=at + 1):
            if len(other) <= 100 and phrases.CONTACT.fullmatch(other):
                return further
    return len(lines)


def _tail(lines: list[str], count: int) -> list[tuple[int, str]]:
    """The lines, with their places, that have at most `count` lines with text below them."""
    found: list[tuple[int, str]] = []
    for at in range(len(lines) - 1, -1, -1):
        if lines[at].strip():
            found.append((at, lines[at]))
            if len(found) > count:
                break
    return found[::-1]


def _asks(lines: Sequence[str]) -> bool:
    return any(
        ("?" in line and "://" not in line) or _POSTSCRIPT.match(line) or len(line) > 1_500 for line in lines
    )


def _is_card(lines: Sequence[str]) -> bool:
    """Whether a signature holds nothing but a name and how to reach it."""
    return not any(len(line.split()) >= 4 and line.rstrip().endswith((".", "?", "!")) for line in lines)
