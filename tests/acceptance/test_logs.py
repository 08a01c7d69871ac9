"""What reaches the log: lines, also where a library has a traceback to tell."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka.helpers import create_ssl_context
from asyncpg import BitString

from fte.cli._logs import _briefly
from fte.pg.log import Cursor


def told(breaks: Callable[[], object]) -> logging.LogRecord:
    """The record of an error nobody waited for, as it is after the filter."""
    message = "Task exception was never retrieved\nfuture: %r"
    try:
        breaks()
    except Exception:
        record = logging.LogRecord("asyncio", logging.ERROR, "", 0, message, ("…",), sys.exc_info())
    assert _briefly(record)
    return record


@pytest.mark.parametrize(
    "breaks",
    [lambda: create_ssl_context(cafile="/nonexistent"), lambda: BitString.from_int(9, length=1)],
    ids=["broker", "database"],
)
def test_what_breaks_in_a_client_by_itself_is_a_line(breaks: Callable[[], object]) -> None:
    record = told(breaks)
    assert record.getMessage().startswith("Task exception was never retrieved: ")
    assert "\n" not in record.getMessage()
    assert (record.exc_info, record.levelname) == (None, "WARNING")


@pytest.mark.parametrize(
    "breaks", [lambda: Cursor.parse("none"), lambda: Path("/nonexistent").read_text()], ids=["ours", "others"]
)
def test_whatever_else_breaks_is_told_with_its_traceback(breaks: Callable[[], object]) -> None:
    record = told(breaks)
    assert record.getMessage().startswith("Task exception was never retrieved\nfuture:")
    assert record.exc_info is not None
    assert record.levelname == "ERROR"


def test_a_connection_the_brokers_client_dropped_is_a_warning() -> None:
    record = logging.LogRecord(
        "asyncio", logging.ERROR, "", 0, "Unclosed AIOKafkaConnection\nconn: x", (), None
    )
    assert _briefly(record)
    assert record.levelname == "WARNING"
