"""HTML to blocks: what a browser would show of a page's text, and nothing it would hide (threat T8)."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

from fte.knowledge.chunk import Block
from fte.knowledge.clean import tidy

DEPTH_MAX: Final = 200
"""Open elements; deeper ones are read as if they were closed at once."""

_VOID: Final = frozenset(
    {
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
    }
)
_UNREAD: Final = frozenset(
    {"script", "style", "template", "noscript", "svg", "math", "iframe", "object", "canvas", "audio", "video"}
    | {"select", "textarea", "button", "nav", "footer"}
)
_BLOCKS: Final = frozenset(
    {
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "details",
        "div",
        "fieldset",
        "figcaption",
        "figure",
    }
    | {"form", "head", "header", "hr", "html", "main", "p", "pre", "section", "summary", "title"}
    | {"dd", "dl", "dt", "li", "ol", "ul", "table", "tbody", "td", "tfoot", "th", "thead", "tr"}
    | {"h1", "h2", "h3", "h4", "h5", "h6"}
)
_CLOSED_BY: Final = {
    "p": _BLOCKS - {"td", "th", "tr", "li", "dt", "dd"},
    "li": frozenset({"li"}),
    "dt": frozenset({"dt", "dd"}),
    "dd": frozenset({"dt", "dd"}),
    "td": frozenset({"td", "th", "tr"}),
    "th": frozenset({"td", "th", "tr"}),
    "tr": frozenset({"tr"}),
}
"""Elements whose end tag may be left out, and the start tags that end them."""
_UNSEEN_STYLE: Final = re.compile(
    r"display:none|visibility:(hidden|collapse)|opacity:0*(\.0+)?(;|$|!)|font-size:0*(\.\d+)?(px|pt|em|rem|%)?(;|$|!)"
    r"|color:transparent|text-indent:-\d{3,}|clip:rect\(0|(left|top):-\d{4,}"
)
_HIDING_RULE: Final = re.compile(r"([^{}]{1,500})\{([^{}]{0,2000})\}")
_STYLE_SHEET: Final = re.compile(r"<style[^>]{0,200}>(.*?)(?:</style|\Z)", re.IGNORECASE | re.DOTALL)
_COMMENT: Final = re.compile(r"<!--(?:-?>|.*?(?:--!?>|\Z))", re.DOTALL)
_OPEN_TAG: Final = re.compile(r"<[a-zA-Z/!?][^<>]*\Z")
_SELECTOR: Final = re.compile(r"(?:^|,)\s*[\w-]*([.#][\w-]+)\s*(?=,|$)")
_SPACE: Final = re.compile(r"[ \t\r\n\f]+")
_CELL_GAP: Final = re.compile(r" *\| *")
_HEADING: Final = re.compile(r"h([1-6])")


@dataclass(slots=True)
class Read:
    """What a page says: its blocks, and what its head calls it."""

    title: str = ""
    category: str = ""
    blocks: list[Block] = field(default_factory=list)


def read_html(text: str) -> Read:
    """The visible blocks of a page. Never raises: what is not HTML is read as a browser would, as text."""
    # What is never closed runs to the end of the page in a browser, but is text to the parser.
    text = _OPEN_TAG.sub("", _COMMENT.sub("", text))
    walker = _Walker(_hidden_names(text))
    walker.feed(text)
    walker.close()
    walker.end_block()
    return walker.found


def _hidden_names(text: str) -> frozenset[str]:
    """The `.class` and `#id` selectors that the page's own style sheets hide."""
    names: set[str] = set()
    for sheet in _STYLE_SHEET.findall(text):
        for selectors, rules in _HIDING_RULE.findall(sheet):
            if _hides(rules):
                names.update(_SELECTOR.findall(selectors.strip()))
    return frozenset(names)


def _hides(style: str) -> bool:
    return _UNSEEN_STYLE.search(re.sub(r"\s+|/\*.*?\*/", "", style.lower())) is not None


class _Walker(HTMLParser):
    """Follows the tags of a page with an explicit stack, so no nesting can exhaust anything."""

    def __init__(self, hidden_names: frozenset[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.found = Read()
        self._hidden_names = hidden_names
        self._open: list[tuple[str, bool]] = []
        self._unseen = 0
        self._parts: list[str] = []
        self._line_start = True
        self._lists: list[int | None] = []
        self._links: list[str] = []
        self._link_start = 0
        self._cells = 0

    # -- what html.parser calls

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self._close_implied(tag)
        if tag in _VOID:
            self._void(tag, attributes)
            return
        if len(self._open) >= DEPTH_MAX:
            return
        unseen = self._is_unseen(tag, attributes)
        self._open.append((tag, unseen))
        self._unseen += unseen
        if not self._unseen:
            self._start(tag, attributes)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # HTML has no self-closing elements: `<div hidden/>` opens one.
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not any(name == tag for name, _ in self._open):
            return
        while True:
            name = self._pop()
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        if not data or self._unseen:
            return
        if self._inside("title"):
            self.found.title += data
        elif self._inside("pre"):
            self._add(data)
        else:
            text = _SPACE.sub(" ", data)
            self._add(text.lstrip(" ") if self._line_start else text)

    # -- elements

    def _pop(self) -> str:
        name, unseen = self._open.pop()
        if not self._unseen:
            self._end(name)
        self._unseen -= unseen
        return name

    def _close_implied(self, tag: str) -> None:
        while self._open and tag in _CLOSED_BY.get(self._open[-1][0], ()):
            self._pop()

    def _is_unseen(self, tag: str, attributes: dict[str, str]) -> bool:
        if tag in _UNREAD or "hidden" in attributes or _hides(attributes.get("style", "")):
            return True
        names = {f".{name}" for name in attributes.get("class", "").split()} | {
            f"#{attributes.get('id', '')}"
        }
        return not self._hidden_names.isdisjoint(names)

    def _void(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "meta" and attributes.get("name", "").lower() == "category":
            self.found.category = attributes.get("content", "")
        elif tag == "br" and not self._unseen:
            self._new_line()
        elif tag == "hr":
            self.end_block()

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in ("ol", "ul"):
            self._start_list(tag, attributes)
        elif tag == "li":
            self._start_item()
        elif tag in ("td", "th"):
            self._start_cell()
        elif tag == "a":
            self._links.append(attributes.get("href", ""))
            self._link_start = len(self._parts)
        elif tag in _BLOCKS:
            self._break()
            self._cells = 0

    def _end(self, tag: str) -> None:
        if tag in ("ol", "ul"):
            if self._lists:
                self._lists.pop()
            self._break()
        elif tag == "a":
            self._end_link()
        elif _HEADING.fullmatch(tag):
            self.end_block(heading=int(tag[1]))
        elif tag == "pre":
            self.end_block(code=True) if not self._within_item() else self._new_line()
        elif tag in _BLOCKS - {"td", "th"}:
            self._break()

    def _start_list(self, tag: str, attributes: dict[str, str]) -> None:
        self._break()
        start = attributes.get("start", "1")
        number = int(start) if start.isascii() and start.isdigit() and len(start) < 6 else 1
        self._lists.append(number if tag == "ol" else None)

    def _start_item(self) -> None:
        self._break()
        if not self._lists:
            self._lists.append(None)
        number = self._lists[-1]
        if number is not None:
            self._lists[-1] = number + 1
        self._add("  " * (len(self._lists) - 1) + ("- " if number is None else f"{number}. "))
        self._line_start = True

    def _start_cell(self) -> None:
        if self._cells:
            self._parts.append(" | ")
        self._cells += 1
        self._line_start = True

    def _end_link(self) -> None:
        address = self._links.pop() if self._links else ""
        shown = "".join(self._parts[self._link_start :]).strip()
        if address.startswith(("https://", "http://")) and shown and address not in shown:
            self._add(f" ({address})")

    # -- text

    def _inside(self, tag: str) -> bool:
        return any(name == tag for name, _ in self._open)

    def _within_item(self) -> bool:
        """Inside a list item that is itself part of one: nested items stay one block with the outermost."""
        return self._inside("li")

    def _add(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._line_start = text.endswith("\n")

    def _new_line(self) -> None:
        if self._parts and not self._line_start:
            self._add("\n")

    def _break(self) -> None:
        """A block begins or ends: inside list items only a new line does, inside table rows nothing."""
        if self._within_item():
            self._new_line()
        elif not self._inside("tr"):
            self.end_block(row=self._inside("table"))

    def end_block(self, *, heading: int = 0, code: bool = False, row: bool = False) -> None:
        text = "".join(self._parts)
        self._parts.clear()
        self._link_start = 0
        self._line_start = True
        text = tidy(text.strip("\n")) if not code else tidy("x" + text.strip("\n"))[1:]
        text = _CELL_GAP.sub(" | ", text).rstrip() if row else text
        if text.strip():
            self.found.blocks.append(Block(" ".join(text.split()) if heading else text, heading, tight=row))
