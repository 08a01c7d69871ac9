"""Whether something that was found or said stands behind each sentence of an answer.

Pure functions over words: two texts share what they say when they share the beginnings of the words that carry it.
That catches what was made up altogether, not a known word put to a wrong use.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from fte.domain.languages import DEFAULT, fold, known, language_of, languages, surely
from fte.domain.turns import Passage

STEM: Final = 5
"""Letters of a word that are compared."""
SAID: Final = 0.6
"""Part of a sentence's telling words that the customer or the ticket must have said, where no passage was found."""
SAID_FROM: Final = 3
"""Telling words from which on a sentence is looked at, where no passage was found."""
FOUND: Final = 0.4
"""Part of a sentence's telling words that must be in the passages or have been said."""
FOUND_FROM: Final = 4
"""Telling words from which on a sentence is looked at, beside passages."""
TOGETHER: Final = 5
"""Telling words that short sentences in a row, none of whose words is known, may have together."""

_WORD: Final = re.compile("[\\w\u0900-\u0963\u0966-\u097f]+")
_JOINED: Final = re.compile("[\u30a1-\u30ff\u3400-\u9fff\uac00-\ud7a3]+")
"""Letters of words that are written without spaces, but for those Japanese has for its grammar."""
_SHORT: Final = re.compile(r"\b[A-Z][A-Z0-9]{1,3}\b")
"""Short words that tell something: SAP, API, VAT."""
_ENDS: Final = re.compile("(?<=[.!?])[\"'”»)]*\\s+|(?<=[。！？।؟])|\n+")
_ASKS: Final = re.compile("[?？؟][\"'”»)\\s]*$")
_AFFIRMS: Final = re.compile(
    r"(?i)\W*(?:yes|yeah|yep|no|nope|of course|certainly|sure|absolutely|correct|ja|jawohl|nein|natürlich|selbstverständlich"
    r"|oui|non|bien sûr|sí|si|claro|sì|certo|certamente|sim|não|tak|nie|ano|ne|nej|nei|evet|hayır|да|нет|конечно|так|ні"
    r"|نعم|لا|हाँ|हां|जी हाँ|是的|可以|不是|はい|いいえ|네|아니요)(?![\w\u0900-\u097f])"
)


@dataclass(frozen=True, slots=True)
class Ground:
    """What an answer may rest on: the passages found, and what the customer, our ticket and earlier answers say.

    `names` are words that tell nothing: of the company, of the customer.
    """

    passages: tuple[Passage, ...]
    said: str
    names: str = ""


def unfounded(text: str, ground: Ground) -> str | None:
    """The first sentence that nothing stands behind; None: none is known.

    Questions and courtesies need nothing. Beside passages in another language than the answer's nothing is compared.
    """
    spoken = surely(text) or surely(ground.said)
    if ground.passages and spoken not in _languages(ground.passages):
        return None
    spoken_in = frozenset({DEFAULT, language_of(text), language_of(ground.said)})
    said = _stems(ground.said)
    found = said | _held(ground.passages)
    names = _stems(ground.names)
    loose: list[str] = []
    first = ""
    for sentence in _ENDS.split(text):
        if _ASKS.search(sentence):
            continue
        words = [word for word in telling(sentence, spoken_in) if word not in names]
        if _fails(sentence, words, found, bool(ground.passages)):
            return sentence.strip()
        if found.isdisjoint(words) and words:
            first = first if loose else sentence.strip()
            loose += words
            if len(loose) > TOGETHER:
                return first
        elif words:
            loose = []
    return None


def _fails(sentence: str, words: list[str], found: frozenset[str], passages: bool) -> bool:
    known_words = sum(word in found for word in words)
    if passages:
        return len(words) >= FOUND_FROM and known_words < FOUND * len(words)
    if len(words) > 1 and _AFFIRMS.match(sentence):
        return True
    return len(words) >= SAID_FROM and known_words < SAID * len(words)


def telling(sentence: str, spoken_in: frozenset[str]) -> list[str]:
    """The beginnings of a sentence's words that say what it is about, each once; pieces where no spaces are."""
    short = {fold(word) for word in _SHORT.findall(sentence)}
    plain = fold(sentence)
    for code in sorted(spoken_in | {language_of(sentence)}):
        plain = known(code).phrases("courtesy").without(plain)
    return list(dict.fromkeys(_tokens(plain, short)))


def _tokens(plain: str, short: Iterable[str]) -> Iterable[str]:
    common, kept = _common(), frozenset(short)
    for word in _WORD.findall(plain):
        if pieces := _JOINED.findall(word):
            yield from (piece[at : at + 2] for piece in pieces for at in range(len(piece) - 1))
        elif (word in kept or (len(word) > 3 and word not in common)) and not word[0].isdigit():
            yield word[:STEM]


@lru_cache(maxsize=64)
def _stems(text: str) -> frozenset[str]:
    """The beginnings of all words of a text, for others to be looked up in."""
    found: set[str] = set()
    for word in _WORD.findall(fold(text)):
        if pieces := _JOINED.findall(word):
            found.update(piece[at : at + 2] for piece in pieces for at in range(len(piece) - 1))
        else:
            found.update((word[:STEM], word[: STEM - 1] if len(word) == STEM else word[:STEM]))
    return frozenset(found)


@lru_cache(maxsize=64)
def _held(passages: tuple[Passage, ...]) -> frozenset[str]:
    return frozenset().union(*(_stems(f"{p.title}\n{p.category}\n{p.content}") for p in passages))


@lru_cache(maxsize=64)
def _languages(passages: tuple[Passage, ...]) -> frozenset[str]:
    return frozenset(language_of(f"{p.title}\n{p.content}") for p in passages)


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    return frozenset().union(*(language.common for language in languages()))
