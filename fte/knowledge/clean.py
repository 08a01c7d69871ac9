"""What a document may carry into the knowledge base: only what its reader would see."""

import re
from typing import Final

from fte.domain.text import storable

_UNSEEN: Final = re.compile(
    "[\x01-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # controls
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, fillers, vowel inherents
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"  # shorthand, music, tags, selectors
)
_JOINERS: Final = re.compile("(?<![\u0600-\u0dff])[\u200c\u200d]|[\u200c\u200d](?![\u0600-\u0dff])")
_BLANK_LINES: Final = re.compile(r"\n\s*\n\s*\n")


def visible(text: str) -> str:
    """The storable text without zero-width, bidirectional, control and other characters nobody sees.

    Joiners stay where a script needs them, between two letters of the Arabic and Indic blocks.
    """
    return _JOINERS.sub("", _UNSEEN.sub("", storable(text)))


def tidy(text: str) -> str:
    """Visible text with single blank lines, no trailing spaces and no empty ends."""
    lines = "\n".join(line.rstrip() for line in visible(text).split("\n"))
    return _BLANK_LINES.sub("\n\n", lines).strip()
