"""Who is on duty, and what they hold."""

import asyncio
from typing import TYPE_CHECKING, ClassVar, Final, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen

from fte.console import people_words
from fte.console.safe import line
from fte.console.widgets.plain import Plain
from fte.domain.errors import FteError

if TYPE_CHECKING:
    from fte.console.app import Console

REFRESH: Final = 5.0
"""Seconds between two looks at the team while it is shown."""


class TeamScreen(ModalScreen[None]):
    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,T", "dismiss(None)", "close"),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]
    AUTO_FOCUS = ".body"

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog large"):
            yield Plain(("The team", "bold"))
            with VerticalScroll(classes="body"):
                yield Plain("Loading…", id="team")
            yield Plain(("j k scroll   esc close", "$foreground 60%"))

    def on_mount(self) -> None:
        self.run_worker(self._keep_fresh(), exit_on_error=False)

    async def _keep_fresh(self) -> None:
        console = cast("Console", self.app)
        shown = self.query_one("#team", Plain)
        while True:
            try:
                team = await (await console.connected()).team()
            except FteError as error:
                shown.show((f"Not loaded: {line(error.message, 200)}", "$text-warning"))
            else:
                shown.show(*people_words.team_lines(team, console.now()))
            await asyncio.sleep(REFRESH)

    def action_scroll(self, by: int) -> None:
        self.query_one(".body", VerticalScroll).scroll_relative(y=by, animate=False)
