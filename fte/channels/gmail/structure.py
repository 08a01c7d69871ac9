"""The parts of a mail as spans of its bytes (RFC 2046), found in one pass whatever the nesting.

Written for hostile input, where the standard library's parser takes time that grows with lines times depth and
recurses with every level.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from fte.channels.gmail.decoding import HEADER_MAX, parameters, raw_text

PARTS_MAX: Final = 1_000
"""Parts read of one mail."""
DEPTH_MAX: Final = 128
"""Multiparts inside multiparts; a deeper one is not opened."""
HEADERS_MAX: Final = 1_000
"""Headers read of the mail itself."""
PART_HEADERS_MAX: Final = 100
"""Headers read of a part inside the mail."""
HEADER_BYTES_MAX: Final = 262_144
"""Bytes of the mail's own headers."""
PART_HEADER_BYTES_MAX: Final = 32_768
"""Bytes of the headers of a part inside the mail."""
CANDIDATES_MAX: Final = 200_000
"""Lines beginning with `--` looked at."""

_BLANK: Final = re.compile(rb"(?>\r\n|\r|\n)(?>\r\n|\r|\n)")
_LINE: Final = re.compile(r"\r\n|\r|\n")
_NAME: Final = re.compile(r"([!-9;-~]{1,200})[ \t]*:")
_CANDIDATE: Final = re.compile(rb"(?:\A|(?<=[\r\n]))--([^\r\n]*)")
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][\w.+-]{0,60}/[a-z0-9][\w.+-]{0,120}")

Headers = tuple[tuple[str, str], ...]


@dataclass(slots=True, eq=False)
class Part:
    """One part: its headers in order (names in lower case, values unfolded, undecoded) and the span of its body."""

    headers: Headers
    start: int
    end: int
    media_type: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    children: list["Part"] = field(default_factory=list)

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    @property
    def multipart(self) -> bool:
        return self.media_type.startswith("multipart/")


@dataclass(slots=True)
class Structure:
    """The outermost part, and which limits ended the reading early."""

    root: Part
    notes: list[str] = field(default_factory=list)


def structure(raw: bytes, depth_max: int = DEPTH_MAX) -> Structure:
    """The parts of a mail. Never raises."""
    root = _part(raw, 0, len(raw))
    found = Structure(root)
    stack: list[tuple[bytes, Part]] = []
    _open(stack, root)
    if stack:
        _scan(raw, found, stack, depth_max)
    return found


def _scan(raw: bytes, found: Structure, stack: list[tuple[bytes, Part]], depth_max: int) -> None:
    current: Part | None = None
    parts = 1
    delimiters = _delimiters(stack)
    for looked, line in enumerate(_CANDIDATE.finditer(raw, found.root.start)):
        if looked >= CANDIDATES_MAX:
            found.notes.append("too many lines that could begin a part")
            break
        known = delimiters.get(line[1].rstrip(b" \t"))
        if known is None:
            continue
        level, closing = known
        if current is not None:
            current.end = max(current.start, _before_line_break(raw, line.start()))
            current = None
        del stack[level + (not closing) :]
        if closing:
            if not stack:
                break
        elif parts >= PARTS_MAX:
            found.notes.append(f"more than {PARTS_MAX:,} parts")
            break
        else:
            parts += 1
            current = _part(raw, _after_line_break(raw, line.end()), len(raw))
            stack[-1][1].children.append(current)
            if current.multipart and len(stack) >= depth_max:
                found.notes.append(f"parts nested more than {depth_max} deep")
            else:
                _open(stack, current)
        delimiters = _delimiters(stack)


def _open(stack: list[tuple[bytes, Part]], part: Part) -> None:
    boundary = part.parameters.get("boundary", "").rstrip()
    if part.multipart and boundary:
        stack.append((boundary.encode("utf-8", "replace"), part))


def _delimiters(stack: list[tuple[bytes, Part]]) -> dict[bytes, tuple[int, bool]]:
    """What a line after its two dashes says: which open multipart it belongs to, and whether it closes it."""
    found: dict[bytes, tuple[int, bool]] = {}
    for level, (boundary, _) in enumerate(stack):
        found[boundary + b"--"] = (level, True)
        found[boundary] = (level, False)
    return found


def _before_line_break(raw: bytes, at: int) -> int:
    if raw[at - 2 : at] == b"\r\n":
        return at - 2
    return at - 1 if at else 0


def _after_line_break(raw: bytes, at: int) -> int:
    return at + (2 if raw[at : at + 2] == b"\r\n" else 1 if at < len(raw) else 0)


def _part(raw: bytes, start: int, end: int) -> Part:
    headers, body = _headers(raw, start, end)
    part = Part(headers, body, end)
    declared = part.header("content-type")
    media_type = declared.partition(";")[0].strip().lower()
    if media_type == "text":
        media_type = "text/plain"
    part.media_type = media_type if _MEDIA_TYPE.fullmatch(media_type) else "text/plain"
    part.parameters = parameters(declared)
    return part


def _headers(raw: bytes, start: int, end: int) -> tuple[Headers, int]:
    """The headers from `start` on, and where the body begins: after a blank line, or at the first other line."""
    limit = min(end, start + (PART_HEADER_BYTES_MAX if start else HEADER_BYTES_MAX))
    blank = _BLANK.search(raw, start, limit)
    if raw[start : start + 1] in (b"\r", b"\n"):
        return (), _after_line_break(raw, start)
    stop = blank.start() if blank else limit
    body = blank.end() if blank else limit
    headers: list[tuple[str, list[str]]] = []
    at = start
    for line in raw[start:stop].splitlines(keepends=True):
        text = raw_text(line).rstrip("\r\n")
        if text[:1] in (" ", "\t") and headers:
            headers[-1][1].append(text)
        elif named := _NAME.match(text):
            if len(headers) >= (PART_HEADERS_MAX if start else HEADERS_MAX):
                break
            headers.append((named[1].lower(), [text[named.end() :]]))
        elif at > start or not text.startswith((">From ", "From ")):
            body = at
            break
        at += len(line)
    return tuple((name, " ".join(" ".join(lines).split())[:HEADER_MAX]) for name, lines in headers), body
