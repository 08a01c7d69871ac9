"""The Kafka bus keeps the bus contract, over a real broker that a relay fills from the log."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.ports import Bus
from tests.bus.contract import BusContract
from tests.bus.support_kafka import carried, own_cluster


class TestKafkaBus(BusContract):
    @pytest.fixture(autouse=True)
    def broker(self, kafka: str) -> None:
        self.address = kafka

    @contextlib.asynccontextmanager
    async def open_bus(self, pool: Pool, hints: Hints) -> AsyncIterator[Bus]:
        async with carried(own_cluster(self.address), pool, hints) as running:
            yield running.bus
