"""An HTML body as the lines its reader saw: hidden text and comments gone, quotes and signatures marked.

One pass with an explicit stack: parsers that build a browser's tree can be made to take gigabytes by two pages of
crossed tags, and the standard library's tokenizer takes time that grows with the square of unclosed ones.
"""

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from fte.channels.gmail.quoting import LINES_MAX, Line

HTML_MAX: Final = 500_000
"""Characters of HTML read."""
TAG_MAX: Final = 20_000
"""Characters of one tag; a longer one is text."""
LINK_MAX: Final = 300
"""Characters of an address shown beside a link's text."""
STYLE_MAX: Final = 4_000
"""Characters of one style attribute looked at."""
SHEET_MAX: Final = 100_000
"""Characters of style sheets looked at."""

_VOID: Final = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
    ]
)
_UNREAD: Final = frozenset(
    [
        "script",
        "style",
        "template",
        "noscript",
        "svg",
        "math",
        "iframe",
        "object",
        "canvas",
        "audio",
        "video",
        "head",
        "title",
        "select",
        "textarea",
        "xml",
    ]
)
_RAW: Final = frozenset(
    {"script", "style", "title", "textarea", "iframe", "noscript", "xmp", "noembed", "noframes"}
)
"""Elements whose content is no markup: it ends at their end tag only."""
_BLOCKS: Final = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "details",
        "dd",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "html",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
    ]
)
_SPACED: Final = frozenset(
    ["h1", "h2", "h3", "h4", "h5", "h6", "p", "pre", "table", "ul", "ol", "dl", "blockquote", "hr"]
)
_CLOSED_BY: Final = {
    "p": _BLOCKS,
    "li": frozenset({"li"}),
    "dt": frozenset({"dt", "dd"}),
    "dd": frozenset({"dt", "dd"}),
    "td": frozenset({"td", "th", "tr", "tbody"}),
    "th": frozenset({"td", "th", "tr", "tbody"}),
    "tr": frozenset({"tr", "tbody"}),
}
"""Elements whose end tag may be left out, and the start tags that end them."""

_ATTRIBUTE: Final = re.compile(r"([^\s=/>\"']+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']*)))?")
_TAG: Final = re.compile(
    r"<(/?)([a-zA-Z][^\s/<>]{0,60})((?:[^<>=]++|=\s*+(?>\"[^\"]*\"|'[^']*'|(?![\"'])))*+)>"
)
_BROKEN_TAG: Final = re.compile(r"<(/?)([a-zA-Z][^\s/<>]{0,60})([^<>]*+)>")
_UNSEEN_STYLE: Final = re.compile(
    r"display:none|visibility:(hidden|collapse)|mso-hide:all|opacity:0*(\.0+)?(;|$|!)|color:transparent"
    r"|font-size:0*(\.\d+)?(px|pt|em|rem|%)?(;|$|!)|max-height:0(px)?(;|$|!)|text-indent:-\d{3,}|(left|top):-\d{4,}"
)
_STYLE_NOISE: Final = re.compile(r"\s+|/\*.*?\*/")
_RULE: Final = re.compile(r"([^{}]{1,500})\{([^{}]{0,2000})\}")
_SELECTOR: Final = re.compile(r"(?:^|,)\s*[\w-]*([.#][\w-]+)\s*(?=,|$)")
_SPACE: Final = re.compile(r"[ \t\r\n\f]+")
_HUGE_REFERENCE: Final = re.compile(r"&#0*\d{8,};?")
_QUOTE_CLASSES: Final = frozenset(
    {"yahoo_quoted", "protonmail_quote", "zmail_extra", "gmail_quote_attribution"}
)
_TIGHT_CLASSES: Final = frozenset(
    {"msonormal", "msolistparagraph", "msoplaintext", "x_msonormal", "p1", "p2"}
)
"""Paragraphs of editors that put one around every line."""
_SIGNATURE_NAMES: Final = frozenset(
    {"gmail_signature", "moz-signature", "signature", "ms-outlook-mobile-signature", "applemailsignature"}
    | {"x_signature", "protonmail_signature_block", "tutanota_signature", "mail-editor-signature"}
)


@dataclass(slots=True)
class Page:
    """The lines of a body, and the Content-IDs of the images it shows."""

    lines: list[Line] = field(default_factory=list)
    images: set[str] = field(default_factory=set)


def read_html(text: str, names: Mapping[str, str]) -> Page:
    """The visible lines of a body. `names` are the file names of its parts by Content-ID. Never raises."""
    walker = _Walker(names)
    for kind, value, attributes in _tokens(text[:HTML_MAX]):
        if kind == "start":
            walker.start(value, _attributes(attributes))
        elif kind == "end":
            walker.end(value)
        elif kind == "style":
            walker.style_sheet(value)
        else:
            walker.data(value)
        if len(walker.page.lines) > LINES_MAX:
            break
    walker.end_line()
    return walker.page


def _tokens(text: str) -> Iterator[tuple[str, str, str]]:
    """(kind, name or text, attributes) of what a page consists of, in time linear in its length."""
    at = 0
    last = text.rfind(">")  # beyond it, nothing can be a tag
    while at < len(text):
        opened = text.find("<", at)
        if opened < 0 or opened > last:
            break
        if opened > at:
            yield "text", text[at:opened], ""
        following = text[opened + 1 : opened + 4]
        if following == "!--":
            end = text.find("-->", opened + 4)
            if end < 0:
                return  # a comment that never ends hides the rest, as in a browser
            at = end + 3
        elif following[:1] in ("!", "?"):
            at = text.find(">", opened) + 1
        elif tag := _tag(text, opened):
            name = tag[2].lower()
            yield ("end" if tag[1] else "start"), name, tag[3]
            at = tag.end()
            if name in _RAW and not tag[1]:
                end, after = _raw_end(text, name, at)
                if name == "style":
                    yield "style", text[at:end], ""
                yield "end", name, ""
                at = after
        else:
            yield "text", "<", ""
            at = opened + 1
    if at < len(text):
        rest = text[at:]
        # A tag that never ends hides what follows it, as in a browser.
        unfinished = re.search(r"<[a-zA-Z/!?]", rest)
        yield "text", rest[: unfinished.start()] if unfinished else rest, ""


def _tag(text: str, at: int) -> re.Match[str] | None:
    return _TAG.match(text, at, at + TAG_MAX) or _BROKEN_TAG.match(text, at, at + TAG_MAX)


def _raw_end(text: str, name: str, at: int) -> tuple[int, int]:
    found = re.compile(rf"</{name}[\s/>]", re.IGNORECASE).search(text, at)
    if found is None:
        return len(text), len(text)
    after = text.find(">", found.start())
    return found.start(), after + 1 if after >= 0 else len(text)


def _attributes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _ATTRIBUTE.finditer(text):
        value = next((group for group in match.groups()[1:] if group is not None), "")
        found.setdefault(match[1].lower(), _unescaped(value))
    return found


def _unescaped(text: str) -> str:
    if "&" not in text:
        return text
    return html.unescape(_HUGE_REFERENCE.sub("\ufffd", text))


def _hides(style: str) -> bool:
    return _UNSEEN_STYLE.search(_STYLE_NOISE.sub("", style[:STYLE_MAX].lower())) is not None


@dataclass(slots=True)
class _Open:
    tag: str
    unseen: bool
    quote: bool
    signature: bool
    spaced: bool


class _Walker:
    """Follows the tags of a page and keeps the line it is on."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.page = Page()
        self._names = names
        self._open: list[_Open] = []
        self._named: Counter[str] = Counter()
        self._unseen = self._depth = self._signature = self._pre = 0
        self._parts: list[str] = []
        self._lists: list[int | None] = []
        self._link: tuple[str, int] | None = None
        self._hidden: set[str] = set()
        self._sheets = 0

    # -- tags

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        while self._open and tag in _CLOSED_BY.get(self._open[-1].tag, ()):
            self._pop()
        if tag in _VOID:
            self._void(tag, attributes)
            return
        opened = self._entered(tag, attributes)
        if tag in _BLOCKS and not self._unseen:
            self._block(opened.spaced)
        self._open.append(opened)
        self._named[tag] += 1
        self._count(opened, 1)
        if not self._unseen:
            self._begin(tag, attributes)

    def end(self, tag: str) -> None:
        if not self._named[tag]:
            if tag == "p":
                self.end_line()
            return
        while self._pop() != tag:
            pass

    def style_sheet(self, text: str) -> None:
        text = text[: max(0, SHEET_MAX - self._sheets)]
        self._sheets += len(text)
        for selectors, rules in _RULE.findall(text):
            if _hides(rules):
                self._hidden.update(_SELECTOR.findall(selectors.strip()))

    def _entered(self, tag: str, attributes: dict[str, str]) -> _Open:
        names = {name.lower() for name in (*attributes.get("class", "").split(), attributes.get("id", ""))}
        return _Open(
            tag,
            self._is_unseen(tag, attributes),
            (tag == "blockquote" and not _indents(attributes)) or not names.isdisjoint(_QUOTE_CLASSES),
            not names.isdisjoint(_SIGNATURE_NAMES),
            tag in _SPACED and names.isdisjoint(_TIGHT_CLASSES),
        )

    def _is_unseen(self, tag: str, attributes: dict[str, str]) -> bool:
        if tag in _UNREAD or "hidden" in attributes or _hides(attributes.get("style", "")):
            return True
        names = {f".{name}" for name in attributes.get("class", "").split()} | {f"#{attributes.get('id')}"}
        return not self._hidden.isdisjoint(names)

    def _pop(self) -> str:
        closed = self._open.pop()
        self._named[closed.tag] -= 1
        if not self._unseen:
            self._finish(closed)
        self._count(closed, -1)
        return closed.tag

    def _count(self, element: _Open, change: int) -> None:
        if element.quote or element.signature:
            self.end_line()
        self._unseen += change * element.unseen
        self._depth += change * element.quote
        self._signature += change * element.signature
        self._pre += change * (element.tag == "pre")

    # -- elements

    def _void(self, tag: str, attributes: dict[str, str]) -> None:
        if self._unseen:
            return
        if tag == "br":
            self._new_line()
        elif tag == "hr":
            self._block(True)
        elif tag == "img" and not _hides(attributes.get("style", "")):
            self._image(attributes)

    def _image(self, attributes: dict[str, str]) -> None:
        source = attributes.get("src", "").strip()
        if source[:4].lower() == "cid:":
            content_id = source[4:]
            self.page.images.add(content_id)
            name = self._names.get(content_id) or attributes.get("alt", "")
            self._parts.append(f"[image: {_flat(name)}]" if name.strip() else "[image]")
        elif source[:5].lower() == "data:":
            self._parts.append("[image]")
        elif _is_emoji(attributes.get("alt", "")):
            self._parts.append(attributes["alt"])

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in ("ol", "ul"):
            start = attributes.get("start", "1")
            number = int(start) if start.isascii() and start.isdigit() and len(start) < 6 else 1
            self._lists.append(number if tag == "ol" else None)
        elif tag == "li":
            self._item()
        elif tag in ("td", "th"):
            if "".join(self._parts[-3:]).strip():
                self._parts.append(" | ")
        elif tag == "a":
            self._link = attributes.get("href", "").strip(), len(self._parts)

    def _finish(self, closed: _Open) -> None:
        if closed.tag == "a":
            self._end_link()
        elif closed.tag in ("ol", "ul") and self._lists:
            self._lists.pop()
        if closed.tag in _BLOCKS:
            self._block(closed.spaced)

    def _item(self) -> None:
        number = self._lists[-1] if self._lists else None
        if number is not None:
            self._lists[-1] = number + 1
        self._parts.append("- " if number is None else f"{number}. ")

    def _end_link(self) -> None:
        address, start = self._link or ("", 0)
        self._link = None
        shown = "".join(self._parts[start:]).strip()
        web = address.lower().startswith(("https://", "http://")) and len(address) <= LINK_MAX
        if web and shown and not shown.startswith("[image") and _bare(address) not in _bare(shown):
            self._parts.append(f" ({address})")

    def _link_wraps(self) -> None:
        if self._link:
            self._link = self._link[0], 0

    # -- text

    def data(self, text: str) -> None:
        if self._unseen:
            return
        text = _unescaped(text)
        if self._pre:
            first, *others = text.split("\n")
            self._parts.append(first)
            for other in others:
                self._new_line()
                self._parts.append(other)
            return
        text = _SPACE.sub(" ", text)
        self._parts.append(text.lstrip(" ") if not self._parts or self._parts[-1].endswith(" ") else text)

    def _block(self, spaced: bool) -> None:
        self.end_line()
        if spaced and self.page.lines and self.page.lines[-1].text:
            self._add("")

    def end_line(self) -> None:
        """End the line, if it has anything on it."""
        if "".join(self._parts).strip(" "):
            self._new_line()
        else:
            self._parts.clear()
            self._link_wraps()

    def _new_line(self) -> None:
        self._add("".join(self._parts).replace("\xa0", " ").rstrip())
        self._parts.clear()
        self._link_wraps()

    def _add(self, text: str) -> None:
        self.page.lines.append(Line(text, self._depth, self._signature > 0))


def _indents(attributes: dict[str, str]) -> bool:
    """Some editors indent with a blockquote; a quotation says so, or has a line beside it."""
    if attributes.get("type", "").lower() == "cite" or "cite" in attributes or "class" in attributes:
        return False
    style = _STYLE_NOISE.sub("", attributes.get("style", "")[:STYLE_MAX].lower())
    return "border:none" in style or "border:0" in style or "margin:00040px" in style


def _is_emoji(alt: str) -> bool:
    return 0 < len(alt) <= 8 and not alt.isascii()


def _flat(name: str) -> str:
    return " ".join(name.replace("[", "(").replace("]", ")").split())[:100]


def _bare(address: str) -> str:
    return re.sub(r"^https?://(www\.)?|/$", "", address.strip().lower())
