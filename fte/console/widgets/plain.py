"""A static text, and a list, that cannot be anything but text."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rich.segment import Segment
from textual.content import Content
from textual.strip import Strip
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from fte.console.safe import Part, content

POINTER: Final = "▶"
"""Before the row that a key acts on, in the queue as in other lists."""


class Plain(Static):
    """Shows parts of text; whatever they contain is neither markup nor a command to the terminal."""

    def __init__(self, *parts: Part, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(content(*parts), markup=False, id=id, classes=classes)

    def show(self, *parts: Part) -> None:
        """Replace the text; nothing is painted when it is the same."""
        self.put(content(*parts))

    def put(self, fresh: Content) -> None:
        """Replace the text by one that is clean already."""
        if fresh != self.content or fresh.spans != getattr(self.content, "spans", None):
            self.update(fresh)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a list; one without an `id` is a heading, which cannot be chosen."""

    id: str | None
    parts: tuple[Part, ...]


class PlainList(OptionList):
    """Rows to choose from; whatever they contain is neither markup nor a command to the terminal."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(markup=False, id=id)

    def show(self, rows: Iterable[Row], chosen: int | None = None) -> None:
        """Show exactly these. The highlight goes to row number `chosen`, else stays on its row, else at its place."""
        rows, was = list(rows), self.highlighted_option
        if chosen is None:
            kept = (number for number, row in enumerate(rows) if was is not None and row.id == was.id)
            chosen = next(kept, self.highlighted)
        self.set_options(Option(content(*row.parts), id=row.id, disabled=row.id is None) for row in rows)
        open_ = [number for number, option in enumerate(self.options) if not option.disabled]
        self.highlighted = chosen if chosen in open_ else next(iter(open_), None)

    def render_line(self, y: int) -> Strip:
        """The line, with a pointer where it is the highlighted row's first: a shade alone is seen by few."""
        strip, row = super().render_line(y), self.highlighted
        line = self.scroll_offset.y + y
        if row is None or self._lines[line : line + 1] != [(row, 0)]:
            return strip
        first = next(iter(strip))
        return Strip.join([Strip([Segment(POINTER, first.style)]), strip.crop(1)])

    def move(self, by: int) -> None:
        """Highlight the next row, or the one before."""
        (self.action_cursor_down if by > 0 else self.action_cursor_up)()
