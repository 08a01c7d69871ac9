"""Questions the knowledge base had no answer to, gathered into the subjects somebody could write a page about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from fte.domain.channels import Channel
from fte.domain.subjects import subjects
from fte.domain.text import one_line, without_contacts

QUESTIONS_MAX: Final = 500
"""Questions that are gathered at a time, the newest ones."""
EXCERPT: Final = 200
"""Characters of a question that are shown."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a customer asked and the agent found nothing for."""

    conversation_id: UUID
    number: int
    channel: Channel
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """One subject: how often it was asked, by whom (conversations' numbers), and the question most like all others."""

    example: str
    asked: int
    conversations: tuple[int, ...]
    channels: tuple[Channel, ...]
    last: datetime


def anonymous(text: str) -> str:
    """A customer's words on one line, cut to EXCERPT, without contacts."""
    shown = without_contacts(one_line(text))
    return shown if len(shown) <= EXCERPT else f"{shown[: EXCERPT - 1].rstrip()}…"


def gathered(questions: Sequence[Question], vectors: Sequence[Sequence[float]]) -> list[Gap]:
    """The subjects asked for, the most frequent first. `vectors` holds one for each question."""
    found = [
        _gap([questions[place] for place in places], _most_like_all([vectors[place] for place in places]))
        for places in subjects(vectors)
    ]
    return sorted(found, key=lambda gap: (-len(gap.conversations), -gap.asked, -gap.last.timestamp()))


def _most_like_all(vectors: Sequence[Sequence[float]]) -> int:
    import numpy as np

    given = np.asarray(vectors, dtype=np.float64)
    return int((given @ given.sum(axis=0)).argmax())


def _gap(questions: Sequence[Question], most_like_all: int) -> Gap:
    return Gap(
        example=anonymous(questions[most_like_all].text),
        asked=len(questions),
        conversations=tuple(sorted({question.number for question in questions})),
        channels=tuple(sorted({question.channel for question in questions})),
        last=max(question.at for question in questions),
    )
