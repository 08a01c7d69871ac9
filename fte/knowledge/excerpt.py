"""What is shown of a passage that is too long to be shown whole: the part that says most of what is asked."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from fte.knowledge.stems import stem
from fte.knowledge.thesaurus import Reading, telling

LEFT_OUT: Final = "…"
"""A line of its own, where text before or after the part was left out."""
_OTHER_WORD: Final = 0.7
"""What another word for the same is worth beside the question's own."""

_LINE: Final = re.compile(r"\S.*")
_SENTENCE: Final = re.compile(r"\S.*?(?:(?<=[.!?。！？])(?=\s)|$)")
_NUMBERED: Final = re.compile(r"\d+[.)]\s")
_WORD: Final = re.compile(r"[^\W_]+")


def excerpt(content: str, reading: Reading, limit: int) -> str:
    """At most `limit` characters of the content: neighbouring lines, whole, or sentences of a line that does not fit.

    Of parts that say as much it is the first, and a list of steps is never entered in its middle. A table's rows come
    below its head.
    """
    if len(content) <= limit:
        return content
    wanted = _wanted(reading)
    parts = _parts(content, limit - 2 * len(f"{LEFT_OUT}\n"))
    return max(parts, key=lambda part: _said(part, wanted), default=content[:limit])


def _parts(content: str, room: int) -> Iterator[str]:
    """Every part that may be shown, the first first, each as long as there is room."""
    units = [span for line in _LINE.finditer(content) for span in _fitting(line, room)]
    ends = [end for _, end in units]
    head = ""
    numbered = False
    for place, (start, end) in enumerate(units):
        inside_steps, numbered = numbered, bool(_NUMBERED.match(content[start:end]))
        row = " | " in content[start:end]
        above, head = (head, head or content[start:end]) if row else ("", "")
        if numbered and inside_steps:
            continue
        above = f"{above}\n" if 0 < len(above) < room // 2 else ""
        most = start + room - len(above)
        fitting = bisect_right(ends, most)
        last = ends[fitting - 1] if fitting > place else most
        before = f"{LEFT_OUT}\n" if place else ""
        after = f"\n{LEFT_OUT}" if last < len(content.rstrip()) else ""
        yield f"{before}{above}{content[start:last]}{after}"


def _fitting(line: re.Match[str], room: int) -> Iterator[tuple[int, int]]:
    if len(line[0]) <= room:
        yield line.span()
    else:
        yield from (match.span() for match in _SENTENCE.finditer(line.string, *line.span()))


def _wanted(reading: Reading) -> list[list[frozenset[str]]]:
    """For each word of the question the stems it has, then those of each other word for the same."""
    words = dict.fromkeys(word.lower() for word in _WORD.findall(telling(reading.text)))
    return [[_stems(word), *map(_stems, reading.synonyms.get(word, ()))] for word in words]


def _said(part: str, wanted: list[list[frozenset[str]]]) -> float:
    has = _stems(part)
    return sum(
        1.0 if own <= has else _OTHER_WORD * any(other <= has for other in others) for own, *others in wanted
    )


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in _WORD.findall(text.lower()))
