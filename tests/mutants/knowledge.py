"""Seeded bugs of the search: what it finds, and what it must not find."""

from typing import Final

from tests.mutants.catalogue import Mutant

_LABELLED: Final = ("tests/knowledge/test_search.py", "-k", "customers_find_their_pages")

KNOWLEDGE = (
    Mutant(
        name="search-forgets-meaning",
        invariant="a paraphrase finds its page",
        path="fte/knowledge/search.py",
        healthy="MEANING_WEIGHT * max(cosine, 0.0) + ",
        sick="0.0 * max(cosine, 0.0) + ",
        tests=_LABELLED,
    ),
    Mutant(
        name="search-drops-the-nearest-passages",
        invariant="a paraphrase finds its page",
        path="fte/knowledge/search.sql",
        healthy="order by embedding <=> $2 limit $7)",
        sick="order by embedding <=> $2 limit 0)",
        tests=("tests/knowledge/test_search.py", "-k", "without_any_of_its_words"),
    ),
    Mutant(
        name="search-ignores-the-floor",
        invariant="what is not in the documents is not said",
        path="fte/knowledge/search.py",
        healthy="if passage.score >= SCORE_FLOOR]",
        sick="if passage.score >= 0.0]",
        tests=_LABELLED,
    ),
    Mutant(
        name="search-shows-the-beginning-only",
        invariant="what stands at the end of a long passage can be answered",
        path="fte/knowledge/excerpt.py",
        healthy="max(parts, key=lambda part: _said(part, wanted), default=content[:limit])",
        sick="next(parts, content[:limit])",
        tests=("tests/knowledge", "-k", "part_that"),
    ),
    Mutant(
        name="search-takes-one-word-for-proof",
        invariant="what is not in the documents is not said",
        path="fte/knowledge/search.py",
        healthy="min(evidence / EVIDENCE_FULL, 1.0)",
        sick="min(evidence * EVIDENCE_FULL, 1.0)",
        tests=("tests/knowledge/test_search.py", "-k", "less_evidence"),
    ),
    Mutant(
        name="search-takes-common-words-for-slips",
        invariant="what is not in the documents is not said",
        path="fte/knowledge/thesaurus.py",
        healthy=" and not is_common(word)",
        sick="",
        tests=("tests/knowledge/test_thesaurus.py", "-k", "only_slips"),
    ),
    Mutant(
        name="search-knows-no-other-language",
        invariant="questions in four languages find their pages",
        path="fte/knowledge/thesaurus.py",
        healthy='LANGUAGES: Final = ("en", "de", "fr", "es")',
        sick='LANGUAGES: Final = ("en",)',
        tests=_LABELLED,
    ),
)
