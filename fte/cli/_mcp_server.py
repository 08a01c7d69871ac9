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
    # What it would log is said in the answers as well, and its log lines could hold customers' words.
    return Server(
        "fte",
        version=__version__,
        instructions=INSTRUCTIONS,
        tools=tools,
        log_level="CRITICAL",
        subscriptions=False,  # nothing here changes by itself, so nobody has to be told
    )


class Server(MCPServer[None]):
    """A call that cannot be done is answered as an operator would be: what is wrong, with which field, what helps."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[None, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        tools = {tool.name: tool.input_schema for tool in await self.list_tools()}
        try:
            if name not in tools:
                raise Rejected(
                    f"There is no tool {_shown(name)} here, or your role may not use it.",
                    remedy=f"There are {', '.join(tools)}.",
                )
            if unknown := set(arguments) - set(tools[name]["properties"]):
                raise unfit(name, tools[name], arguments, unknown)
            return await super().call_tool(name, arguments, context)
        except FteError as error:
            raise ToolError(in_words(error)) from None
        except ToolError as error:
            raise ToolError(_why(name, tools[name], arguments, error)) from None


def _why(name: str, schema: Schema, arguments: Mapping[str, Any], error: ToolError) -> str:
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        wrong = {str(one["loc"][0]) for one in cause.errors() if one["loc"]}
        return in_words(unfit(name, schema, arguments, wrong))
    return in_words(cause) if isinstance(cause, FteError) else str(error)


def in_words(error: FteError) -> str:
    """What is wrong, with which field, and what helps."""
    fields = [f"{name}: {what}" for name, what in getattr(error, "fields", {}).items()]
    return printable(" ".join(part for part in (error.message, *fields, error.remedy) if part))


def unfit(tool: str, takes: Schema, given: Mapping[str, Any], wrong: set[str]) -> Rejected:
    """The error for these arguments of a tool, by what its schema, `takes`, says they should be."""
    known: Mapping[str, Schema] = takes["properties"]
    fields = {
        name: f"{'does not fit' if name in given else 'is missing'}; it needs {_needs(schema)}{_has(given.get(name))}."
        for name, schema in known.items()
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


def _has(value: object) -> str:
    """How large what was given is; what it says is not repeated."""
    match value:
        case bool():
            return ""
        case int():
            return f"; this is {value:,}" if abs(value) < 10**12 else ""
        case str() | list():
            return f"; this has {len(value):,}"
    return ""


def _shown(name: str) -> str:
    return repr(printable(one_line(name))[:NAME_MAX])
