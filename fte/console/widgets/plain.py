"""A static text that cannot be anything but text."""

from textual.widgets import Static

from fte.console.safe import Part, content


class Plain(Static):
    """Shows parts of text; whatever they contain is neither markup nor a command to the terminal."""

    def __init__(self, *parts: Part, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(content(*parts), markup=False, id=id, classes=classes)

    def show(self, *parts: Part) -> None:
        """Replace the text; nothing is painted when it is the same."""
        fresh = content(*parts)
        if fresh != self.content or fresh.spans != getattr(self.content, "spans", None):
            self.update(fresh)
