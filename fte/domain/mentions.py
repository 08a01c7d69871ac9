"""Colleagues named in a note: `@Name`."""

import re
from collections.abc import Iterable
from typing import Final

MENTIONS_MAX: Final = 20
"""Colleagues one note tells."""
_BEFORE: Final = re.compile(r"(?<![\w@.])@")


def mentioned(text: str, names: Iterable[str]) -> list[str]:
    """The names the text mentions, each once, in their order. Case does not matter; of two that fit the longer counts."""
    folded = sorted(((name.casefold(), name) for name in names), key=lambda pair: -len(pair[0]))
    text = text.casefold()
    found: dict[str, None] = {}
    for at in _BEFORE.finditer(text):
        fits = (
            name
            for key, name in folded
            if text.startswith(key, at.end()) and _ends(text, at.end() + len(key))
        )
        name = next(fits, None)
        if name is not None:
            found[name] = None
    return list(found)[:MENTIONS_MAX]


def _ends(text: str, place: int) -> bool:
    return place >= len(text) or not (text[place].isalnum() or text[place] == "_")
