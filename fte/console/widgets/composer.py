"""Where a reply or a note is written. What is typed belongs to the operator: nothing here throws it away."""

from collections.abc import Callable
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import TextArea

from fte.console import keys
from fte.console.drafts import Kind
from fte.console.safe import Part
from fte.console.widgets.plain import Plain
from fte.domain.canned import called
from fte.domain.conversations import REPLY_MAX


class Area(TextArea):
    """Where the text is typed. `;key` and a blank or a tab becomes what `expand` makes of the key, if anything."""

    def __init__(self, expand: Callable[[str], str | None]) -> None:
        super().__init__(show_line_numbers=False, soft_wrap=True, highlight_cursor_line=False)
        self._expand = expand

    async def _on_key(self, event: events.Key) -> None:
        if event.key in ("space", "tab") and not self.read_only and self._call():
            event.stop()
            event.prevent_default()
            return
        await super()._on_key(event)

    def _call(self) -> bool:
        row, column = self.cursor_location
        key = called(self.document.get_line(row)[:column])
        text = self._expand(key) if key else None
        if key is None or text is None:
            return False
        done = self.replace(text, (row, column - len(key) - 1), (row, column))
        self.move_cursor(done.end_location)
        return True


class Composer(Vertical):
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("compose")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.kind: Kind = "reply"
        self.canned: Callable[[str], str | None] = lambda key: None
        """What a canned reply's key becomes; None when there is no such key."""
        self._heading = ""

    def compose(self) -> ComposeResult:
        yield Plain(id="word")
        yield Plain(id="kind")
        yield Area(lambda key: self.canned(key) if self.kind == "reply" else None)

    @property
    def area(self) -> TextArea:
        return self.query_one(TextArea)

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    @property
    def text(self) -> str:
        return self.area.text

    def open(self, kind: Kind, heading: str, text: str) -> None:
        """Begin or go on writing."""
        self.kind, self._heading = kind, heading
        self.set_class(kind == "note", "note")
        self.tell()
        with self.prevent(TextArea.Changed):
            self.area.load_text(text)
        self.area.move_cursor(self.area.document.end)
        self.freeze(False)
        self.add_class("-open")
        self.area.focus()
        self.count()

    def put_in(self, text: str) -> None:
        """Add text where the cursor is."""
        self.area.insert(text)
        self.area.focus()

    def close(self) -> None:
        self.remove_class("-open")

    def freeze(self, frozen: bool) -> None:
        """While it is being sent, or nobody knows whether it was, the text may not change."""
        self.area.read_only = frozen

    def tell(self, *parts: Part) -> None:
        """Say something over the text; nothing: say nothing."""
        word = self.query_one("#word", Plain)
        word.set_class(bool(parts), "-there")
        word.show(*parts)

    def count(self) -> None:
        """Show what is being written, and how long it is."""
        length = len(self.text)
        too_long = length > REPLY_MAX
        style = "bold $text-error" if too_long else "$foreground 60%"
        self.query_one("#kind", Plain).show(
            (self._heading, "bold"), (f"  {length:,} of {REPLY_MAX:,}", style)
        )
