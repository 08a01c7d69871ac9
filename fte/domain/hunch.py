"""What a message is likely to need a person for, judged by how such messages are written in 26 languages.

Phrases know what somebody has thought of. A hunch also recognises what is only hinted at: a linear classifier over
pieces of words, whose weights (`hunch.bin`) `python -m training` makes of labelled messages. It knows no more than
those: it is asked only where no phrase says anything, and must be sure.
"""

import json
import re
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from math import exp, sqrt
from pathlib import Path
from typing import Final, NamedTuple

from fte.domain.languages import fold

PIECES: Final = 1 << 16
"""Pieces that are told apart; of the others some share a number, and a weight."""
_LENGTHS: Final = (2, 3, 4, 5)
"""Characters of a piece of a word, with the blanks around it."""
_WORDS: Final = re.compile(r"\w+")
_FILE: Final = Path(__file__).with_suffix(".bin")


class Hunch(NamedTuple):
    reason: str
    """The likeliest of `Weights.reasons`; empty where there is nothing to judge."""
    sure: float
    """The share, 0 to 1, of such messages that need a person."""


class Weights(NamedTuple):
    """A number for each piece and question: whether a person is needed at all, and for which of the reasons."""

    reasons: tuple[str, ...]
    scales: tuple[float, ...]
    """What a weight of 127 stands for; first of the question whether, then of each reason, as in the others."""
    biases: tuple[float, ...]
    tables: tuple["array[int]", ...]
    made_from: str
    """A fingerprint of the messages and of how they were read."""


def hunch(sentences: Sequence[str], weights: Weights | None = None) -> Hunch:
    """What the sentence, or two neighbouring ones, that needs a person most needs one for."""
    weights = weights or load()
    needed, most = max(
        ((_score(weights, 0, window), window) for window in _windows(sentences)),
        key=lambda scored: scored[0],
        default=(0.0, frozenset[int]()),
    )
    if not most:
        return Hunch("", 0.0)
    scores = [_score(weights, number, most) for number in range(1, len(weights.tables))]
    return Hunch(weights.reasons[scores.index(max(scores))], 1 / (1 + exp(-needed)))


def pieces(text: str) -> frozenset[int]:
    """The numbers of the text's words, of each two neighbouring ones, and of the pieces they are made of."""
    words = _WORDS.findall(fold(text))
    line = f" {' '.join(words)} "
    found = {line[at : at + length] for length in _LENGTHS for at in range(len(line) - length + 1)}
    found.update(f"={word}" for word in words)
    found.update(f"{one}={other}" for one, other in pairwise(words))
    return frozenset(zlib.crc32(piece.encode()) % PIECES for piece in found)


def _windows(sentences: Iterable[str]) -> Iterator[frozenset[int]]:
    before = frozenset[int]()
    for sentence in sentences:
        if here := pieces(sentence):
            yield here
            if before:
                yield before | here
            before = here


def _score(weights: Weights, number: int, window: frozenset[int]) -> float:
    table = weights.tables[number]
    total = sum(map(table.__getitem__, window))
    return weights.biases[number] + weights.scales[number] * total / 127 / sqrt(len(window))


@lru_cache(maxsize=1)
def load() -> Weights:
    """The weights that come with the package."""
    heading, _, body = _FILE.read_bytes().partition(b"\n")
    facts = json.loads(heading)
    numbers = zlib.decompress(body)
    return Weights(
        tuple(facts["reasons"]),
        tuple(facts["scales"]),
        tuple(facts["biases"]),
        tuple(array("b", numbers[at : at + PIECES]) for at in range(0, len(numbers), PIECES)),
        facts["made_from"],
    )


def save(weights: Weights) -> None:
    facts = weights._asdict()
    numbers = b"".join(table.tobytes() for table in facts.pop("tables"))
    _FILE.write_bytes(json.dumps(facts).encode() + b"\n" + zlib.compress(numbers, 9))
