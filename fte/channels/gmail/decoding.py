"""Bytes of mail to text: charsets, transfer encodings and header words, as they really arrive (RFC 2045 to 2047)."""

import binascii
import codecs
import re
from typing import Final
from urllib.parse import unquote_to_bytes

from fte.domain.text import one_line, storable

HEADER_MAX: Final = 16_384
"""Characters read of one header."""
WORDS_MAX: Final = 500
"""Encoded words read in one header."""
PARAMETERS_MAX: Final = 64
"""Parameters read of one header."""
TEXT_BYTES_MAX: Final = 4_000_000
"""Bytes decoded of one text part."""

_ALIASES: Final = {
    "ascii": "cp1252",  # what calls itself ASCII or Latin 1 is Windows' superset of it (WHATWG Encoding)
    "iso8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
_NAMES: Final = {
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "windows-31j": "cp932",
    "x-sjis": "cp932",
    "x-gbk": "gb18030",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "unicode-1-1-utf-8": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "utf8mb4": "utf-8",
    "utf-8mb4": "utf-8",
    "x-mac-roman": "mac-roman",
    "x-unknown": "utf-8",
    "unknown-8bit": "utf-8",
    "windows-874": "cp874",
}
_TEXT_CODECS: Final = re.compile(
    r"utf-(8|16|16-be|16-le|32|32-be|32-le|7)|utf-8-sig|cp(\d{3,4})|iso8859-\d{1,2}|koi8-[rut]|mac-[a-z0-9]+|tis-620"
    r"|big5|big5hkscs|gb18030|hz|euc_jp|euc_jis_2004|iso2022_jp(_\w+)?|iso2022_kr|johab|ptcp154|kz1048|hp-roman8"
)
"""Codecs that give text in linear time; Python has others (punycode, idna, unicode_escape)."""
_CHARSET_NAME: Final = re.compile(r"[A-Za-z0-9][\w.:+-]{0,40}")
_LOOKS_WESTERN: Final = frozenset({"cp1252", "iso8859-15"})


def codec(name: str) -> str | None:
    """Python's name of a charset, or None when it is unknown or none that text is written in."""
    name = name.strip().strip("\"'").lower()
    if not _CHARSET_NAME.fullmatch(name) or not name.isascii():
        return None
    try:
        known = codecs.lookup(_NAMES.get(name, name)).name
    except (LookupError, ValueError, ImportError):
        return None
    known = _ALIASES.get(known, known)
    return known if _TEXT_CODECS.fullmatch(known) else None


def decoded(data: bytes, charset: str) -> str:
    """The text in these bytes, guessing when the declared charset is unknown or cannot be true. Storable."""
    name = codec(charset) if charset else None
    if name is None or (name in _LOOKS_WESTERN and not data.isascii()):
        # Text that is valid UTF-8 beyond ASCII is not Latin 1 by accident.
        text = _strict(data, "utf-8")
        return storable(text if text is not None else data.decode(name or "cp1252", "replace"))
    text = _strict(data, name)
    if text is None:
        text = _strict(data, "utf-8") or _damaged(data, name)
    return storable(text.removeprefix("\ufeff"))


def _strict(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeError, ValueError):
        return None


def _damaged(data: bytes, name: str) -> str:
    """UTF-8 that is mostly none was written in a Western charset; anything else keeps what can be read."""
    text = data.decode(name, "replace")
    if name != "utf-8":
        return text
    bad = text.count("\ufffd")
    good = sum(1 for character in text[:100_000] if character > "\x7f") - min(bad, 100_000)
    return text if good > bad else data.decode("cp1252", "replace")


# ---------------------------------------------------------------- transfer encodings

_SOFT_BREAK: Final = re.compile(rb"=[ \t]++(?=\r?\n|\Z)|=\Z")
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64: Final = bytes(set(range(256)) - set(_BASE64))


def transferred(data: bytes, encoding: str) -> bytes | None:
    """The content behind a Content-Transfer-Encoding; None when that is none we know. Broken content gives what can
    be read of it.
    """
    match encoding.strip().lower():
        case "base64":
            return _base64(data)
        case "quoted-printable":
            return binascii.a2b_qp(_SOFT_BREAK.sub(_soft, data))
        case "" | "7bit" | "8bit" | "binary" | "7-bit" | "8-bit" | "7bits" | "8bits" | "none":
            return data
        case _:
            return None


def _soft(broken: re.Match[bytes]) -> bytes:
    """A soft line break with blanks after it is one; at the very end there is nothing to join."""
    return b"=" if broken.end() < len(broken.string) else b""


def _base64(data: bytes) -> bytes:
    clean = data.translate(None, _NOT_BASE64)
    end = clean.find(b"=")
    clean = clean[:end] if end >= 0 else clean
    clean = clean[: len(clean) - 1] if len(clean) % 4 == 1 else clean
    return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))


# ---------------------------------------------------------------- headers

_WORD: Final = re.compile(r"=\?([^?\s*]{1,60})(?:\*[^?\s]{0,20})?\?([bBqQ])\?([^?\r\n]{0,4000})\?=")
_BETWEEN_WORDS: Final = re.compile(
    r"(=\?[^?\s]{1,80}\?[bBqQ]\?[^?\s]*\?=)[ \t]+(?==\?[^?\s]{1,80}\?[bBqQ]\?)"
)


def header_text(value: str) -> str:
    """A header's value as a person reads it: RFC 2047 words decoded, on one line. Broken words stay as they are."""
    value = _BETWEEN_WORDS.sub(r"\1", value[:HEADER_MAX])
    shown: list[str] = []
    pending: tuple[str, bytes] | None = None
    at = 0
    for count, word in enumerate(_WORD.finditer(value)):
        if count >= WORDS_MAX:
            break
        if pending and (word.start() > at or word[1].lower() != pending[0]):
            shown.append(decoded(pending[1], pending[0]))
            pending = None
        shown.append(value[at : word.start()])
        # A letter may be cut in two by the end of a word, so words of one charset are decoded together.
        pending = (word[1].lower(), (pending[1] if pending else b"") + _word_bytes(word[2], word[3]))
        at = word.end()
    if pending:
        shown.append(decoded(pending[1], pending[0]))
    shown.append(value[at:])
    return one_line("".join(shown))


def _word_bytes(kind: str, content: str) -> bytes:
    data = content.encode("utf-8", "replace")
    return _base64(data) if kind in "bB" else binascii.a2b_qp(data, header=True)


def raw_text(data: bytes) -> str:
    """A header's bytes as text: UTF-8 when they are that, else the Western charset nearly everybody means."""
    text = _strict(data, "utf-8")
    return storable(text if text is not None else data.decode("cp1252", "replace"))


_PARAMETER: Final = re.compile(
    r";[\s;]*([^\s=;\"]{1,60})\s*=\s*(?:\"((?:[^\"\\]|\\.){0,4000})\"|([^;]{0,4000}))", re.DOTALL
)
_CONTINUED: Final = re.compile(r"([^*]+)\*(\d{1,3})?(\*)?")


def parameters(value: str) -> dict[str, str]:
    """The parameters of a header such as Content-Type, names in lower case, RFC 2231 put together and decoded."""
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bool, str]]] = {}
    for count, found in enumerate(_PARAMETER.finditer(value[:HEADER_MAX])):
        if count >= PARAMETERS_MAX:
            break
        name = found[1].lower()
        text = re.sub(r"\\(.)", r"\1", found[2]) if found[2] is not None else (found[3] or "").strip()
        split = _CONTINUED.fullmatch(name)
        if split:
            encoded = split[3] is not None or split[2] is None
            pieces.setdefault(split[1], {})[int(split[2] or 0)] = (encoded, text)
        else:
            plain.setdefault(name, text)
    return plain | {name: _joined(parts) for name, parts in pieces.items()}


def _joined(parts: dict[int, tuple[bool, str]]) -> str:
    charset = ""
    data = b""
    for number, (encoded, text) in sorted(parts.items()):
        if encoded and number == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        data += (
            unquote_to_bytes(text.encode("utf-8", "replace")) if encoded else text.encode("utf-8", "replace")
        )
    return decoded(data, charset or "utf-8")
