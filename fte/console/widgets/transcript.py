"""The messages of a conversation: a window of at most 60, followed unless the reader scrolls up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from fte.console.present import Kind


@dataclass(frozen=True, slots=True)
class Entry:
    """A message, ready to be shown."""

    seq: int
    kind: Kind
    content: Content


class MessageBox(Static):
    """One message."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.content, markup=False, classes=entry.kind)
        self.entry = entry

    def show(self, entry: Entry) -> None:
        if _same(entry, self.entry):
            return
        self.set_classes(entry.kind)
        self.update(entry.content)
        self.entry = entry

    def on_click(self, event: events.Click) -> None:
        self.post_message(Transcript.Picked(self.entry.seq))


def _same(one: Entry, other: Entry) -> bool:
    return one == other and one.content.spans == other.content.spans


class Transcript(VerticalScroll):
    """Shows the entries it is given; says when the reader leaves the end or comes back to it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "scroll_up", "up", show=False),
        Binding("j", "scroll_down", "down", show=False),
        Binding("ctrl+u", "page_up", "page up", show=False),
        Binding("ctrl+d", "page_down", "page down", show=False),
        Binding("g", "scroll_home", "first", show=False),
    ]

    @dataclass
    class Picked(Message):
        """A message was clicked."""

        seq: int

    class LeftEnd(Message):
        """The reader scrolled up."""

    class ReachedEnd(Message):
        """The reader scrolled down to the last line."""

    async def show(self, entries: Sequence[Entry], following: bool) -> None:
        """Show exactly these, touching only what differs."""
        wanted = {entry.seq: entry for entry in entries}
        boxes = {box.entry.seq: box for box in self.query_children(MessageBox)}
        first = min(boxes, default=None)
        place = self._first_visible(wanted.keys() & boxes.keys())
        with self.app.batch_update():
            await self.remove_children([box for seq, box in boxes.items() if seq not in wanted])
            for seq in wanted.keys() & boxes.keys():
                boxes[seq].show(wanted[seq])
            await self._mount_missing(entries, boxes)
        if following:
            self.call_after_refresh(self.scroll_end, animate=False, immediate=True)
        elif first is not None and entries and entries[0].seq < first:
            self.call_after_refresh(self._show_what_precedes, boxes[first])
        elif place is not None and entries[0].seq != first:
            self.call_after_refresh(self.scroll_to_widget, place, animate=False, top=True, immediate=True)

    def _show_what_precedes(self, box: MessageBox) -> None:
        self.scroll_to(y=box.virtual_region.bottom - self.size.height, animate=False, immediate=True)

    async def _mount_missing(self, entries: Sequence[Entry], boxes: dict[int, MessageBox]) -> None:
        kept = sorted(seq for seq in boxes if any(entry.seq == seq for entry in entries))
        first = kept[0] if kept else None
        above = [MessageBox(entry) for entry in entries if first is not None and entry.seq < first]
        below = [
            entry for entry in entries if (first is None or entry.seq > first) and entry.seq not in boxes
        ]
        if above and first is not None:
            await self.mount_all(above, before=boxes[first])
        for after, group in _runs(below, kept):
            fresh = [MessageBox(entry) for entry in group]
            await self.mount_all(fresh, after=boxes[after] if after is not None else None)

    def _first_visible(self, candidates: "set[int]") -> MessageBox | None:
        for box in self.query_children(MessageBox):
            if box.entry.seq in candidates and box.virtual_region.bottom > self.scroll_y:
                return box
        return None

    def visible_seqs(self) -> list[int]:
        """The messages of which something is on the screen."""
        top, bottom = self.scroll_y, self.scroll_y + self.size.height
        boxes = self.query_children(MessageBox)
        return [b.entry.seq for b in boxes if b.virtual_region.bottom > top and b.virtual_region.y < bottom]

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value >= self.max_scroll_y:
            self.post_message(self.ReachedEnd())
        elif new_value < old_value:
            self.post_message(self.LeftEnd())


def _runs(entries: Sequence[Entry], kept: Sequence[int]) -> list[tuple[int | None, list[Entry]]]:
    """Entries to mount, grouped by the mounted message they follow."""
    groups: dict[int | None, list[Entry]] = {}
    for entry in entries:
        after = max((seq for seq in kept if seq < entry.seq), default=None)
        groups.setdefault(after, []).append(entry)
    return list(groups.items())
