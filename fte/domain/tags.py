"""Tags: words operators sort tickets by."""

import re
from collections.abc import Iterable
from typing import Final

from fte.domain.errors import Rejected

TAG_MAX: Final = 30
"""Characters of a tag."""
TAGS_MAX: Final = 10
"""Tags of a ticket."""
_TAG: Final = re.compile(r"\w[\w.-]*")


def parse(text: str) -> str:
    """A tag in its one spelling: lower case, a hyphen for each blank, no leading `#`. Raises Rejected for others."""
    tag = "-".join(text.strip().removeprefix("#").casefold().split())
    if not (len(tag) <= TAG_MAX and tag.isprintable() and _TAG.fullmatch(tag)):
        raise Rejected(
            fields={"tags": f"A tag has 1 to {TAG_MAX} letters, digits, hyphens, dots or underscores, and begins "
                            "with a letter or a digit."}
        )  # fmt: skip
    return tag


def named(word: str) -> str | None:
    """The tag that a word of a search asks for, as `#vip` or `tag:vip`; None for other words, and for `#12`."""
    word = word.casefold()
    tag = word[4:] if word.startswith("tag:") else word[1:] if word.startswith("#") else ""
    return None if not tag or (word.startswith("#") and tag.isdigit()) else tag


def changed(tags: Iterable[str], add: Iterable[str], remove: Iterable[str]) -> tuple[str, ...]:
    """The tags with some more and some fewer, sorted. Raises Rejected for what is no tag, or too many of them."""
    wanted = (set(tags) - {parse(tag) for tag in remove}) | {parse(tag) for tag in add}
    if len(wanted) > TAGS_MAX:
        raise Rejected(fields={"tags": f"A ticket has at most {TAGS_MAX} tags; remove one first."})
    return tuple(sorted(wanted))
