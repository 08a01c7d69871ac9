"""An event as a record in Kafka: its envelope as JSON, and in a header its place in the log."""

import re
from dataclasses import dataclass
from typing import Any, Final

from fte.domain.errors import Rejected
from fte.pg.log import Appended
from fte.wire import Envelope, decode, encode

PLACE: Final = "fte-place"
"""The header with the transaction that appended the event, and its position, as in `1234.567`."""

_PLACE = re.compile(rb"(\d{1,19})\.(\d{1,19})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Record:
    """What a producer is given. `timestamp` is when the event's transaction began, in milliseconds."""

    value: bytes
    key: bytes
    timestamp: int
    headers: list[tuple[str, bytes]]

    @classmethod
    def of(cls, appended: Appended) -> "Record":
        event = appended.event
        place = b"%d.%d" % (appended.tx, appended.position)
        return cls(encode(event), event.key.encode(), int(event.at.timestamp() * 1000), [(PLACE, place)])


def read(record: Any) -> Appended:
    """The event in a record of the library's. Raises Rejected for one that no relay of ours made."""
    found = next((value for name, value in record.headers if name == PLACE), b"")
    place = _PLACE.fullmatch(found)
    if place is None or record.value is None:
        raise Rejected("This record was not made by us.")
    return Appended(int(place[1]), int(place[2]), decode(record.value, Envelope))
