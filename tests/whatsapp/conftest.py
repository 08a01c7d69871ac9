"""The simulated Twilio, our webhooks over a real socket, and a real database."""

from collections.abc import AsyncIterator

import pytest

from fte.demo.providers.twilio import SimulatedTwilio
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from tests.whatsapp.support import House, house


@pytest.fixture
async def twilio() -> AsyncIterator[SimulatedTwilio]:
    async with SimulatedTwilio().running() as provider:
        yield provider


@pytest.fixture
async def home(pool: Pool, hints: Hints, twilio: SimulatedTwilio) -> AsyncIterator[House]:
    async with house(pool, hints, twilio) as made:
        yield made
