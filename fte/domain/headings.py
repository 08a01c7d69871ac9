"""The subject of a message that continues a conversation: where it is new there, it is part of what was written."""

import re
from collections.abc import Iterable
from typing import Final

from fte.domain.text import one_line

FORWARD: Final = re.compile(
    r"\s*(?:\[[^\]]{1,40}\]\s*)?(?:fwd?|fw|wg|tr|rv|i|enc|pd|doorst|vs|vb|vl|転送|转发)\s*[:：]", re.I
)
REPLY: Final = re.compile(
    r"\s*(?:\[[^\]]{1,40}\]\s*)?(?:re|aw|antw|antwort|ref|rép|res|rif|r|odp|sv|vá|ynt|回复|回覆|返信|답장)(?:\[\d+\])?\s*[:：]",
    re.I,
)
_REFERENCE: Final = re.compile(r"\s*\[#\d+\]\s*\Z")


def bare(subject: str) -> str:
    """A subject on one line, without what programs put around it: `Re:`, `WG:`, our `[#12]` at its end."""
    subject = _REFERENCE.sub("", one_line(subject))
    while prefix := REPLY.match(subject) or FORWARD.match(subject):
        subject = subject[prefix.end() :].lstrip()
    return subject


def headed(subject: str, body: str) -> str:
    """The text with the bare subject as its first line, unless it begins with that already."""
    heading = bare(subject)
    if bare(body).casefold().startswith(heading.casefold()):
        return body
    return f"{heading}\n\n{body}".rstrip()


def is_new(subject: str, known: Iterable[str]) -> bool:
    """Whether a subject says something that none of the known ones said."""
    return bare(subject).casefold() not in {"", *(bare(each).casefold() for each in known)}
