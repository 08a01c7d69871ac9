"""What customers attached to the messages shown: listed, and one by one saved on the operator's machine."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList

from fte.console import file_words
from fte.console.downloads import save
from fte.console.safe import Part, line
from fte.console.widgets.plain import Plain, PlainList, Row
from fte.domain.errors import FteError
from fte.wire import AttachmentView

if TYPE_CHECKING:
    from fte.console.app import Console

Listed = tuple[str, AttachmentView]
"""Who sent a file and when, in words, and the file."""


class FilesScreen(ModalScreen[None]):
    """Lists files. Enter saves the highlighted one; nothing is ever opened."""

    CSS_PATH = "dialogs.tcss"
    AUTO_FOCUS = "PlainList"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,a", "dismiss(None)", "close"),
        Binding("j", "move(1)", show=False),
        Binding("k", "move(-1)", show=False),
    ]

    def __init__(self, files: Sequence[Listed], chosen: UUID | None = None) -> None:
        super().__init__()
        self._files, self._chosen, self._busy = list(files), chosen, False

    @property
    def console(self) -> "Console":
        return cast("Console", self.app)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Plain(id="files-title")
            yield PlainList(id="files")
            yield Plain(id="outcome")
            yield Plain(("enter save   esc close   nothing is opened: look before you do", "$foreground 60%"))

    def on_mount(self) -> None:
        self._show()

    def refreshed(self, files: Sequence[Listed]) -> None:
        """The files changed, perhaps; the same one stays highlighted."""
        if list(files) == self._files or not self.is_mounted:
            return
        place = self.query_one(PlainList).highlighted
        self._chosen = self._files[place][1].id if place is not None else None
        self._files = list(files)
        self._show()

    def _show(self) -> None:
        chosen = next((n for n, (_, file) in enumerate(self._files) if file.id == self._chosen), None)
        self.query_one("#files-title", Plain).show((f"Attachments ({len(self._files)})", "bold"))
        self.query_one(PlainList).show((_row(*listed) for listed in self._files), chosen)

    def action_move(self, by: int) -> None:
        self.query_one(PlainList).move(by)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        file = next((file for _, file in self._files if str(file.id) == event.option.id), None)
        if file is None:
            return
        if self._busy:
            self._tell("Wait: a file is being saved.", "$text-warning")
        elif refusal := file_words.no_file(file):
            self._tell(refusal, "$text-warning")
        else:
            self._busy = True
            self._tell(f"◌ Saving {line(file.name, 80)}…")
            # It belongs to the application: leaving the screen must not cut off what is being written.
            self.console.run_worker(self._save(file), group="files", exit_on_error=False)

    async def _save(self, file: AttachmentView) -> None:
        try:
            client = await self.console.connected()
            content = await client.attachment(file.id)
            where = await asyncio.to_thread(save, self.console.download_dir, file.name, content)
        except FteError as error:
            words = " ".join(filter(None, (f"✗ Not saved: {error.message}", error.remedy)))
            self._tell(words, "bold $text-error")
        else:
            self._tell(f"✓ Saved as {where.name} in {where.parent}", "$text-success")
        finally:
            self._busy = False

    def _tell(self, words: str, style: str = "") -> None:
        if self.is_attached:
            self.query_one("#outcome", Plain).show((line(words), style))
        else:
            self.console.say(words, "error" if words.startswith("✗") else "information")


def _row(whence: str, file: AttachmentView) -> Row:
    parts: list[Part] = [*file_words.file_parts(file), (f"  {line(whence, 80)}", "$foreground 60%")]
    return Row(str(file.id), tuple(parts))
