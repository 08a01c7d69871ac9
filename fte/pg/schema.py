"""The schema's version: what this program needs, what a database has, and how to get from one to the other."""

from pathlib import Path
from typing import Any, Final

import asyncpg

from fte.domain.errors import Unavailable

SCHEMA_VERSION: Final = "0009"
"""The newest migration, known here so that a start need not load the migration tool; a test compares the two."""

_PACKAGED = Path(__file__).parent.parent / "migrations"
_CHECKOUT = Path(__file__).parent.parent.parent / "migrations"


def migrations_folder() -> Path:
    """Where the migrations are: inside the installed package, or beside it in a checkout."""
    return _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT


def migrate(database_url: str, revision: str = "head") -> None:
    """Bring the database to this program's schema, or up to an older one. Safe to run twice, and from two places at once."""
    from alembic import command
    from alembic.config import Config

    folder = migrations_folder()
    config = Config(folder / "alembic.ini", attributes={"database_url": _for_sqlalchemy(database_url)})
    command.upgrade(config, revision)


def _for_sqlalchemy(url: str) -> str:
    _, _, rest = url.partition("://")
    return f"postgresql+asyncpg://{rest}"


async def version(connection: "asyncpg.Connection[Any]") -> str | None:
    """The database's schema version, None when it has no schema of ours."""
    if await connection.fetchval("select to_regclass('alembic_version')") is None:
        return None
    found: str | None = await connection.fetchval("select version_num from alembic_version")
    return found


async def check(connection: "asyncpg.Connection[Any]") -> None:
    """Raises Unavailable, naming the remedy, unless the database has exactly this program's schema."""
    found = await version(connection)
    if found == SCHEMA_VERSION:
        return
    if found is not None and found > SCHEMA_VERSION:
        raise Unavailable(
            f"The database's schema is {found}, newer than this program's ({SCHEMA_VERSION}).",
            remedy="Install the release that migrated it.",
        )
    raise Unavailable(
        f"The database's schema is {found or 'empty'}; this program needs {SCHEMA_VERSION}.",
        remedy="Run `fte migrate`, then start again.",
    )
