"""The drafts that wait for a decision, in their order, and the one that is looked at. Pure: no I/O, no clock.

The draft on the screen stays there until the operator goes on: when it is void meanwhile it is shown as such.
"""

from dataclasses import dataclass, field
from uuid import UUID

from fte.wire import DraftsPage, DraftView


@dataclass
class Triage:
    current: DraftView | None = None
    loaded: bool = False
    _page: list[DraftView] = field(default_factory=list)
    _total: int = 0
    _leaving: set[UUID] = field(default_factory=set)
    _wanted: UUID | None = None

    # -- what is fetched

    def fetched(self, page: DraftsPage) -> UUID | None:
        """The drafts that wait arrived. Returns the one on the screen when it is not among them any more: fetch it."""
        self._page, self._total, self.loaded = list(page.items), page.total, True
        there = {draft.id: draft for draft in page.items}
        if self._wanted in there:
            self.current, self._wanted = there[self._wanted], None
        if self.current is None:
            self.current = next(iter(self.waiting()), None)
        if self.current is None or self.current.state != "pending":
            return None
        if self.current.id in there:
            self.current = there[self.current.id]
            return None
        return None if self.current.id in self._leaving else self.current.id

    def became(self, draft: DraftView) -> None:
        """What became of the draft on the screen."""
        if self.current is not None and self.current.id == draft.id:
            self.current = draft

    # -- what waits

    def waiting(self) -> list[DraftView]:
        """Those nobody has decided, without those whose decision is on its way."""
        return [draft for draft in self._page if draft.id not in self._leaving]

    @property
    def total(self) -> int:
        """How many wait, those that are not loaded too."""
        here = {draft.id for draft in self._page}
        return max(0, self._total - len(self._leaving & here))

    @property
    def place(self) -> int | None:
        """The place of the draft on the screen among those that wait, from 1; None when it is not one of them."""
        ids = [draft.id for draft in self.waiting()]
        return ids.index(self.current.id) + 1 if self.current is not None and self.current.id in ids else None

    # -- going on

    def move(self, by: int) -> bool:
        """Go to the next draft or the one before. False when there is none there."""
        waiting = self.waiting()
        if self.current is None or not waiting:
            self.current = waiting[0] if waiting else None
            return bool(waiting)
        here = (self.current.created_at, self.current.id)
        after = [draft for draft in waiting if (draft.created_at, draft.id) > here]
        before = [draft for draft in waiting if (draft.created_at, draft.id) < here]
        to = after[0] if by > 0 and after else before[-1] if by < 0 and before else None
        if to is None and self.place is None:
            to = waiting[0]  # what is on the screen is void, and there is nothing in that direction
        if to is not None:
            self.current = to
        return to is not None

    def leave(self, draft: UUID) -> None:
        """A decision on it is on its way: go on."""
        self._leaving.add(draft)
        if self.current is not None and self.current.id == draft and not self.move(1) and not self.move(-1):
            self.current = None

    def settled(self, draft: UUID) -> None:
        """The decision took effect."""
        self._page = [one for one in self._page if one.id != draft]
        if draft in self._leaving:
            self._leaving.discard(draft)
            self._total = max(0, self._total - 1)

    def undecided(self, draft: UUID) -> None:
        """The decision did not take effect: it waits among the others. Nobody is moved to it."""
        self._leaving.discard(draft)
        if self.current is None:
            self.current = next((one for one in self._page if one.id == draft), None)

    def come_back(self, draft: UUID) -> None:
        """Look at this draft again, as soon as it waits."""
        self._leaving.discard(draft)
        self._wanted = draft
        if any(one.id == draft for one in self._page):
            self.current = next(one for one in self._page if one.id == draft)
            self._wanted = None
