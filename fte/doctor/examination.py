"""All checks, beside each other, each with a deadline and none able to spoil the others."""

import asyncio
from collections.abc import Awaitable
from typing import Final

from fte.doctor import channels, database, machine, work
from fte.doctor.environment import environment
from fte.doctor.finding import Finding, failed
from fte.doctor.kafka import kafka
from fte.doctor.model import model
from fte.doctor.work import unexpected
from fte.pg.pool import Pool
from fte.settings import Settings

DEADLINE: Final = 30.0
"""Seconds one check may take."""


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything that is configured. Raises nothing: what breaks is a finding."""
    async with database.opened(settings) as (pool, answers):
        found = [answers, *machine.disk(settings)]
        # One after the other, and first: the others load libraries, which takes seconds in which nothing else goes on;
        # the database would be taken for one that does not answer, and its clock for one that differs.
        for name, check in _of_server(pool, settings) if pool else []:
            found += await _bounded(name, check)
        ours = pool if any(one.check == "schema" and one.state == "ok" for one in found) else None
        for name, check in _of_schema(ours, settings) if ours else []:
            found += await _bounded(name, check)
        checks: list[tuple[str, Awaitable[list[Finding]]]] = [
            ("kafka", kafka(settings)),
            ("model", model(settings)),
            ("twilio", channels.whatsapp(settings)),
            ("gmail", channels.gmail(settings, ours)),
            ("daemon", work.daemon(settings)),
        ]
        for group in await asyncio.gather(*(_bounded(name, check) for name, check in checks)):
            found += group
        return found


def _of_server(pool: Pool, settings: Settings) -> list[tuple[str, Awaitable[list[Finding]]]]:
    return [
        ("schema", database.schema_version(pool)),
        ("pgvector", database.vectors(pool)),
        ("connections", database.connections(pool, settings)),
        ("clock", database.clock(pool)),
    ]


def _of_schema(pool: Pool, settings: Settings) -> list[tuple[str, Awaitable[list[Finding]]]]:
    return [
        ("knowledge base", database.embeddings(pool)),
        ("work", work.waiting(pool, settings)),
        ("dead letters", work.dead_letters(pool)),
        ("settings", environment(pool, settings)),
    ]


async def _bounded(name: str, check: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        async with asyncio.timeout(DEADLINE):
            return await check
    except TimeoutError:
        return [
            failed(name, f"No answer within {DEADLINE:.0f} seconds.", "Try again, and look at the network.")
        ]
    except Exception as error:
        return [unexpected(name, error)]
