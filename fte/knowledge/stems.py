"""Stems of English words: rough, quick, and the same wherever words are compared outside the database."""

from functools import lru_cache
from typing import Final

_ENDINGS: Final = ("ations", "ation", "ings", "ing", "ies", "ied", "ers", "ed", "es", "er", "s", "e", "y")


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """The word, in small letters, without its ending; at least three letters stay."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
