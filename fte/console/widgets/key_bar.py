"""The line at the bottom: what can be done here, and with which key. A click does the same."""

from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message
from textual.style import Style

from fte.console import keys
from fte.console.keys import Action, Context, Situation
from fte.console.safe import content
from fte.console.widgets.plain import Plain


class KeyBar(Plain):
    """Actions that are not possible now are struck out; trying one says why."""

    @dataclass
    class Chosen(Message):
        """An action was clicked."""

        id: str

    def on_click(self, event: events.Click) -> None:
        id_ = event.style.meta.get("perform")
        if id_:
            self.post_message(self.Chosen(id_))

    def show_actions(self, context: Context, situation: Situation) -> None:
        entries = [_entry(action, action.why_not(situation) is None) for action in keys.bar(context)]
        self.update(Content("  ").join(entries))


def _entry(action: Action, possible: bool) -> Content:
    click = Style.from_meta({"perform": action.id})
    if possible:
        text = content((action.key, "bold $text-primary"), f" {action.label}")
    else:
        text = content((f"{action.key} {action.label}", "strike $foreground 60%"))
    return text.stylize(click)
