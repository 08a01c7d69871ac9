"""Messages of customers with the reason a person would be needed, which hunches are made of."""

import hashlib
from pathlib import Path
from typing import Final, NamedTuple

from tests.support_knowledge import DEVELOPMENT, labelled

CORPUS: Final = Path(__file__).parent / "corpus"
NOBODY: Final = "-"
"""Instead of a reason: the assistant may answer."""
PROBE: Final = "Où est ma Größe? 注文の 123"
"""A text that tells how texts are read."""
_WORDINGS: Final = Path(__file__).parent.parent / "tests/domain/wordings.tsv"
_STYLES: Final = {
    "person": "human_request",
    "legal": "legal",
    "security": "security_incident",
    "chargeback": "chargeback",
    "privacy": "privacy_request",
    "refund": "refund_request",
    "cancel": "cancellation_threat",
    "price": "pricing_inquiry",
    "anger": "negative_sentiment",
}
"""What the wordings' styles are reasons for; those of other styles are left out."""


class Message(NamedTuple):
    reason: str
    """Why a person is needed, or NOBODY."""
    language: str
    text: str


def messages() -> list[Message]:
    """Those of the corpus, those that the rules have learnt from, and the questions that the search was made with.

    Each once, in order.
    """
    lines = [line for file in sorted(CORPUS.glob("*.tsv")) for line in file.read_text("utf-8").splitlines()]
    given = [
        Message(reason, language, text.replace("\\n", "\n")) for reason, language, text in map(_fields, lines)
    ]
    _, *lines = _WORDINGS.read_text("utf-8").splitlines()
    for style, language, person, text in map(_fields, lines):
        if person == "no" or style in _STYLES:
            given.append(
                Message(_STYLES[style] if person == "yes" else NOBODY, language, text.replace("\\n", "\n"))
            )
    given += [Message(NOBODY, case.language, case.question) for case in labelled(DEVELOPMENT)]
    return sorted({message.text: message for message in given}.values())


def fingerprint(given: list[Message], probe: frozenset[int]) -> str:
    """Of the messages and of how a text was read, by the numbers it gave."""
    return hashlib.sha256(repr((given, sorted(probe))).encode()).hexdigest()[:16]


def _fields(line: str) -> list[str]:
    return line.split("\t")
