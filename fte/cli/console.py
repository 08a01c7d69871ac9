"""`fte console`: follow the queue and answer customers in the terminal."""

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from fte.cli._session import DataDir, load_settings, plain_errors
from fte.domain.errors import Refused, Rejected

if TYPE_CHECKING:
    from fte.console.keys import Keymap
    from fte.settings import Settings
THEMES: Final = ("dark", "light", "plain")
_ADVICE: Final = "Check the token with your admin; it may have been revoked or be one of another daemon."


def console(
    url: Annotated[str | None, typer.Option(help="Address of the daemon. (env: FTE_URL)")] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file", help="File with your operator token. (env: FTE_TOKEN holds the token itself)"
        ),
    ] = None,
    data_dir: DataDir = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Look, but change nothing.")] = False,
    light: Annotated[bool, typer.Option("--light", help="The same as --theme light.")] = False,
    theme: Annotated[
        str | None,
        typer.Option(help="Colours: dark, light, or plain for none. Otherwise dark; plain with NO_COLOR."),
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="File with your own keys; otherwise keys.toml in the config folder.")
    ] = None,
    silent: Annotated[bool, typer.Option("--silent", help="No bell when somebody needs a person.")] = False,
) -> None:
    """Follow the queue live, take over, answer, hand back."""
    settings = load_settings(url=url, data_dir=data_dir)
    with plain_errors():
        token = find_token(settings, token_file)
        _check_terminal()
        looks = _looks(theme or "", light)
        refusal = _run(settings.local_url, token, keys, read_only=read_only, theme_name=looks, silent=silent)
        if refusal:
            raise Refused(refusal, remedy=_ADVICE)


def find_token(settings: "Settings", token_file: Path | None) -> str:
    """The operator's token: from the file named, else FTE_TOKEN, else the local daemon's own file.

    Raises Rejected with the remedy when there is none, or when others on this machine can read it.
    """
    if token_file is not None:
        return _read(token_file.expanduser())
    if settings.token:
        return _printable(settings.token, "FTE_TOKEN")
    if settings.token_file.exists():
        return _read(settings.token_file)
    raise Rejected(
        "There is no operator token.",
        remedy="Give one with --token-file or FTE_TOKEN; `fte operator add` makes one. A daemon with its embedded "
        f"database leaves one in {settings.token_file}; with FTE_DATABASE_URL set, it leaves none.",
    )


def _read(file: Path) -> str:
    try:
        mode = file.stat().st_mode
        text = file.read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise Rejected(
            f"The token file {file} cannot be read: {why}.", remedy="Check --token-file."
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Rejected(f"The token file {file} can be read by others.", remedy=f"Run: chmod 600 {file}")
    return _printable(text, str(file))


def _printable(token: str, source: str) -> str:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise Rejected(
            f"What {source} holds is not an operator token.", remedy="Paste it again, on one line."
        )
    return token


def _check_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Rejected("The console needs a terminal.", remedy="Run it in one, without redirecting it.")
    if os.environ.get("TERM") == "dumb":
        raise Rejected(
            "This terminal (TERM=dumb) cannot show the console.", remedy="Set TERM, e.g. to xterm-256color."
        )


def _looks(theme: str, light: bool) -> str:
    """The theme's name; empty for the usual one. Raises Rejected for one that is not there."""
    if theme not in ("", *THEMES):
        raise Rejected(f"There is no theme {theme!r}.", remedy=f"Give --theme one of {', '.join(THEMES)}.")
    return theme or ("light" if light else "")


def own_keys(file: Path | None = None) -> "Keymap":
    """The keys the user chose: in the file named, else in keys.toml in the config folder. Raises Rejected."""
    from platformdirs import user_config_path

    from fte.console.keymap import load

    usual = user_config_path("fte", appauthor=False) / "keys.toml"
    if file is not None:
        return load(file.expanduser())
    return load(usual) if usual.exists() else {}


def _run(url: str, token: str, keys: Path | None, **options: Any) -> str | None:
    from platformdirs import user_config_path, user_state_path

    from fte.console.app import Console

    state = user_state_path("fte", appauthor=False)
    config = user_config_path("fte", appauthor=False)
    app = Console(url=url, token=token, state_dir=state, config_dir=config, keymap=own_keys(keys), **options)
    return app.open()
