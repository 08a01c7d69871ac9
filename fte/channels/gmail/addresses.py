"""Address headers (RFC 5322 section 3.4), read so that no display name can pose as an address."""

import re
from typing import Final

from fte.channels.gmail.decoding import HEADER_MAX, header_text

ADDRESSES_MAX: Final = 200
"""Addresses read of one kind of header."""
ADDRESS_MAX: Final = 320
"""Characters of an address."""
NAME_MAX: Final = 200
"""Characters of a display name."""

_PIECE: Final = re.compile(
    r'"(?:[^"\\]|\\.)*"?|\((?:[^()\\]|\\.)*\)?|<[^<>]*>?|[,;:]|[^"(<,;:]+|.', re.DOTALL
)
_SPEC: Final = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x20]+@[^\s@<>()\[\],;:\\\"\x00-\x20]+")
_QUOTED_LOCAL: Final = re.compile(r'"(?:[^"\\\s]|\\.)+"@[^\s@<>()\[\],;:\\"]+')


def addresses(values: list[str]) -> list[tuple[str, str]]:
    """The (name, address) pairs of these raw header values; what is no address is left out.

    The structure is read before any encoded word is decoded, so what a word holds stays a name.
    """
    found: list[tuple[str, str]] = []
    for value in values:
        name: list[str] = []
        angle = ""
        for piece in (*_PIECE.findall(value[:HEADER_MAX]), ","):
            if len(found) >= ADDRESSES_MAX:
                return found
            if piece in ",;":
                _mailbox(found, "".join(name), angle)
                name, angle = [], ""
            elif piece == ":":
                name = []  # the name of a group
            elif piece.startswith("<"):
                if angle:
                    _mailbox(found, "".join(name), angle)
                    name = []
                angle = piece.strip("<> \t")
            elif not piece.startswith("("):
                name.append(piece)
    return found


def _mailbox(found: list[tuple[str, str]], name: str, angle: str) -> None:
    """A bare address has no name; beside an address in angle brackets anything else is only a name."""
    address = angle if angle else name.strip()
    if not angle:
        name = ""
    if len(address) <= ADDRESS_MAX and (_SPEC.fullmatch(address) or _QUOTED_LOCAL.fullmatch(address)):
        found.append((_display(name), address.lower().rstrip(".")))


def _display(name: str) -> str:
    name = name.strip()
    if len(name) >= 2 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return header_text(name)[:NAME_MAX].strip("\"' ")
