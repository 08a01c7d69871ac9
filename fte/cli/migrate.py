"""`fte migrate`: bring the database's schema to this release."""

import typer

from fte.cli._session import DataDir, load_settings, run


def migrate(data_dir: DataDir = None) -> None:
    """Bring the database's schema to this release. Safe to run twice, and while programs of the release before run."""
    settings = load_settings(data_dir=data_dir)
    from fte.pg import schema

    async def work() -> tuple[str | None, str | None]:
        import asyncio

        from fte.daemon.app import database
        from fte.pg.pool import Pool

        async with database(settings) as url:
            pool = await Pool.open(url, size=1)
            try:
                async with pool.connection() as connection:
                    before = await schema.version(connection)
                    if before is not None and before > schema.SCHEMA_VERSION:
                        await schema.check(connection)
                        return before, before
                await asyncio.to_thread(schema.migrate, url)
                async with pool.connection() as connection:
                    return before, await schema.version(connection)
            finally:
                await pool.close()

    before, after = run(work)
    if before == after != schema.SCHEMA_VERSION:
        typer.echo(f"The schema is {after} already, newer than this release, which works on it.")
    elif before == after:
        typer.echo(f"The schema is {after} already.")
    else:
        typer.echo(f"The schema went from {before or 'nothing'} to {after}.")
