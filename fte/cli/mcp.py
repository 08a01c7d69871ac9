"""`fte mcp`: the desk for other agents, over the Model Context Protocol."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fte.cli._remote import TokenFile, Url, ask
from fte.cli._session import DataDir, load_settings, plain_errors, run
from fte.domain.errors import Rejected

if TYPE_CHECKING:
    from fte.console.client import Client


Http = Annotated[
    str | None,
    typer.Option(
        "--http",
        metavar="HOST:PORT",
        help="Listen there, for many agents, each with its own token; a port alone is one of 127.0.0.1.",
        show_default=False,
    ),
]
AllowedHost = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-host",
        metavar="NAME",
        help="A name that --http is reached by, besides those of this machine; may be given again.",
        show_default=False,
    ),
]


def mcp(
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
    http: Http = None,
    allowed_host: AllowedHost = None,
) -> None:
    """Serve the desk to another agent, over standard input and output, or to many over HTTP.

    The agent's host starts this command, or speaks to where it listens; the operator's token decides what the agent
    may do.
    """
    if http is not None:
        _over_http(http, allowed_host or [], url, token_file, data_dir)
        return

    async def work(client: "Client") -> None:
        from fte.cli._mcp_server import server

        operator = await client.me()
        if sys.stdin.isatty():
            typer.echo("Waiting for another agent's host to speak; Ctrl+D ends.", err=True)
        await server(client, operator.role).run_stdio_async()

    ask(work, url, token_file, data_dir, person=False)


def _over_http(
    http: str, names: list[str], url: str | None, token_file: Path | None, data_dir: Path | None
) -> None:
    settings = load_settings(url=url, data_dir=data_dir)
    with plain_errors():
        if token_file is not None:
            raise Rejected(
                "With --http every request brings a token of its own.", remedy="Leave --token-file out."
            )
        from fte.cli._mcp_http import LOCAL, Entrance, address, in_url
        from fte.cli._mcp_http import run as listen
        from fte.cli._mcp_server import server

        host, port = address(http)
        entrance = Entrance(settings.local_url, server, [host, *names], settings.trusted_proxies)

    def ready(where: str) -> None:
        typer.echo(f"The desk is at {where}; every request needs an operator's token.", err=True)
        if in_url(host) not in LOCAL:
            typer.echo("Tokens can be read on the way there: put a proxy with TLS in front.", err=True)

    run(lambda: listen(entrance, host, port, ready))
