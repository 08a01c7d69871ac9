"""The simulated Gmail, and our side of its first mailbox."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fte.demo.providers import SimulatedGmail
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from tests.gmail.support import US, Post, post, webhook


@pytest.fixture
async def gmail() -> AsyncIterator[SimulatedGmail]:
    async with SimulatedGmail(US, page_size=3).running() as running:
        yield running


@pytest.fixture
async def ours(gmail: SimulatedGmail, pool: Pool, hints: Hints, tmp_path: Path) -> AsyncIterator[Post]:
    async with post(gmail, pool, hints, tmp_path) as opened:
        yield opened


@pytest.fixture
async def site(gmail: SimulatedGmail, pool: Pool, hints: Hints) -> AsyncIterator[str]:
    """The webhook's address."""
    async with webhook(gmail, pool, hints) as address:
        yield address
