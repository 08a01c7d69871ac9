"""The rows of the list on the screen: each is put into words when it is looked at, and not before."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property
from typing import overload
from uuid import UUID

from fte.console.model import is_late, needs_person
from fte.console.present import Row
from fte.wire import QueueItem


class Rows(Sequence[Row]):
    """A state of the list that does not change any more."""

    def __init__(
        self,
        items: Sequence[QueueItem] = (),
        words: Callable[[QueueItem, int], Row] | None = None,
        now: datetime | None = None,
    ) -> None:
        self.items = items
        self._now = now
        self._words = words
        self._made: dict[int, Row] = {}

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self.items)))]
        place = index + len(self.items) if index < 0 else index
        if place not in self._made:
            if self._words is None:
                raise IndexError(index)
            self._made[place] = self._words(self.items[place], self.more.get(place, 0))
        return self._made[place]

    @cached_property
    def keys(self) -> list[UUID]:
        """The conversations, in their order."""
        return [item.conversation_id for item in self.items]

    @cached_property
    def places(self) -> dict[UUID, int]:
        """Where each conversation stands."""
        return {key: place for place, key in enumerate(self.keys)}

    @cached_property
    def waiting(self) -> list[int]:
        """The places of those who need a person, in their order."""
        return [place for place, item in enumerate(self.items) if needs_person(item)]

    @cached_property
    def more(self) -> dict[int, int]:
        """How many more of a customer's rows need a person, by the place of the first of them."""
        first: dict[UUID, int] = {}
        more: Counter[int] = Counter()
        for place in self.waiting:
            customer = self.items[place].customer_id
            if customer is not None and (at := first.setdefault(customer, place)) != place:
                more[at] += 1
        return more

    @cached_property
    def late(self) -> list[int]:
        """The places of those that are late, in their order."""
        now = self._now
        return [] if now is None else [place for place, item in enumerate(self.items) if is_late(item, now)]

    def waiting_above(self, place: int) -> int:
        """How many who need a person stand before a place."""
        return bisect_left(self.waiting, place)

    def late_above(self, place: int) -> int:
        """How many that are late stand before a place."""
        return bisect_left(self.late, place)
