"""Logs: structured lines on standard error, ids and facts, never customers' text. Libraries' warnings come the same way."""

import logging
import sys
import traceback
from pathlib import Path
from typing import Any

import structlog

_OURS = Path(__file__).parent.parent
_CLIENTS = frozenset({"aiokafka", "asyncpg"})
_LEFT_OPEN = "Unclosed AIOKafkaConnection"
"""What the broker's client says of a connection it dropped itself, when connecting took too long."""
_SHARED: tuple[Any, ...] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)


def configure(level: int = logging.INFO) -> None:
    """Readable lines on a terminal, JSON elsewhere."""
    readable = sys.stderr.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*_SHARED, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *_SHARED],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(_briefly)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _briefly(record: logging.LogRecord) -> bool:
    """Tell in a line, as a warning, what breaks in a database's or broker's client by itself, when that server is away.

    Tasks of their own that nobody waits for end with a traceback each, and say nothing that our own lines do not.
    """
    error = record.exc_info[1] if record.exc_info else None
    if record.getMessage().startswith(_LEFT_OPEN):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    elif error is not None and _is_a_clients(error):
        record.msg, record.args = f"{record.getMessage().splitlines()[0]}: {type(error).__name__}", None
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def _is_a_clients(error: BaseException) -> bool:
    """Whether it broke in one of these libraries without a line of ours on the way."""
    files = [Path(frame.f_code.co_filename) for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(_CLIENTS.intersection(file.parts) for file in files) and not any(
        file.is_relative_to(_OURS) for file in files
    )
