"""A mistake of the program's: a sentence and a file for whoever ran the command, instead of a traceback.

The file holds what broke and where, and not a word of the error's text, which may quote a customer, an address or a key.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import typer

from fte import __version__

EXIT_CODE: Final = 70
"""What a command that broke ends with, EX_SOFTWARE of sysexits.h."""
KEPT_MAX: Final = 20
"""Files kept; the oldest go."""


def end(error: BaseException, command: Sequence[str]) -> NoReturn:
    """Say that it is a bug, write where it was into a file of the state folder, and end with EXIT_CODE.

    `command` is the command's name, without what was given to it. `FTE_DEBUG` shows the error with its text. Where there
    is a log, it has a line of this, too.
    """
    import structlog

    from fte.cli._logs import way_of
    from fte.domain.text import printable

    name, way = " ".join(command), list(way_of(error))
    if structlog.is_configured():
        structlog.get_logger("fte").critical("program broke", error=type(error).__name__, exc_info=error)
    told = _written(f"fte {__version__}, Python {sys.version.split()[0]}, {sys.platform}", name, *way)
    typer.secho(
        f"Error: `{name}` broke: this is a bug of fte's, and nothing you did wrong.", err=True, fg="red"
    )
    if told is None:
        typer.echo("\n".join(printable(line) for line in way), err=True)
    else:
        typer.echo(f"Please report it with {told}, which says where, and holds nobody's data.", err=True)
    if os.environ.get("FTE_DEBUG", "off") not in ("", "off"):
        typer.echo(printable("".join(traceback.format_exception(error))), err=True)
    raise SystemExit(EXIT_CODE)


def name_of(command: Any, words: Sequence[str]) -> list[str]:
    """The command's name that the line begins with: what follows may be anybody's words."""
    name = ["fte"]
    for word in words:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        name.append(word)
    return name


def _written(*lines: str) -> Path | None:
    """The file with these lines, for its owner only; None where none can be written."""
    from datetime import UTC, datetime

    from platformdirs import user_state_path

    now = datetime.now(UTC)
    try:
        folder = user_state_path("fte", appauthor=False) / "bugs"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / f"{now:%Y%m%dT%H%M%S.%f}-{os.getpid()}.txt"
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as written:  # noqa: PTH123
            written.write("\n".join((now.isoformat(timespec="seconds"), *lines, "")))
        for old in sorted(folder.glob("*.txt"))[:-KEPT_MAX]:
            old.unlink(missing_ok=True)
    except OSError:
        return None
    return file
