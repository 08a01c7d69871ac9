"""What reaches the log: lines, also where a library has a traceback to tell."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from aiokafka.helpers import create_ssl_context
from asyncpg import BitString

from fte.cli._logs import FRAMES_MAX, _briefly, way_of
from fte.domain.errors import Rejected
from fte.pg.log import Cursor
from fte.settings import Settings


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


CANARIES = (
    "Quenlin",
    "quenlin@vostra.example",
    "+49 151 98765432",
    "secret-in-a-query",
    "a-key",
    'a"secret',
    "in-a-header",
)
BREAKS = """
import asyncio, logging, threading, warnings
import asyncpg, httpx, structlog
from fte.cli._logs import configure
configure(secrets=['a"secret', "a-key"])
log = structlog.get_logger("fte")
words = "Quenlin quenlin@vostra.example"
try:
    try:
        raise asyncpg.UniqueViolationError(f"Key (value)=({words}) already exists.")
    except asyncpg.PostgresError as error:
        raise ValueError(words) from error
except ValueError as error:
    log.error("broke", error=type(error).__name__, exc_info=error)
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\\n", exc_info=error)
log.error("refused", error='{"To": "+49 151 98765432 quenlin@vostra.example"}',
          problem="http://user:a-key@host/path?token=secret-in-a-query", reason="Bearer in-a-header")
log.error("a\\"secret")
try:
    request = httpx.Request("GET", "https://host/?token=secret-in-a-query")
    httpx.Response(500, request=request).raise_for_status()
except httpx.HTTPStatusError as error:
    log.error("call failed", exc_info=error)
logging.getLogger("openai.agents").error(f"Error getting response: {words}")
logging.getLogger("some.client").warning("cannot read %s", words)
logging.getLogger("aiokafka.conn").warning("cannot connect to %s", "10.0.0.1:9092")
warnings.warn(words)
thread = threading.Thread(target=lambda: 1 / len(words[99:]))
thread.start()
thread.join()
async def main():
    async def lost():
        raise ValueError(words)
    tasks = [asyncio.create_task(lost())]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks.clear()
    asyncio.get_running_loop().call_soon(lambda who: 1 / len(who[99:]), "Quenlin")
    await asyncio.sleep(0)
asyncio.run(main())
raise ExceptionGroup(words, [ValueError(words), KeyError(words)])
"""


def test_an_error_is_told_by_its_kind_and_way_and_not_by_its_text() -> None:
    ran = subprocess.run([sys.executable, "-c", BREAKS], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert not [
        canary for canary in CANARIES if canary in ran.stderr or json.dumps(canary)[1:-1] in ran.stderr
    ]
    told = [json.loads(line) for line in ran.stderr.splitlines()]
    events = [line["event"] for line in told]
    for expected in (
        "broke",
        "Exception in ASGI application",
        "cannot read %s",
        "cannot connect to 10.0.0.1:9092",
        "Task exception was never retrieved",
        "program broke",
    ):
        assert expected in events, events
    assert any(event.endswith(": UserWarning") for event in events), events
    assert any(event.startswith("Exception in callback") for event in events), events
    broke = told[0]["exception"]
    assert "asyncpg.exceptions.UniqueViolationError sqlstate=23505" in broke
    assert broke.endswith("<module>\nbuiltins.ValueError")
    of_the_thread, of_the_program = [line["exception"] for line in told if line["event"] == "program broke"]
    assert of_the_thread.endswith("builtins.ZeroDivisionError")
    assert of_the_program.count("builtins.KeyError") == 1


def test_of_a_long_way_the_beginning_and_the_end_are_told() -> None:
    def deep(calls: int) -> None:
        if calls == 0:
            raise ValueError
        deep(calls - 1)

    def way_of_deep(calls: int) -> list[str]:
        with pytest.raises(ValueError) as raised:
            deep(calls)
        return list(way_of(raised.value))

    assert len(way_of_deep(FRAMES_MAX - 2)) == FRAMES_MAX + 1
    way = way_of_deep(900)
    assert len(way) == FRAMES_MAX + 2
    assert way[FRAMES_MAX // 2] == f"  … {902 - FRAMES_MAX} more"
    assert way[0].endswith(" way_of_deep")
    assert way[-1] == "builtins.ValueError"


@pytest.mark.parametrize(
    "address",
    [
        "a-key",
        "postgresql://fte:a-key/x@db/fte",
        "postgresql://fte:[a-key@db/fte",
        "postgresql://fte@db:a-key/x",
    ],
)
def test_a_wrong_secret_address_is_refused_without_being_quoted(address: str) -> None:
    with pytest.raises(Rejected) as refused:
        Settings.load({"FTE_DATABASE_URL": address})
    assert "FTE_DATABASE_URL" in refused.value.message
    assert "a-key" not in refused.value.message


@pytest.mark.parametrize(
    "name",
    [
        *(
            field.metadata["env"]
            for field in fields(Settings)
            if field.metadata["env"].endswith("_URL") and not field.metadata.get("secret")
        ),
        "FTE_KAFKA_BOOTSTRAP_SERVERS",
    ],
)
@pytest.mark.parametrize(
    "address", ["u:a-key@h/v1", "://u:x/a-key@h", "h/v1?key=a-key", "ftp://u:p@a-key@h:1x"]
)
def test_a_wrong_address_is_refused_without_its_key(name: str, address: str) -> None:
    with pytest.raises(Rejected) as refused:
        Settings.load({name: address})
    assert name in refused.value.message
    assert "a-key" not in refused.value.message


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("FTE_DATABASE_URL", "mysql://fte:a-key@db/fte"),
        ("FTE_DATABASE_URL", "u:a-key@h/v1"),
        ("FTE_PUBLIC_URL", "https://"),
        ("FTE_MODEL_BASE_URL", "http://"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused(name: str, address: str) -> None:
    with pytest.raises(Rejected, match=name) as refused:
        Settings.load({name: address})
    assert "a-key" not in refused.value.message


def test_every_secret_setting_is_one_that_is_covered() -> None:
    named = {
        field.metadata["env"]: f"{field.name}-{'x' * 32}"
        for field in fields(Settings)
        if field.metadata.get("secret")
    }
    named["FTE_DATABASE_URL"] = "postgresql://fte:a%2Fkey-that-is-long@db1:1,db2/fte"
    assert Settings.load(named).secrets == {*named.values(), "a%2Fkey-that-is-long", "a/key-that-is-long"}
