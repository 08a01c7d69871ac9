"""What a text may say in disguise: encoded, turned round, shifted, or in letters that only look like ours.

Pure and bounded: nothing is decoded twice, and no reading is longer than the text.
"""

import base64
import html
import re
import unicodedata
from collections.abc import Iterator
from string import ascii_letters, ascii_lowercase, ascii_uppercase
from typing import Final
from urllib.parse import unquote

READ_MAX: Final = 20_000
"""Characters of a text that are read."""

_REGIONAL: Final = "".join(map(chr, range(0x1F1E6, 0x1F200)))
_LOOKS_LIKE: Final = str.maketrans(
    "авсԁеғнокпрѕтухіјαβϲδεϝοτνηικρυχƒɑᴀʙᴄᴅᴇꜰᴛ" + _REGIONAL,
    "abcdefhokmpstyxijabcdefotvnikpyxfaabcdeft" + ascii_lowercase,
)
_TAKEN_FOR: Final = str.maketrans("oli", "011")
"""Letters that are read as digits."""
_HEX_MARKS: Final = re.compile(r"(?i)\\x|0x|\\u00|[^0-9a-z]")
_HEX: Final = re.compile(r"[0-9a-fA-F]{16,}")
_NOT_64: Final = re.compile(r"[^A-Za-z0-9+/]")
_NOT_32: Final = re.compile(r"[^A-Z2-7]")
_NOT_PLAIN: Final = re.compile(r"[^a-z0-9]")
_CODE: Final = re.compile(r"\d{1,3}")


def readings(text: str) -> Iterator[str]:
    """The text itself, then what it may stand for. Most of what comes is noise."""
    text = text[:READ_MAX]
    yield text
    yield text[::-1]
    yield html.unescape(text)
    yield unquote(text)
    yield from (text.translate(_shifted(by)) for by in range(1, 26))
    yield "".join(chr(int(code)) for code in _CODE.findall(text))
    for run in _HEX.findall(_HEX_MARKS.sub("", text)):
        yield from (_read(bytes.fromhex(run[at : at + (len(run) - at) // 2 * 2])) for at in range(2))
    plain = _NOT_64.sub("", text)
    for run in {plain, _NOT_64.sub("", text.translate({ord("-"): "+", ord("_"): "/"}))}:
        yield from (_read(base64.b64decode(_whole(run[at:], 4))) for at in range(4))
    run = _NOT_32.sub("", text.upper())
    yield from (_read(base64.b32decode(_whole(run[at:], 8))) for at in range(8))


def letters(text: str) -> str:
    """The letters and digits alone, as they look: small, without accents, `o`, `l` and `i` as the digits they look like."""
    small = text.casefold()
    if not small.isascii():
        small = unicodedata.normalize("NFKD", small).translate(_LOOKS_LIKE)
    return _NOT_PLAIN.sub("", small).translate(_TAKEN_FOR)


def _shifted(by: int) -> dict[int, str]:
    turned = "".join(alphabet[by:] + alphabet[:by] for alphabet in (ascii_lowercase, ascii_uppercase))
    return {ord(letter): other for letter, other in zip(ascii_letters, turned, strict=True)}


def _read(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _whole(run: str, group: int) -> str:
    """The run filled up to whole groups of characters: the last may lack its padding."""
    return run + "A" * (-len(run) % group)
