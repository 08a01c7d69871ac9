"""Customers' text is hostile. It is cleaned twice: once before it is stored, once before a terminal shows it."""

import re
import unicodedata
from typing import Final

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_LINE_BREAKS: Final = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_ADDRESS: Final = re.compile(r"[^\s<>\"'(),:;@]{1,64}@[^\s<>\"'(),:;@]{0,254}[^\s<>\"'(),:;@.!?]")
_NUMBER: Final = re.compile(r"(?<!\w)\+?\(?\d(?:[ ().\-/]{0,2}\d){6,18}")
_ALLOWED_FORMAT: Final = frozenset("\u200c\u200d")
_MARKS_MAX: Final = 4
_ASCII: Final = re.compile("[\n\t\x20-\x7e]*")


def storable(text: str) -> str:
    """Text PostgreSQL can hold: NUL and lone surrogates become U+FFFD, line breaks become `\\n`."""
    return _LINE_BREAKS.sub("\n", _UNSTORABLE.sub("\ufffd", text))


def one_line(text: str) -> str:
    """Storable text on a single line: for names and subjects, which end up in headers and table rows."""
    return " ".join(storable(text).split())


def nameless(text: str) -> str:
    """Somebody else's words on one line, without the e-mail addresses and numbers they may quote: for error messages."""
    return _NUMBER.sub("…", _ADDRESS.sub("…", one_line(text)))


def without_contacts(text: str) -> str:
    """The text with [address] and [number] in place of mail addresses and long numbers: telephones, cards, accounts."""
    return _NUMBER.sub("[number]", _ADDRESS.sub("[address]", text))


def printable(text: str, limit: int = 20_000) -> str:
    """Text that cannot drive a terminal: no control or bidirectional character survives as itself.

    Controls become their visible pictures (U+2400 block), other format characters their code point in angle
    brackets, unassigned and private ones U+FFFD, and runs of combining marks are cut. `\\n` and `\\t`
    stay, and so do the joiners that scripts and emoji need. The result is not markup-safe: give it to widgets
    as plain text. At most `limit` characters are kept.
    """
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if _ASCII.fullmatch(text):
        return text
    shown: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks <= _MARKS_MAX:
            shown.append(_visible(character, category))
    return "".join(shown)


def _visible(character: str, category: str) -> str:
    if character in "\n\t":
        return character
    if category == "Cc":
        return _control_picture(character)
    if category == "Cf":
        return character if character in _ALLOWED_FORMAT else f"<U+{ord(character):04X}>"
    if category in ("Zl", "Zp"):
        return "\n"
    if category in ("Cs", "Co", "Cn"):
        return "\ufffd"
    return character


def _control_picture(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"<U+{code:04X}>"


def unmarked(text: str) -> str:
    """Text on one line whose signs mean nothing to Markdown."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>#|!" else sign for sign in one_line(text))
