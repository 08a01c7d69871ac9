"""`fte backup`: the embedded database saved and loaded, and what a restored database needs before a daemon runs on it."""

import os
import shutil
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Final

import typer

from fte.cli._remote import say
from fte.cli._session import DataDir, database, existing, load_settings, plain_errors, run
from fte.domain.errors import Conflict, Rejected, Unavailable

if TYPE_CHECKING:
    from fte.settings import Settings

DUMP: Final = "database.dump"
KEY: Final = "secret.key"

app = typer.Typer(no_args_is_help=True)

NothingLost = Annotated[
    bool,
    typer.Option(
        "--nothing-lost",
        help="No daemon has run since the copy was made, anywhere: go on where it was, and leave nothing to people.",
    ),
]


@app.command()
def save(
    folder: Annotated[Path, typer.Argument(help="A new folder, readable by you alone.")],
    data_dir: DataDir = None,
) -> None:
    """Save the embedded database and the installation's secret, also while daemons run.

    A database of your own is saved with its own tools; see docs/howto/backup.md.
    """
    with plain_errors():
        settings = existing(_embedded(load_settings(data_dir=data_dir)))

    async def work() -> None:
        from asyncio import to_thread

        from fte.daemon.app import database as served

        async with served(settings) as url:
            with (folder / DUMP).open("wb") as file:
                await to_thread(_postgres, "pg_dump", "--format=custom", f"--dbname={url}", output=file)
        if settings.secret_file.exists():
            shutil.copyfile(settings.secret_file, folder / KEY)
            (folder / KEY).chmod(0o600)

    with plain_errors():
        try:
            folder.mkdir(mode=0o700)
            (folder / DUMP).touch(mode=0o600)
        except OSError as error:
            raise Rejected(
                f"{folder} cannot be made: {error.strerror}.", remedy="Name a new folder."
            ) from None
    try:
        run(work)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    say(f"Saved in {folder}.")


@app.command()
def load(
    folder: Annotated[Path, typer.Argument(help="A folder that `fte backup save` made.")],
    nothing_lost: NothingLost = False,
    data_dir: DataDir = None,
) -> None:
    """Load a saved database into an empty data folder, and do what `fte backup restored` does."""
    settings = _embedded(load_settings(data_dir=data_dir))

    async def work() -> None:
        from asyncio import to_thread

        from fte.pg.embedded import EmbeddedServer

        server = EmbeddedServer(settings.data_dir)
        await to_thread(server.__enter__)
        try:
            await _check_empty(server.url)
            options = ("--no-owner", "--exit-on-error", "--single-transaction")
            await to_thread(_postgres, "pg_restore", *options, f"--dbname={server.url}", str(folder / DUMP))
            if (folder / KEY).exists():
                shutil.copyfile(folder / KEY, settings.secret_file)
                settings.secret_file.chmod(0o600)
        finally:
            await to_thread(server.__exit__, None, None, None)

    with plain_errors():
        if not (folder / DUMP).is_file():
            raise Rejected(f"There is no {DUMP} in {folder}.", remedy="Name what `fte backup save` made.")
    run(work)
    _settle(settings, nothing_lost)


@app.command()
def restored(nothing_lost: NothingLost = False, data_dir: DataDir = None) -> None:
    """Make a database you restored one a daemon may run on: to be run once, before any daemon.

    What it holds as unsent or unanswered may have been sent since the backup. So nothing of that is sent by itself: the
    providers are asked, and people are shown what was owed.
    """
    _settle(load_settings(data_dir=data_dir), nothing_lost)


def _settle(settings: "Settings", nothing_lost: bool) -> None:
    async def work() -> dict[str, int]:
        from fte.store import restore

        async with database(settings) as pool:
            return await restore.settle(pool, nothing_lost=nothing_lost)

    counts = run(work)
    for name, count in counts.items():
        say(f"{name.replace('_', ' ').capitalize()}: {count}.")
    if not nothing_lost:
        say(
            "Whoever was erased since the backup is here again: `fte erase again FILE` first, see docs/howto/backup.md."
        )
    say("A daemon may run on this database now.")


def _embedded(settings: "Settings") -> "Settings":
    with plain_errors():
        if settings.database_url:
            raise Rejected(
                "FTE_DATABASE_URL names a database of your own.",
                remedy="Use its pg_dump and pg_restore, and then `fte backup restored`.",
            )
    return settings


async def _check_empty(url: str) -> None:
    from fte.pg.pool import Pool

    pool = await Pool.open(url, size=1)
    try:
        if await pool.fetchval("select exists (select from pg_tables where schemaname = 'public')"):
            raise Conflict(
                "There is a database in this data folder already.", remedy="Name another --data-dir."
            )
    finally:
        await pool.close()


def _postgres(name: str, *arguments: str, output: "IO[bytes] | None" = None) -> None:
    """Run a program of PostgreSQL's. Raises Unavailable with what it said last."""
    import subprocess

    from fte.pg.embedded import program

    done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs and our own arguments
        [str(program(name)), *arguments],
        stdout=output or subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"LC_ALL": "C"},
    )
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Unavailable(f"{name} failed: {said[-1] if said else done.returncode}.")
