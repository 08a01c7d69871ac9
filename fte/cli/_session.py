"""What commands share: running a coroutine with plain errors, and the database."""

import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from fte.domain.errors import FteError, NotFound
from fte.domain.text import printable

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from fte.pg.pool import Pool
    from fte.settings import Settings

T = TypeVar("T")

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", help="Folder of the embedded database. (env: FTE_DATA_DIR)", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def fail(error: FteError) -> NoReturn:
    """Say what is wrong and what to do about it, and end with exit code 1."""
    typer.secho(f"Error: {printable(error.message)}", err=True, fg="red")
    if error.remedy:
        typer.secho(printable(error.remedy), err=True)
    raise typer.Exit(1)


@contextlib.contextmanager
def plain_errors() -> Any:
    """Our errors inside the block become a plain message and exit code 1; Ctrl+C becomes exit code 130."""
    try:
        yield
    except FteError as error:
        fail(error)
    except BaseExceptionGroup as group:
        ours, rest = group.split(FteError)
        if ours is None or rest is not None:
            raise
        fail(_first(ours))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _first(group: BaseExceptionGroup[FteError]) -> FteError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def run(work: Coroutine[Any, Any, T] | Callable[[], Coroutine[Any, Any, T]], *, fast: bool = False) -> T:
    """Run a coroutine to its end, with plain errors. `fast` is for daemons: uvloop, where the platform has it."""
    import asyncio  # `fte --help` does well without
    import logging

    # A command speaks for itself; a daemon, whose log holds libraries' lines, too, has a handler.
    logging.lastResort = logging.NullHandler()
    with plain_errors(), asyncio.Runner(loop_factory=_fast_loop() if fast else None) as runner:
        return runner.run(work() if callable(work) else work)


def _fast_loop() -> "Callable[[], AbstractEventLoop] | None":
    try:
        from uvloop import new_event_loop
    except ImportError:
        return None
    return new_event_loop


def load_settings(**overrides: Any) -> "Settings":
    """The settings; `overrides` are what the command line said. A wrong one ends the command with its name."""
    from fte.settings import Settings

    with plain_errors():
        return Settings.load(**overrides)


def existing(settings: "Settings") -> "Settings":
    """The same settings. Raises NotFound without a database in their data folder, where an empty one would be made."""
    from fte.pg.embedded import NO_DATABASE, is_there

    if not settings.database_url and not is_there(settings.data_dir):
        raise NotFound(
            f"There is no database in {settings.data_dir}.",
            remedy=NO_DATABASE,
        )
    return settings


@contextlib.asynccontextmanager
async def database(settings: "Settings", *, new: bool = False) -> "AsyncIterator[Pool]":
    """A pool on the configured or the embedded database, its schema checked. A `new` one is made where there is none."""
    from fte.daemon.app import checked_pool

    if not new:
        existing(settings)
    async with checked_pool(settings) as (pool, _):
        yield pool
