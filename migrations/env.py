"""Runs the migrations over asyncpg, under a lock: two processes that migrate at once do it one after the other.

The database's address, and the seconds to wait for a table, come from the caller (`fte migrate`) as attributes of the
configuration.
"""

import asyncio
from functools import partial

import asyncpg
from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

LOCK = 0x667465  # "fte"


def run(connection: Connection) -> None:
    patience = round(1000 * context.config.attributes["lock_timeout"])
    context.configure(connection=connection, transaction_per_migration=False)
    with context.begin_transaction():
        connection.execute(text(f"select pg_advisory_xact_lock({LOCK})"))
        connection.execute(text(f"set local lock_timeout = {patience}"))
        context.run_migrations()


async def main(url: str) -> None:
    # The driver reads the address itself, as everywhere: SQLAlchemy does not know all that may stand in one.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=partial(asyncpg.connect, url), poolclass=pool.NullPool
    )
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


asyncio.run(main(context.config.attributes["database_url"]))
