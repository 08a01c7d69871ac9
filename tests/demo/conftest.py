"""A simulated Gmail and Twilio for each test, with the providers' own clients."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from twilio.rest import Client

from fte.demo.providers import SimulatedGmail, SimulatedTwilio
from tests.demo.support import OTHERS, US, Gmail, Receiver, signed_in, twilio_client


@pytest.fixture
async def gmail() -> AsyncIterator[SimulatedGmail]:
    async with SimulatedGmail(US, OTHERS).running() as running:
        yield running


@pytest.fixture
def google(gmail: SimulatedGmail, tmp_path: Path) -> Iterator[Gmail]:
    with signed_in(gmail, tmp_path) as client:
        yield client


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver().running() as running:
        yield running


@pytest.fixture
async def twilio(receiver: Receiver) -> AsyncIterator[SimulatedTwilio]:
    async with SimulatedTwilio(receiver.url).running() as running:
        yield running


@pytest.fixture
def client(twilio: SimulatedTwilio) -> Iterator[Client]:
    with twilio_client(twilio) as client:
        yield client
