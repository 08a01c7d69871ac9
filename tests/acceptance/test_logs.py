"""What reaches the log: lines, also where a library has a traceback to tell."""

import logging
import sys

from aiokafka.errors import KafkaConnectionError

from fte.cli._logs import _briefly


def told(error: Exception) -> logging.LogRecord:
    """The record of an error nobody waited for, as it is after the filter."""
    try:
        raise error
    except Exception:
        message = "Task exception was never retrieved\nfuture: %r"
        record = logging.LogRecord("asyncio", logging.ERROR, "", 0, message, ("…",), sys.exc_info())
    assert _briefly(record)
    return record


def test_a_broker_that_is_away_is_a_line_and_not_a_traceback() -> None:
    record = told(KafkaConnectionError("closed"))
    assert record.getMessage() == "Task exception was never retrieved: KafkaConnectionError"
    assert record.exc_info is None


def test_whatever_else_breaks_is_told_with_its_traceback() -> None:
    record = told(ValueError("broken"))
    assert record.getMessage().startswith("Task exception was never retrieved\nfuture:")
    assert record.exc_info is not None
