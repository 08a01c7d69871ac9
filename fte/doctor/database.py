"""The database: whether it answers, has our schema, and has connections left."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from fte.daemon.app import database
from fte.doctor.finding import Finding, failed, ok, warning
from fte.doctor.network import listener
from fte.domain.errors import Unavailable
from fte.pg import schema
from fte.pg.embedded import NO_DATABASE, is_there
from fte.pg.pool import Pool
from fte.settings import Settings

SKEW_MAX: Final = 5.0
"""Seconds our clock and the database's may differ."""
CONNECTIONS: Final = 2
"""Connections an examination takes."""
CONNECTIONS_LEFT: Final = 0.1
"""Share of the server's connections that should be free."""
POOLS: Final = 3
"""Those of a process with all roles: its worker and its sender have their own."""


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[Pool | None, Finding]]:
    """A pool on the database, or None and why there is none."""
    async with AsyncExitStack() as stack:
        pool = None
        if not settings.database_url and not is_there(settings.data_dir):
            said = f"There is no database in {settings.data_dir}."
            yield pool, failed("database", said, NO_DATABASE)
            return
        try:
            url = await stack.enter_async_context(database(settings))
            pool = await Pool.open(url, size=CONNECTIONS)
            stack.push_async_callback(pool.close)
        except Unavailable as error:
            found = await _why(settings, error)
        else:
            where = _where(settings.database_url) if settings.database_url else "the embedded one"
            found = ok("database", f"PostgreSQL answers: {where}.")
        yield pool, found


async def _why(settings: Settings, error: Unavailable) -> Finding:
    if not settings.database_url:
        return failed("database", error.message, error.remedy)
    cause = error.__cause__
    if isinstance(cause, asyncpg.TooManyConnectionsError):
        return failed(
            "database",
            "PostgreSQL has no connection left.",
            "Restart the processes that hold them, lower FTE_DATABASE_POOL, or raise max_connections on the server; "
            "`select application_name, count(*) from pg_stat_activity group by 1` shows who has them.",
        )
    if isinstance(cause, asyncpg.PostgresError):
        return failed(
            "database",
            f"PostgreSQL does not let us into {_where(settings.database_url)}: {cause}.",
            "Check the name, the password and the database in FTE_DATABASE_URL.",
        )
    return await _unreachable(settings.database_url, said_nothing=isinstance(cause, TimeoutError))


async def _unreachable(url: str, *, said_nothing: bool) -> Finding:
    host, port = _address(url)
    local = host.startswith("/")
    if said_nothing and (local or await listener(host, port) == "somebody"):
        return failed(
            "database",
            f"What listens at {f'the socket in {host}' if local else f'{host}:{port}'} takes us and says nothing.",
            "If that is PostgreSQL, it hangs: look at its log, and at the machine's disk and memory. "
            f"`lsof -i :{port}` shows what it is.",
        )
    if local:
        return failed(
            "database",
            f"There is no PostgreSQL at the socket in {host}.",
            "Start it, or correct FTE_DATABASE_URL.",
        )
    match await listener(host, port):
        case "somebody":
            return failed(
                "database",
                f"What listens at {host}:{port} does not answer like PostgreSQL.",
                f"See what it is with `lsof -i :{port}`; stop it, or correct FTE_DATABASE_URL.",
            )
        case "no such host":
            return failed("database", f"There is no host {host}.", "Correct FTE_DATABASE_URL.")
        case "no answer":
            return failed(
                "database",
                f"{host}:{port} does not answer.",
                "Check FTE_DATABASE_URL, and the firewalls on the way.",
            )
        case "nobody":
            return failed(
                "database",
                f"Nothing listens at {host}:{port}.",
                f"Start PostgreSQL. If it does not start, `lsof -i :{port}` shows whether something else has its port.",
            )


def _address(url: str) -> tuple[str, int]:
    """The host, or the folder of the socket, and the port."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query))
    return parts.hostname or given.get("host", "127.0.0.1"), parts.port or int(given.get("port", 5432))


def _where(url: str) -> str:
    host, port = _address(url)
    return f"{urlsplit(url).path.lstrip('/') or 'the database'} at {host if host.startswith('/') else f'{host}:{port}'}"


# ---------------------------------------------------------------- with a pool


async def schema_version(pool: Pool) -> list[Finding]:
    async with pool.connection() as connection:
        try:
            await schema.check(connection)
        except Unavailable as error:
            return [failed("schema", error.message, error.remedy)]
        found = await schema.version(connection)
    return [ok("schema", f"The schema is {found}, and this program works on it.")]


async def vectors(pool: Pool) -> list[Finding]:
    version = await pool.fetchval("select extversion from pg_extension where extname = 'vector'")
    if version is None:
        return [
            failed(
                "pgvector",
                "The extension pgvector is not installed in this database.",
                "Install pgvector on the server, then run `fte migrate`; it creates the extension.",
            )
        ]
    return [ok("pgvector", f"pgvector {version} is there.")]


async def connections(pool: Pool, settings: Settings) -> list[Finding]:
    row: Any = await pool.fetchrow(
        """select current_setting('max_connections')::int
                  - current_setting('superuser_reserved_connections')::int as most,
                  (select count(*) from pg_stat_activity where backend_type = 'client backend') as used"""
    )
    left = row["most"] - row["used"]
    takes = POOLS * settings.database_pool + 1  # The one more listens for notices.
    said = (
        f"{row['used']} of {row['most']} connections are in use; all roles in one process take up to {takes}"
    )
    if left < max(takes, row["most"] * CONNECTIONS_LEFT):
        return [
            warning(
                "connections",
                f"{said}, so the next one to start may find none.",
                "Lower FTE_DATABASE_POOL, run fewer processes, raise max_connections, or restart what holds too many.",
            )
        ]
    return [ok("connections", f"{said}.")]


async def clock(pool: Pool, now: Callable[[], float] = time.time) -> list[Finding]:
    began = now()
    theirs: datetime = await pool.fetchval("select clock_timestamp()")
    middle = datetime.fromtimestamp((began + now()) / 2, UTC)
    skew = (theirs - middle).total_seconds()
    if abs(skew) > SKEW_MAX:
        return [
            warning(
                "clock",
                f"This machine's clock is {abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} the database's.",
                "Let both follow a time server: sign-ins and WhatsApp's 24 hours depend on the time.",
            )
        ]
    return [ok("clock", f"Our clock and the database's differ by {abs(skew):.1f} s.")]


async def embeddings(pool: Pool) -> list[Finding]:
    from fte.knowledge.embed import WordLlamaEmbedder

    stored = await pool.fetchval(
        "select atttypmod from pg_attribute where attrelid = 'knowledge_base'::regclass and attname = 'embedding'"
    )
    wanted, name = WordLlamaEmbedder.dimensions, WordLlamaEmbedder.name
    if stored != wanted:
        return [
            failed(
                "knowledge base",
                f"Vectors in the database have {stored} dimensions; the embedding model makes {wanted}.",
                "Run `fte migrate`, then import the documents again with `fte kb import`.",
            )
        ]
    row: Any = await pool.fetchrow(
        """select count(*) as documents, count(*) filter (where embedder <> $1) as others,
                  (select count(*) from knowledge_base) as passages from documents""",
        name,
    )
    if row["others"]:
        return [
            failed(
                "knowledge base",
                f"{row['others']} of {row['documents']} documents were embedded by another model than {name}.",
                "Import them again with `fte kb import`: their vectors cannot be compared with a question's.",
            )
        ]
    if not row["documents"]:
        return [
            warning(
                "knowledge base",
                "The knowledge base is empty: every question goes to a person.",
                "Import documents with `fte kb import FOLDER`.",
            )
        ]
    return [
        ok(
            "knowledge base",
            f"{row['documents']} documents, {row['passages']} passages of {stored} dimensions.",
        )
    ]
