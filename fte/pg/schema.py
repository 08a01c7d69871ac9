"""The schema's version: what this program needs, what a database has, and how to get from one to the other."""

from pathlib import Path
from typing import Any, Final

import asyncpg

from fte.domain.errors import Unavailable

SCHEMA_VERSION: Final = "0016"
"""The newest migration, known here so that a start need not load the migration tool; a test compares the two."""

LOCK_TIMEOUT: Final = 5.0
"""Seconds a migration waits for a table that others use. Whoever comes after it waits behind it, customers too."""

_PACKAGED = Path(__file__).parent.parent / "migrations"
_CHECKOUT = Path(__file__).parent.parent.parent / "migrations"


def migrations_folder() -> Path:
    """Where the migrations are: inside the installed package, or beside it in a checkout."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


def migrate(database_url: str, revision: str = "head") -> None:
    """Bring the database to this program's schema, or up to an older one. Safe to run twice, and from two places at once.

    All or nothing. Raises Unavailable when a table was in use for longer than LOCK_TIMEOUT.
    """
    from alembic import command
    from alembic.config import Config

    folder = migrations_folder()
    told = {"database_url": database_url, "lock_timeout": LOCK_TIMEOUT}
    try:
        command.upgrade(Config(folder / "alembic.ini", attributes=told), revision)
    except asyncpg.LockNotAvailableError:
        raise Unavailable(
            f"The schema is as it was: a table was in use for more than {LOCK_TIMEOUT:g} s.",
            remedy="Run `fte migrate` again; at a quieter time if it happens again.",
        ) from None


async def version(connection: "asyncpg.Connection[Any]") -> str | None:
    """The database's schema version, None when it has no schema of ours."""
    if await connection.fetchval("select to_regclass('alembic_version')") is None:
        return None
    found: str | None = await connection.fetchval("select version_num from alembic_version")
    return found


async def check(connection: "asyncpg.Connection[Any]") -> None:
    """Raises Unavailable, naming the remedy, unless this program can work on the database's schema.

    It can on its own, and on a newer one that has only grown since: a release's processes live on while the next one
    migrates and takes over. It cannot on an older one.
    """
    found = await version(connection)
    if found == SCHEMA_VERSION:
        return
    if found is not None and found > SCHEMA_VERSION:
        oldest = await connection.fetchval("select oldest_program from schema_floor")
        if oldest is not None and oldest <= SCHEMA_VERSION:
            return
        raise Unavailable(
            f"The database's schema is {found}, too new for this program ({SCHEMA_VERSION}).",
            remedy="Install the release that migrated it.",
        )
    raise Unavailable(
        f"The database's schema is {found or 'empty'}; this program needs {SCHEMA_VERSION}.",
        remedy="Run `fte migrate`, then start again.",
    )
