"""Databases for tests: each fresh, migrated, and gone afterwards."""

import contextlib
import itertools
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import asyncpg

from fte.pg.pool import Pool

MEMORY: Final = Path("/dev/shm")
"""Linux's folder of files in memory."""
MEMORY_MIN: Final = 4 * 1024**3
"""Bytes that must be free there: databases, and a write-ahead log of at most 1 GB, of two runs side by side."""

_numbers = itertools.count()


@contextlib.asynccontextmanager
async def created_database(server: str) -> AsyncIterator[str]:
    """A fresh migrated database for as long as the block runs."""
    name = f"test_{next(_numbers)}"
    admin = await asyncpg.connect(server.replace("/fte?", "/postgres?"))
    # The template's files are copied as they are: its pages, logged one by one, would take twice the time.
    await admin.execute(f"create database {name} template fte strategy file_copy")
    try:
        yield server.replace("/fte?", f"/{name}?")
    finally:
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()


def in_memory() -> Path | None:
    """A folder whose files are in memory, where there is room in one: nearly every test creates a database, which is
    three hundred files, and has it dropped. None: use the disk."""
    try:
        return MEMORY if shutil.disk_usage(MEMORY).free >= MEMORY_MIN else None
    except OSError:
        return None


@contextlib.asynccontextmanager
async def silent(database_url: str) -> AsyncIterator[Pool]:
    """A pool of one connection, whose server process is frozen until the block is left: it neither answers nor ends."""
    pool = await Pool.open(database_url, size=1)
    try:
        backend = await pool.fetchval("select pg_backend_pid()")
        os.kill(backend, signal.SIGSTOP)
        try:
            yield pool
        finally:
            os.kill(backend, signal.SIGCONT)
    finally:
        await pool.close()
