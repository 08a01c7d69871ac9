"""Files as a channel understood them, for the store."""

from collections.abc import Iterable

from fte.channels.files import Attached
from fte.store.intake import Attachment


def attachments(files: Iterable[Attached]) -> tuple[Attachment, ...]:
    """The same files, as they are stored with their message."""
    return tuple(
        Attachment(
            name=file.name,
            media_type=file.media_type,
            size=file.size,
            state=file.state,
            reason=file.reason,
            content=file.content,
        )
        for file in files
    )
