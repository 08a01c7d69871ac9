"""The database: whether it answers, has our schema, and has connections left."""

import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
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
FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
"""Options of a database's address that name a file."""
DEMANDS_TLS: Final = ("require", "verify-ca", "verify-full")
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
    if (found := _misconfigured(settings.database_url, cause)) is not None:
        return found
    said_nothing = isinstance(cause, TimeoutError)
    troubles = [await _trouble(host, port, said_nothing) for host, port in _addresses(settings.database_url)]
    said, remedies = zip(*troubles, strict=True)
    return failed("database", " ".join(said), " ".join(dict.fromkeys(remedies)))


def _misconfigured(url: str, cause: BaseException | None) -> Finding | None:
    """What FTE_DATABASE_URL itself asks for and cannot have: a file, TLS, an option."""
    options = dict(parse_qsl(urlsplit(url).query))
    for name in FILES:
        if name in options and not Path(options[name]).is_file():
            return failed(
                "database",
                f"The file that FTE_DATABASE_URL names as {name} is not there: {options[name]}.",
                "Put it there, in every process's container, too, or correct its path.",
            )
    if isinstance(cause, ssl.SSLError):
        return failed(
            "database",
            f"TLS with the database fails: {cause.reason or cause}.",
            "Compare the certificate's issuer and name with sslrootcert and the host in FTE_DATABASE_URL.",
        )
    if options.get("sslmode") in DEMANDS_TLS and "rejected SSL upgrade" in str(cause):
        return failed(
            "database",
            "PostgreSQL does not speak TLS, and FTE_DATABASE_URL asks for it.",
            "Turn it on there (`ssl = on`), or choose another sslmode where nobody else reads the network.",
        )
    if isinstance(cause, asyncpg.ClientConfigurationError):
        return failed(
            "database",
            f"FTE_DATABASE_URL has a wrong option: {cause}.",
            "Correct it; what stands behind the question mark is documented with PostgreSQL's libpq.",
        )
    return None


async def _trouble(host: str, port: int, said_nothing: bool) -> tuple[str, str]:
    """What is wrong at an address, and the remedy."""
    local = host.startswith("/")
    if said_nothing and (local or await listener(host, port) == "somebody"):
        return (
            f"What listens at {f'the socket in {host}' if local else f'{host}:{port}'} takes us and says nothing.",
            "If that is PostgreSQL, it hangs: look at its log, and at the machine's disk and memory. "
            f"`lsof -i :{port}` shows what it is.",
        )
    if local:
        return f"There is no PostgreSQL at the socket in {host}.", "Start it, or correct FTE_DATABASE_URL."
    match await listener(host, port):
        case "somebody":
            return (
                f"What listens at {host}:{port} does not answer like PostgreSQL.",
                f"See what it is with `lsof -i :{port}`; stop it, or correct FTE_DATABASE_URL.",
            )
        case "no such host":
            return f"There is no host {host}.", "Correct FTE_DATABASE_URL."
        case "no answer":
            return f"{host}:{port} does not answer.", "Check FTE_DATABASE_URL, and the firewalls on the way."
        case "nobody":
            return (
                f"Nothing listens at {host}:{port}.",
                f"Start PostgreSQL. If it does not start, `lsof -i :{port}` shows whether something else has its port.",
            )


def _addresses(url: str) -> list[tuple[str, int]]:
    """The hosts, or folders of sockets, with their ports: PostgreSQL takes several."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query))
    if hosts := parts.netloc.rpartition("@")[2]:
        each = [urlsplit(f"//{host}") for host in hosts.split(",")]
        return [(one.hostname or "127.0.0.1", one.port or 5432) for one in each]
    names = given.get("host", "127.0.0.1").split(",")
    ports = [int(port) if port.isdigit() else 5432 for port in given.get("port", "5432").split(",")]
    return [(name, ports[min(at, len(ports) - 1)]) for at, name in enumerate(names)]


def _where(url: str) -> str:
    shown = [host if host.startswith("/") else f"{host}:{port}" for host, port in _addresses(url)]
    return f"{urlsplit(url).path.lstrip('/') or 'the database'} at {' or '.join(shown)}"


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
