"""What may be copied: pieces with a name, short enough for what terminals take, and clean."""

from dataclasses import dataclass
from typing import Final

from fte.console import present
from fte.console.safe import SafeText, block, line
from fte.wire import MessageView, QueueItem

COPY_MAX: Final = 30_000
"""Characters copied at once; terminals drop longer ones without a word."""


@dataclass(frozen=True, slots=True)
class Piece:
    """`name` says what it is, `text` is copied."""

    name: SafeText
    text: SafeText


def number_of(item: QueueItem) -> Piece:
    return Piece(line(f"the number #{item.number}"), line(f"#{item.number}"))


def address_of(url: str, item: QueueItem) -> Piece:
    """Where programs find the conversation."""
    address = f"{url}/operator/conversations/{item.conversation_id}"
    return Piece(line(f"the address of #{item.number} in the API"), line(address))


def words_of(message: MessageView, when: str) -> Piece:
    """A message, without what could drive whatever it is pasted into."""
    text = SafeText(present.message_body(message)[:COPY_MAX])
    author = line(message.author, 40)
    return Piece(line(f"the message of {author}, {when} ({len(text):,} characters)"), block(text, COPY_MAX))
