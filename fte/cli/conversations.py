"""`fte conversations`: the queue and what operators do in the console, for scripts and screen readers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fte.cli._remote import (
    Limit,
    Number,
    Search,
    Seen,
    TokenFile,
    Url,
    View,
    act,
    ask,
    conversation_id,
    listed,
    say,
    say_json,
    text_given,
)
from fte.cli._session import AsJson, DataDir
from fte.domain.channels import CHANNEL_WORDS

if TYPE_CHECKING:
    from pathlib import Path

    from fte.console.client import Client
    from fte.domain.operators import Action
    from fte.wire import ActionDone, ConversationView, MessageView, QueueItem

app = typer.Typer(no_args_is_help=True)

Text = Annotated[str, typer.Argument(help="The text; - reads it from standard input.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why, for colleagues.")]


# ---------------------------------------------------------------- reading


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
    """List conversations, one a line, in the queue's order: what is due first."""
    found = listed(view, search, limit, url, token_file, data_dir)
    if as_json:
        say_json(found)
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

    async def work(client: "Client") -> "ConversationView":
        return await client.conversation(await conversation_id(client, conversation))

    view = ask(work, url, token_file, data_dir)
    if as_json:
        say_json(view)
        return
    for line in _conversation(view, datetime.now(UTC)):
        typer.echo(line)


# ---------------------------------------------------------------- acting


@app.command()
def take(
    number: Number,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Take a conversation over: from now on you answer, the AI is silent."""
    _do("take_over", "{} is yours now; the AI is silent.", number, as_json, url, token_file, data_dir)


@app.command()
def release(
    number: Number,
    reason: Reason = None,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Hand a conversation back to the AI."""
    _do("release", "{} is the AI's again.", number, as_json, url, token_file, data_dir, reason=reason)


@app.command()
def reply(
    number: Number,
    text: Annotated[
        str | None, typer.Argument(help="The text; - reads it from standard input.", show_default=False)
    ] = None,
    canned: Annotated[
        str | None, typer.Option("--canned", help="Send this canned reply, its variables filled in.")
    ] = None,
    seen: Seen = None,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Answer the customer. You must hold the conversation.

    With --seen it is refused when the customer has written since the message you name.
    """
    if (text is None) == (canned is None):
        raise typer.BadParameter("Give a text, or --canned with a key.")
    given = None if text is None else text_given(text)

    async def work(client: "Client") -> "tuple[QueueItem, ActionDone]":
        words = given if canned is None else await _filled(client, number, canned)
        return await act(client, number, "reply", seen, text=words)

    _tell(ask(work, url, token_file, data_dir), "Your reply in {} is on its way.", as_json)


@app.command()
def note(
    number: Number,
    text: Text,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Add a note for colleagues; the customer never sees it. `@Name` tells that colleague."""
    _do("note", "Noted in {}.", number, as_json, url, token_file, data_dir, text=text_given(text))


@app.command()
def resolve(
    number: Number,
    resolution: Annotated[
        str, typer.Option("--as", help="solved, no_answer_needed, duplicate, spam or other.")
    ] = "solved",
    reason: Reason = None,
    seen: Seen = None,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Close the matter. A new message of the customer opens it again."""
    known = _one_of("--as", resolution)
    _do(
        "resolve",
        "{} is resolved.",
        number,
        as_json,
        url,
        token_file,
        data_dir,
        seen,
        reason=reason,
        resolution=known,
    )


@app.command()
def snooze(
    number: Number,
    until: Annotated[
        list[str],
        typer.Argument(help="Until when: 30m, 2h, 3d, 17:30, tomorrow 9:00, mon, 2027-01-04 10:00."),
    ],
    seen: Seen = None,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Put a conversation aside until a time, in your own time zone; it comes back by itself."""
    from fte.domain.errors import Rejected
    from fte.domain.snooze import parse

    try:
        moment = parse(" ".join(until), datetime.now(UTC))
    except Rejected as error:
        raise typer.BadParameter(f"UNTIL: {error.fields.get('until', error.message)}.") from None
    done = f"{{}} is put aside until {_moment(moment)}."
    _do("snooze", done, number, as_json, url, token_file, data_dir, seen, until=moment)


@app.command()
def wake(
    number: Number,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Bring back what was put aside."""
    _do("snooze", "{} is back in the queue.", number, as_json, url, token_file, data_dir)


@app.command()
def assign(
    number: Number,
    name: Annotated[
        str | None, typer.Argument(help="The colleague who holds it from now on.", show_default=False)
    ] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Nobody holds it: it needs a person.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Give a conversation to a colleague, or to nobody."""
    if (name is None) is not nobody:
        raise typer.BadParameter("Name a colleague, or give --nobody.")
    done = "{} needs a person now." if nobody else f"{{}} is {name}'s now."
    _do("assign", done, number, as_json, url, token_file, data_dir, to=name)


@app.command()
def merge(
    number: Annotated[
        str, typer.Argument(help="The conversation that is kept; with --undo, the merged one.")
    ],
    other: Annotated[
        str | None, typer.Argument(help="The conversation that goes on in it.", show_default=False)
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Part the merged conversation again.")] = False,
    seen: Seen = None,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Make two conversations of one customer one, or two again."""
    if (other is None) is not undo:
        raise typer.BadParameter("Name the conversation that is to be merged, or give --undo.")

    async def work(client: "Client") -> "tuple[QueueItem, ActionDone]":
        if other is None:
            return await act(client, number, "part")
        return await act(client, number, "merge_in", seen, other=await conversation_id(client, other))

    _tell(
        ask(work, url, token_file, data_dir),
        "{} is on its own again." if undo else f"#{(other or '').lstrip('#')} goes on in {{}}.",
        as_json,
    )


def _do(
    action: "Action",
    done: str,
    number: str,
    as_json: bool,
    url: str | None,
    token_file: "Path | None",
    data_dir: "Path | None",
    seen: int | None = None,
    **asked: Any,
) -> None:
    async def work(client: "Client") -> "tuple[QueueItem, ActionDone]":
        return await act(client, number, action, seen, **asked)

    _tell(ask(work, url, token_file, data_dir), done, as_json)


def _tell(result: "tuple[QueueItem, ActionDone]", done: str, as_json: bool) -> None:
    item, outcome = result
    if as_json:
        say_json(outcome)
        return
    say(done.replace("{}", f"#{item.number}"))
    if outcome.in_flight:
        say(f"{len(outcome.in_flight)} of the AI's answers had left before and may still reach the customer.")


async def _filled(client: "Client", number: str, key: str) -> str:
    """A canned reply for this conversation. Raises Rejected when something in it is not known."""
    from fte.domain import canned
    from fte.domain.errors import NotFound, Rejected

    page, me, ticket = await client.canned(), await client.me(), await client.ticket(number)
    found = next((one for one in page.items if one.key == key), None)
    if found is None:
        raise NotFound(f"There is no canned reply {key!r}.", remedy="`fte canned list` shows them.")
    item = ticket.item
    values = canned.values(customer=item.customer, ticket=item.number, operator=me.name, company=page.company)
    rendered = canned.render(found.body, values)
    if rendered.missing:
        names = ", ".join(f"{{{name}}}" for name in rendered.missing)
        raise Rejected(f"Nothing is known for {names}.", remedy="Write the reply yourself.")
    return rendered.text


def _one_of(option: str, given: str) -> str:
    from fte.domain.tickets import RESOLUTIONS

    known = given.replace("-", "_")
    if known not in RESOLUTIONS:
        raise typer.BadParameter(f"{option} is one of {', '.join(RESOLUTIONS)}.")
    return known


# ---------------------------------------------------------------- words


def _item(item: "QueueItem", now: datetime) -> str:
    from fte.console.safe import line

    parts = [
        f"#{item.number} {line(item.customer or 'unknown', 60)}, {CHANNEL_WORDS[item.channel]}",
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
    yield f"#{item.number} {line(item.customer or 'unknown', 60)}, {CHANNEL_WORDS[item.channel]}"
    yield f"Contact: {contact}, {identity}"
    yield f"Subject: {line(item.subject or '(no subject)', 160)}"
    yield f"Priority: {item.priority}. Category: {line(item.category.replace('_', ' '), 40)}"
    yield _state(item)
    if view.ended is not None:
        yield f"How it ended: {present.how_it_ended(view.ended, now)}"
    if view.ended is not None and view.ended.reason:
        yield f"Why: {block(view.ended.reason, 500).strip()}"
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
