"""The labelled set over the sample company's documents: what customers write, and the pages that answer it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import fte

KB: Final = Path(fte.__file__).parent / "demo" / "company" / "kb"
LABELLED: Final = Path(__file__).parent / "knowledge" / "labelled"
DEVELOPMENT: Final = LABELLED / "development.tsv"
"""For choosing words, weights and the floor."""
HELD_OUT: Final = LABELLED / "held_out.tsv"
"""For the report only: written when the choice was made."""


@dataclass(frozen=True, slots=True)
class Case:
    """A question and the sources that answer it, any of them; none for a question that no page answers."""

    language: str
    style: str
    pages: frozenset[str]
    question: str


def labelled(file: Path) -> list[Case]:
    """The cases of a file: tab-separated, with a heading; `-` for no page, `\\n` for a new line."""
    _, *lines = file.read_text(encoding="utf-8").splitlines()
    cases = []
    for line in lines:
        language, style, pages, question = line.split("\t")
        sources = frozenset() if pages == "-" else frozenset(f"{page}.md" for page in pages.split())
        cases.append(Case(language, style, sources, question.replace("\\n", "\n")))
    return cases
