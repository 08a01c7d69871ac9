"""Small pictures made of characters, for eyes that see no colour and terminals of 80 columns. Pure."""

from collections.abc import Sequence
from typing import Final

LEVELS: Final = "▁▂▃▄▅▆▇█"
NOTHING: Final = "·"
"""Where there is no number."""


def spark(values: Sequence[float | None], top: float | None = None) -> str:
    """One character for each value, as high as the value is next to `top` (otherwise the largest); none: a dot."""
    most = top if top is not None else max((value for value in values if value is not None), default=0.0)
    return "".join(NOTHING if value is None else _level(value, most) for value in values)


def _level(value: float, most: float) -> str:
    if most <= 0 or value <= 0:
        return LEVELS[0]
    # Whatever is more than nothing is seen to be more than nothing.
    step = round(value / most * (len(LEVELS) - 1))
    return LEVELS[min(len(LEVELS) - 1, max(1, step))]


def bar(value: float, most: float, width: int) -> str:
    """A bar of at most `width` characters; of a value above nothing at least one."""
    if most <= 0 or value <= 0:
        return ""
    return "█" * max(1, round(value / most * width))


def seconds(value: float | None) -> str:
    """A length of time in at most six characters."""
    if value is None:
        return "–"
    if value < 9.95:
        return f"{value:.1f} s"
    if value < 99.5:
        return f"{value:.0f} s"
    if value < 5_970:
        return f"{value / 60:.0f} min"
    return f"{value / 3600:.0f} h"
