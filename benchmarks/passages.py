"""What a search costs with 100,000 passages, against a bare query of the vector index that finds the same.

Both use one connection, one index and the same `hnsw.ef_search`, so the floor has the recall that is measured here
too, against comparing every passage. The questions are the labelled ones; the passages are put together from the
sample company's sentences, its words at random, and names that few passages have.
"""

import random
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
from pgvector.asyncpg import register_vector

import fte
from benchmarks.measure import Figure, quantile
from benchmarks.stage import database
from fte.domain.ids import new_id
from fte.knowledge.documents import import_folder
from fte.knowledge.embed import WordLlamaEmbedder
from fte.knowledge.search import CANDIDATES, search
from fte.pg.pool import Pool
from tests.support_knowledge import DEVELOPMENT, labelled

KB = Path(fte.__file__).parent / "demo" / "company" / "kb"
NEAREST = f"select id from knowledge_base order by embedding <=> $1 limit {CANDIDATES}"
EXACT = f"select id from knowledge_base order by (embedding <=> $1) + 0 limit {CANDIDATES}"
COUNTED = 10
"""The nearest passages that recall is about: more than an answer is ever made of."""
INDEXES = ("knowledge_base_search", "knowledge_base_embedding")
BATCH = 1_000
"""Passages made and stored at a time."""


@dataclass(frozen=True, slots=True)
class Size:
    passages: int = 100_000
    questions: int = 400
    exact: int = 100
    """Questions of which every passage is compared too."""


TINY = Size(passages=400, questions=6, exact=3)


async def measure(size: Size = Size()) -> list[Figure]:
    """Alternates between a search and the bare query, question by question, each question once to warm up."""
    embedder = WordLlamaEmbedder()
    questions = [case.question for case in labelled(DEVELOPMENT) if case.pages][: size.questions]
    async with _filled(size.passages, embedder) as pool:
        vectors = await embedder.embed(questions)
        ours: list[float] = []
        floor: list[float] = []
        for warm in (False, True):
            for question, vector in zip(questions, vectors, strict=True):
                begun = time.perf_counter()
                await search(pool, embedder, question)
                searched = time.perf_counter()
                await pool.fetch(NEAREST, vector)
                if warm:
                    ours.append((searched - begun) * 1000)
                    floor.append((time.perf_counter() - searched) * 1000)
        exact = [await _recall(pool, vector) for vector in vectors[: size.exact]]
    recall, wide = (sum(shares) / len(shares) for shares in zip(*exact, strict=True))
    return [
        Figure(
            name="search, p95",
            ours=quantile(ours, 0.95),
            floor=quantile(floor, 0.95),
            unit="ms",
            bound="at most",
            target=2.0,
            note=f"{size.passages:,} passages; median {quantile(ours, 0.5):.3g}, floor {quantile(floor, 0.5):.3g} ms",
        ),
        Figure(
            name="search, recall",
            ours=recall,
            unit="of 1",
            bound="at least",
            target=0.97,
            note=f"of the {COUNTED} nearest; of the {CANDIDATES} nearest {wide:.3f}",
        ),
    ]


async def _recall(pool: Pool, vector: list[float]) -> tuple[float, float]:
    """The shares of the truly nearest COUNTED and CANDIDATES passages that the index finds."""
    exact = [row["id"] for row in await pool.fetch(EXACT, vector)]
    found = {row["id"] for row in await pool.fetch(NEAREST, vector)}
    near = exact[:COUNTED]
    return len(found.intersection(near)) / len(near), len(found.intersection(exact)) / len(exact)


@asynccontextmanager
async def _filled(passages: int, embedder: WordLlamaEmbedder) -> AsyncIterator[Pool]:
    async with database() as url:
        pool = await Pool.open(url, size=1)
        try:
            await import_folder(pool, embedder, KB)
            await _fill(url, passages, embedder)
            yield pool
        finally:
            await pool.close()


async def _fill(url: str, passages: int, embedder: WordLlamaEmbedder) -> None:
    """Add made-up passages up to `passages`, build the indexes anew and analyse, as an import in bulk would."""
    connection = await asyncpg.connect(url)
    await register_vector(connection)
    try:
        rows = await connection.fetch(
            "select title, content, (select count(*) from knowledge_base) as n from knowledge_base"
        )
        texts = _texts([(row["title"], row["content"]) for row in rows])
        definitions = [
            await connection.fetchval("select pg_get_indexdef($1::regclass)", name) for name in INDEXES
        ]
        await connection.execute(f"drop index {', '.join(INDEXES)}")
        document = await connection.fetchval(
            "insert into documents (id, source, title, content_hash, embedder) values ($1, 'made', 'made', '', $2)"
            " returning id",
            new_id(),
            embedder.name,
        )
        for start in range(len(rows), passages, BATCH):
            made = [next(texts) for _ in range(min(BATCH, passages - start))]
            await _store(connection, document, start, made, embedder)
        await connection.execute("set maintenance_work_mem = '512MB'")
        for definition in definitions:
            await connection.execute(definition)
        await connection.execute("vacuum analyze knowledge_base")
    finally:
        await connection.close()


async def _store(
    connection: "asyncpg.Connection[asyncpg.Record]",
    document: UUID,
    start: int,
    made: list[tuple[str, str]],
    embedder: WordLlamaEmbedder,
) -> None:
    vectors = await embedder.embed([f"{title}\n{content}" for title, content in made])
    await connection.copy_records_to_table(
        "knowledge_base",
        records=[
            (new_id(), document, start + n, title, content, f"c{n % 20}", vector)
            for n, ((title, content), vector) in enumerate(zip(made, vectors, strict=True))
        ],
        columns=["id", "document_id", "ordinal", "title", "content", "category", "embedding"],
    )


def _texts(real: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Titles and contents without end: three sentences of real passages, twelve of their words, two rare names."""
    chance = random.Random(7)
    sentences = [s for _, content in real for s in re.split(r"(?<=[.!?:])\s+|\n+", content) if len(s) > 20]
    words = sorted({word for _, content in real for word in re.findall(r"[A-Za-z]{3,}", content)})
    while True:
        title = f"{chance.choice(real)[0].split(' — ')[0]} — {' '.join(chance.sample(words, 2))}"
        names = f"kx{chance.randrange(20_000)} and kx{chance.randrange(20_000)}"
        yield title, " ".join([*chance.sample(sentences, 3), *chance.sample(words, 12), names])
