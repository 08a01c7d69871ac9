"""What a person leaves behind when they give a conversation back: what they said and promised, and what is open."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fte.domain.conversations import Direction, Role
from fte.domain.text import one_line

SAID_MAX: Final = 8
"""Messages of a kind that are told of, the newest ones."""
LINE_MAX: Final = 300
"""Characters of each."""
WORD_MAX: Final = 1_000
"""Characters of what the person adds."""

_SENTENCES: Final = re.compile(r"(?<=[.!?…])\s+|\n+")
_PROMISE: Final = re.compile(
    r"\b(?:i|we|somebody|someone|a colleague|they|you)(?:'ll| will| shall| promise|(?:'m|'re| am| are) going to)\b"
    r"|\b(?:ich|wir|sie) (?:werde|werden|melde|melden|schicke|schicken|kümmere|kümmern|erhalten|bekommen)\b"
    r"|\b(?:by|until|before|within|bis) (?:today|tonight|tomorrow|noon|monday|tuesday|wednesday|thursday|friday"
    r"|saturday|sunday|next|the end|\d|morgen|heute)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Spoken:
    """One message of a conversation, as far as a hand-over goes."""

    seq: int
    direction: Direction
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Handover:
    """What the agent is told. `open` are the customer's messages nobody has answered, `word` what the person adds."""

    said: tuple[str, ...] = ()
    promised: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    word: str = ""

    def lines(self) -> list[str]:
        """It in words, one fact a line; none: there is nothing to tell."""
        return [
            *([f"To know: {self.word}"] if self.word else []),
            *(f"Our colleague wrote: {text}" for text in self.said),
            *(f"Our colleague promised: {text}" for text in self.promised),
            *(f"Not answered yet: {text}" for text in self.open),
        ]


def summed_up(messages: Sequence[Spoken], answered_seq: int, word: str = "") -> Handover:
    """What people said since the AI last spoke, and which of the customer's messages they have not answered.

    `messages` are in order; notes are for colleagues and stay with them.
    """
    spoken_by_ai = [m.seq for m in messages if m.role == "agent" and m.direction == "outbound"]
    since = spoken_by_ai[-1] if spoken_by_ai else 0
    said = [
        m.content for m in messages if m.seq > since and m.role == "operator" and m.direction == "outbound"
    ]
    unanswered = [m.content for m in messages if m.seq > answered_seq and m.direction == "inbound"]
    promised = [s for text in said for s in _SENTENCES.split(text.replace("’", "'")) if _PROMISE.search(s)]
    return Handover(_kept(said), _kept(promised), _kept(unanswered), one_line(word)[:WORD_MAX])


def _kept(texts: Sequence[str]) -> tuple[str, ...]:
    lines = [one_line(text) for text in texts]
    return tuple(
        line if len(line) <= LINE_MAX else f"{line[: LINE_MAX - 1]}…" for line in lines[-SAID_MAX:] if line
    )
