"""What the keys do here, and why one of them does nothing now."""

import textwrap
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen

from fte.console import keys
from fte.console.keys import Action, Context, Situation
from fte.console.present import DUE_LEGEND, LEGEND
from fte.console.safe import Part
from fte.console.widgets.plain import Plain

_KEYS_WIDTH = 24
_TEXT_WIDTH = 44
"""Columns for what stands beside the keys, so that it fits a terminal of 80."""


class HelpScreen(ModalScreen[None]):
    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1", "dismiss(None)", "close"),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]
    AUTO_FOCUS = ".body"

    def __init__(self, context: Context, situation: Situation) -> None:
        super().__init__()
        self._where, self._situation = context, situation

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog large"):
            yield Plain((f"Keys: {self._where}", "bold"))
            with VerticalScroll(classes="body"):
                yield Plain(*help_lines(self._where, self._situation))
            yield Plain(("j k scroll   esc close", "$foreground 60%"))

    def action_scroll(self, by: int) -> None:
        self.query_one(".body", VerticalScroll).scroll_relative(y=by, animate=False)


def help_lines(context: Context, situation: Situation) -> list[Part]:
    """The help of a context, with the reason beside everything that is not possible now."""
    parts: list[Part] = []
    for action in [*keys.of(context), *keys.of("everywhere")]:
        parts += _action_lines(action, action.why_not(situation))
    parts.append(("\nMoving\n", "bold"))
    for names, what in keys.MOVES:
        parts += [(f"  {names:<{_KEYS_WIDTH}}", "bold $text-primary"), f"{what}\n"]
    parts.append(("\nStates\n", "bold"))
    for state, what in (*LEGEND, *DUE_LEGEND):
        parts += [(f"  {state:<{_KEYS_WIDTH}}", "bold"), f"{what}\n"]
    return parts


def _action_lines(action: Action, refusal: str | None) -> list[Part]:
    names = " ".join(action.names)
    parts: list[Part] = [(f"  {names:<{_KEYS_WIDTH}}", "bold $text-primary"), _beside(action.help)]
    if refusal is not None:
        parts.append((f"  {'':<{_KEYS_WIDTH}}" + _beside(f"not now: {refusal}"), "$text-warning"))
    return parts


def _beside(words: str) -> str:
    """Words in the right column, their further lines too."""
    return textwrap.fill(words, _TEXT_WIDTH).replace("\n", f"\n  {'':<{_KEYS_WIDTH}}") + "\n"
