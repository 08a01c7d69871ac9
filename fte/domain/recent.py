"""What came lately, so that what comes again is known."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Recent(Generic[T]):
    """The last `most` things that were new."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[T, None] = OrderedDict()

    def is_new(self, thing: T) -> bool:
        """Whether it is not among them. It is, from now on."""
        if thing in self._known:
            return False
        self._known[thing] = None
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return True
