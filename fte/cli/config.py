"""`fte config`: the settings as this program understands them, with secrets masked."""

import os
from typing import Any

import typer

from fte.cli._session import AsJson, DataDir, load_settings
from fte.domain.text import printable


def config(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show every setting, and whether it was set. Secrets are masked. A wrong setting ends this with its name."""
    from dataclasses import fields

    from fte.settings import misspelt

    settings = load_settings(data_dir=data_dir)
    for name, nearest in misspelt().items():
        typer.echo(printable(f"There is no setting {name}{nearest and f'; {nearest} is one'}."), err=True)
    rows = [
        {
            "setting": field.metadata["env"],
            "value": shown(getattr(settings, field.name), secret=bool(field.metadata.get("secret"))),
            "set": bool(os.environ.get(field.metadata["env"]))
            or (field.name == "data_dir" and data_dir is not None),
            "help": field.metadata["help"],
        }
        for field in fields(settings)
    ]
    if as_json:
        from fte.wire import encode

        typer.echo(encode(rows).decode())
        return
    width = max(len(row["setting"]) for row in rows) + 2
    for row in rows:
        mark = "" if row["set"] else "  (default)"
        typer.echo(
            printable(f"{row['setting']:<{width}}{'-' if row['value'] is None else row['value']}{mark}")
        )


def shown(value: Any, *, secret: bool) -> str | int | float | None:
    """A value fit to be read over somebody's shoulder: of a secret address only where it leads."""
    from fte.settings import MASK, without_password

    if value is None or value == "":
        return None
    if not secret:
        return value if isinstance(value, int | float) else without_password(str(value))
    text = str(value)
    return without_password(text) if "://" in text else MASK
