"""The desk as a server of the protocol: which tools there are, and what is wrong with a call, in our words."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, InputRequiredResult, ToolAnnotations
from pydantic import ValidationError

from fte import __version__
from fte.cli._mcp_tools import INSTRUCTIONS, Desk, described
from fte.console.client import Client
from fte.domain.errors import FteError, Rejected
from fte.domain.operators import OperatorRole
from fte.domain.text import one_line, printable

Schema = Mapping[str, Any]

NAME_MAX: Final = 60
"""Characters that are repeated of a name which is none of ours."""


def server(client: Client, role: OperatorRole) -> "Server":
    """The tools that the role may use, each a request of the client's operator."""
    tools = []
    for action, tool in Desk(client).tools(role):
        made = Tool.from_function(
            tool, annotations=ToolAnnotations(**described(action)), structured_output=False
        )
        made.parameters["additionalProperties"] = False
        tools.append(made)
    return Server(tools)


class Server(MCPServer[None]):
    """A call that cannot be done is answered as an operator would be: what is wrong, with which field, what helps."""

    def __init__(self, tools: list[Tool]) -> None:
        # What it would log is said in the answers as well, and its log lines could hold customers' words.
        super().__init__(
            "fte",
            version=__version__,
            instructions=INSTRUCTIONS,
            tools=tools,
            log_level="CRITICAL",
            subscriptions=False,  # nothing here changes by itself, so nobody has to be told
        )
        self._known = {tool.name: tool for tool in tools}

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[None, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        try:
            self._check(name, arguments)
            return await super().call_tool(name, arguments, context)
        except FteError as error:
            raise ToolError(in_words(error)) from None
        except ToolError as error:
            if isinstance(error.__cause__, FteError):
                raise ToolError(in_words(error.__cause__)) from None
            raise

    def _check(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Raises Rejected for a call that fits no tool, with all that is wrong."""
        tool = self._known.get(name)
        if tool is None:
            raise Rejected(
                f"There is no tool {_shown(name)} here, or your role may not use it.",
                remedy=f"There are {', '.join(self._known)}.",
            )
        wrong = set(arguments) - set(tool.parameters["properties"])
        try:
            tool.fn_metadata.validate_arguments(dict(arguments))
        except ValidationError as error:
            wrong |= {str(one["loc"][0]) for one in error.errors() if one["loc"]}
        if wrong:
            raise unfit(name, tool.parameters, arguments, wrong)


def in_words(error: FteError) -> str:
    """What is wrong, with which field, and what helps."""
    fields = [f"{name}: {what}" for name, what in getattr(error, "fields", {}).items()]
    return printable(" ".join(part for part in (error.message, *fields, error.remedy) if part))


def unfit(tool: str, takes: Schema, given: Mapping[str, Any], wrong: set[str]) -> Rejected:
    """The error for these arguments of a tool, by what its schema, `takes`, says they should be."""
    known: Mapping[str, Schema] = takes["properties"]
    fields = {
        name: f"{'does not fit' if name in given else 'is missing'}; it needs {_needs(one)}{_has(given.get(name), one)}."
        for name, one in known.items()
        if name in wrong
    }
    there = f"there are {', '.join(known)}" if known else "it takes none"
    fields |= {
        _shown(name): f"there is no such argument; {there}." for name in sorted(wrong - set(known))[:5]
    }
    return Rejected(f"{tool} cannot be called so.", fields=fields)


def _needs(schema: Schema) -> str:
    """What a value should be, with its limits."""
    about = f" ({schema['description'].rstrip('.')})" if "description" in schema else ""
    if "anyOf" in schema:
        return " or ".join(_needs(one) for one in schema["anyOf"])
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}{about}"
    return _KINDS[schema.get("format", schema["type"])](schema) + about


def _span(least: int | None, most: int | None) -> str:
    if least is None:
        return "" if most is None else f"at most {most:,}"
    return f"{least:,} or more" if most is None else f"{least:,} to {most:,}"


def _text(schema: Schema) -> str:
    span = _span(schema.get("minLength"), schema.get("maxLength"))
    return f"text of {span} characters" if span else "text"


def _list(schema: Schema) -> str:
    span = _span(schema.get("minItems"), schema.get("maxItems"))
    return (
        f"a list of {span}, each {_needs(schema['items'])}"
        if span
        else f"a list, each {_needs(schema['items'])}"
    )


_KINDS: Final[Mapping[str, Callable[[Schema], str]]] = {
    "string": _text,
    "integer": lambda schema: f"a whole number from {_span(schema.get('minimum'), schema.get('maximum'))}",
    "array": _list,
    "uuid": lambda schema: "an id",
    "null": lambda schema: "nothing",
}


def _has(value: object, schema: Schema) -> str:
    """How large what was given is, where that counts; what it says is not repeated."""
    if isinstance(value, bool) or "enum" in schema or "format" in schema:
        return ""
    match value:
        case int():
            return f"; this is {value:,}" if abs(value) < 10**12 else ""
        case str() | list():
            return f"; this has {len(value):,}"
    return ""


def _shown(name: str) -> str:
    return repr(printable(one_line(name))[:NAME_MAX])
