"""`fte mcp`: the desk for other agents, over the Model Context Protocol."""

import sys
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TYPE_CHECKING

import typer

from fte.cli._remote import TokenFile, Url, ask
from fte.cli._session import DataDir
from fte.domain.text import printable

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from fte.console.client import Client
    from fte.domain.errors import FteError
    from fte.domain.operators import OperatorRole


def mcp(url: Url = None, token_file: TokenFile = None, data_dir: DataDir = None) -> None:
    """Serve the desk to another agent, over standard input and output.

    The agent's host starts this command; the operator's token decides what the agent may do.
    """

    async def work(client: "Client") -> None:
        operator = await client.me()
        if sys.stdin.isatty():
            typer.echo("Waiting for another agent's host to speak; Ctrl+D ends.", err=True)
        await _server(client, operator.role).run_stdio_async()

    ask(work, url, token_file, data_dir)


def _server(client: "Client", role: "OperatorRole") -> "MCPServer[None]":
    from mcp.server.mcpserver import MCPServer
    from mcp.types import ToolAnnotations

    from fte import __version__
    from fte.cli._mcp_tools import INSTRUCTIONS, Desk, described

    # What it would log is said in the answers as well, and its log lines could hold customers' words.
    server: MCPServer[None] = MCPServer(
        "fte", version=__version__, instructions=INSTRUCTIONS, log_level="CRITICAL"
    )
    for action, tool in Desk(client).tools(role):
        server.add_tool(
            _plain(tool), annotations=ToolAnnotations(**described(action)), structured_output=False
        )
    return server


def _plain(tool: Callable[..., Awaitable[str]]) -> Callable[..., Awaitable[str]]:
    """The tool, with errors in the words an operator would be given."""
    from mcp.server.mcpserver.exceptions import ToolError

    from fte.domain.errors import FteError

    @wraps(tool)
    async def told(*args: object, **kwargs: object) -> str:
        try:
            return await tool(*args, **kwargs)
        except FteError as error:
            raise ToolError(_in_words(error)) from None

    return told


def _in_words(error: "FteError") -> str:
    """What is wrong, with which field, and what helps."""
    fields = [f"{name}: {what}" for name, what in getattr(error, "fields", {}).items()]
    return printable(" ".join(part for part in (error.message, *fields, error.remedy) if part))
