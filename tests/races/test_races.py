"""The short form of the races, for the seeded bugs; `make races` runs ten thousand. Both print their seed."""

import os
import random
from collections import Counter
from typing import Final

import pytest

from fte.pg.pool import Pool
from tests.databases import created_database
from tests.races import process, race

RACES = int(os.environ.get("FTE_TEST_RACES") or 400)
SEED = int(os.environ.get("FTE_TEST_RACES_SEED") or 0) or random.randrange(2**31)
MEETINGS: Final = (
    "takeovers",
    "accepted after a takeover",
    "losers told",
    "claims ended",
    "hand-overs accepted",
    "drafts decided",
    "decided too late",
)
"""What has to have happened for the races to say anything. How often it does depends on the machine and on chance."""
BATCHES: Final = 10
"""Batches of RACES until all of it has."""


@pytest.mark.acceptance
@pytest.mark.timeout(900)
async def test_people_have_the_last_word_whoever_races(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for where, name, value in process.HURRIED:
        monkeypatch.setattr(where, name, value)
    counts: Counter[str] = Counter()
    for seed in range(SEED, SEED + BATCHES):
        print(f"seed {seed}: FTE_TEST_RACES_SEED={seed} repeats it")
        async with created_database(server) as url:
            wide = await Pool.open(url, size=race.ABREAST + 8)
            try:
                verdict = await race.run(wide, url, RACES, seed)
            finally:
                await wide.close()
        assert verdict.broken == [], f"seed {seed}"
        counts += verdict.counts
        if min(counts[what] for what in MEETINGS) >= 3:
            return
    raise AssertionError(f"too little has happened: {counts}")
