"""The connection pool: every wait bounded, JSON and vectors decoded."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import asyncpg
import msgspec

from fte.domain.errors import Conflict, Unavailable

if TYPE_CHECKING:
    Connection: TypeAlias = (
        asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    )
else:
    Connection = asyncpg.Connection

COMMAND_TIMEOUT = 10.0
"""Seconds one statement may take."""
CONNECT_TIMEOUT = 5.0
ACQUIRE_TIMEOUT = 5.0
"""Seconds to wait for a free connection before the caller is told to come back later."""
CLOSE_TIMEOUT = 5.0

SESSION: Final = {
    "application_name": "fte",
    "timezone": "UTC",
    "random_page_cost": "1.1",
    "hnsw.ef_search": "1000",
}
"""Our rows are small, found by their keys and mostly in memory, and disks no longer turn: with PostgreSQL's default
for a random page, a screen's two hundred conversations are found by reading every conversation there is.

Of the 40 nearest of 100,000 passages, pgvector's index misses a quarter with an `hnsw.ef_search` of 100, and more with
its default of 40."""

LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.exceptions.TransactionRollbackError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)
"""What the driver raises when the database is away or busy, rather than the statement wrong."""


@dataclass(slots=True)
class Failures:
    """How often this process, with all its pools, found the database away or got no connection to it in time."""

    count: int = 0


FAILURES: Final = Failures()


class Pool:
    """Hands out connections. Never take a second one while holding a first, never hold one across the network."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    @classmethod
    async def open(cls, database_url: str, *, size: int = 10, read_only: bool = False) -> "Pool":
        """Raises Unavailable when the database cannot be reached. Over a `read_only` one PostgreSQL lets nobody write."""
        try:
            pool = await asyncpg.create_pool(
                database_url,
                init_size=1,
                min_size=1,
                max_size=size,
                timeout=CONNECT_TIMEOUT,
                command_timeout=COMMAND_TIMEOUT,
                init=_prepare,
                reset=_keep_session,
                server_settings=SESSION | ({"default_transaction_read_only": "on"} if read_only else {}),
            )
        except (*LOST, asyncpg.PostgresError) as error:
            FAILURES.count += 1
            silent = f"no answer in {CONNECT_TIMEOUT:g} s" if isinstance(error, TimeoutError) else ""
            raise Unavailable(
                f"The database cannot be reached: {silent or str(error) or type(error).__name__}.",
                remedy="Check FTE_DATABASE_URL and that PostgreSQL is running.",
            ) from error
        return cls(pool)

    async def close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._pool.close()
        except (TimeoutError, *LOST):
            self._pool.terminate()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection outside a transaction. Raises Unavailable when the database is away or the pool is busy."""
        try:
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT) as connection:
                yield connection
        except LOST as error:
            if isinstance(error, ValueError):  # an argument the driver refused: waiting does not help
                raise
            if not isinstance(
                error, asyncpg.exceptions.TransactionRollbackError
            ):  # that is a busy database, not a lost one
                FAILURES.count += 1
            raise Unavailable from error

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside a transaction that commits when the block ends well.

        Raises Conflict, and nothing is done, when somebody else put the same unique thing there at the same moment:
        an idempotency key, for instance, that two requests came with.
        """
        try:
            async with self.connection() as connection, connection.transaction():
                yield connection
        except asyncpg.UniqueViolationError as error:
            raise Conflict from error

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        async with self.connection() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return rows

    async def fetchrow(self, query: str, *arguments: Any) -> asyncpg.Record | None:
        async with self.connection() as connection:
            return await connection.fetchrow(query, *arguments)

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        async with self.connection() as connection:
            return await connection.fetchval(query, *arguments)

    async def execute(self, query: str, *arguments: Any) -> str:
        async with self.connection() as connection:
            status: str = await connection.execute(query, *arguments)
            return status


async def _prepare(connection: Connection) -> None:
    for type_ in ("json", "jsonb"):
        await connection.set_type_codec(
            type_, schema="pg_catalog", encoder=_encode_json, decoder=msgspec.json.decode, format="text"
        )
    if await connection.fetchval("select to_regtype('vector')") is not None:
        from pgvector.asyncpg import register_vector

        await register_vector(connection)


def _encode_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


async def _keep_session(_: Connection) -> None:
    """Our statements leave no session state behind, so the round trip that would reset it is saved."""
