"""The line on top of every screen: what needs a person, and whether we are live."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal

from fte.console.safe import Part
from fte.console.widgets.plain import Plain


class StatusBar(Horizontal):
    def __init__(self) -> None:
        super().__init__()
        self._left = Plain("…", classes="left")
        self._right = Plain(("◌ CONNECTING", "$text-warning"), classes="right")

    def compose(self) -> ComposeResult:
        yield self._left
        yield self._right

    def show(self, left: Sequence[Part], right: Sequence[Part]) -> None:
        self._left.show(*left)
        self._right.show(*right)
