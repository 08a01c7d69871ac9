"""The queue: what is due first, live."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final, cast
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.timer import Timer

from fte.console import keys, present
from fte.console.clipboard import number_of
from fte.console.keys import Situation
from fte.console.model import VIEWS, Filter, View
from fte.console.rows import Rows
from fte.console.safe import line
from fte.console.saved import SavedView
from fte.console.screens.base import ConsoleScreen
from fte.console.widgets.key_bar import KeyBar
from fte.console.widgets.plain import Plain
from fte.console.widgets.queue_table import QueueTable, titles
from fte.console.widgets.status_bar import StatusBar
from fte.domain.errors import FteError
from fte.domain.operators import Action
from fte.domain.tickets import Resolution
from fte.wire import QueueItem

if TYPE_CHECKING:
    from textual.widgets import Input

PAINT_PAUSE: Final = 0.25
"""Seconds between two repaints that events caused."""
SETTLED_AFTER: Final = timedelta(seconds=1)
"""How long a conversation must have been under the cursor, once it came there by itself, to be opened without a word."""
TICK: Final = 15.0
"""Seconds after which waiting times are brought up to date."""
_EMPTY: Final = {
    "open": "Nothing is open. New conversations appear here by themselves.",
    "needs_person": "Nobody waits for a person.",
    "mine": "You hold no conversation.",
    "mentions": "No note names you where you have done nothing since.",
    "snoozed": "Nothing is put aside.",
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
        self._asked_for = False
        self._newcomer: tuple[UUID, datetime] | None = None

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

        words = "words to find, !words to leave out, #tags; enter searches everything"
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
        names, above = titles(self.size.width), present.above(self.table.waiting_above, self.table.late_above)
        room = max(0, self.size.width - len(above) - 1)
        self.query_one("#titles", Plain).show(
            *([f"{names[: room - 1]:<{room}}", (above, "$text-error")] if above else [names])
        )

    @on(Click, "#titles")
    def _titles_clicked(self) -> None:
        self.table.action_move(-len(self.table.rows))

    @property
    def table(self) -> QueueTable:
        return self.query_one(QueueTable)

    def situation(self) -> Situation:
        console = self.console
        return console.situation(rows=len(self.table.rows), marked=len(console.queue.marked))

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
            rows = Rows(queue.rows(), lambda item, more: present.row(item, queue.me, now, more), now)
            was = self.table.cursor_key
            self.table.show(rows, self._why_empty())
            self._note_newcomer(was, self.table.cursor_key, expected=at_once)
            self.table.mark(queue.marked)
            self._paint_titles()
            console.held_back = 0
        self.paint_frame()

    def _note_newcomer(self, was: UUID | None, now: UUID | None, *, expected: bool) -> None:
        """Remember what took another one's place under the cursor, unless the operator asked for it, or looks elsewhere."""
        expected = expected or self._asked_for or not self.is_current
        self._asked_for = self._asked_for and not self.console.queue.there
        if was is not None and now is not None and was != now:
            self._newcomer = None if expected else (now, self.console.now())

    def _why_empty(self) -> str:
        queue = self.console.queue
        if queue.search or queue.filter:
            return "Nothing matches. Escape clears the filter."
        return _EMPTY[queue.view]

    # -- actions

    def do_open(self) -> None:
        key = self.table.cursor_key
        if key is not None:
            self._open(key)

    @on(QueueTable.Opened)
    def _opened(self, event: QueueTable.Opened) -> None:
        self._open(event.key)

    def _open(self, key: UUID) -> None:
        """Open it; what has just come under the operator's finger is named instead, and stays there."""
        self.table.select(key)
        newcomer, self._newcomer = self._newcomer, None
        if newcomer is None or newcomer[0] != key or self.console.now() - newcomer[1] >= SETTLED_AFTER:
            self.console.open_conversation(key)
        else:
            item = self.table.rows.items[self.table.rows.places[key]]
            who = f"#{item.number} {line(item.customer, 40)}"
            self.console.say(
                f"The list has just moved: {who} is here now. The same again opens it.", "warning"
            )

    def do_filter(self) -> None:
        self.field.add_class("-open")
        self.field.focus()

    def on_input_changed(self, event: "Input.Changed") -> None:
        queue = self.console.queue
        queue.filter = Filter.parse(event.value)
        self.paint(at_once=True)

    def on_input_submitted(self, event: "Input.Submitted") -> None:
        queue = self.console.queue
        if queue.filter.words:
            self._look_at(queue.view, " ".join(queue.filter.words))
        self.action_leave_filter()

    def _look_at(self, view: View, search: str = "") -> None:
        self._asked_for = True
        self.console.queue.look_at(view, search)
        self.console.refresh_queue()

    def action_leave_filter(self) -> None:
        if not self.field.value.strip():
            self.field.remove_class("-open")
        self.table.focus()

    def do_clear(self) -> None:
        queue, self.field.value = self.console.queue, ""
        queue.filter = Filter()
        if queue.search:
            self._look_at(queue.view)
        queue.unmark()
        self.action_leave_filter()
        self.paint(at_once=True)

    def do_view(self) -> None:
        self._turn_view(1)

    def do_view_back(self) -> None:
        self._turn_view(-1)

    def _turn_view(self, by: int) -> None:
        queue = self.console.queue
        self._look_at(VIEWS[(VIEWS.index(queue.view) + by) % len(VIEWS)], queue.search)
        self.console.paused = False
        self.table.begin()
        self.paint_frame()

    def do_pause(self) -> None:
        self.console.paused = not self.console.paused
        self.paint()

    def do_next_waiting(self) -> None:
        if self.table.next_waiting() is None:
            self.console.say("Nobody in this list waits for a person.")

    # -- marks

    def do_mark(self) -> None:
        key = self.table.cursor_key
        if key is not None:
            self.console.queue.mark(key)
            self._marks_changed()
            self.table.action_move(1)

    def do_mark_all(self) -> None:
        self.console.queue.mark_all()
        self._marks_changed()

    def _marks_changed(self) -> None:
        self.table.mark(self.console.queue.marked)
        self.paint_frame()

    def _marked(self) -> list[QueueItem]:
        """The marked rows as the screen shows them."""
        marked = self.console.queue.marked
        return [item for item in self.table.rows.items if item.conversation_id in marked]

    def _numbers(self, items: Sequence[QueueItem]) -> str:
        named = ", ".join(f"#{item.number}" for item in items[:8])
        hidden = len(self.console.queue.marked) - len(items)
        more = f" and {len(items) - 8} more" if len(items) > 8 else ""
        aside = f" {hidden} marked ones are not in the list now and stay as they are." if hidden else ""
        return f"{present.plural(len(items), 'conversation')}: {named}{more}.{aside}"

    def _bulk(
        self,
        action: Action,
        what: str,
        text: str | None = None,
        reason: str | None = None,
        resolution: Resolution | None = None,
    ) -> None:
        from fte.console.screens.bulk import BulkScreen, Task

        tasks = [Task(item, action, text, reason, resolution) for item in self._marked()]
        self.console.queue.unmark()
        self._marks_changed()
        self.console.push_screen(BulkScreen(what, tasks))

    def _few_enough(self) -> bool:
        from fte.console.screens.bulk import BULK_MAX

        count = len(self._marked())
        if 1 <= count <= BULK_MAX:
            return True
        self.console.say(
            f"{count:,} are marked; at most {BULK_MAX} at once."
            if count
            else "No marked row is in the list now.",
            "warning",
        )
        return False

    def do_bulk_take_over(self) -> None:
        from fte.console.screens.dialogs import ConfirmScreen

        def answered(yes: bool | None) -> None:
            if yes:
                self._bulk("take_over", "Taking over")

        if self._few_enough():
            question = f"Take over {len(self._marked())} conversations?"
            facts = f"{self._numbers(self._marked())} From then on you answer in all of them, and the AI is silent."
            self.console.push_screen(ConfirmScreen(question, facts, "Take over"), answered)

    def do_bulk_release(self) -> None:
        from fte.console.screens.dialogs import ReasonScreen

        def answered(reason: str | None) -> None:
            if reason is not None:
                self._bulk("release", "Handing back", reason=reason or None)

        if self._few_enough():
            question = f"Hand back to the AI {self._numbers(self._marked())}"
            self.console.push_screen(ReasonScreen(question, "Hand back to the AI", required=False), answered)

    def do_bulk_resolve(self) -> None:
        from fte.console.screens.dialogs import ResolveScreen

        def ended(how: tuple[Resolution, str] | None) -> None:
            if how is not None:
                self._bulk("resolve", "Resolving", reason=how[1], resolution=how[0])

        if self._few_enough():
            self.console.push_screen(ResolveScreen(f"Resolve {self._numbers(self._marked())}"), ended)

    def do_bulk_note(self) -> None:
        from fte.console.screens.dialogs import ReasonScreen

        def written(text: str | None) -> None:
            if text:
                self._bulk("note", "Noting", text=text)

        if self._few_enough():
            question = f"Write one note into {self._numbers(self._marked())}"
            dialog = ReasonScreen(question, "Write", required=True, hint="The note, for colleagues only")
            self.console.push_screen(dialog, written)

    def do_take_back(self) -> None:
        if self.console.sent is not None:
            self.console.open_conversation(self.console.sent, take_back=True)

    # -- kept views, copying, other screens

    def do_save_view(self) -> None:
        from fte.console.screens.choices import KeepScreen

        queue = self.console.queue
        here = SavedView(queue.view, self.field.value.strip()[:200], queue.search[:200])
        try:
            kept = {number: present.view_words(one) for number, one in self.console.saved.load().items()}
        except FteError as error:
            self.console.say(present.sentence(error), "error")
            return

        def chosen(number: int | None) -> None:
            if number is not None:
                self._keep_view(number, here)

        self.console.push_screen(KeepScreen(present.view_words(here), kept), chosen)

    def _keep_view(self, number: int, view: SavedView) -> None:
        try:
            self.console.saved.save(number, view)
        except FteError as error:
            self.console.say(present.sentence(error), "error")
        else:
            self.console.say(f"Kept: {number} goes to “{present.view_words(view)}”.")

    def do_saved(self, number: int) -> None:
        try:
            view = self.console.saved.load().get(number)
        except FteError as error:
            self.console.say(present.sentence(error), "error")
            return
        if view is None:
            self.console.say(
                f"No view is kept under {number}; {keys.key_of('save_view')} keeps this one.", "warning"
            )
            return
        from textual.widgets import Input

        queue = self.console.queue
        with self.prevent(Input.Changed):
            self.field.value = view.filter
        self.field.set_class(bool(view.filter), "-open")
        queue.filter = Filter.parse(view.filter)
        self._look_at(view.view, view.search)
        self.console.paused = False
        self.table.begin()
        self.paint(at_once=True)

    def do_copy_row(self) -> None:
        key = self.table.cursor_key
        if key is not None:
            self.console.copy(number_of(self.table.rows.items[self.table.rows.places[key]]))

    def do_metrics(self) -> None:
        from fte.console.screens.metrics import MetricsScreen

        self.console.push_screen(MetricsScreen())

    def do_channels(self) -> None:
        from fte.console.screens.channels import ChannelsScreen

        self.console.push_screen(ChannelsScreen())

    def do_customers(self) -> None:
        from fte.console.screens.search import CustomersScreen

        self.console.push_screen(CustomersScreen())

    def do_knowledge(self) -> None:
        from fte.console.screens.search import KnowledgeScreen

        self.console.push_screen(KnowledgeScreen())

    def do_suggestions(self) -> None:
        from fte.console.screens.suggestions import SuggestionsScreen

        self.console.push_screen(SuggestionsScreen())

    def do_drafts(self) -> None:
        self.console.open_drafts()

    def do_team(self) -> None:
        from fte.console.screens.team import TeamScreen

        self.console.push_screen(TeamScreen())

    def do_duty(self) -> None:
        self.console.run_worker(self.console.set_duty(), group="duty", exclusive=True, exit_on_error=False)

    def do_reload(self) -> None:
        self.console.queue.invalidate()
        self.console.refresh_queue()

    def do_quit(self) -> None:
        self.console.exit()
