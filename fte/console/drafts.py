"""Half-written replies and notes, kept on this machine so that no crash and no closed window loses them.

A draft also carries the idempotency key it is sent with. It is stored before the first attempt, so that a
console that died in the middle of sending asks again with the same key, and nothing is sent twice.

Several consoles of one person may write into the same conversation: each holds a slot of its own while it writes, so
none writes over another's text. Who holds a slot is known by a file lock, which ends with the process.
"""

import contextlib
import fcntl
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
SLOTS: Final = 4
"""Consoles of one person that may write the same kind of text into a conversation."""
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
        self._slots: dict[tuple[UUID, Kind], int] = {}
        self._locks: dict[tuple[UUID, Kind], int] = {}

    def hold(self, conversation: UUID, kind: Kind) -> bool:
        """Write from now on where no other console does: where a draft was left, if there is one.

        False when every slot is held by others; then nothing that is saved is safe from them.
        """
        if (conversation, kind) in self._locks:
            return True
        for slot in self._free_first(conversation, kind):
            descriptor = self._lock(conversation, kind, slot)
            if descriptor is not None:
                self._slots[conversation, kind] = slot
                self._locks[conversation, kind] = descriptor
                return True
        return False

    def let_go(self, conversation: UUID, kind: Kind) -> None:
        """Nothing is being written any more; others may go on with what is left."""
        descriptor = self._locks.pop((conversation, kind), None)
        if descriptor is not None:
            self._unlock(self._lock_file(conversation, kind, self._slots[conversation, kind]), descriptor)

    def load(self, conversation: UUID, kind: Kind) -> Draft | None:
        """The draft, or None. An unreadable file counts as none, and so does what another console is writing."""
        if (conversation, kind) in self._locks:
            return self._read(self._path(conversation, kind, self._slots[conversation, kind]))
        for slot in range(SLOTS):
            draft = self._read(self._path(conversation, kind, slot))
            if draft is not None and self._is_free(conversation, kind, slot):
                self._slots[conversation, kind] = slot
                return draft
        return None

    def _read(self, file: Path) -> Draft | None:
        try:
            return decode(file.read_bytes(), Draft)
        except (OSError, Rejected):
            return None

    def _free_first(self, conversation: UUID, kind: Kind) -> list[int]:
        """The slots, those with a draft first."""
        there = [self._path(conversation, kind, slot).exists() for slot in range(SLOTS)]
        return sorted(range(SLOTS), key=lambda slot: not there[slot])

    def _is_free(self, conversation: UUID, kind: Kind, slot: int) -> bool:
        descriptor = self._lock(conversation, kind, slot)
        if descriptor is None:
            return False
        self._unlock(self._lock_file(conversation, kind, slot), descriptor)
        return True

    def _lock(self, conversation: UUID, kind: Kind, slot: int) -> int | None:
        """An open lock, or None when another console has it, or the disk refuses."""
        file = self._lock_file(conversation, kind, slot)
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(descriptor).st_ino == file.stat().st_ino:
                    return descriptor
            except OSError:
                pass
            # Another has it, or removed it in that moment: then the slot was theirs just now.
            os.close(descriptor)
        return None

    def _unlock(self, file: Path, descriptor: int) -> None:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
        os.close(descriptor)

    def _lock_file(self, conversation: UUID, kind: Kind, slot: int) -> Path:
        return self._folder / f"{conversation}.{kind}.{slot}.lock"

    def save(self, conversation: UUID, draft: Draft) -> None:
        """Keep the draft; an empty one is dropped. Raises OSError when the disk refuses."""
        if not draft.text.strip() and draft.sending is None:
            return self.drop(conversation, draft.kind)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path(conversation, draft.kind, self._slots.get((conversation, draft.kind), 0))
        fresh = path.with_suffix(f".{os.getpid()}.tmp")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(encode(draft))
        fresh.replace(path)

    def drop(self, conversation: UUID, kind: Kind) -> None:
        self._path(conversation, kind, self._slots.get((conversation, kind), 0)).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Drop what is too old or too much."""
        try:
            files = sorted(((file.stat().st_mtime, file) for file in self._folder.iterdir()), reverse=True)
        except OSError:
            return
        files.sort(key=lambda pair: pair[1].suffix == ".lock")  # locks take no draft's place
        oldest = time.time() - AGE_MAX
        for index, (changed, file) in enumerate(files):
            if index >= DRAFTS_MAX or changed < oldest:
                file.unlink(missing_ok=True)

    def _path(self, conversation: UUID, kind: Kind, slot: int) -> Path:
        return self._folder / f"{conversation}.{kind}{f'.{slot}' if slot else ''}.json"
