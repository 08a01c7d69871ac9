"""Search: passages that answer a question, by its words and by its meaning, or none when nothing does."""

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from fte.domain.text import storable
from fte.domain.turns import Passage
from fte.knowledge.clean import visible
from fte.knowledge.excerpt import excerpt
from fte.knowledge.thesaurus import Reading, asked, read, spelled, telling
from fte.pg import queries
from fte.pg.pool import Pool
from fte.ports import Embedder

RESULTS_MAX: Final = 20
QUERY_MAX: Final = 2_000
"""Characters of a question that count; the rest is cut."""
TERMS_MAX: Final = 40
"""Different words of a question that are looked up."""
CANDIDATES: Final = 40
"""Passages that are found by meaning, and passages that are scored."""
SHORTLIST: Final = 40
"""Passages that are found by words."""
HIT_MAX: Final = 500
"""Characters of a hit: of a longer passage it is the part that says most of what is asked."""
COMMON: Final = 500
"""Passages; a word in more of them than this finds none by itself."""
HEAVIEST: Final = 6
"""Terms that make up a question's weight: a long message tells more than it asks."""
RANK_CONSTANT: Final = 60.0
"""Of reciprocal rank fusion: how little the first places stand out."""
FURTHER: Final = 0.75
"""What a passage counts for each better one of the same page, when the best are picked: other pages come up too."""

MEANING_WEIGHT: Final = 0.5
TITLE_WEIGHT: Final = 0.2
"""Share of the title within the words' part."""
EVIDENCE_WEIGHT: Final = 0.4
"""Share of the evidence within the words' part."""
EVIDENCE_FULL: Final = 3.0
"""Rare words that are all the evidence there need be."""
SCORE_FLOOR: Final = 0.33
"""Below this a passage does not answer the question.

These numbers were chosen on the labelled questions for development. The floor was the highest that nine of ten questions
which the sample company's documents answer still reached.
"""

_sql = queries.load(__file__)
_WORD: Final = re.compile(r"\w")


async def search(
    pool: Pool, embedder: Embedder, query: str, max_results: int = 5, category: str | None = None
) -> list[Passage]:
    """The passages that answer `query`, the most relevant first; none when nothing reaches SCORE_FLOOR.

    The same as `ranked` otherwise.
    """
    found = await ranked(pool, embedder, query, max_results, category)
    return [passage for passage in found if passage.score >= SCORE_FLOOR]


async def ranked(
    pool: Pool, embedder: Embedder, query: str, max_results: int = 5, category: str | None = None
) -> list[Passage]:
    """The passages nearest to `query`, the most relevant first, those below SCORE_FLOOR too.

    The best is among them; several of one page make room for other pages that are nearly as relevant.

    Of a passage longer than HIT_MAX the content is the part that says most of what is asked; the score is the whole's.
    `max_results` is kept between 1 and RESULTS_MAX. With a `category`, only its passages count. Any text is a
    valid query. One round trip, two when a word is misspelt; raises Unavailable when the database is away.
    """
    text = visible(query[:QUERY_MAX])
    if not _WORD.search(text):
        return []
    wanted = None if category is None else storable(category).strip().lower()
    reading = read(asked(text))
    found, near = await _asked(pool, embedder, reading, wanted)
    written = (f"{passage.title} {passage.content}" for passage in found)
    if (meant := await asyncio.to_thread(spelled, reading, list(written))) != reading.text:
        reading = read(meant)
        found, _ = await _asked(pool, embedder, reading, wanted, near)
    return [
        replace(passage, content=excerpt(passage.content, reading, HIT_MAX))
        for passage in varied(found, min(max(max_results, 1), RESULTS_MAX))
    ]


async def _asked(
    pool: Pool, embedder: Embedder, reading: Reading, category: str | None, near: Sequence[UUID] | None = None
) -> tuple[list[Passage], list[UUID]]:
    """The candidates, best first, and those of them that are near by their meaning.

    With `near` these are not looked for again: asking the vector index is most of what a search costs.
    """
    [vector] = await embedder.embed([reading.text])
    pairs = [(word, other) for word, others in reading.synonyms.items() for other in others]
    rows = await pool.fetch(
        _sql.search,
        telling(reading.text),
        vector,
        embedder.name,
        category,
        TERMS_MAX,
        SHORTLIST,
        CANDIDATES,
        RANK_CONSTANT,
        TITLE_WEIGHT,
        [word for word, _ in pairs],
        [other for _, other in pairs],
        COMMON,
        HEAVIEST,
        near,
    )
    passages = [
        Passage(
            title=row["title"],
            source=row["source"],
            category=row["category"],
            score=relevance(row["cosine"], row["coverage"], row["title_coverage"], row["evidence"]),
            content=row["content"],
        )
        for row in rows
    ]
    found = sorted(passages, key=lambda passage: -passage.score)
    return found, [row["id"] for row in rows if row["near"]]


def varied(found: Sequence[Passage], number: int) -> list[Passage]:
    """At most `number` of the passages, which come best first, in their order; see FURTHER."""
    better: Counter[str] = Counter()
    worth = []
    for passage in found:
        worth.append(passage.score * FURTHER ** better[passage.source])
        better[passage.source] += 1
    picked = sorted(range(len(found)), key=lambda place: -worth[place])[:number]
    return [found[place] for place in sorted(picked)]


def relevance(cosine: float | None, coverage: float, title_coverage: float, evidence: float) -> float:
    """From 0 to 1, how well a passage answers a question.

    `cosine` compares their vectors; it is None when another embedder made the passage's. `coverage` is the
    share of the question's words that the passage has, each weighted by its rarity, `title_coverage` the same
    for the title alone. `evidence` is the weight of the words the passage has, counted in words that only one
    passage has: a short question is covered by very little.
    """
    covered = (1 - TITLE_WEIGHT - EVIDENCE_WEIGHT) * coverage + TITLE_WEIGHT * title_coverage
    by_words = covered + EVIDENCE_WEIGHT * min(evidence / EVIDENCE_FULL, 1.0)
    if cosine is None:
        return _clamped(by_words)
    return _clamped(MEANING_WEIGHT * max(cosine, 0.0) + (1 - MEANING_WEIGHT) * by_words)


def _clamped(score: float) -> float:
    return min(max(score, 0.0), 1.0)
