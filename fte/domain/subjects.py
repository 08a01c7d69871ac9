"""Texts gathered by what they are about."""

from collections.abc import Sequence
from typing import Final

ALIKE: Final = 0.35
"""Cosine from which on two questions are of one subject; no two of different subjects were as near when it was chosen."""


def subjects(vectors: Sequence[Sequence[float]]) -> list[list[int]]:
    """The places of the vectors that are of one subject; every place is in one of them.

    The two subjects whose middles are nearest become one, again and again, as long as they are as near as ALIKE. The
    time grows with the square of their number.
    """
    if not vectors:
        return []
    import numpy as np

    totals = np.array(vectors, dtype=np.float64)
    found = [[place] for place in range(len(totals))]
    middles = totals / np.maximum(np.linalg.norm(totals, axis=1, keepdims=True), 1e-9)
    near = middles @ middles.T
    np.fill_diagonal(near, -1.0)
    while near.flat[nearest := int(near.argmax())] >= ALIKE:
        one, other = divmod(nearest, len(found))
        found[one] += found[other]
        found[other] = []
        totals[one] += totals[other]
        middles[one] = totals[one] / max(float(np.linalg.norm(totals[one])), 1e-9)
        near[one, :] = near[:, one] = middles @ middles[one]
        gone = [place for place, members in enumerate(found) if not members]
        near[one, [one, *gone]] = near[[one, *gone], one] = -1.0
        near[other, :] = near[:, other] = -1.0
    return [places for places in found if places]
