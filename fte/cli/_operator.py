"""What commands share that ask the daemon as an operator: its address, the token, and a client for one question."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from fte.cli._session import DataDir, load_settings, plain_errors, run
from fte.cli.console import find_token

if TYPE_CHECKING:
    from fte.console.client import Client

T = TypeVar("T")

Url = Annotated[str | None, typer.Option("--url", help="Address of the daemon. (env: FTE_URL)")]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file", help="File with your operator token. (env: FTE_TOKEN holds the token itself)"
    ),
]

__all__ = ["DataDir", "TokenFile", "Url", "asked", "print_json"]


def asked(
    question: "Callable[[Client], Awaitable[T]]",
    url: str | None,
    token_file: Path | None,
    data_dir: Path | None,
) -> T:
    """The daemon's answer to one question. Errors end the command with a plain message."""
    settings = load_settings(url=url, data_dir=data_dir)
    with plain_errors():
        token = find_token(settings, token_file)

    async def work() -> T:
        from fte.console.client import Client

        client = Client(settings.local_url, token)
        try:
            return await question(client)
        finally:
            await client.aclose()

    return run(work)


def print_json(value: Any) -> None:
    from fte.wire import encode

    typer.echo(encode(value).decode())
