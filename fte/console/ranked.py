"""Rows of the queue in the operator's order. A change costs a search, not a sort."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

from fte.wire import QueueItem

Rank = tuple[Any, ...]
"""What rows are compared by. No two rows have the same one."""


class Ranked:
    """Rows by `rank`, each at most once."""

    def __init__(self, rank: Callable[[QueueItem], Rank], items: Iterable[QueueItem] = ()) -> None:
        self._rank = rank
        pairs = sorted(((rank(item), item) for item in items), key=lambda pair: pair[0])
        self._ranks = [one for one, _ in pairs]
        self._items = [item for _, item in pairs]
        self._known = {item.conversation_id: one for one, item in pairs}

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[QueueItem]:
        return iter(self._items)

    @property
    def last(self) -> QueueItem:
        """The row that comes last. Raises IndexError when there is none."""
        return self._items[-1]

    def put(self, item: QueueItem) -> None:
        """Take in a row, or a newer state of it."""
        self.drop(item.conversation_id)
        rank = self._rank(item)
        place = bisect_left(self._ranks, rank)
        self._ranks.insert(place, rank)
        self._items.insert(place, item)
        self._known[item.conversation_id] = rank

    def drop(self, conversation: UUID) -> None:
        """Leave out a row, if it is there."""
        rank = self._known.pop(conversation, None)
        if rank is not None:
            place = bisect_left(self._ranks, rank)
            del self._ranks[place], self._items[place]
