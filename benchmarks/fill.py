"""A database as years of use leave it, made in bulk: customers, conversations of four messages, runs, the log."""

import asyncpg

from fte.pg import queries

_sql = queries.load(__file__)

WITH_PEOPLE, OPEN = 1, (2, 3, 4)
"""Remainders by twenty of the numbers of conversations that people hold, and of those that are open."""


async def fill(url: str, messages: int) -> None:
    """Fill an empty, migrated database and analyse it. Foreign keys hold by construction and are not checked."""
    connection = await asyncpg.connect(url)
    await connection.execute("set session_replication_role = replica; set work_mem = '256MB'")
    await connection.execute(_sql.fill.replace("{conversations}", str(messages // 4)))
    await connection.execute("vacuum analyze")
    await connection.execute("checkpoint")
    await connection.close()


def ticket(number: int) -> str:
    """The id of the ticket of the conversation with this number, from 1."""
    return f"00000003-0000-7000-8000-{number:012x}"


def conversation(number: int) -> str:
    """The id of the conversation with this number, from 1."""
    return f"00000002-0000-7000-8000-{number:012x}"
