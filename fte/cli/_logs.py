"""Logs: structured lines on standard error, ids and facts, never customers' text. Libraries' warnings come the same way."""

import logging
import sys
from typing import Any

import structlog

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
    """Tell in a line what the Kafka client says of a broker that is away: its own tasks end with a traceback each."""
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and type(error).__module__.startswith("aiokafka."):
        record.msg, record.args = f"{record.getMessage().splitlines()[0]}: {type(error).__name__}", None
        record.exc_info = record.exc_text = None
    return True
