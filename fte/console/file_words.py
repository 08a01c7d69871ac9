"""Files that customers attached, in words. Pure, without widgets."""

from typing import Final

from fte.console.safe import Part, SafeText, line
from fte.wire import AttachmentView, MessageView

_KINDS: Final = {
    "jpeg": "jpg",
    "plain": "text",
    "quicktime": "mov",
    "mpeg": "mp3",
    "x-vcard": "contact",
    "vcard": "contact",
}


def size_words(size: int | None) -> str:
    """Bytes in a number one can read at a glance; empty when nobody knows."""
    if size is None:
        return ""
    if size < 1_000:
        return f"{size} B"
    if size < 999_500:
        return f"{size / 1_000:.0f} kB"
    return f"{size / 1_000_000:.1f} MB"


def file_kind(file: AttachmentView) -> SafeText:
    """What kind of file it is, in a word."""
    kind = file.media_type.lower().rpartition("/")[2]
    kind = _KINDS.get(kind, kind)
    if len(kind) > 8 or not kind.isalnum():
        kind = file.name.rpartition(".")[2].lower()
    return line(kind, 8) if kind.isalnum() and len(kind) <= 8 else line("file")


def file_parts(file: AttachmentView) -> list[Part]:
    """A file on one line: its name, and what it is or why it is not there."""
    name: Part = f"📎 {line(file.name, 80) or line('a file')}"
    reason = line(file.reason or "no reason is known", 160)
    match file.state:
        case "stored":
            facts = f"  {file_kind(file)}  {size_words(file.size)}"
            return [name, (facts.rstrip(), "$foreground 60%")]
        case "pending":
            return [name, (f"  {file_kind(file)}  being fetched", "$text-warning")]
        case "refused":
            return [name, (f"  not kept: {reason}", "$text-warning")]
        case "lost":
            return [name, (f"  could not be fetched: {reason}", "$text-error")]


def file_lines(message: MessageView) -> list[Part]:
    """The lines under a message, one for each of its files."""
    return [part for file in message.attachments for part in ("\n", *file_parts(file))]


def no_file(file: AttachmentView) -> SafeText:
    """Why a file cannot be saved; empty when it can."""
    match file.state:
        case "stored":
            return line("")
        case "pending":
            return line("It is still being fetched; it shows here as soon as it is there.")
        case _:
            return line(f"It was not kept: {file.reason or 'no reason is known'}.")
