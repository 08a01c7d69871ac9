"""What the model may cost: tokens of a run, of a conversation and of a day, and a day's money."""

from dataclasses import dataclass
from typing import Literal

from fte.domain.measurements import FREE, Prices

Limit = Literal["conversation", "day", "day's money"]


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens used before a run: in its conversation, and since midnight UTC by everybody, to and from the model."""

    conversation: int = 0
    day_input: int = 0
    day_output: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits in tokens, and of `day_cost` in the currency of `prices`. 0: no limit."""

    run: int = 0
    conversation: int = 0
    day: int = 0
    day_cost: float = 0.0
    prices: Prices = FREE

    def cost(self, spent: Spent) -> float:
        """What the day has cost."""
        return (spent.day_input * self.prices.input + spent.day_output * self.prices.output) / 1_000_000

    @property
    def daily(self) -> bool:
        """Whether a day has a limit."""
        return bool(self.day or self.day_cost)

    def used_up(self, spent: Spent) -> Limit | None:
        """The limit that lets no further run begin; None when one may.

        Runs under way are not stopped by the others: a day may cost more by as many runs as are under way at once.
        """
        if self.conversation and spent.conversation >= self.conversation:
            return "conversation"
        if self.day and spent.day_input + spent.day_output >= self.day:
            return "day"
        if self.day_cost and self.cost(spent) >= self.day_cost:
            return "day's money"
        return None

    def share(self, spent: Spent) -> float:
        """How much of the day's budget is gone, 0 to 1 and beyond; 0 without one."""
        tokens = (spent.day_input + spent.day_output) / self.day if self.day else 0.0
        return max(tokens, self.cost(spent) / self.day_cost if self.day_cost else 0.0)
