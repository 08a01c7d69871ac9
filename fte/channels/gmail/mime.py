"""A mail as it came over the wire, understood: who wrote, what is new in it, what is attached. Never raises."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: the display name (decoded, one line, may be empty) and the address in lower case."""

    name: str
    email: str

    @property
    def domain(self) -> str:
        return self.email.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A file that came with a mail: `stored` with its content, or `refused` for a reason.

    `name` is safe to show and to offer for saving; `media_type` is what the content is, not only what was declared.
    """

    name: str
    media_type: str
    size: int
    state: Literal["stored", "refused"]
    reason: str | None = None
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail. All text is storable (`fte.domain.text.storable`); header values are on one line.

    `text` is what is new in this mail, for the agent: own words, then forwarded parts (marked), invitations and
    the list of attachments that were not kept. `own` is only what the sender wrote. `original` is the readable text
    as it came, quotes and signature included. `senders` are all From addresses; `sender` is the first (its `email`
    is empty when there is none). `headers` are the top ones in order, names in lower case, values undecoded.
    `delivery_status` and `returned` are of bounces: the report's fields, and the headers of the mail it is about.
    `notes` say which limits cut something.
    """

    message_id: str
    in_reply_to: str
    references: tuple[str, ...]
    subject: str
    sender: Address
    senders: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    date: datetime | None
    text: str
    own: str
    original: str
    forwarded: str
    attachments: tuple[Attached, ...]
    headers: tuple[tuple[str, str], ...]
    media_type: str
    delivery_status: str
    returned: str
    notes: tuple[str, ...]

    def header(self, name: str) -> str | None:
        """The top-most header of this name (lower case), undecoded; None when there is none."""
        return next((value for key, value in self.headers if key == name), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


def read(raw: bytes) -> Mail:
    """The mail in these bytes, whatever they are."""
    raise NotImplementedError
