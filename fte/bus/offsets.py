"""Cursors of a stream: a place in the log, or the next offset of each partition of the topics in Kafka."""

import base64
import binascii
import contextlib
from typing import Final, TypeAlias

import msgspec

from fte.domain.errors import NotFound, Rejected
from fte.pg.log import CURSOR_MAX, Cursor

Offsets: TypeAlias = dict[str, list[int]]
"""The next offset of each partition of each topic."""

MADE: Final = "@"
"""In place of a topic: how often topics had been made when these were offsets."""
_MARK: Final = "k"
_OFFSET_MAX: Final = 2**63


def written(offsets: Offsets) -> str:
    """The cursor, to be given out."""
    return _MARK + base64.urlsafe_b64encode(msgspec.json.encode(offsets)).decode().rstrip("=")


def read(text: str) -> Cursor | Offsets:
    """The place a cursor names, of either kind. Raises Rejected for anything that is not a cursor of ours."""
    if not text.startswith(_MARK) or len(text) > CURSOR_MAX:
        return Cursor.parse(text)
    with contextlib.suppress(ValueError, binascii.Error, msgspec.MsgspecError, RecursionError):
        coded = text.removeprefix(_MARK)
        raw = base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True)
        offsets = msgspec.json.decode(raw, type=Offsets)
        if all(0 <= at < _OFFSET_MAX for parts in offsets.values() for at in parts):
            return offsets
    raise Rejected("This is not a cursor.", fields={"cursor": "Use one the stream gave you, or none."})


def no_longer_kept() -> NotFound:
    return NotFound(
        "These events are no longer kept.", remedy="Load the current state and follow from there."
    )
