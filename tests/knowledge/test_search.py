import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.retrieval import ask, score
from fte.domain.ids import new_id
from fte.domain.turns import Passage
from fte.knowledge import search as module
from fte.knowledge.documents import import_folder
from fte.knowledge.embed import WordLlamaEmbedder
from fte.knowledge.search import HIT_MAX, QUERY_MAX, SCORE_FLOOR, ranked, relevance, search, varied
from fte.pg.pool import Pool
from tests.support_knowledge import DEVELOPMENT, HELD_OUT, KB, labelled

EMBEDDER = WordLlamaEmbedder()

INDEXES = ("knowledge_base_search", "knowledge_base_embedding")


class Renamed(WordLlamaEmbedder):
    name = "another"


@pytest.fixture
async def shop(pool: Pool, tmp_path: Path) -> Pool:
    for name, category, text in (
        ("hours", "shop", "# Opening hours\n\nThe shop opens at nine in the morning and closes at five."),
        ("returns", "orders", "# Returns\n\nSend the parcel back within thirty days to get a refund."),
        (
            "delivery",
            "orders",
            "# Delivery\n\nParcels arrive within three days after the shop has sent them.",
        ),
    ):
        (tmp_path / f"{name}.md").write_text(f"---\ncategory: {category}\n---\n{text}")
    await import_folder(pool, EMBEDDER, tmp_path)
    return pool


class Counting:
    """A pool that counts the statements sent through it."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.statements = 0

    async def fetch(self, query: str, *arguments: Any) -> Any:
        self.statements += 1
        return await self.pool.fetch(query, *arguments)


def test_the_labelled_set_is_large_varied_and_right() -> None:
    halves = [labelled(DEVELOPMENT), labelled(HELD_OUT)]
    cases = [case for half in halves for case in half]
    assert len({case.question for case in cases}) == len(cases)
    assert len([case for case in cases if case.pages]) >= 400
    assert len([case for case in cases if not case.pages]) >= 100
    assert {case.language for case in cases} == {"en", "de", "fr", "es"}
    assert {"plain", "short", "typos", "mail", "error", "name"} <= {case.style for case in halves[1]}
    sources = {path.relative_to(KB).as_posix() for path in KB.rglob("*.md")}
    assert {page for case in cases for page in case.pages} == sources


async def test_customers_find_their_pages_and_foreign_questions_find_nothing(pool: Pool) -> None:
    """The limits of the questions held out lie slightly below what docs/knowledge.md reports; all of them together
    keep the targets."""
    await import_folder(pool, EMBEDDER, KB)
    held_out = await ask(pool, labelled(HELD_OUT))
    got = score(held_out)
    assert got.first >= 0.89, got
    assert got.among >= 0.97, got
    assert got.above >= 0.94, got
    assert got.rejected >= 0.9, got
    together = score([*held_out, *await ask(pool, labelled(DEVELOPMENT))])
    assert together.first >= 0.85, together
    assert together.among >= 0.97, together
    assert together.above >= 0.9, together
    assert together.rejected >= 0.9, together
    for question in ("what is the capital of France", "do you sell bicycles"):
        assert await search(pool, EMBEDDER, question) == []

    customers = json.loads((KB.parent / "customers.json").read_text(encoding="utf-8"))
    asking = [customer for customer in customers if customer["expect"] == "answer"]
    missed = []
    for customer in asking:
        passages = await search(pool, EMBEDDER, f"{customer['subject'] or ''}\n{customer['message']}")
        if customer["about"].removeprefix("kb/") not in [passage.source for passage in passages]:
            missed.append(customer["message"])
    assert len(missed) <= 0.05 * len(asking), missed


async def test_a_question_without_any_of_its_words_finds_the_page(shop: Pool) -> None:
    found = await ranked(shop, EMBEDDER, "reimbursement")
    assert "returns.md" in [hit.source for hit in found]


async def test_words_of_another_language_and_misspelt_ones_find_the_page(shop: Pool) -> None:
    for question in (
        "Paket zurücksenden, Rückerstattung",
        "¿Cómo puedo obtener un reembolso?",
        "refnud for the parcle",
    ):
        [hit, *_] = await search(shop, EMBEDDER, question)
        assert hit.source == "returns.md", question


async def test_a_hit_carries_everything_of_its_passage(shop: Pool) -> None:
    [hit, *_] = await search(shop, EMBEDDER, "When does the shop open?")
    assert (hit.title, hit.source, hit.category) == ("Opening hours", "hours.md", "shop")
    assert hit.content == "The shop opens at nine in the morning and closes at five."
    assert SCORE_FLOOR <= hit.score <= 1


async def test_a_hit_of_a_long_passage_is_the_part_that_answers(shop: Pool, tmp_path: Path) -> None:
    """A model is shown the first 500 characters of a hit: what stands further down must be among them."""
    about = "\n".join(f"- Rule {n} of the house tells what nobody has to look up." for n in range(15))
    (tmp_path / "house.md").write_text(f"# House\n\n{about}\n\nDogs wait at the giraffe.")
    await import_folder(shop, EMBEDDER, tmp_path)
    for question in ("Where do dogs wait, at the giraffe?", "Where do dogs wait, at the girafffe?"):
        [hit, *_] = await search(shop, EMBEDDER, question)
        assert len(hit.content) <= HIT_MAX and "Dogs wait at the giraffe." in hit.content
    [stored] = await shop.fetch("select content from knowledge_base where title = 'House'")
    assert len(stored["content"]) > HIT_MAX


async def test_hits_come_best_first_and_within_the_number_asked_for(shop: Pool) -> None:
    hits = await search(shop, EMBEDDER, "shop parcel days", max_results=2)
    assert len(hits) == 2
    assert hits == sorted(hits, key=lambda hit: -hit.score)
    assert len(await search(shop, EMBEDDER, "shop parcel days", max_results=0)) == 1
    assert len(await search(shop, EMBEDDER, "shop parcel days", max_results=10**9)) >= 2


def test_further_passages_of_a_page_make_room_for_nearly_as_relevant_ones_of_others() -> None:
    def passage(source: str, score: float) -> Passage:
        return Passage(title="", source=source, category="", content="", score=score)

    found = [passage("a", 0.8), passage("a", 0.6), passage("a", 0.55), passage("b", 0.5), passage("c", 0.1)]
    assert varied(found, 3) == [found[0], found[1], found[3]]
    assert varied(found, 1) == [found[0]]
    assert varied(found, 20) == found
    assert varied([], 5) == []


async def test_a_category_limits_the_search(shop: Pool) -> None:
    found = await search(shop, EMBEDDER, "when does the shop open", category="Orders ")
    assert {hit.category for hit in found} <= {"orders"}
    assert await search(shop, EMBEDDER, "when does the shop open", category="SHOP")
    assert await search(shop, EMBEDDER, "when does the shop open", category="no such\0") == []


@pytest.mark.parametrize(
    ("question", "statements"), [("opening hours", 1), ("openning huors of the shop", 2)]
)
async def test_one_statement_answers_a_search_and_two_a_misspelt_one(
    shop: Pool, question: str, statements: int
) -> None:
    counting = Counting(shop)
    assert await search(counting, EMBEDDER, question)  # type: ignore[arg-type]
    assert counting.statements == statements


async def test_vectors_of_another_embedder_do_not_count(shop: Pool) -> None:
    exact = "The shop opens at nine in the morning and closes at five"
    [by_both, *_] = await search(shop, EMBEDDER, exact)
    [by_words, *_] = await search(shop, Renamed(), exact)
    assert by_words.source == by_both.source == "hours.md"
    assert 1 - module.TITLE_WEIGHT < by_words.score < 1  # every word is in the passage, some are in its title
    assert await search(shop, Renamed(), "Bonjour monde") == []


async def test_an_empty_base_finds_nothing(pool: Pool) -> None:
    assert await search(pool, EMBEDDER, "anything") == []


@pytest.mark.parametrize("query", ["", "  ", "\0", "?!", "\u200b\u202e", "\ud800", "'", "—"])
async def test_queries_without_words_find_nothing(shop: Pool, query: str) -> None:
    assert await search(shop, EMBEDDER, query) == []


HOSTILE = (
    "' | ! & <-> ( ) :* \\",
    "shop:*ABCD & !opens <3> parcel",
    "'; drop table knowledge_base; --",
    "\\' \\\\ ''shop''",
    "shop\0 opens\ud800",
    "a" * 100_000,
    "word " * 50_000,
    " ".join(f"w{n}" for n in range(5_000)),
    "http://a.b/c?d='e'&f=\\ foo@bar.example -1004 1e999 /usr/lib C:\\x",
    "𝕤𝕙𝕠𝕡 شوپ 店",
)


@pytest.mark.parametrize("query", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_queries_do_not_raise(shop: Pool, query: str) -> None:
    await search(shop, EMBEDDER, query)
    assert await shop.fetchval("select count(*) from knowledge_base") == 3


async def test_only_the_start_of_a_long_query_counts(shop: Pool) -> None:
    start = "when does the shop open? "
    assert await search(shop, EMBEDDER, start + "x" * QUERY_MAX) == await search(
        shop, EMBEDDER, start + "x" * (QUERY_MAX * 5)
    )


@settings(max_examples=40)
@given(
    st.none() | st.floats(-1, 1),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 40),
)
def test_relevance_is_between_0_and_1_and_grows_with_its_parts(
    cosine: float | None, words: float, title: float, evidence: float
) -> None:
    score = relevance(cosine, words, title, evidence)
    assert 0 <= score <= 1
    assert relevance(cosine, 1, title, evidence) >= score
    assert relevance(cosine, words, 1, evidence) >= score
    assert relevance(cosine, words, title, evidence + 1) >= score
    if cosine is not None:
        assert relevance(1, words, title, evidence) >= score


async def test_one_word_is_less_evidence_than_three(shop: Pool) -> None:
    [short, *_] = await ranked(shop, Renamed(), "nine")
    [long, *_] = await ranked(shop, Renamed(), "nine in the morning")
    [full, *_] = await ranked(shop, Renamed(), "opens at nine in the morning")
    assert short.source == long.source == full.source == "hours.md"
    assert short.score < long.score < full.score


async def test_what_tells_nothing_is_no_evidence(shop: Pool, tmp_path: Path) -> None:
    (tmp_path / "letters.md").write_text("# Letters\n\nHello, x is something that would be for somebody.")
    await import_folder(shop, EMBEDDER, tmp_path)
    for question in ("x", "hello somebody, would something be", "Hello, x?"):
        assert {hit.score for hit in await ranked(shop, Renamed(), question)} == {0.0}, question


@pytest.fixture
async def large(pool: Pool) -> AsyncIterator[Pool]:
    """10,000 generated passages: words as frequent as in a language, vectors of every direction."""
    numbers = np.random.default_rng(7)
    words = [f"word{n}" for n in range(20_000)]
    random.Random(7).shuffle(words)
    weights = 1 / np.arange(10, len(words) + 10)
    drawn = numbers.choice(len(words), size=(10_000, 60), p=weights / weights.sum())
    vectors = numbers.normal(size=(10_000, 256))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    document = new_id()
    rows = [
        (new_id(), document, n, words[picks[0]], " ".join(words[w] for w in picks), f"c{n % 20}", vector)
        for n, (picks, vector) in enumerate(zip(drawn, vectors, strict=True))
    ]
    columns = ["id", "document_id", "ordinal", "title", "content", "category", "embedding"]
    async with pool.connection() as connection:
        definitions = [
            await connection.fetchval("select pg_get_indexdef($1::regclass)", index) for index in INDEXES
        ]
        await connection.execute(f"drop index {', '.join(INDEXES)}")
        await connection.execute(
            "insert into documents (id, source, title, content_hash, embedder) values ($1, 'd', 'd', '', $2)",
            document,
            EMBEDDER.name,
        )
        await connection.copy_records_to_table("knowledge_base", records=rows, columns=columns, timeout=60)
        for definition in definitions:
            await connection.execute(definition, timeout=60)
        await connection.execute("analyze knowledge_base")
    yield pool


async def test_at_10_000_passages_both_indexes_answer(large: Pool) -> None:
    query = "how is word17 done with word4711 and word19999"
    [vector] = await EMBEDDER.embed([query])
    arguments = (
        query, vector, EMBEDDER.name, None, module.TERMS_MAX, module.SHORTLIST, module.CANDIDATES,
        module.RANK_CONSTANT, module.TITLE_WEIGHT, ["word17"], ["word4712"], module.COMMON, module.HEAVIEST, None,
    )  # fmt: skip
    async with large.connection() as connection:
        for mode in ("force_custom_plan", "force_generic_plan"):
            await connection.execute(f"set plan_cache_mode = {mode}")
            rows = await connection.fetch(f"explain (analyze, costs off) {module._sql.search}", *arguments)
            plan = "\n".join(row[0] for row in rows)
            assert "Index Scan using knowledge_base_embedding" in plan
            assert "Bitmap Index Scan on knowledge_base_search" in plan
            took = float(rows[-1][0].split()[-2])
            assert took < 500, plan
