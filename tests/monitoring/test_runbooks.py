"""What the documents have people ask the database can be asked of this release's."""

import re
from pathlib import Path

import pytest

from fte.pg.pool import Pool

DOCS = Path(__file__).parents[2] / "docs"
QUERIES = {
    f"{path.stem}-{number}": query.replace("PID", "0")
    for path in sorted(DOCS.rglob("*.md"))
    for number, query in enumerate(re.findall(r'psql .*--command "([^"]+)"', path.read_text("utf-8")), 1)
}


def test_there_are_some() -> None:
    assert len(QUERIES) >= 7


@pytest.mark.parametrize("name", QUERIES)
async def test_every_query_of_a_document_can_be_asked(pool: Pool, name: str) -> None:
    await pool.fetch(QUERIES[name])
