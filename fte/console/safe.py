"""The one boundary between other people's text and the terminal.

Whatever a widget paints is made here: cleaned of everything that could drive a terminal, and never parsed as
markup. Cleaning twice changes nothing, so text may pass here more than once.
"""

from typing import TYPE_CHECKING, Final

from fte.domain.text import one_line, printable

if TYPE_CHECKING:
    from textual.content import Content

LINE_MAX: Final = 300
"""Characters kept of a text shown on one line."""
BLOCK_MAX: Final = 20_000
"""Characters kept of a text shown with its line breaks."""
_TAB: Final = 4

Part = str | tuple[str, str]
"""Text, or text with a style. Styles come from this package, never from the wire."""


class SafeText(str):
    """Text that went through `line` or `block`: it cannot drive a terminal. It is not markup-safe."""

    __slots__ = ()


def line(text: str, limit: int = LINE_MAX) -> SafeText:
    """Text for one line of a terminal."""
    return SafeText(" ".join(printable(one_line(text[: 4 * limit]), limit).split()))


def block(text: str, limit: int = BLOCK_MAX) -> SafeText:
    """Text for several lines of a terminal; tabs become spaces."""
    return SafeText(printable(text, limit).expandtabs(_TAB))


def content(*parts: Part) -> "Content":
    """What a widget shows. Every text is cleaned; brackets stay brackets."""
    from textual.content import Content

    return Content.assemble(*map(_cleaned, parts))


def _cleaned(part: Part) -> Part:
    return block(part) if isinstance(part, str) else (block(part[0]), part[1])
