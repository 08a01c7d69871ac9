"""The line at the bottom: what can be done here, and with which key. A click does the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from textual import events
from textual.content import Content
from textual.message import Message
from textual.style import Style

from fte.console import keys
from fte.console.keys import Action, Context, Situation
from fte.console.safe import content
from fte.console.widgets.plain import Plain

GAP: Final = "  "
LAST: Final = 2
"""Entries at the end that are always there: the way back, and the help."""


class KeyBar(Plain):
    """Actions that are not possible now are struck out; trying one says why.

    Where there is no room for all, the way back and the help stay.
    """

    _entries: Sequence[Content] = ()

    @dataclass
    class Chosen(Message):
        """An action was clicked."""

        id: str

    def on_click(self, event: events.Click) -> None:
        id_ = event.style.meta.get("perform")
        if id_:
            self.post_message(self.Chosen(id_))

    def show_actions(self, context: Context, situation: Situation) -> None:
        self._entries = [_entry(action, action.why_not(situation) is None) for action in keys.bar(context)]
        self._fit()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        self.put(_fitting(self._entries, self.content_size.width))


def _fitting(entries: Sequence[Content], room: int) -> Content:
    """As many entries as fit into so many columns, the last ones among them; all of them while the room is not known."""
    kept = list(entries)
    whole = Content(GAP).join(kept)
    while room and whole.cell_length > room and len(kept) > LAST:
        del kept[-LAST - 1]
        whole = Content(GAP).join(kept)
    return whole


def _entry(action: Action, possible: bool) -> Content:
    click = Style.from_meta({"perform": action.id})
    if possible:
        text = content((action.key, "bold $text-primary"), f" {action.label}")
    else:
        text = content((f"{action.key} {action.label}", "strike $foreground 60%"))
    return text.stylize(click)
