"""Half-written replies and notes, kept on this machine so that no crash and no closed window loses them.

A draft also carries the idempotency key it is sent with. It is stored before the first attempt, so that a
console that died in the middle of sending asks again with the same key, and nothing is sent twice.
"""

import os
import time
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

import msgspec

from fte.domain.errors import Rejected
from fte.wire import decode, encode

Kind = Literal["reply", "note", "edit"]
"""What is written in a conversation, or the words put in place of a draft that waits for approval."""
DRAFTS_MAX: Final = 500
"""Files kept; the oldest go first."""
AGE_MAX: Final = 30 * 24 * 3600
"""Seconds a draft is kept after its last change."""


class Sending(msgspec.Struct, frozen=True):
    """A draft that was handed over: with which key, and what the operator had seen then."""

    key: UUID
    seen: int
    epoch: int


class Draft(msgspec.Struct, frozen=True):
    kind: Kind
    text: str
    sending: Sending | None = None


class Drafts:
    """The drafts in one folder; one file each, readable by its owner only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, conversation: UUID, kind: Kind) -> Draft | None:
        """The draft, or None. An unreadable file counts as none."""
        try:
            return decode(self._path(conversation, kind).read_bytes(), Draft)
        except (OSError, Rejected):
            return None

    def save(self, conversation: UUID, draft: Draft) -> None:
        """Keep the draft; an empty one is dropped. Raises OSError when the disk refuses."""
        if not draft.text.strip() and draft.sending is None:
            return self.drop(conversation, draft.kind)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path(conversation, draft.kind)
        fresh = path.with_suffix(f".{os.getpid()}.tmp")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(encode(draft))
        fresh.replace(path)

    def drop(self, conversation: UUID, kind: Kind) -> None:
        self._path(conversation, kind).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Drop what is too old or too much."""
        try:
            files = sorted(((file.stat().st_mtime, file) for file in self._folder.iterdir()), reverse=True)
        except OSError:
            return
        oldest = time.time() - AGE_MAX
        for index, (changed, file) in enumerate(files):
            if index >= DRAFTS_MAX or changed < oldest:
                file.unlink(missing_ok=True)

    def _path(self, conversation: UUID, kind: Kind) -> Path:
        return self._folder / f"{conversation}.{kind}.json"
