"""Pages suggested by what people answered: the words of one customer's answer made fit for everybody's."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from fte.domain.errors import Rejected
from fte.domain.subjects import subjects
from fte.domain.text import one_line, storable, without_contacts

Kind = Literal["answered", "edited"]
"""`answered`: a person answered what no page had an answer to. `edited`: a person changed the AI's answer before it was
sent."""

ANSWER_MIN: Final = 60
"""Characters an answer has at least to be suggested: shorter ones explain nothing."""
TITLE_MIN: Final = 5
TITLE_MAX: Final = 120
BODY_MIN: Final = 20
BODY_MAX: Final = 20_000
"""Characters of a page's title and text."""

_SENTENCE: Final = re.compile(r"[^.!?\n]+[?.!]?")
_SLUG: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Page:
    """A page for the knowledge base."""

    title: str
    body: str


def suggested(question: str, answer: str, names: tuple[str, ...]) -> Page:
    """The page an answer could become: without mail addresses, long numbers and these names.

    Both come without greeting and goodbye. The title is the customer's first question; whoever approves it writes a
    better one.
    """
    asked = [found[0].strip() for found in _SENTENCE.finditer(_impersonal(question, names))]
    title = next((line for line in asked if line.endswith("?")), next(iter(asked), ""))
    body = _impersonal(answer, names).strip()
    return Page(one_line(title)[:TITLE_MAX], body[:1].upper() + body[1:])


def _impersonal(text: str, names: tuple[str, ...]) -> str:
    known = {part for name in names for part in (name, *name.split()) if len(part) > 2}
    for part in sorted(known, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "[name]", text, flags=re.I)
    return without_contacts(text)


def checked(title: str, body: str) -> Page:
    """The page as it is stored. Raises Rejected, naming the field, where it is too short, too long, or has a gap left."""
    title, body = one_line(title).strip(), storable(body).strip()
    problems = {}
    if not TITLE_MIN <= len(title) <= TITLE_MAX:
        problems["title"] = f"between {TITLE_MIN} and {TITLE_MAX} characters"
    if not BODY_MIN <= len(body) <= BODY_MAX:
        problems["body"] = f"between {BODY_MIN} and {BODY_MAX:,} characters"
    for field, text in (("title", title), ("body", body)):
        if left := re.search(r"\[(?:name|address|number)\]", text):
            problems.setdefault(field, f"still has {left[0]}: say it without")
    if problems:
        raise Rejected("The page is not ready.", fields=problems, remedy="Edit it, then approve it.")
    return Page(title, body)


def source(number: int, title: str) -> str:
    """The name of the document that the answer in conversation `number` becomes."""
    slug = _SLUG.sub("-", title.lower()).strip("-")[:60].strip("-") or "page"
    return f"learned/{number}-{slug}.md"


@dataclass(frozen=True, slots=True)
class Source:
    """What a suggestion is made from: an answer of a person, and what it answered."""

    id: UUID
    conversation_id: UUID
    number: int
    kind: Kind
    question: str
    draft: str
    answer: str
    names: tuple[str, ...]
    operator: str
    at: datetime


def gathered(sources: Sequence[Source], vectors: Sequence[Sequence[float]]) -> list[tuple[Source, ...]]:
    """The sources by subject, one page each: that whose answer explains most comes first, then the newest ones.

    `vectors` holds one for each source's question. The subject somebody answered last comes first.
    """
    found = [[sources[place] for place in places] for places in subjects(vectors)]
    found.sort(key=lambda of_one: max(source.at for source in of_one), reverse=True)
    return [tuple(_longest_first(of_one)) for of_one in found]


def _longest_first(sources: Sequence[Source]) -> list[Source]:
    newest = sorted(sources, key=lambda source: source.at, reverse=True)
    first = max(newest, key=lambda source: len(source.answer))
    return [first, *(source for source in newest if source is not first)]
