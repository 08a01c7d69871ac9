"""What a figure is, when it is met, and the arithmetic of samples."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number. With a floor the target is a ratio to it; without, the number itself.

    `bound` says on which side of the target the number must lie.
    """

    name: str
    ours: float
    floor: float | None = None
    unit: str
    bound: Literal["at least", "at most"]
    target: float
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours over the floor; None without a floor."""
        return None if self.floor is None else self.ours / self.floor

    @property
    def met(self) -> bool:
        value = self.ours if self.ratio is None else self.ratio
        return value >= self.target if self.bound == "at least" else value <= self.target

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ours": self.ours,
            "floor": self.floor,
            "unit": self.unit,
            "ratio": self.ratio,
            "bound": self.bound,
            "target": self.target,
            "met": self.met,
            "note": self.note,
        }


def quantile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least `share` of them do not exceed. Raises ValueError for no samples."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def median(samples: Sequence[float]) -> float:
    return statistics.median(samples)


def middle(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The pair whose ratio is the middle one of all. Raises StatisticsError for no pairs."""
    ratio = statistics.median_high(first / second for first, second in pairs)
    return next(pair for pair in pairs if pair[0] / pair[1] == ratio)


def steady_rate(finished: Sequence[float], concurrency: int) -> float:
    """Finishes per second while as many as `concurrency` were under way all the time.

    Until the first `concurrency` are finished the line fills; once only `concurrency` are left, nothing waits to
    be begun, and it drains. Both ends are left out. Raises ValueError when nothing is left between them.
    """
    times = sorted(finished)[concurrency:-concurrency]
    if len(times) < 2 or times[0] == times[-1]:
        raise ValueError(f"{len(finished)} finishes are too few for a concurrency of {concurrency}")
    return (len(times) - 1) / (times[-1] - times[0])
