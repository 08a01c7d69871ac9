"""Which sites may show the form in a frame, or post to it from a page of theirs."""

import re
from typing import Final

from fte.domain.errors import Rejected

_ORIGIN: Final = re.compile(
    r"https?://(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?"
)


class Origins:
    """The sites of the setting FTE_EMBED_ORIGINS: `*`, `none`, or origins such as https://www.example.com.

    `https://*.example.com` stands for every site under example.com. Raises Rejected for anything else.
    """

    def __init__(self, text: str) -> None:
        words = text.lower().split()
        wrong = [word for word in words if word not in ("*", "none") and not _ORIGIN.fullmatch(word)]
        if wrong:
            raise Rejected(
                f"FTE_EMBED_ORIGINS: {wrong[0]!r} is not an origin.",
                remedy="List origins like https://www.example.com, separated by spaces, or write * or none.",
            )
        self.everywhere = "*" in words
        self._listed = frozenset(word for word in words if word not in ("*", "none"))

    @property
    def frame_ancestors(self) -> str:
        """The value of the policy directive of that name."""
        return "*" if self.everywhere else " ".join(("'self'", *sorted(self._listed)))

    def allow(self, origin: str) -> bool:
        if self.everywhere or origin in self._listed:
            return True
        scheme, _, host = origin.partition("://")
        parents = host.split(".")
        return any(f"{scheme}://*.{'.'.join(parents[i:])}" in self._listed for i in range(1, len(parents)))
