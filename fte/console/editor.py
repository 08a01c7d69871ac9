"""The operator's own editor, for long texts."""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fte.domain.errors import Rejected, Unavailable

SIZE_MAX: Final = 1_000_000
"""Bytes of a text that are taken back."""
_FALLBACKS: Final = ("sensible-editor", "nano", "vi")


def command(environment: Mapping[str, str] = os.environ) -> list[str]:
    """What starts the editor: $VISUAL, else $EDITOR, else a usual one. Raises Rejected when there is none."""
    chosen = environment.get("VISUAL", "").strip() or environment.get("EDITOR", "").strip()
    try:
        words = shlex.split(chosen)
    except ValueError:
        words = []
    if chosen and (not words or shutil.which(words[0]) is None):
        raise Rejected(f"The editor {chosen!r} is not there.", remedy="Set EDITOR to a program, e.g. nano.")
    if words:
        return words
    found = next((name for name in _FALLBACKS if shutil.which(name)), None)
    if found is None:
        raise Rejected("No editor was found.", remedy="Set EDITOR to a program, e.g. nano.")
    return [found]


def edit(text: str, words: list[str]) -> str:
    """The text as it is when the editor has ended. Waits for it, as long as it takes.

    The file is the owner's only, and gone afterwards. Raises Unavailable when the editor failed, or when what it left is
    not text: then nothing has changed.
    """
    descriptor, name = tempfile.mkstemp(prefix="fte-reply-", suffix=".txt")
    file = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(text.encode())
        ended = subprocess.run([*words, name], check=False)  # noqa: S603 the operator's own editor
        if ended.returncode:
            raise Unavailable(f"The editor ended with code {ended.returncode}.")
        with file.open("rb") as handle:
            raw = handle.read(SIZE_MAX + 1)
        if len(raw) > SIZE_MAX:
            raise Unavailable("What the editor left is too long.")
        return raw.decode().removesuffix("\n").replace("\r\n", "\n")
    except UnicodeError:
        raise Unavailable("What the editor left is not text in UTF-8.") from None
    except OSError as error:
        raise Unavailable(f"The editor did not start: {error.strerror or 'system error'}.") from None
    finally:
        file.unlink(missing_ok=True)
