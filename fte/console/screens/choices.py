"""Small choices: a number to go to, a number to keep a view under, what to copy."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList

from fte.console.clipboard import Piece
from fte.console.safe import line
from fte.console.saved import NUMBERS
from fte.console.widgets.plain import Plain, PlainList, Row


class NumberScreen(ModalScreen[int | None]):
    """Asks for a conversation's number."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "cancel")]

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Plain(("Go to conversation number", "bold"))
            yield Input(placeholder="123", max_length=12)
            yield Plain(classes="problem")
            yield Plain(("enter go   esc close", "$text-muted"))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        typed = event.value.strip().removeprefix("#")
        if typed.isascii() and typed.isdigit() and int(typed) > 0:
            self.dismiss(int(typed))
        else:
            self.query_one(".problem", Plain).show("A number, please, as the list shows it: #123.")


class KeepScreen(ModalScreen[int | None]):
    """Asks for the number to keep a view under."""

    CSS_PATH = "dialogs.tcss"
    AUTO_FOCUS = "PlainList"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "cancel"),
        *(Binding(str(number), f"dismiss({number})", show=False) for number in NUMBERS),
        Binding("j", "move(1)", show=False),
        Binding("k", "move(-1)", show=False),
    ]

    def __init__(self, what: str, kept: Mapping[int, str]) -> None:
        super().__init__()
        self._what, self._kept = what, kept

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Plain((f"Keep “{line(self._what, 60)}” under which number?", "bold"))
            yield PlainList(id="files")
            yield Plain(("1 … 9, or enter   esc close", "$text-muted"))

    def on_mount(self) -> None:
        rows = [
            Row(str(number), (f"{number}  {line(self._kept.get(number, '(free)'), 60)}",))
            for number in NUMBERS
        ]
        free = next((place for place, number in enumerate(NUMBERS) if number not in self._kept), 0)
        self.query_one(PlainList).show(rows, free)

    def action_move(self, by: int) -> None:
        self.query_one(PlainList).move(by)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(int(event.option.id or 0) or None)


class CopyScreen(ModalScreen[Piece | None]):
    """Asks what to copy."""

    CSS_PATH = "dialogs.tcss"
    AUTO_FOCUS = "PlainList"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,y", "dismiss(None)", "cancel"),
        Binding("j", "move(1)", show=False),
        Binding("k", "move(-1)", show=False),
    ]

    def __init__(self, pieces: Sequence[Piece]) -> None:
        super().__init__()
        self._pieces = pieces

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Plain(("Copy", "bold"))
            yield PlainList(id="files")
            yield Plain(("enter copy   esc close", "$text-muted"))

    def on_mount(self) -> None:
        rows = [Row(str(place), (piece.name,)) for place, piece in enumerate(self._pieces)]
        self.query_one(PlainList).show(rows, 0)

    def action_move(self, by: int) -> None:
        self.query_one(PlainList).move(by)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._pieces[int(event.option.id or 0)])
