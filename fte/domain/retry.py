"""How long to wait before the next try."""

import random
from typing import Final

FIRST: Final = 0.05
LONGEST: Final = 5.0


def pause(
    attempt: int, *, first: float = FIRST, longest: float = LONGEST, chance: float | None = None
) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 1): doubling, capped, spread over ±50 %.

    `chance` in [0, 1) fixes the spread; None draws it.
    """
    spread = random.random() if chance is None else chance  # noqa: S311 - spread, not secrecy
    return min(longest, first * 2.0 ** min(attempt - 1, 30)) * (0.5 + spread)
