"""`fte tickets`: tickets in plain lines, for scripts and screen readers."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fte.cli._remote import (
    Limit,
    Number,
    Search,
    TokenFile,
    Url,
    View,
    act,
    ask,
    listed,
    say,
    say_json,
)
from fte.cli._session import AsJson, DataDir

if TYPE_CHECKING:
    from fte.console.client import Client
    from fte.wire import QueueItem, TicketView

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_(
    view: View = "open",
    search: Search = "",
    limit: Limit = 50,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """List tickets in the console's order: what needs a person first."""
    items = listed(view, search, limit, url, token_file, data_dir)
    if as_json:
        say_json(items)
        return
    if not items:
        say("No ticket.")
    for item in items:
        say(_line(item))


@app.command()
def show(
    number: Number,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Show a ticket: what it is, how it came to that, what was said, and who did what."""
    from fte.console.past import detail_words

    ticket = _ticket(number, url, token_file, data_dir)
    if as_json:
        say_json(ticket)
        return
    for words in _about(ticket):
        say(words)
    say("Life:" if ticket.complete else "Life, without its beginning, which the log no longer keeps:")
    for words in _life(ticket):
        say(words, "  ")
    say("Messages:")
    for message in ticket.messages:
        state = f", {message.delivery_status}" if message.delivery_status else ""
        say(
            f"{message.seq}. {_time(message.created_at)} {message.author} ({message.direction}{state}): "
            f"{message.content}",
            "  ",
        )
    say("Audit:")
    for entry in ticket.audit:
        facts = "".join(f", {fact}" for fact in detail_words(entry.details))
        say(
            f"{_time(entry.at)} {entry.operator or 'somebody'}: {entry.action.replace('_', ' ')}{facts}", "  "
        )


@app.command()
def events(
    number: Number,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Show a ticket's raw events, as the log keeps them: ids and facts."""
    from fte.wire import encode

    ticket = _ticket(number, url, token_file, data_dir)
    if as_json:
        say_json(ticket.events)
        return
    if not ticket.complete:
        say("The beginning is no longer in the log.")
    for event in ticket.events:
        say(f"{event.position} {_time(event.at)} {event.type} {encode(event.payload).decode()}")


@app.command("set")
def set_(
    number: Number,
    priority: Annotated[str | None, typer.Option("--priority", help="low, medium or high.")] = None,
    category: Annotated[
        str | None, typer.Option("--category", help="general, technical, billing, feedback or bug_report.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", help="A tag to add; may be repeated.")] = None,
    untag: Annotated[list[str] | None, typer.Option("--untag", help="A tag to take away.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Set a ticket's priority, category and tags."""
    from fte.domain.tickets import CATEGORIES, PRIORITIES

    if priority is None and category is None and not tag and not untag:
        raise typer.BadParameter("Say what to set: --priority, --category, --tag or --untag.")
    if priority is not None and priority not in PRIORITIES:
        raise typer.BadParameter(f"--priority is one of {', '.join(PRIORITIES)}.")
    if category is not None and category not in CATEGORIES:
        raise typer.BadParameter(f"--category is one of {', '.join(CATEGORIES)}.")

    async def work(client: "Client") -> "TicketView":
        if tag or untag:
            await act(client, number, "tag", add=tag or [], remove=untag or [])
        if priority is not None:
            await act(client, number, "set_priority", priority=priority)
        if category is not None:
            await act(client, number, "set_category", category=category)
        return await client.ticket(number)

    ticket = ask(work, url, token_file, data_dir)
    if as_json:
        say_json(ticket.item)
    else:
        say(_line(ticket.item))


def _ticket(number: str, url: Any, token_file: Any, data_dir: Any) -> "TicketView":
    async def work(client: "Client") -> "TicketView":
        return await client.ticket(number)

    return ask(work, url, token_file, data_dir)


def _line(item: "QueueItem") -> str:
    if item.merged_into is not None:
        holder = f", part of #{item.merged_into}"
    elif item.status == "resolved":
        holder = ""
    else:
        person = f"with {item.operator}" if item.operator else "needs a person"
        holder = ", with the AI" if item.owner == "ai" else f", {person}"
    words = f"#{item.number} {item.ticket_status.replace('_', ' ')}{holder}, {item.priority} priority, "
    words += item.category.replace("_", " ")
    words += f", tags {' '.join(item.tags)}" if item.tags else ""
    return f"{words}. {item.customer}: {item.subject or 'no subject'}"


def _about(ticket: "TicketView") -> list[str]:
    lines = [
        _line(ticket.item),
        f"Opened {_time(ticket.created_at)}, last changed {_time(ticket.updated_at)}.",
    ]
    if ticket.resolution:
        notes = f": {ticket.resolution_notes}" if ticket.resolution_notes else ""
        lines.append(f"Resolved as {ticket.resolution.replace('_', ' ')}{notes}")
    return lines


def _life(ticket: "TicketView") -> list[str]:
    from fte.console.past import Past, change_words

    return [change_words(change, ticket) for change in Past(ticket).life()]


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")
