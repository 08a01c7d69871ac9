"""The sample company's pages and those the cases bring, imported once."""

from collections.abc import AsyncIterator

import pytest

from fte.evals.case import Suite, load, shipped
from fte.evals.stage import furnish
from fte.knowledge.embed import WordLlamaEmbedder
from fte.pg.pool import Pool
from tests.databases import created_database

SUITES: tuple[Suite, ...] = tuple(map(load, shipped()))


@pytest.fixture(scope="session")
async def sample(server: str) -> AsyncIterator[Pool]:
    async with created_database(server) as url:
        pool = await Pool.open(url)
        await furnish(pool, WordLlamaEmbedder(), SUITES)
        yield pool
        await pool.close()
