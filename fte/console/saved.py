"""Views an operator kept under the numbers 1 to 9, in a file of their own."""

import os
from pathlib import Path
from typing import Annotated, Final

import msgspec

from fte.console.model import View
from fte.domain.errors import Rejected, Unavailable
from fte.wire import decode, encode

NUMBERS: Final = range(1, 10)
_Words = Annotated[str, msgspec.Meta(max_length=200)]


class SavedView(msgspec.Struct, frozen=True):
    """What the list shows: a view, what is filtered as typed, and what the whole view was searched for."""

    view: View
    filter: _Words = ""
    search: _Words = ""


class SavedViews:
    """The views in one file, readable by its owner only."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def load(self) -> dict[int, SavedView]:
        """Every kept view by its number. Raises Rejected for a file that cannot be understood."""
        try:
            raw = self._file.read_bytes()
            kept = decode(raw, dict[int, SavedView])
        except FileNotFoundError:
            return {}
        except (OSError, Rejected) as error:
            why = getattr(error, "strerror", None) or "it is damaged"
            raise Rejected(
                f"The saved views cannot be read: {why}.", remedy=f"Mend or remove {self._file}."
            ) from None
        return {number: view for number, view in kept.items() if number in NUMBERS}

    def save(self, number: int, view: SavedView) -> None:
        """Keep a view under a number from 1 to 9. Raises Rejected like `load`, Unavailable when the disk refuses."""
        kept = self.load() | {number: view}
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = self._file.with_suffix(f".{os.getpid()}.tmp")
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(encode({str(key): one for key, one in sorted(kept.items())}))
            fresh.replace(self._file)
        except OSError as error:
            raise Unavailable(
                f"The view could not be kept: {error.strerror or 'the disk refuses'}.",
                remedy=f"Look at {self._file.parent}.",
            ) from None
