"""What commands share that ask a daemon, as an operator: its address, a token, and plain errors."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from uuid import UUID

import typer

from fte.cli._session import load_settings, run
from fte.domain.errors import Rejected
from fte.domain.text import one_line, printable

if TYPE_CHECKING:
    from fte.console.client import Client
    from fte.domain.operators import Action
    from fte.wire import ActionDone, QueueItem

T = TypeVar("T")

Url = Annotated[str | None, typer.Option("--url", help="Address of the daemon. (env: FTE_URL)")]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file", help="File with your operator token. (env: FTE_TOKEN holds the token itself)"
    ),
]
Number = Annotated[str, typer.Argument(help="The conversation's number, as the console shows it, or its id.")]
View = Annotated[
    Literal["open", "needs_person", "mine", "mentions", "snoozed", "resolved", "all"],
    typer.Option("--view", help="Which of them."),
]
Search = Annotated[
    str,
    typer.Option(
        "--search", help="Only those with these words, this number, or this #tag.", show_default=False
    ),
]
Limit = Annotated[int, typer.Option("--limit", min=1, max=200, help="How many to show at most.")]
Seen = Annotated[
    int | None,
    typer.Option(
        "--seen", min=0, help="The newest message you have read.", show_default="the newest there is"
    ),
]


def ask(
    work: "Callable[[Client], Awaitable[T]]",
    url: str | None,
    token_file: Path | None,
    data_dir: Path | None,
    *,
    person: bool = True,
) -> T:
    """Have a daemon asked, with the token found as `fte console` finds it; `person` as for `Client`."""
    settings = load_settings(url=url, data_dir=data_dir)

    async def asked() -> T:
        from fte.cli.console import find_token

        async with _client(settings.local_url, find_token(settings, token_file), person) as client:
            try:
                return await work(client)
            except Rejected as error:
                raise Rejected(_in_words(error), remedy=error.remedy) from None
            except UnicodeEncodeError:  # bytes on the command line that are none
                raise Rejected("What you typed is no text in UTF-8.", remedy="Type it anew.") from None

    return run(asked)


def _in_words(error: Rejected) -> str:
    """What is wrong with which field, on one line."""
    fields = " ".join(f"{name}: {what}" for name, what in error.fields.items())
    return f"{error.message} {fields}".strip()


@asynccontextmanager
async def _client(url: str, token: str, person: bool) -> "AsyncIterator[Client]":
    from fte.console.client import Client

    client = Client(url, token, person=person)
    try:
        yield client
    finally:
        await client.aclose()


async def act(
    client: "Client", number: str, action: "Action", seen: int | None = None, **asked: Any
) -> "tuple[QueueItem, ActionDone]":
    """Do one action in a conversation as it is now. Returns what it was before, and what came of it."""
    from fte.domain.ids import new_id
    from fte.wire import ActionRequest

    ticket = await client.ticket(number)
    item = ticket.item
    request = ActionRequest(seen=item.last_seq if seen is None else seen, epoch=ticket.epoch, **asked)
    return item, await client.act(item.conversation_id, action, request, new_id())


def listed(
    view: Any, search: str, limit: int, url: str | None, token_file: Path | None, data_dir: Path | None
) -> "list[QueueItem]":
    """The first conversations of a view, in the queue's order."""

    async def work(client: "Client") -> "list[QueueItem]":
        return (await client.queue(view, search)).items[:limit]

    return ask(work, url, token_file, data_dir)


async def conversation_id(client: "Client", number: str) -> UUID:
    """The conversation of that number."""
    return (await client.ticket(number)).item.conversation_id


def text_given(text: str) -> str:
    """What was typed, or, for a single hyphen, all of standard input."""
    return sys.stdin.read() if text == "-" else text


def say(words: str, indent: str = "") -> None:
    """One line of a result; whatever stands in it cannot drive a terminal."""
    typer.echo(indent + printable(one_line(words)))


def say_json(value: Any) -> None:
    """A result for programs."""
    from fte.wire import encode

    typer.echo(encode(value).decode())
