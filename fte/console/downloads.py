"""Customers' files in the operator's download folder: under a clean name, never over another file, never run."""

import os
from itertools import count
from pathlib import Path
from typing import Final

from fte.domain.attachments import file_name
from fte.domain.errors import Unavailable

MODE: Final = 0o600
NAMES_MAX: Final = 1_000
"""Names tried: the file's own, then with (2), (3) and so on."""


def save(folder: Path, name: str, content: bytes) -> Path:
    """Write the file into the folder, which is made if need be; where it is now.

    Raises Unavailable, with the reason, when it cannot be written; then nothing of it is left.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file, descriptor = _claimed(folder, file_name(name))
        try:
            with os.fdopen(descriptor, "wb") as writing:
                writing.write(content)
        except OSError:
            file.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Unavailable(f"It cannot be saved in {folder}: {error.strerror or 'disk error'}.") from None
    return file


def _claimed(folder: Path, name: str) -> tuple[Path, int]:
    """A file that was not there before, opened. Whatever has the name already, a link too, is left alone."""
    for number in count(1):
        file = folder / numbered(name, number)
        try:
            return file, os.open(
                file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), MODE
            )
        except FileExistsError:
            if number >= NAMES_MAX:
                raise
    raise AssertionError("counting does not end")


def numbered(name: str, number: int) -> str:
    """The name for the number-th file of the same name: invoice.pdf, invoice (2).pdf, …"""
    path = Path(name)
    return name if number == 1 else f"{path.stem} ({number}){path.suffix}"
