"""HTML that cannot be broken out of: what a template is filled with is escaped, unless it is ours."""

from collections.abc import Iterable
from html import escape
from string import Template
from typing import LiteralString

from fte.domain.text import storable


class Html(str):
    """Markup made by `fill` or `join`; the only strings that are not escaped."""

    __slots__ = ()


NOTHING = Html()


def fill(template: LiteralString, **values: object) -> Html:
    """The template with its `$names` replaced. Attributes in templates are always in double quotes."""
    return Html(Template(template).substitute({name: _safe(value) for name, value in values.items()}))


def join(parts: Iterable[Html]) -> Html:
    return Html("".join(parts))


def _safe(value: object) -> str:
    return value if isinstance(value, Html) else escape(storable(str(value)), quote=True)
