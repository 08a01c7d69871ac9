"""Canned replies: answers written once, with variables, and used by their keys."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from fte.domain.errors import Rejected

Variable = Literal["customer", "first_name", "ticket", "operator", "company"]
VARIABLES: Final[tuple[Variable, ...]] = get_args(Variable)

CANNED_MAX: Final = 500
"""Canned replies there may be."""
KEY_MAX: Final = 30
TITLE_MAX: Final = 100
BODY_MAX: Final = 5_000
LANGUAGE_MAX: Final = 10
"""Characters of each part."""

_KEY: Final = re.compile(r"[a-z0-9][a-z0-9-]*", re.ASCII)
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})?", re.ASCII)
_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([a-z_]+)\}", re.ASCII)
_CALL: Final = re.compile(r"(?:^|(?<=\s));([a-z0-9][a-z0-9-]*)$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A canned reply filled in. Of `missing` variables nothing is known; they still stand in the text as `{name}`."""

    text: str
    missing: tuple[str, ...]


def check(key: str, title: str, body: str, language: str | None) -> None:
    """Raises Rejected, naming the field, for a canned reply that cannot be used."""
    fields: dict[str, str] = {}
    if not (len(key) <= KEY_MAX and _KEY.fullmatch(key)):
        fields["key"] = f"1 to {KEY_MAX} small letters, digits and hyphens, not beginning with a hyphen"
    if not 1 <= len(title.strip()) <= TITLE_MAX:
        fields["title"] = f"1 to {TITLE_MAX} characters"
    if not body.strip() or len(body) > BODY_MAX:
        fields["body"] = f"1 to {BODY_MAX:,} characters"
    if language is not None and not (len(language) <= LANGUAGE_MAX and _LANGUAGE.fullmatch(language)):
        fields["language"] = "a language's code, such as en or pt-br"
    unknown = _unknown(body)
    if unknown and "body" not in fields:
        fields["body"] = _no_such(unknown)
    if fields:
        raise Rejected("This canned reply cannot be used.", fields=fields)


def render(body: str, values: Mapping[str, str]) -> Rendered:
    """Fill the variables in. `{{` and `}}` stand for braces. Raises Rejected, naming it, for an unknown variable."""
    unknown = _unknown(body)
    if unknown:
        raise Rejected(fields={"body": _no_such(unknown)})
    missing: dict[str, None] = {}

    def filled(token: re.Match[str]) -> str:
        name = token[1]
        if name is None:
            return token[0][0]
        value = values.get(name, "").strip()
        if not value:
            missing[name] = None
        return value or token[0]

    return Rendered(_TOKEN.sub(filled, body), tuple(missing))


def unfilled(text: str) -> list[str]:
    """The variables that still stand in a text about to be sent."""
    return list(dict.fromkeys(m[1] for m in _TOKEN.finditer(text) if m[1] in VARIABLES))


def called(before_cursor: str) -> str | None:
    """The key that was just typed, as `;key` at the end of the text; None when there is none."""
    match = _CALL.search(before_cursor)
    return match[1] if match else None


def values(*, customer: str, ticket: int, operator: str, company: str) -> dict[str, str]:
    """What the variables stand for in a conversation. A customer whose name nobody knows has none."""
    name = "" if not any(c.isalpha() for c in customer) or "@" in customer else customer
    return {
        "customer": name,
        "first_name": name.split()[0] if name.split() else "",
        "ticket": f"#{ticket}",
        "operator": operator,
        "company": company,
    }


def _unknown(body: str) -> list[str]:
    return list(dict.fromkeys(m[1] for m in _TOKEN.finditer(body) if m[1] and m[1] not in VARIABLES))


def _no_such(unknown: Sequence[str]) -> str:
    return (
        f"There is no variable {{{unknown[0]}}}; there are {', '.join(f'{{{name}}}' for name in VARIABLES)}."
    )
