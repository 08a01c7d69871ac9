"""The three channels and what each of them asks of an answer."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

Channel = Literal["email", "whatsapp", "web_form"]
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)
CHANNEL_WORDS: Final[dict[Channel, str]] = {"email": "email", "whatsapp": "WhatsApp", "web_form": "web form"}


@dataclass(frozen=True, slots=True)
class Style:
    """How an answer must look on a channel.

    `max_words` and `max_characters` bound an AI answer (None: no such limit). `quiet` and `quiet_limit` are
    seconds: how long a turn waits for another fragment of the same thought, and how long it waits at most.
    `part_max` is the number of characters after which a text goes out as several messages (None: never).
    """

    tone: str
    max_words: int | None
    max_characters: int | None
    quiet: float
    quiet_limit: float
    topic: str
    part_max: int | None = None


STYLES: Final[dict[Channel, Style]] = {
    "email": Style("formal", 500, None, quiet=2.0, quiet_limit=20.0, topic="email"),
    "whatsapp": Style(
        "conversational", None, 300, quiet=3.0, quiet_limit=20.0, topic="whatsapp", part_max=1_500
    ),
    "web_form": Style("semi-formal", 300, None, quiet=0.0, quiet_limit=10.0, topic="webform"),
}


def within_limits(channel: Channel, text: str) -> bool:
    """Whether an answer keeps the channel's length limits."""
    style = STYLES[channel]
    if style.max_words is not None and len(text.split()) > style.max_words:
        return False
    return style.max_characters is None or len(text) <= style.max_characters
