"""Files that come with messages: the names they may have, and the words that stand for them in a text."""

import re
import unicodedata
from pathlib import PurePosixPath
from typing import Final, Literal, get_args

from fte.domain.text import one_line

State = Literal["stored", "pending", "refused", "lost"]
STATES: Final[tuple[State, ...]] = get_args(State)

NAME_MAX: Final = 120
"""Characters of a file name."""
NAME_BYTES_MAX: Final = 200
"""Bytes of a file name in UTF-8: file systems take 255, and a number may have to be added."""
_SUFFIX_MAX: Final = 12

_UNSAFE: Final = re.compile(r'[<>:"|?*\x00-\x1f\x7f/\\\[\]]')
_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)", re.IGNORECASE)
"""Names that are devices on Windows, whatever their ending."""
_INVISIBLE: Final = ("Cc", "Cf", "Cs", "Co", "Cn")

_PLACEHOLDER: Final = re.compile(
    r"^\[(?:attachment(?: not kept)?: [^\[\]\n]+|"
    r"(?:image|voice message|audio|video|document|contact card|file)(?:: [^\[\]\n]+)?)\][ \t]*$",
    re.MULTILINE,
)


def file_name(name: str, extension: str = "bin") -> str:
    """A name safe to show and to save under, with `extension` where it has none.

    No path, no control or bidirectional characters, no brackets (so that it cannot end a placeholder), hidden on no
    system and no device of any, of bounded length.
    """
    name = one_line(name).replace("\\", "/").rpartition("/")[2]
    name = one_line("".join(each for each in name if unicodedata.category(each) not in _INVISIBLE))
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", name)).strip(" .\u3000")
    if not name:
        return f"attachment.{extension}"
    if _DEVICE.match(name):
        name = f"_{name}"
    return _bounded(name if "." in name else f"{name}.{extension}")


def _bounded(name: str) -> str:
    suffix = PurePosixPath(name).suffix[:_SUFFIX_MAX].rstrip(" .\u3000")
    if len(name) <= NAME_MAX and len(name.encode()) <= NAME_BYTES_MAX:
        return name
    room = NAME_BYTES_MAX - len(suffix.encode())
    stem = name[: NAME_MAX - len(suffix)].encode()[:room].decode(errors="ignore")
    return stem.rstrip(" .") + suffix


def kept(name: str) -> str:
    """The line of a text that stands for a file that is there."""
    return f"[attachment: {name}]"


def not_kept(name: str, reason: str) -> str:
    """The line of a text that stands for a file that was not taken."""
    return f"[attachment not kept: {name}, {reason}]"


def without_placeholders(text: str) -> tuple[str, int]:
    """What a text says itself, and how many lines in it stand for files."""
    own, files = _PLACEHOLDER.subn("", text)
    return own.strip(), files
