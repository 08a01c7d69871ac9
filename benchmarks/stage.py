"""The stage: temporary databases in an embedded server, and the processes that play on it."""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, Any

import asyncpg

from fte.pg import schema
from fte.pg.embedded import EmbeddedServer

RUN_TIMEOUT = 600.0
"""Seconds a process may take to come to its result."""
STOP_TIMEOUT = 30.0


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder the database server, which may run as another user, can reach."""
    path = Path(tempfile.mkdtemp(prefix="fte-bench-", dir="/tmp" if Path("/tmp").is_dir() else None))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.asynccontextmanager
async def database(**server_settings: str) -> AsyncIterator[str]:
    """The address of a migrated database in a server of its own, with these settings beside the defaults."""
    with folder() as path:
        if server_settings:
            with EmbeddedServer(path) as server:
                await _configure(server.url, server_settings)
        with EmbeddedServer(path) as server:
            await asyncio.to_thread(schema.migrate, server.url)
            yield server.url


async def _configure(url: str, settings: dict[str, str]) -> None:
    connection = await asyncpg.connect(url)
    for name, value in settings.items():
        await connection.execute(f"alter system set {name} = '{value}'")
    await connection.close()


async def copy(url: str, name: str) -> str:
    """The address of a fresh copy of a database that nobody is connected to."""
    admin = await asyncpg.connect(url.replace("/fte?", "/postgres?"))
    await admin.execute(f"create database {name} template fte")
    await admin.close()
    return url.replace("/fte?", f"/{name}?")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(**values: Any) -> dict[str, str]:
    """This process's environment without settings of ours, but with these."""
    # An installed program has its bytecode; without this, ours alone would be compiled at every start.
    unwanted = ("FTE_", "OPENAI_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return kept | {"PYTHONUNBUFFERED": "1"} | {name: str(value) for name, value in values.items()}


@contextlib.contextmanager
def running(*arguments: Any, **env: Any) -> Iterator["subprocess.Popen[str]"]:
    """A Python process of ours that has said `ready`; it is stopped afterwards. Raises RuntimeError."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment(**env),
        )
        try:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "ready":
                raise RuntimeError(f"{arguments} did not start:\n{_tail(errors)}")
            yield process
        finally:
            stop(process)


def stop(process: "subprocess.Popen[Any]") -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def result(*arguments: Any, timeout: float = RUN_TIMEOUT, **env: Any) -> Any:
    """What a Python process of ours prints as JSON on its last line. Raises RuntimeError when it fails."""
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(**env), timeout=timeout)
    if done.returncode != 0:
        raise RuntimeError(f"{arguments} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _tail(file: IO[str]) -> str:
    file.seek(0)
    return file.read()[-3000:]
