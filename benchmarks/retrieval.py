"""How often the search finds the page that answers a labelled question, and nothing when no page does.

`python -m benchmarks retrieval` measures the questions held out; `python -m benchmarks.retrieval` also says what each
stage adds, and how each language and style fares.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from benchmarks.measure import Figure
from benchmarks.stage import database
from fte.domain.turns import Passage
from fte.knowledge import documents
from fte.knowledge import search as module
from fte.knowledge.embed import WordLlamaEmbedder
from fte.knowledge.thesaurus import Reading
from fte.pg.pool import Pool
from tests.support_knowledge import DEVELOPMENT, HELD_OUT, KB, Case, labelled


@dataclass(frozen=True, slots=True)
class Size:
    questions: int = 10_000


TINY = Size(questions=8)

Found = tuple[Case, list[Passage]]


@dataclass(frozen=True, slots=True)
class Score:
    """Shares of 1. `above`: answerable questions whose best passage reaches the floor; `rejected`: of the others."""

    answerable: int
    unanswerable: int
    first: float
    among: float
    above: float
    rejected: float


def score(found: Sequence[Found]) -> Score:
    asked = [(case, passages) for case, passages in found if case.pages]
    rest = [passages for case, passages in found if not case.pages]
    return Score(
        answerable=len(asked),
        unanswerable=len(rest),
        first=_share([bool(passages) and passages[0].source in case.pages for case, passages in asked]),
        among=_share([any(p.source in case.pages for p in passages) for case, passages in asked]),
        above=_share([_reaches(passages) for _, passages in asked]),
        rejected=_share([not _reaches(passages) for passages in rest]),
    )


async def ask(pool: Pool, cases: Sequence[Case]) -> list[Found]:
    """The five best passages for each case, those below the floor too."""
    embedder = WordLlamaEmbedder()
    return [(case, await module.ranked(pool, embedder, case.question)) for case in cases]


async def measure(size: Size = Size()) -> list[Figure]:
    cases = labelled(HELD_OUT)
    if size.questions < len(cases):
        cases = cases[: size.questions] + [case for case in cases if not case.pages][: size.questions]
    async with _imported() as pool:
        got = score(await ask(pool, cases))
    answerable, unanswerable = f"{got.answerable} held out", f"{got.unanswerable} held out"
    return [
        _figure("retrieval, hit@1", got.first, 0.85, answerable),
        _figure("retrieval, hit@5", got.among, 0.97, answerable),
        _figure("retrieval, above floor", got.above, 0.9, answerable),
        _figure("retrieval, rejected", got.rejected, 0.9, f"{unanswerable}, answered by no page"),
    ]


def _figure(name: str, ours: float, target: float, note: str) -> Figure:
    return Figure(name=name, ours=ours, unit="of 1", bound="at least", target=target, note=note)


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else 0.0


def _reaches(passages: Sequence[Passage]) -> bool:
    return bool(passages) and passages[0].score >= module.SCORE_FLOOR


@asynccontextmanager
async def _imported() -> AsyncIterator[Pool]:
    async with database() as url:
        pool = await Pool.open(url, size=1)
        try:
            await documents.import_folder(pool, WordLlamaEmbedder(), KB)
            yield pool
        finally:
            await pool.close()


# ---------------------------------------------------------------- what each stage adds

Change = tuple[Any, str, Any]


def _plain(question: str) -> Reading:
    return Reading(question, {})


def _whole(message: str) -> str:
    return message


def _as_written(reading: Reading, written: Iterable[str]) -> str:
    return reading.text


NO_TITLES: tuple[Change, ...] = ((module, "TITLE_WEIGHT", 0.0), (documents, "TITLE_WEIGHT", 0.0))
NO_EVIDENCE: Change = (module, "EVIDENCE_WEIGHT", 0.0)
NO_THESAURUS: Change = (module, "read", _plain)
ALL_WORDS: Change = (module, "telling", _whole)
NO_CUT: Change = (module, "asked", _whole)
NO_VARIETY: Change = (module, "FURTHER", 1.0)
NO_SPELLING: Change = (module, "spelled", _as_written)
BARE: tuple[Change, ...] = (*NO_TITLES, NO_EVIDENCE, NO_THESAURUS, ALL_WORDS, NO_CUT, NO_SPELLING, NO_VARIETY)
STAGES: dict[str, tuple[Change, ...]] = {
    "words only": (*BARE, (module, "MEANING_WEIGHT", 0.0)),
    "meaning only": (*BARE, (module, "MEANING_WEIGHT", 1.0)),
    "both": BARE,
    "+ titles": (NO_EVIDENCE, NO_THESAURUS, ALL_WORDS, NO_CUT, NO_SPELLING, NO_VARIETY),
    "+ thesaurus": (NO_EVIDENCE, ALL_WORDS, NO_CUT, NO_SPELLING, NO_VARIETY),
    "+ salutations cut": (NO_EVIDENCE, ALL_WORDS, NO_SPELLING, NO_VARIETY),
    "+ spelling": (NO_EVIDENCE, ALL_WORDS, NO_VARIETY),
    "+ telling words only": (NO_EVIDENCE, NO_VARIETY),
    "+ evidence": (NO_VARIETY,),
    "+ other pages (all)": (),
}
_ROW = "{:<24} {:>5} {:>7} {:>7} {:>12} {:>9}"


async def _report() -> None:
    cases = {"development": labelled(DEVELOPMENT), "held out": labelled(HELD_OUT)}
    print(_ROW.format("", "n", "hit@1", "hit@5", "above floor", "rejected"))
    found: list[Found] = []
    for stage, changes in STAGES.items():
        with ExitStack() as stack:
            for target, name, value in changes:
                stack.enter_context(patch.object(target, name, value))
            async with _imported() as pool:
                both: list[Found] = []
                for half, asked in cases.items():
                    found = await ask(pool, asked)
                    _show(f"{stage}, {half}", found)
                    both += found
                _show(f"{stage}, together", both)
    for attribute in ("language", "style"):
        for value in sorted({getattr(case, attribute) for case, _ in found}):
            _show(f"{attribute} {value}", [one for one in found if getattr(one[0], attribute) == value])


def _show(name: str, found: Sequence[Found]) -> None:
    got = score(found)
    shown: Callable[[int, float], str] = lambda number, share: f"{share:.3f}" if number else "–"  # noqa: E731
    print(
        _ROW.format(
            name,
            got.answerable + got.unanswerable,
            shown(got.answerable, got.first),
            shown(got.answerable, got.among),
            shown(got.answerable, got.above),
            shown(got.unanswerable, got.rejected),
        ),
        flush=True,
    )


if __name__ == "__main__":
    asyncio.run(_report())
