"""Fixtures: one embedded PostgreSQL for the whole run, a fresh migrated database for each test that asks."""

import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from fte.pg import schema
from fte.pg.embedded import EmbeddedServer
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from tests.databases import created_database, in_memory
from tests.kafka.fixtures import allow_fetching, kafka, kafka_program, kafka_server, own_kafka  # noqa: F401

gc.disable()  # until all is collected
# How long an example takes says how busy the machine is.
settings.register_profile(
    "any machine", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")
os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"
for name in [name for name in os.environ if name.startswith("FTE_") and not name.startswith("FTE_TEST_")]:
    del os.environ[name]
# The renderer that is there by default draws each exception in colours, for as long as ten seconds.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    allow_fetching(items)
    for item in items:
        if "own_kafka" in getattr(item, "fixturenames", ()):  # a broker is seconds of two cores
            item.add_marker("acceptance")


def pytest_collection_finish() -> None:
    """Modules and tests stay until the end: the collector of garbage need not look at them ten thousand times."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of the run's PostgreSQL, holding the migrated template database."""
    # The database server may run as another user, who must reach the folder: not below pytest's private one.
    folder = Path(tempfile.mkdtemp(prefix="fte-test-", dir=in_memory()))
    with EmbeddedServer(folder) as running:
        schema.migrate(running.url)
        yield running.url
    shutil.rmtree(folder)


@pytest.fixture
async def database_url(server: str) -> AsyncIterator[str]:
    """A fresh migrated database."""
    async with created_database(server) as url:
        yield url


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    opened = await Pool.open(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def hints(database_url: str) -> Hints:
    """Hints of one process: they ring here, and nowhere else."""
    return Hints(database_url)
