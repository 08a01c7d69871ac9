"""The queue as a list drawn line by line, so that a change costs what it changes.

The cursor belongs to a conversation, not to a position: rows that move under it take it along. Only while nobody
has chosen a row yet it stays on the first one, whatever that is. One row takes one line on a wide terminal and two on
a narrow one.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final
from uuid import UUID

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from fte.console.present import Row
from fte.console.rows import Rows
from fte.console.safe import SafeText, line
from fte.console.widgets.plain import POINTER

WIDE: Final = 110
"""Columns from which a row fits on one line."""
_STATE, _DUE, _WAIT, _CHANNEL, _NUMBER, _CUSTOMER, _REASON = 11, 10, 5, 9, 8, 18, 20


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of a line: its text, its width in columns, and the part of the theme that colours it."""

    text: SafeText
    width: int
    look: str = ""


class QueueTable(ScrollView, can_focus=True):
    """Shows rows; knows nothing of where they come from."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "queue--cursor",
        "queue--dim",
        "queue--late",
        "queue--soon",
        "queue--urgent",
        "queue--person",
        "queue--turn",
        "queue--mine",
        "queue--held",
        "queue--draft",
        "queue--ai",
        "queue--done",
    }
    DEFAULT_CSS = """
    QueueTable {
        background: $background;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        .queue--cursor { background: $panel; text-style: bold; }
        &:focus .queue--cursor { background: $primary-muted; }
        .queue--dim { color: $text-muted; }
        .queue--late { color: $text-error; text-style: bold; }
        .queue--soon { color: $text-warning; text-style: bold; }
        .queue--urgent { color: $text-error; text-style: bold reverse; }
        .queue--person { color: $text-error; text-style: bold; }
        .queue--turn { color: $text-warning; text-style: bold; }
        .queue--mine { color: $text-primary; }
        .queue--held { color: $text-accent; }
        .queue--draft { color: $text-warning; }
        .queue--ai { color: $text-muted; }
        .queue--done { color: $text-success; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup,ctrl+u", "page(-1)", "page up", show=False),
        Binding("pagedown,ctrl+d", "page(1)", "page down", show=False),
        Binding("home,g", "move(-1000000)", "first", show=False),
        Binding("end,G", "move(1000000)", "last", show=False),
    ]

    @dataclass
    class Opened(Message):
        """The row was clicked while the cursor was on it already."""

        key: UUID

    class Moved(Message):
        """Other rows are on the screen than before."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._chosen = False
        self._rows = Rows()
        self._marked: frozenset[UUID] = frozenset()
        self._cursor: int = 0
        self._empty: SafeText = line("Loading the queue…")

    # -- what it shows

    @property
    def rows(self) -> Rows:
        return self._rows

    @property
    def cursor_key(self) -> UUID | None:
        """The conversation under the cursor; None in an empty list."""
        return self._rows.keys[self._cursor] if self._rows else None

    @property
    def waiting_above(self) -> int:
        """How many of those scrolled out of view at the top need a person."""
        return self._rows.waiting_above(self.scroll_offset.y // self._height)

    @property
    def late_above(self) -> int:
        """How many of those scrolled out of view at the top are late."""
        return self._rows.late_above(self.scroll_offset.y // self._height)

    def begin(self) -> None:
        """Go to the top and stay there, until a row is chosen."""
        self._move_to(0)
        self._chosen = False

    def show(self, rows: Rows, empty: str) -> int:
        """Show these rows, or `empty` when there are none. Returns how many lines were repainted at most."""
        before, self._rows, self._empty = self._rows, rows, line(empty)
        if rows and before.keys == rows.keys:
            changed = [index for index in self._visible() if before[index] != rows[index]]
            for index in changed:
                self._refresh_row(index)
            return len(changed) * self._height
        self._rearrange(before)
        return self.size.height

    def mark(self, marked: frozenset[UUID]) -> None:
        """Show which rows are marked."""
        if marked != self._marked:
            self._marked = marked
            self.refresh()

    def _visible(self) -> range:
        """The places of the rows of which something is on the screen."""
        top, height = self.scroll_offset.y, self._height
        return range(top // height, min(len(self._rows), -(-(top + self.size.height) // height)))

    def _rearrange(self, before: Rows) -> None:
        old = self._cursor
        key = before.keys[old] if before else None
        kept = self._rows.places.get(key) if key is not None else None
        if not self._chosen:
            kept = 0 if self._rows else None
        self._cursor = kept if kept is not None else min(old, max(0, len(self._rows) - 1))
        scrolled = self.scroll_offset.y
        self._resize()
        if kept is not None and scrolled:
            self.scroll_to(y=max(0, scrolled + (kept - old) * self._height), animate=False, immediate=True)
        self._keep_cursor_visible()
        self.refresh()

    def select(self, key: UUID) -> bool:
        """Put the cursor on a conversation. False when it is not in the list."""
        index = self._rows.places.get(key)
        if index is None:
            return False
        self._move_to(index)
        return True

    def next_waiting(self) -> int | None:
        """Go to the next row that needs a person, around the end. None when no row does."""
        waiting = self._rows.waiting
        if not waiting:
            return None
        place = waiting[bisect_right(waiting, self._cursor) % len(waiting)]
        self._move_to(place)
        return place

    # -- keys and mouse

    def action_move(self, by: int) -> None:
        if self._rows:
            self._move_to(min(max(0, self._cursor + by), len(self._rows) - 1))

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self.size.height // self._height - 1))

    def on_click(self, event: events.Click) -> None:
        index = (event.y + self.scroll_offset.y) // self._height
        if index >= len(self._rows):
            return
        if index == self._cursor:
            self.post_message(self.Opened(self._rows.keys[index]))
        else:
            self._move_to(index)

    def _move_to(self, index: int) -> None:
        self._chosen = True
        old, self._cursor = self._cursor, index
        self._refresh_row(old)
        self._refresh_row(index)
        self._keep_cursor_visible()

    def _keep_cursor_visible(self) -> None:
        region = Region(0, self._cursor * self._height, max(1, self.size.width), self._height)
        self.scroll_to_region(region, animate=False, immediate=True, force=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._chosen = self._chosen or new_value > 0
        self.post_message(self.Moved())

    # -- drawing

    @property
    def _height(self) -> int:
        return 1 if self.size.width >= WIDE else 2

    def on_resize(self) -> None:
        self._resize()
        self._keep_cursor_visible()

    def _resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._rows) * self._height)

    def _refresh_row(self, index: int) -> None:
        top = index * self._height - self.scroll_offset.y
        self.refresh(Region(0, top, self.size.width, self._height))

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        index, part = divmod(y + self.scroll_offset.y, self._height)
        if index >= len(self._rows):
            text = self._empty if not self._rows and y == 1 else ""
            return Strip([Segment(set_cell_size(f"  {text}", width), self.rich_style)], width)
        row = self._rows[index]
        cells = _wide(row, width) if self._height == 1 else _narrow(row, width)[part]
        here = index == self._cursor
        pointer = POINTER if here and not part else " "
        mark = "*" if row.key in self._marked and not part else " "
        return self._strip(cells, "queue--cursor" if here else "", pointer + mark, width)

    def _strip(self, cells: Sequence[Cell], ground: str, marker: str, width: int) -> Strip:
        base = self._look(ground)
        segments = [Segment(marker, base)]
        for cell in cells:
            segments += _padded(cell, base, self._look(ground, cell.look) if cell.look else base)
        return Strip(segments, width)

    def _look(self, ground: str, look: str = "") -> Style:
        names = [name for name in (ground, look and f"queue--{look}") if name]
        return self.get_visual_style(*names).rich_style if names else self.rich_style


def _padded(cell: Cell, base: Style, style: Style) -> list[Segment]:
    """The cell's text cut to its column, then blanks up to the next one."""
    room = max(0, cell.width - 1)
    text = cut(cell.text, room)
    shown = set_cell_size(text, room).rstrip()
    blanks = set_cell_size("", cell.width - Segment(shown).cell_length)
    return [Segment(shown, style), Segment(blanks, base)]


def cut(text: str, width: int) -> str:
    """Text that fits into `width` columns, with an ellipsis when something is missing."""
    if Segment(text).cell_length <= width:
        return text
    return set_cell_size(text, max(0, width - 1)).rstrip() + "…" if width else ""


def _narrow(row: Row, width: int) -> tuple[list[Cell], list[Cell]]:
    rest = max(0, width - 2 - _STATE - _DUE - _WAIT - _CHANNEL - _CUSTOMER)
    upper = [
        Cell(row.state, _STATE, row.mark),
        Cell(row.due, _DUE, row.pressing or "dim"),
        Cell(row.wait, _WAIT),
        Cell(row.channel, _CHANNEL, "dim"),
        Cell(row.customer, _CUSTOMER),
        Cell(row.subject, rest),
    ]
    reason = line(f"{row.reason}:") if row.reason else line("")
    said = Segment(reason).cell_length + 1 if reason else 0
    lower = [
        Cell(row.number, _STATE, "dim"),
        Cell(reason, said, "person" if row.mark in ("urgent", "person") else "dim"),
        Cell(row.preview, max(0, width - 2 - _STATE - said), "dim"),
    ]
    return upper, lower


def _wide(row: Row, width: int) -> list[Cell]:
    fixed = 2 + _STATE + _DUE + _WAIT + _NUMBER + _CHANNEL + _CUSTOMER + _REASON
    rest = max(0, width - fixed)
    return [
        Cell(row.state, _STATE, row.mark),
        Cell(row.due, _DUE, row.pressing or "dim"),
        Cell(row.wait, _WAIT),
        Cell(row.number, _NUMBER, "dim"),
        Cell(row.channel, _CHANNEL, "dim"),
        Cell(row.customer, _CUSTOMER),
        Cell(row.subject, rest * 2 // 5),
        Cell(row.reason, _REASON, "person" if row.mark in ("urgent", "person") else "dim"),
        Cell(row.preview, rest - rest * 2 // 5, "dim"),
    ]


def titles(width: int) -> str:
    """The line over the list, in the same columns."""
    head = f"  {'STATE':<{_STATE}}{'DUE':<{_DUE}}{'WAIT':<{_WAIT}}"
    if width < WIDE:
        return head + f"{'CHANNEL':<{_CHANNEL}}{'CUSTOMER':<{_CUSTOMER}}SUBJECT"
    subject = max(0, width - 2 - _STATE - _DUE - _WAIT - _NUMBER - _CHANNEL - _CUSTOMER - _REASON) * 2 // 5
    names = f"{'NUMBER':<{_NUMBER}}{'CHANNEL':<{_CHANNEL}}{'CUSTOMER':<{_CUSTOMER}}{'SUBJECT':<{subject}}"
    return head + names + f"{'REASON':<{_REASON}}LAST MESSAGE"
