"""`fte conversations`: the queue and one conversation as plain lines, for scripts and screen readers."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar
from uuid import UUID

import typer

from fte.cli._session import AsJson, DataDir, load_settings, plain_errors, run
from fte.cli.console import find_token

if TYPE_CHECKING:
    from fte.console.client import Client
    from fte.wire import ConversationView, MessageView, QueueItem

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True)

Url = Annotated[str | None, typer.Option("--url", help="Address of the daemon. (env: FTE_URL)")]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file", help="File with your operator token. (env: FTE_TOKEN holds the token itself)"
    ),
]


@app.command("list")
def list_(
    view: Annotated[
        Literal["open", "needs_person", "mine", "snoozed", "resolved", "all"],
        typer.Option("--view", help="Which conversations."),
    ] = "open",
    search: Annotated[
        str, typer.Option("--search", help="Only those with these words, or this number.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="How many to show at most.")] = 50,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """List conversations, one a line, in the queue's order: what is due first."""

    async def ask(client: "Client") -> "list[QueueItem]":
        return (await client.queue(view, search)).items[:limit]

    found = _asked(ask, url, token_file, data_dir)
    if as_json:
        _print_json(found)
        return
    now = datetime.now(UTC)
    for item in found:
        typer.echo(_item(item, now))
    if not found:
        typer.echo("There is none.")


@app.command()
def show(
    conversation: Annotated[
        str, typer.Argument(metavar="NUMBER", help="The conversation's number, or its id.")
    ],
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Show a conversation: who holds it, what is due when, the hand-over brief and the newest messages."""

    async def ask(client: "Client") -> "ConversationView":
        return await client.conversation(await _id(client, conversation))

    view = _asked(ask, url, token_file, data_dir)
    if as_json:
        _print_json(view)
        return
    for line in _conversation(view, datetime.now(UTC)):
        typer.echo(line)


def _asked(
    ask: "Callable[[Client], Awaitable[T]]", url: str | None, token_file: Path | None, data_dir: Path | None
) -> T:
    """What the daemon answers, with the operator's token. Ends with a plain error when it does not."""
    settings = load_settings(url=url, data_dir=data_dir)
    with plain_errors():
        token = find_token(settings, token_file)

    async def work() -> T:
        from fte.console.client import Client

        client = Client(settings.local_url, token)
        try:
            return await ask(client)
        finally:
            await client.aclose()

    return run(work)


async def _id(client: "Client", named: str) -> UUID:
    """The id of the conversation that is named. Raises NotFound, or Rejected for what is neither number nor id."""
    from fte.domain.errors import NotFound, Rejected

    number = named.removeprefix("#")
    if number.isascii() and number.isdigit():
        page = await client.queue("all", number)
        for item in page.items:
            if item.number == int(number):
                return item.conversation_id
        raise NotFound(f"There is no conversation #{int(number)}.")
    try:
        return UUID(named)
    except ValueError:
        raise Rejected(
            "This is neither a number nor an id.", remedy="`fte conversations list` shows the numbers."
        ) from None


def _print_json(value: object) -> None:
    from fte.wire import encode

    typer.echo(encode(value).decode())


# ---------------------------------------------------------------- words


def _item(item: "QueueItem", now: datetime) -> str:
    from fte.console import present
    from fte.console.safe import line

    parts = [
        f"#{item.number} {line(item.customer or 'unknown', 60)}, {present.CHANNEL_WORDS[item.channel]}",
        _state(item),
        *_times(item, now),
        f'"{line(item.subject or "(no subject)", 160)}"',
    ]
    return ". ".join(parts) + "."


def _state(item: "QueueItem") -> str:
    """Who has it, in words."""
    from fte.console import model, present
    from fte.console.safe import line

    if item.status == "resolved":
        return "Resolved"
    if model.needs_person(item):
        reason = present.reason_words(item.reason)
        urgent = "Needs a person, urgent" if item.urgency == "high" else "Needs a person"
        return f"{urgent}: {line(reason, 80)}" if reason else urgent
    if item.owner == "ai":
        return "The AI answers"
    waiting = "waits for an answer" if item.unanswered else "was answered"
    return f"{line(item.operator or 'A colleague', 60)} holds it, the customer {waiting}"


def _times(item: "QueueItem", now: datetime) -> "Iterator[str]":
    from fte.console import present

    if item.status == "resolved":
        return
    if item.snoozed_until is not None:
        yield f"Put aside until {_moment(item.snoozed_until)}"
    if item.due_at is not None and item.due_kind is not None:
        yield _due(present.DUE_WORDS[item.due_kind], item.due_at, now)
    if item.window_until is not None and item.due_kind != "window":
        yield _window(item.window_until, now)


def _due(what: str, at: datetime, now: datetime) -> str:
    what, words = what[0].upper() + what[1:], _span(abs((at - now).total_seconds()))
    return (
        f"{what} late by {words}, was due {_moment(at)}"
        if at <= now
        else f"{what} due in {words}, {_moment(at)}"
    )


def _span(seconds: float) -> str:
    """A length of time in whole words."""
    for length, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= length * (2 if length > 60 else 1):
            count = int(seconds // length)
            return f"{count} {word}{'s' if count > 1 else ''}"
    return "less than a minute"


def _window(until: datetime, now: datetime) -> str:
    if until <= now:
        return "WhatsApp takes only a template now"
    return f"WhatsApp takes free text until {_moment(until)}"


def _moment(at: datetime) -> str:
    """A moment in the reader's own time zone."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


def _conversation(view: "ConversationView", now: datetime) -> "Iterator[str]":
    from fte.console import present
    from fte.console.safe import block, line

    item = view.item
    contact = line(view.customer_email or view.customer_phone or "", 80)
    identity = "verified" if view.verified else "not verified"
    yield f"#{item.number} {line(item.customer or 'unknown', 60)}, {present.CHANNEL_WORDS[item.channel]}"
    yield f"Contact: {contact}, {identity}"
    yield f"Subject: {line(item.subject or '(no subject)', 160)}"
    yield f"Priority: {item.priority}. Category: {line(item.category.replace('_', ' '), 40)}"
    yield _state(item)
    if item.snoozed_until is not None:
        yield f"Put aside until {_moment(item.snoozed_until)}"
    for clock in view.clocks:
        if clock.kind != "window":
            yield _due(present.DUE_WORDS[clock.kind], clock.due_at, now)
    if view.window_until is not None and item.status != "resolved":
        yield _window(view.window_until, now)
    if view.brief is not None:
        yield f"Asked: {block(view.brief.asked, 2_000).strip()}"
        for tried in view.brief.tried:
            yield f"Tried: {line(tried)}"
    if view.earlier:
        yield f"Earlier messages not shown: {view.earlier}"
    for message in view.messages:
        yield ""
        yield _head(message)
        yield block(message.content).strip("\n") or "(empty)"


def _head(message: "MessageView") -> str:
    from fte.console.safe import line

    who: str = line(message.author, 60)
    if message.direction == "note":
        who = f"Note by {who}, not sent"
    facts = [f"{who}, {_moment(message.created_at)}"]
    if message.direction == "outbound" and message.delivery_status:
        facts.append(line(message.delivery_status, 30))
    if message.outcome == "suppressed" and message.reason:
        facts.append(f"not answered, {line(message.reason, 80)}")
    return ", ".join(facts) + ":"
