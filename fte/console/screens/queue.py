"""The queue: what needs a person first, live."""

from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.timer import Timer

from fte.console import keys, present
from fte.console.keys import Situation
from fte.console.model import VIEWS, Filter
from fte.console.rows import Rows
from fte.console.screens.base import ConsoleScreen
from fte.console.widgets.key_bar import KeyBar
from fte.console.widgets.plain import Plain
from fte.console.widgets.queue_table import QueueTable, titles
from fte.console.widgets.status_bar import StatusBar

if TYPE_CHECKING:
    from textual.widgets import Input

PAINT_PAUSE: Final = 0.25
"""Seconds between two repaints that events caused."""
TICK: Final = 15.0
"""Seconds after which waiting times are brought up to date."""
_EMPTY: Final = {
    "open": "Nothing is open. New conversations appear here by themselves.",
    "needs_person": "Nobody waits for a person.",
    "mine": "You hold no conversation.",
    "resolved": "Nothing has been resolved yet.",
    "all": "There is no conversation yet.",
}


class QueueScreen(ConsoleScreen):
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.bindings("queue"),
        Binding("down", "leave_filter", "to the list", show=False),
    ]
    AUTO_FOCUS = "QueueTable"
    context = "queue"
    parts = (*ConsoleScreen.parts, QueueTable)

    def __init__(self) -> None:
        super().__init__()
        self._pause: Timer | None = None
        self._again = False
        self._started = False

    def compose(self) -> ComposeResult:
        yield StatusBar()
        yield Plain(id="trouble")
        yield Plain(id="titles")
        yield QueueTable(id="queue")
        yield KeyBar()

    def on_mount(self) -> None:
        self._started = True
        self.set_interval(TICK, self.changed)
        self.paint()

    def complete(self) -> None:
        """After the first paint: what nobody can see yet."""
        from textual.widgets import Input

        words = "words to find, !words to leave out; enter searches everything"
        self.mount(Input(placeholder=words, id="filter"), after="#trouble")

    @property
    def field(self) -> "Input":
        """Where a filter is typed."""
        return cast("Input", self.query_one("#filter"))

    def on_resize(self) -> None:
        self._paint_titles()

    @on(QueueTable.Moved)
    def _paint_titles(self) -> None:
        """The names of the columns, and what must not be missed above the rows on the screen."""
        if not self.is_whole:
            return
        names, above = titles(self.size.width), present.above(self.table.waiting_above)
        room = max(0, self.size.width - len(above) - 1)
        self.query_one("#titles", Plain).show(
            *([f"{names[:room]:<{room}}", (above, "$text-error")] if above else [names])
        )

    @on(Click, "#titles")
    def _titles_clicked(self) -> None:
        self.table.action_move(-len(self.table.rows))

    @property
    def table(self) -> QueueTable:
        return self.query_one(QueueTable)

    def situation(self) -> Situation:
        console = self.console
        return console.situation(rows=len(self.table.rows))

    # -- painting

    def changed(self) -> None:
        """Rows changed: paint now, or, when that was just done, a little later together with what comes."""
        if not self._started:
            return
        if self._pause is not None:
            self._again = True
            return
        self._pause = self.set_timer(PAINT_PAUSE, self._pause_over)
        self.paint()

    def _pause_over(self) -> None:
        self._pause = None
        if self._again:
            self._again = False
            self.changed()

    def paint(self, at_once: bool = False) -> None:
        """Show the rows of the model; while paused only when the operator asked for it."""
        if not self._started or not self.is_whole:
            return
        console, queue = self.console, self.console.queue
        if queue.loaded and (at_once or not console.paused):
            now = console.now()
            rows = Rows(queue.rows(), lambda item: present.row(item, queue.me, now))
            self.table.show(rows, self._why_empty())
            self._paint_titles()
            console.held_back = 0
        self.paint_frame()

    def _why_empty(self) -> str:
        queue = self.console.queue
        if queue.search or queue.filter.words:
            return "Nothing matches. Escape clears the filter."
        return _EMPTY[queue.view]

    # -- actions

    def do_open(self) -> None:
        key = self.table.cursor_key
        if key is not None:
            self.table.select(key)
            self.console.open_conversation(key)

    @on(QueueTable.Opened)
    def _opened(self, event: QueueTable.Opened) -> None:
        self.console.open_conversation(event.key)

    def do_filter(self) -> None:
        self.field.add_class("-open")
        self.field.focus()

    def on_input_changed(self, event: "Input.Changed") -> None:
        queue = self.console.queue
        queue.filter = Filter.parse(event.value)
        self.paint(at_once=True)

    def on_input_submitted(self, event: "Input.Submitted") -> None:
        queue = self.console.queue
        if queue.filter.words and not queue.filter.inverse:
            queue.look_at(queue.view, " ".join(queue.filter.words))
            self.console.refresh_queue()
        self.action_leave_filter()

    def action_leave_filter(self) -> None:
        if not self.field.value.strip():
            self.field.remove_class("-open")
        self.table.focus()

    def do_clear(self) -> None:
        queue, self.field.value = self.console.queue, ""
        queue.filter = Filter()
        if queue.search:
            queue.look_at(queue.view)
            self.console.refresh_queue()
        self.action_leave_filter()
        self.paint(at_once=True)

    def do_view(self) -> None:
        self._turn_view(1)

    def do_view_back(self) -> None:
        self._turn_view(-1)

    def _turn_view(self, by: int) -> None:
        queue = self.console.queue
        queue.look_at(VIEWS[(VIEWS.index(queue.view) + by) % len(VIEWS)], queue.search)
        self.console.paused = False
        self.table.begin()
        self.console.refresh_queue()
        self.paint_frame()

    def do_pause(self) -> None:
        self.console.paused = not self.console.paused
        self.paint()

    def do_next_waiting(self) -> None:
        if self.table.next_waiting() is None:
            self.console.say("Nobody in this list waits for a person.")

    def do_reload(self) -> None:
        self.console.queue.invalidate()
        self.console.refresh_queue()

    def do_quit(self) -> None:
        self.console.exit()
