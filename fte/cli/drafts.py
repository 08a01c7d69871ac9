"""`fte drafts`: answers that wait for approval, for scripts and screen readers; over the operators' API."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from fte.cli._remote import TokenFile, Url, ask, say_json
from fte.cli._session import AsJson, DataDir, plain_errors
from fte.domain.errors import NotFound, Rejected

if TYPE_CHECKING:
    from fte.console.client import Client
    from fte.domain.drafts import Decision
    from fte.wire import ActionDone, DraftDecision, DraftView

PAGES_MAX = 50
"""Pages of 100 that are read at most."""

app = typer.Typer(no_args_is_help=True)

Id = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="The draft's id, or its conversation's number, as the list shows them."
    ),
]
Seen = Annotated[
    str | None,
    typer.Option("--hash", help="The `hash` of the draft you read: another text is not sent."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not show it and ask first.")]


@app.command("list")
def list_(
    as_json: AsJson = False, url: Url = None, token_file: TokenFile = None, data_dir: DataDir = None
) -> None:
    """List the drafts that wait, the longest waiting first."""
    found = ask(_all, url, token_file, data_dir)
    if as_json:
        say_json(found)
    elif not found:
        typer.echo("No draft waits for approval.")
    else:
        for draft in found:
            typer.echo(_line(draft))


@app.command()
def show(
    id_: Id, as_json: AsJson = False, url: Url = None, token_file: TokenFile = None, data_dir: DataDir = None
) -> None:
    """Show a draft whole: what was asked, the answer, why it is held, and its sources."""

    async def work(client: "Client") -> "DraftView":
        return await _find(client, id_)

    draft = ask(work, url, token_file, data_dir)
    if as_json:
        say_json(draft)
    else:
        _print(draft)


@app.command()
def approve(
    id_: Id,
    seen: Seen = None,
    yes: Yes = False,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Send a draft exactly as it is shown. Without --yes or --hash it is shown first, and you are asked."""
    _send(id_, None, seen, yes, as_json, url, token_file, data_dir)


@app.command()
def edit(
    id_: Id,
    text: Annotated[
        str, typer.Option("--text", help="The text that is sent instead; - reads it from standard input.")
    ],
    seen: Seen = None,
    yes: Yes = False,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Send another text in a draft's place. Without --yes or --hash both are shown first, and you are asked."""
    words = sys.stdin.read().rstrip("\n") if text == "-" else text
    _send(id_, words, seen, yes, as_json, url, token_file, data_dir)


@app.command()
def reject(
    id_: Id,
    reason: Annotated[
        str, typer.Option("--reason", help="Why, for whoever answers: 500 characters at most.")
    ],
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Do not send a draft: a person has to answer."""
    from fte.wire import DraftDecision

    request = DraftDecision(reason=reason)
    with plain_errors():
        request.required_reason()

    async def work(client: "Client") -> "ActionDone":
        return await _decide(client, await _find(client, id_), "reject", request)

    _tell(ask(work, url, token_file, data_dir), as_json, "Rejected. The conversation needs a person now.")


@app.command()
def regenerate(
    id_: Id,
    hint: Annotated[str, typer.Option("--hint", help="What to do better: 500 characters at most.")],
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Have the AI write another draft, which waits for approval too."""
    from fte.wire import DraftDecision

    request = DraftDecision(hint=hint)
    with plain_errors():
        request.required_hint()

    async def work(client: "Client") -> "ActionDone":
        return await _decide(client, await _find(client, id_), "regenerate", request)

    _tell(ask(work, url, token_file, data_dir), as_json, "It is being written anew.")


def _send(
    id_: str,
    text: str | None,
    seen: str | None,
    yes: bool,
    as_json: bool,
    url: str | None,
    token_file: Path | None,
    data_dir: Path | None,
) -> None:
    from fte.domain.drafts import fingerprint
    from fte.wire import DraftDecision

    async def read(client: "Client") -> "DraftView":
        return await _find(client, id_)

    draft = ask(read, url, token_file, data_dir)
    if not (yes or seen):
        _print(draft)
        if text is not None:
            typer.echo("\nIn its place this is sent:\n\n" + _clean(text))
        typer.confirm("\nSend it?", abort=True)
    request = DraftDecision(hash=seen or fingerprint(draft.body), text=text)
    with plain_errors():
        request.checked_text()

    async def work(client: "Client") -> "ActionDone":
        return await _decide(client, draft, "approve", request)

    _tell(
        ask(work, url, token_file, data_dir),
        as_json,
        "Approved. It leaves when its time to be taken back is over.",
    )


async def _decide(
    client: "Client", draft: "DraftView", decision: "Decision", request: "DraftDecision"
) -> "ActionDone":
    from fte.domain.ids import new_id

    return await client.decide(draft.id, decision, request, new_id())


async def _all(client: "Client") -> "list[DraftView]":
    found: list[DraftView] = []
    for _ in range(PAGES_MAX):
        page = await client.drafts(found[-1].id if found else None)
        found += page.items
        if not page.items or len(found) >= page.total:
            break
    return found


async def _find(client: "Client", given: str) -> "DraftView":
    """The draft of that id, or the pending one of the conversation with that number."""
    number = given.removeprefix("#")
    if not number.isdecimal():
        try:
            return await client.draft(UUID(given))
        except ValueError:
            raise Rejected(
                f"{given!r} is neither a draft's id nor a conversation's number.",
                remedy="`fte drafts list` shows both.",
            ) from None
    for draft in await _all(client):
        if draft.number == int(number):
            return draft
    raise NotFound(
        f"No draft of conversation #{number} waits.", remedy="`fte drafts list` shows those that do."
    )


def _tell(done: "ActionDone", as_json: bool, words: str) -> None:
    if as_json:
        say_json(done)
    else:
        typer.echo(words)


def _line(draft: "DraftView") -> str:
    from fte.domain.text import one_line, printable

    since = f"{draft.created_at.astimezone():%Y-%m-%d %H:%M}"
    facts = f"#{draft.number:<6} {since}  {draft.channel:<9} {_why(draft):<26}"
    return f"{facts} {printable(one_line(draft.customer))[:30]}: {printable(one_line(draft.subject))[:60]}  {draft.id}"


def _why(draft: "DraftView") -> str:
    if draft.held_because == "low_confidence":
        return f"confidence {draft.confidence:.2f} < {draft.threshold or 0:.2f}"
    return "every answer is held" if draft.held_because == "mode" else "written anew"


def _print(draft: "DraftView") -> None:
    from fte.domain.drafts import became

    state = became(draft.state, draft.operator, draft.reason)
    typer.echo(f"#{draft.number}  {_clean(draft.customer)}  {draft.channel}  {_clean(draft.subject)}")
    typer.echo(f"{_clean(state)}  Held: {_why(draft)}, confidence {draft.confidence:.2f}")
    for message in draft.messages:
        typer.echo(f"\n{_clean(message.author)}, {message.created_at.astimezone():%Y-%m-%d %H:%M}:")
        typer.echo(_clean(message.content))
    typer.echo("\nThe answer:\n")
    typer.echo(_clean(draft.body))
    typer.echo("\nSources:" if draft.run and draft.run.passages else "\nNo source.")
    for passage in draft.run.passages if draft.run else []:
        typer.echo(f"  {passage.score:.2f}  {_clean(passage.title)}  {_clean(passage.source)}")
    typer.echo(f"\nid    {draft.id}\nhash  {draft.hash}")


def _clean(text: str) -> str:
    from fte.domain.text import printable

    return printable(text)
