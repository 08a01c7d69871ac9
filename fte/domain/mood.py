"""A customer's mood, from 0 to 1, in words: the same ones in briefs and on screens."""

from collections.abc import Sequence
from typing import Final

MOOD_FLOOR: Final = 0.3
"""A message whose sentiment is below this goes to a person."""
TREND_MIN: Final = 0.1
"""How far the last mood must be from the mean of those before it to be told of."""
_STEPS: Final = (
    (0.15, "furious"),
    (MOOD_FLOOR, "angry"),
    (0.45, "unhappy"),
    (0.6, "neutral"),
    (0.8, "friendly"),
)


def mood_word(mood: float) -> str:
    """The mood in a word."""
    return next((word for limit, word in _STEPS if mood < limit), "delighted")


def mood_trend(moods: Sequence[float]) -> str:
    """Where a conversation's moods, oldest first, are going: `falling`, `rising`, or nothing worth a word."""
    if len(moods) < 2:
        return ""
    change = moods[-1] - sum(moods[:-1]) / len(moods[:-1])
    return "falling" if change <= -TREND_MIN else "rising" if change >= TREND_MIN else ""
