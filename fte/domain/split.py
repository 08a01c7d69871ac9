"""A text too long for one message becomes several, cut where a reader would pause."""

from typing import Final

import regex

_GRAPHEME: Final = regex.compile(r"\X")
_SPACE: Final = regex.compile(r"\s+")
_SENTENCE_END: Final = regex.compile(r"[.!?…؟।]['\"”’»)\]]*+\Z")
_UNSPACED_END: Final = regex.compile(r"[。！？]['\"”’」』）]*+(?!\s)")
_URL: Final = regex.compile(r"https?://[!-~]+")
_EARLIEST: Final = 1 / 3
"""A paragraph or sentence that ends in the first third of the room is passed over: it would make a stub."""

Cut = tuple[int, int]
"""Where a part ends, and where the next one begins: between them is nothing but white space."""


def split(text: str, limit: int) -> list[str]:
    """The text in parts of at most `limit` characters, counted as UTF-16 does, so in either way of counting.

    A part ends with a paragraph, else a line, a sentence, a word, else between two graphemes (UAX #29), then before
    rather than inside a URL. Only a grapheme or a URL longer than `limit` is cut itself. No part is empty, and
    together they are the text but for the white space at the cuts.
    """
    rest = text.strip()
    parts: list[str] = []
    while rest and _size(rest) > limit:
        end, start = _cut(rest, limit)
        parts.append(rest[:end])
        rest = rest[start:]
    return [part for part in (*parts, rest) if part.strip()]


def _size(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)


def _cut(text: str, limit: int) -> Cut:
    edges = _edges(text, limit)
    reach = max(edges)
    if reach == 0:
        return _inside_a_grapheme(text, limit)
    return _pause(text, edges, reach) or _between_graphemes(text, edges, reach)


def _edges(text: str, limit: int) -> set[int]:
    """The places between graphemes up to the limit."""
    edges, used = {0}, 0
    for grapheme in _GRAPHEME.finditer(text):
        used += _size(grapheme[0])
        if used > limit:
            break
        edges.add(grapheme.end())
    return edges


def _pause(text: str, edges: set[int], reach: int) -> Cut | None:
    """The last place before `reach` where a paragraph ends, else a line, a sentence, a word."""
    found: dict[int, Cut] = {}
    for space in _SPACE.finditer(text, endpos=min(len(text), reach + 1)):
        end, start = space.start(), _after_space(text, space.start())
        if 0 < end <= reach and _breaks(text, end) and _breaks(text, start):
            found |= dict.fromkeys(_kinds(text, end, start), (end, start))
    for mark in _UNSPACED_END.finditer(text, endpos=reach):
        if mark.end() in edges and mark.end() > found.get(_SENTENCE, (0, 0))[0]:
            found[_SENTENCE] = (mark.end(), mark.end())
    earliest = reach * _EARLIEST
    usable = (cut for kind, cut in sorted(found.items()) if kind == _WORD or cut[0] >= earliest)
    return next(usable, None)


_PARAGRAPH, _LINE, _SENTENCE, _WORD = range(4)


def _kinds(text: str, end: int, start: int) -> list[int]:
    lines = text.count("\n", end, start)
    sentence = _SENTENCE_END.search(text, max(0, end - 8), end) is not None
    ends = (lines > 1, lines > 0, sentence, True)
    return [kind for kind, ended in enumerate(ends) if ended]


def _after_space(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return space.end() if space else position


def _breaks(text: str, position: int) -> bool:
    """Whether two characters, one of them white space, are graphemes of their own."""
    return len(_GRAPHEME.findall(text[position - 1 : position + 1])) != 1 or position == len(text)


def _between_graphemes(text: str, edges: set[int], reach: int) -> Cut:
    for url in _URL.finditer(text):
        if url.start() < reach < url.end() and url.start() in edges - {0}:
            return url.start(), url.start()
    return reach, reach


def _inside_a_grapheme(text: str, limit: int) -> Cut:
    end = 1
    while end < len(text) and _size(text[: end + 1]) <= limit:
        end += 1
    return end, end
