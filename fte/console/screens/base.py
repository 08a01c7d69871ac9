"""What all screens share: the status line, the key bar, and one way from a key to an action."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.events import ScreenResume
from textual.screen import Screen
from textual.widget import Widget

from fte.console import keys, people_words, present
from fte.console.keys import Context, Situation
from fte.console.model import DISCONNECTED
from fte.console.screens.asking import Asking
from fte.console.widgets.key_bar import KeyBar
from fte.console.widgets.plain import Plain
from fte.console.widgets.status_bar import StatusBar


class ConsoleScreen(Asking, Screen[None]):
    """A screen whose actions come from the table in `keys`: action `x` is done by the method `do_x`."""

    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("everywhere")
    context: ClassVar[Context] = "queue"
    parts: ClassVar[Sequence[type[Widget]]] = (StatusBar, Plain, KeyBar)
    """What must be there for the screen to be painted."""

    def situation(self) -> Situation:
        """What decides now which actions are possible."""
        raise NotImplementedError

    @property
    def is_whole(self) -> bool:
        """False before the screen is composed, and again as soon as it is being torn down."""
        return self.is_mounted and all(self.query(part) for part in self.parts)

    @property
    def active_context(self) -> Context:
        return self.context

    def action_perform(self, id: str, *number: int) -> None:
        """Do the action, or say why it cannot be done. `number` is the key of a numbered one."""
        refusal = keys.action(id).why_not(self.situation())
        if refusal is None:
            getattr(self, f"do_{id}")(*number)
        else:
            self.console.say(refusal, "warning")

    @on(KeyBar.Chosen)
    def _chosen(self, event: KeyBar.Chosen) -> None:
        self.action_perform(event.id)

    def do_help(self) -> None:
        from fte.console.screens.help import HelpScreen

        self.console.push_screen(HelpScreen(self.active_context, self.situation()))

    def do_jump(self) -> None:
        from fte.console.screens.choices import NumberScreen

        def chosen(number: int | None) -> None:
            if number is not None:
                self.console.jump(number)

        self.console.push_screen(NumberScreen(), chosen)

    @property
    def crumb(self) -> str:
        """What this screen is called in the line that says where one is; empty on the first one."""
        return ""

    def do_palette(self) -> None:
        self.console.action_command_palette()

    def do_retry(self) -> None:
        self.action_retry()

    @on(ScreenResume)
    def _came_back(self) -> None:
        self.paint_frame()

    def heard(self) -> None:
        """Something happened, anywhere."""

    def paint_frame(self) -> None:
        """Bring the status line and the key bar up to date."""
        if not self.is_whole:
            return
        console = self.console
        queue, link = console.queue, console.link
        crumbs = present.crumbs([s.crumb for s in console.screen_stack if isinstance(s, ConsoleScreen)])
        view = None if crumbs else queue.view
        left = (
            present.counts_line(queue.counts(), view, queue.filter, queue.search, len(queue.marked))
            if queue.loaded
            else ["…"]
        )
        left += crumbs
        words = present.link_words(link, console.paused, console.held_back)
        name = people_words.who_am_i(console.operator, console.read_only)
        self.query_one(StatusBar).show(left, [words, (f"  {name}", "$foreground 60%") if name else ""])
        self.set_class(link.phase in DISCONNECTED, "-disconnected")
        self.query_one("#trouble", Plain).show(*present.trouble(link, console.url, keys.key_of("retry")))
        self.paint_keys()

    def paint_keys(self) -> None:
        self.query_one(KeyBar).show_actions(self.active_context, self.situation())
