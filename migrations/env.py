"""Runs the migrations over asyncpg, under a lock: two processes that migrate at once do it one after the other.

The database's address comes from the caller (`fte migrate`) in the attribute `database_url` of the configuration.
"""

import asyncio

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

LOCK = 0x667465  # "fte"


def run(connection: Connection) -> None:
    context.configure(connection=connection, transaction_per_migration=False)
    with context.begin_transaction():
        connection.execute(text(f"select pg_advisory_xact_lock({LOCK})"))
        context.run_migrations()


async def main(url: str) -> None:
    engine = create_async_engine(url, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


asyncio.run(main(context.config.attributes["database_url"]))
