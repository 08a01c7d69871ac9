"""Reading files: Markdown, HTML, plain text and PDF become pages of blocks. Bytes come in, values go out."""

import codecs
import io
import logging
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Final

from fte.domain.errors import Rejected
from fte.domain.text import one_line
from fte.knowledge.chunk import TITLE_MAX, Block, Page
from fte.knowledge.clean import tidy, visible
from fte.knowledge.html import Read, read_html

FILE_BYTES_MAX: Final = 10_000_000
"""Bytes of a file; larger ones are not read."""
TEXT_MAX: Final = 2_000_000
"""Characters of text in a file."""
PDF_PAGES_MAX: Final = 500
CATEGORY_MAX: Final = 60
"""Characters of a category's name."""
DEFAULT_CATEGORY: Final = "general"

_FRONT_MATTER: Final = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*$\n?", re.DOTALL | re.MULTILINE)
_FIELD: Final = re.compile(r"^(title|category)[ \t]*:[ \t]*(.+?)[ \t]*$", re.IGNORECASE | re.MULTILINE)
_PARAGRAPH: Final = re.compile(r"\n[ \t]*\n+")
_ITEM: Final = re.compile(r"^[ \t]*(?:[-*•·]|\d{1,3}[.)])[ \t]+", re.MULTILINE)
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def readable(name: str) -> bool:
    """Whether a file of this name is of a kind that can be read."""
    return PurePosixPath(name).suffix.lower() in _READERS


def kinds() -> str:
    """The endings of files that can be read, for messages."""
    return ", ".join(_READERS)


def read(name: str, data: bytes) -> Page:
    """The page in a file's bytes. `name` tells its kind, and its title when the page has none.

    Raises Rejected, saying what is wrong, for a kind that cannot be read, a file over the limits, a broken
    one, and one without any text.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in _READERS:
        raise Rejected(f"not a kind that can be read ({kinds()})")
    if len(data) > FILE_BYTES_MAX:
        raise Rejected(f"larger than {FILE_BYTES_MAX // 1_000_000} MB; split it")
    found = _READERS[suffix](data)
    if not any(not block.heading and re.search(r"\w", block.text) for block in found.blocks):
        raise Rejected("no text in it")
    return Page(
        title=_title(found, name),
        category=_short(found.category, CATEGORY_MAX).lower() or DEFAULT_CATEGORY,
        blocks=tuple(found.blocks),
    )


def _title(found: Read, name: str) -> str:
    first = next((block.text for block in found.blocks if block.heading == 1), "")
    stem = PurePosixPath(name).stem.replace("-", " ").replace("_", " ").strip()
    for candidate in (found.title, first, stem[:1].upper() + stem[1:]):
        if title := _short(candidate, TITLE_MAX):
            return title
    return "Untitled"


def _short(text: str, limit: int) -> str:
    return one_line(visible(text))[:limit].strip()


def _text(data: bytes) -> str:
    """The file's text: by its byte order mark, as UTF-8, or else as Windows-1252, which reads anything."""
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    if "\0" in text[:4096]:
        raise Rejected("not text, although its name says so")
    return _limited(text).replace("\r\n", "\n").replace("\r", "\n")


def _limited(text: str) -> str:
    if len(text) > TEXT_MAX:
        raise Rejected(f"more than {TEXT_MAX:,} characters of text; split it")
    return text


def _markdown(data: bytes) -> Read:
    from markdown_it import MarkdownIt

    text = _text(data)
    fields: dict[str, str] = {}
    if front := _FRONT_MATTER.match(text):
        fields = {key.lower(): value.strip("\"'") for key, value in _FIELD.findall(front[1])}
        text = text[front.end() :]
    found = read_html(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
    found.title = fields.get("title", "")
    found.category = fields.get("category", found.category)
    return found


def _html(data: bytes) -> Read:
    found = read_html(_text(data))
    # The page's heading names it better than its window title, which carries the site's name.
    if any(block.heading == 1 for block in found.blocks):
        found.title = ""
    return found


def _plain(data: bytes) -> Read:
    return Read(blocks=list(_paragraphs(_text(data))))


def _paragraphs(text: str) -> list[Block]:
    blocks: list[Block] = []
    for paragraph in _PARAGRAPH.split(tidy(text)):
        starts = [match.start() for match in _ITEM.finditer(paragraph)]
        edges = sorted({0, *starts, len(paragraph)})
        for start, end in pairwise(edges):
            part = paragraph[start:end].strip()
            if part:
                blocks.append(Block(part, tight=start in starts))
    return blocks


def _pdf(data: bytes) -> Read:
    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted:
            raise Rejected("a PDF that is locked with a password; save it without one")
        if len(reader.pages) > PDF_PAGES_MAX:
            raise Rejected(f"a PDF of more than {PDF_PAGES_MAX} pages; split it")
        title = str((reader.metadata and reader.metadata.title) or "")
        pages: list[str] = []
        size = 0
        for page in reader.pages:
            pages.append(page.extract_text())
            size += len(pages[-1])
            if size > TEXT_MAX:
                break
    except Rejected:
        raise
    except Exception as error:  # pypdf raises whatever its parser stumbles over
        raise Rejected(f"a PDF that cannot be read ({type(error).__name__})") from error
    text = _limited("\n\n".join(pages))
    return Read(title=title, blocks=_paragraphs(text))


_READERS: Final[dict[str, Callable[[bytes], Read]]] = {
    ".md": _markdown,
    ".markdown": _markdown,
    ".html": _html,
    ".htm": _html,
    ".txt": _plain,
    ".text": _plain,
    ".pdf": _pdf,
}
