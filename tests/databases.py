"""Databases for tests: each fresh, migrated, and gone afterwards."""

import contextlib
import itertools
from collections.abc import AsyncIterator

import asyncpg

_numbers = itertools.count()


@contextlib.asynccontextmanager
async def created_database(server: str) -> AsyncIterator[str]:
    """A fresh migrated database for as long as the block runs."""
    name = f"test_{next(_numbers)}"
    admin = await asyncpg.connect(server.replace("/fte?", "/postgres?"))
    await admin.execute(f"create database {name} template fte")
    try:
        yield server.replace("/fte?", f"/{name}?")
    finally:
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()
