"""Fixtures of a real Kafka broker: one for the run, or one of the test's own to kill and freeze."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from tests.databases import in_memory
from tests.kafka.broker import Broker
from tests.kafka.install import FETCH_MAX, Missing, Program, installed, is_installed

EXISTING: Final = "FTE_TEST_KAFKA"
"""The variable that names a broker to use, as host:port, instead of starting one."""
FIXTURES: Final = frozenset({"kafka_program", "kafka_server", "kafka", "own_kafka"})


def allow_fetching(items: list[pytest.Item]) -> None:
    """Give the tests over Kafka the time to fetch the broker, where it is not here yet."""
    if not os.environ.get(EXISTING) and not is_installed():
        for item in items:
            if FIXTURES.intersection(getattr(item, "fixturenames", ())):
                item.add_marker(pytest.mark.timeout(FETCH_MAX + 120))


@pytest.fixture(scope="session")
def kafka_program() -> Program:
    """What brokers are started from. Skips where the machine cannot have it, or a broker elsewhere is to be used."""
    if named := os.environ.get(EXISTING):
        pytest.skip(
            f"{EXISTING} names {named}, and this test needs a broker that it may stop, kill or freeze"
        )
    try:
        return installed()
    except Missing as missing:
        if os.environ.get("CI"):
            pytest.fail(f"CI installs what Kafka needs, and there is {missing}")
        pytest.skip(f"{missing}: the tests over Kafka were not run")


@pytest.fixture(scope="session")
def kafka_server(kafka_program: Program) -> Iterator[Broker]:
    """The run's broker. Other tests use it too: leave it running."""
    with (
        TemporaryDirectory(prefix="fte-kafka-", dir=in_memory()) as folder,
        Broker(Path(folder), kafka_program) as broker,
    ):
        yield broker


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> str:
    """The address of the run's broker, or of the one that FTE_TEST_KAFKA names, as host:port."""
    named = os.environ.get(EXISTING)
    return named or request.getfixturevalue("kafka_server").bootstrap


@pytest.fixture
def own_kafka(kafka_program: Program, tmp_path: Path) -> Iterator[Broker]:
    """A started broker of the test's own."""
    with Broker(tmp_path / "kafka", kafka_program) as broker:
        yield broker
