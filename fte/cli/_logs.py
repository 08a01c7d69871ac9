"""Logs: structured lines on standard error, ids and facts, never customers' text. Libraries' warnings come the same way.

What somebody else worded may quote a customer, an address or a key. So of an exception its kind and its way are told and
not its text; of a library's line its template, unless the library is known to speak of nothing but itself; and in what
is left of others' words, addresses, numbers and whatever signs in are covered.
"""

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import structlog

from fte.domain.text import one_line, printable
from fte.settings import MASK

CHAIN_MAX: Final = 8
"""Exceptions told of those that led to one."""
GROUP_MAX: Final = 5
"""Exceptions told of a group, at each level."""
FRAMES_MAX: Final = 40
"""Calls told of an exception's way: those that began it and those it ended in."""
WORDS_MAX: Final = 500
"""Characters of others' words in a line."""

_OURS = Path(__file__).parent.parent
_CLIENTS = frozenset({"aiokafka", "asyncpg"})
_LEFT_OPEN = "Unclosed AIOKafkaConnection"
"""What the broker's client says of a connection it dropped itself, when connecting took too long."""
_PLAIN: Final = ("aiokafka", "uvicorn")
"""Libraries whose lines speak of servers and connections only."""
_LOOP: Final = "asyncio"
_SHOWN_WHOLE: Final = re.compile("[<(].*")
"""How the loop shows a task or a callback, with its arguments."""
_WARNINGS: Final = "py.warnings"
_WARNING: Final = re.compile(r"[^\n]*?: \w*Warning")
_WORDS: Final = ("error", "problem", "reason")
"""Where our own lines may hold words of a provider or a server."""
_COVERED: Final = (
    (re.compile(r"(?<=://)[^\s/@]+@"), MASK + "@"),
    (re.compile(r"(?<=[\w/])\?[^\s\"'<>]+"), "?" + MASK),
    (re.compile(r"\b(Bearer|Basic) +[^\s\"',]+", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"[^\s<>\"'(),:;@/•]+@[^\s<>\"'(),:;@/]+"), MASK),
    (re.compile(r"\+\d(?:[ ().-]?\d){5,}"), MASK),
)
_FACTS: Final = ("sqlstate", "constraint_name", "errno", "status_code")
"""What a driver or client adds to its errors that is a code or a name in our own schema."""

Line = MutableMapping[str, Any]


def configure(level: int = logging.INFO, secrets: Iterable[str] = ()) -> None:
    """Readable lines on a terminal, JSON elsewhere. `secrets` are covered wherever they should turn up."""
    readable = sys.stderr.isatty()
    drawn: Any = structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer()
    shared: tuple[Any, ...] = (
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_texts,
    )
    ending: tuple[Any, ...] = (drawn, _Cover(secrets))
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, _of_a_library, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
            pass_foreign_args=True,
        )
    )
    handler.addFilter(_briefly)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    sys.excepthook = _on_break
    threading.excepthook = lambda broken: _on_break(broken.exc_type, broken.exc_value, broken.exc_traceback)
    sys.unraisablehook = lambda broken: _on_break(broken.exc_type, broken.exc_value, broken.exc_traceback)


def _on_break(kind: type[BaseException], error: BaseException | None, way: TracebackType | None) -> None:
    """Tell what nobody handled as a line, not as a traceback with the error's text."""
    if issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger("fte").critical("program broke", error=kind.__name__, exc_info=error)


# ---------------------------------------------------------------- what is left out


def _without_texts(_: Any, __: str, line: Line) -> Line:
    """Exceptions by kind and way, and others' words covered."""
    told = line.pop("exc_info", None)
    if told is True:
        told = sys.exc_info()
    error = told[1] if isinstance(told, tuple) else told
    if isinstance(error, BaseException):
        line["exception"] = "\n".join(way_of(error))
    for name in _WORDS:
        if isinstance(line.get(name), str):
            line[name] = _covered(line[name])
    return line


def _of_a_library(_: Any, __: str, line: Line) -> Line:
    """A library's line: the whole only where it is known to hold nothing of a customer's."""
    record: logging.LogRecord = line["_record"]
    arguments = line.pop("positional_args", None)
    first = str(line["event"]).partition("\n")[0]
    if record.name == _WARNINGS:
        named = _WARNING.match(first)
        line["event"] = named[0] if named else "warning"
    elif record.name == _LOOP:
        line["event"] = _SHOWN_WHOLE.sub("", first).rstrip()
    elif record.name.split(".")[0] in _PLAIN:
        line["event"] = _covered(first)
    elif arguments:
        line["event"] = str(record.msg).partition("\n")[0]
    else:  # it may have been put together already
        line["event"] = f"{record.name} at {record.module}.{record.funcName}:{record.lineno}"
    return line


def way_of(error: BaseException, depth: int = 0) -> Iterator[str]:
    """The lines that tell an exception and what led to it, oldest first: files and kinds, not a word of its text."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and depth < CHAIN_MAX:
        yield from way_of(before, depth + 1)
        yield "then"
    calls = list(traceback.walk_tb(error.__traceback__))
    left_out = len(calls) - FRAMES_MAX
    for place, (frame, number) in enumerate(calls):
        if place < FRAMES_MAX // 2 or place >= FRAMES_MAX // 2 + left_out:
            yield f"  {frame.f_code.co_filename}:{number} {frame.f_code.co_name}"
        elif place == FRAMES_MAX // 2:
            yield f"  … {left_out} more"
    yield _kind(error)
    if isinstance(error, BaseExceptionGroup) and depth < CHAIN_MAX:
        for inner in error.exceptions[:GROUP_MAX]:
            yield "of these"
            yield from (f"  {line}" for line in way_of(inner, depth + 1))


def _kind(error: BaseException) -> str:
    facts = [f"{name}={value}" for name in _FACTS if isinstance(value := _fact(error, name), str | int)]
    return " ".join([f"{type(error).__module__}.{type(error).__qualname__}", *facts])


def _fact(error: BaseException, name: str) -> object:
    try:
        return getattr(error, name, None)
    except Exception:  # a property of somebody else's
        return None


def _covered(words: str) -> str:
    for pattern, shown in _COVERED:
        words = pattern.sub(shown, words)
    return printable(one_line(words), WORDS_MAX)


class _Cover:
    """Covers known secrets in a finished line, as they are and as JSON writes them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        written = {form for secret in secrets for form in (secret, _as_json(secret)) if form}
        longest_first = sorted(written, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if written else None

    def __call__(self, _: Any, __: str, line: str) -> str:
        return self._pattern.sub(MASK, line) if self._pattern else line


def _as_json(text: str) -> str:
    return json.dumps(text)[1:-1]


# ---------------------------------------------------------------- what is told briefly


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
