"""How often somebody may write: a rate limiter of bounded size, and whom it counts."""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from fte.domain.errors import TooMany

KEYS_MAX = 50_000
"""Senders remembered at a time; beyond that the one not seen for longest is forgotten."""
SECOND = 1_000_000_000

Clock = Callable[[], int]
"""Nanoseconds that never go back."""


class Limiter:
    """At most `count` takes in `seconds` for each key, spread evenly after a first burst (GCRA).

    Counts in this process only: behind n processes a sender gets up to n times as much.
    """

    def __init__(
        self, count: int, seconds: int, *, clock: Clock = time.monotonic_ns, keys_max: int = KEYS_MAX
    ) -> None:
        self._interval = seconds * SECOND // count
        self._tolerance = self._interval * (count - 1)
        self._clock = clock
        self._keys_max = keys_max
        self._free_at: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._free_at)

    def take(self, key: str) -> None:
        """Count one. Raises TooMany, and counts nothing, when the key has had its share."""
        now = self._clock()
        free_at = max(self._free_at.get(key, now), now)
        wait = free_at - now - self._tolerance
        if wait > 0:
            self._free_at.move_to_end(key)
            raise TooMany(_words(wait / SECOND), retry_after=wait / SECOND)
        self._free_at[key] = free_at + self._interval
        self._free_at.move_to_end(key)
        if len(self._free_at) > self._keys_max:
            self._free_at.popitem(last=False)

    def give_back(self, key: str) -> None:
        """Undo one take: what it was for did not happen."""
        if key in self._free_at:
            self._free_at[key] -= self._interval


def _words(seconds: float) -> str:
    minutes = int(seconds // 60) + 1
    when = "a minute" if minutes == 1 else f"{minutes} minutes"
    return f"That was a lot of messages in a short time. Please wait {when}, then send again."


def client_address(peer: str, forwarded: Sequence[str], hops: int) -> str:
    """Whom to count a request for, given the peer's address and the X-Forwarded-For headers in order.

    Each of our `hops` proxies appended the address it saw, so only the last `hops` entries are believed; what
    is left of them the client wrote itself. An IPv6 sender is its /64, which is what one customer is given.
    """
    entries = [entry.strip() for header in forwarded for entry in header.split(",")]
    claimed = entries[-hops] if 0 < hops <= len(entries) else peer
    return _network(claimed) or _network(peer) or "unknown"


def _network(text: str) -> str | None:
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address.packed[:8] + bytes(8), 64)))
