import asyncio
import math
import subprocess
import sys

from fte.knowledge.embed import WordLlamaEmbedder


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_vectors_have_length_one_whatever_the_text() -> None:
    embedder = WordLlamaEmbedder()
    vectors = await embedder.embed(["reset my password", "", "\0\ud800", "x" * 50_000, "日本語"] * 20)
    assert all(len(vector) == embedder.dimensions for vector in vectors)
    assert all(math.isclose(math.hypot(*vector), 1.0, abs_tol=1e-5) for vector in vectors)
    assert await embedder.embed([]) == []


async def test_related_texts_are_nearer_than_unrelated_ones() -> None:
    embedder = WordLlamaEmbedder()
    asked, related, unrelated = await embedder.embed(
        ["forgot my pasword", "Reset your password", "Bake a cake"]
    )
    assert cosine(asked, related) > 2 * cosine(asked, unrelated)


async def test_simultaneous_first_uses_load_the_model_once() -> None:
    embedder = WordLlamaEmbedder()
    vectors = await asyncio.gather(*(embedder.embed(["same"]) for _ in range(5)))
    assert all(vector == vectors[0] for vector in vectors)


def test_importing_loads_nothing_and_loading_leaves_the_root_logger_alone() -> None:
    program = (
        "import asyncio, logging, sys\n"
        "from fte.knowledge.embed import WordLlamaEmbedder\n"
        "assert not {'wordllama', 'numpy'} & sys.modules.keys()\n"
        "import socket; socket.socket.connect = None\n"
        "asyncio.run(WordLlamaEmbedder().embed(['a']))\n"
        "assert logging.getLogger().handlers == [] and logging.getLogger().level == logging.WARNING\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
