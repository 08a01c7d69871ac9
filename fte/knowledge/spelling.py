"""Spelling: words nobody wrote in the documents, put as the documents spell them."""

import functools
import json
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

LETTERS_MIN: Final = 5
"""Shorter words are left alone: too many are one slip apart."""
LONG: Final = 9
"""Letters from which on two slips are forgiven, not one."""

_TOKENIZER: Final = "tokenizers/l2_supercat_tokenizer_config.json"
_BEGINS_A_WORD: Final = "\u2581"


@functools.cache
def common_words() -> frozenset[str]:
    """Words so common that the model of the embedded mode has each as one token, in lower case.

    They are about 10,000, most of them English. What is among them is a word, not a slip. Only its vocabulary is
    read, once: the model itself is not loaded.
    """
    package = find_spec("wordllama")
    assert package is not None and package.origin is not None
    text = (Path(package.origin).parent / _TOKENIZER).read_text(encoding="utf-8")
    tokens = (
        token.removeprefix(_BEGINS_A_WORD)
        for token in json.loads(text)["model"]["vocab"]
        if token[0] == _BEGINS_A_WORD
    )
    return frozenset(token.lower() for token in tokens if len(token) >= LETTERS_MIN - 1)


def is_common(word: str) -> bool:
    """Whether the word, or what it is the plural of, is one of the common words."""
    small = word.lower()
    return small in common_words() or small.removesuffix("s") in common_words()


class Spelling:
    """The words that are known. `words` may be in any case; those that come first win over equally near ones."""

    def __init__(self, words: Iterable[str]) -> None:
        self._by_first: dict[str, dict[str, None]] = {}
        for word in words:
            if len(word) >= LETTERS_MIN - 1:
                self._by_first.setdefault(word[0].lower(), {})[word.lower()] = None

    def may_be_wrong(self, word: str) -> bool:
        """Whether the word is not known, but others with its first letter are."""
        known = self._by_first.get(word[:1].lower(), {})
        return len(word) >= LETTERS_MIN and bool(known) and word.lower() not in known

    def nearest(self, word: str) -> str | None:
        """The known word that `word` was probably meant to be; None when it is known itself, or nothing is near.

        One slip (a letter too many, too few, wrong, or two swapped) is forgiven, two in a long word, none in the
        first letter.
        """
        if not self.may_be_wrong(word):
            return None
        wanted = word.lower()
        limit = 2 if len(wanted) >= LONG else 1
        best, found = limit + 1, None
        for candidate in self._by_first[wanted[0]]:
            if abs(len(candidate) - len(wanted)) < best:
                slips = distance(wanted, candidate, best - 1)
                if slips < best:
                    best, found = slips, candidate
        return found


def distance(one: str, other: str, limit: int) -> int:
    """Slips between two words, counting a swap of neighbours as one; `limit` + 1 for any number above `limit`."""
    before: list[int] = []
    previous = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        current = [row]
        for column, counterpart in enumerate(other, start=1):
            cost = min(
                previous[column] + 1,
                current[column - 1] + 1,
                previous[column - 1] + (letter != counterpart),
            )
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == counterpart:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        if min(current) > limit:
            return limit + 1
        before, previous = previous, current
    return min(previous[-1], limit + 1)
