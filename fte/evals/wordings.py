"""What nobody may read in an answer, in wordings of the judge's own: `wordings.txt`."""

import re
from pathlib import Path
from typing import Final


def words_of(sentence: str) -> str:
    """The sentence as the patterns read it: its words in small letters, parted by one blank."""
    return " ".join(re.findall(r"[^\W_]+", sentence.casefold()))


def _read(text: str) -> dict[str, tuple[re.Pattern[str], ...]]:
    """The patterns of each section, in the file's order."""
    names: dict[str, str] = {}
    found: dict[str, list[re.Pattern[str]]] = {}
    section = ""
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif section == "names":
            name, _, names[name] = line.partition(" = ")
        else:
            pattern = re.sub(r"<([a-z-]+)>", lambda match: names[match[1]], line)
            found.setdefault(section, []).append(re.compile(pattern))
    return {section: tuple(patterns) for section, patterns in found.items()}


_PATTERNS: Final = _read(Path(__file__).with_suffix(".txt").read_text(encoding="utf-8"))
PROMISES: Final = _PATTERNS["promises"]
"""Things said to be done, given or owed."""
DEEDS: Final = _PATTERNS["deeds"]
"""What somebody of ours does, did or will do: true only where a person takes over."""
PRETENCES: Final = _PATTERNS["pretences"]
"""Claims to be a person."""
SECRETS: Final = _PATTERNS["secrets"]
"""Passwords and codes given or asked for."""
