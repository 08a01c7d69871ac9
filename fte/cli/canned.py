"""`fte canned`: answers written once."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fte.cli._remote import TokenFile, Url, ask, say, say_json, text_given
from fte.cli._session import AsJson, DataDir

if TYPE_CHECKING:
    from fte.console.client import Client
    from fte.wire import CannedPage, CannedReply

app = typer.Typer(no_args_is_help=True)

Key = Annotated[str, typer.Argument(help="Its key: small letters, digits and hyphens.")]
Body = Annotated[
    str, typer.Argument(help="The text, with variables such as {first_name}; - reads standard input.")
]
Title = Annotated[str, typer.Option("--title", help="What it is for, as the list shows it.")]
ForChannel = Annotated[
    str | None,
    typer.Option("--channel", help="email, whatsapp or web_form: offer it there only.", show_default="all"),
]
Language = Annotated[
    str | None, typer.Option("--language", help="The language's code, such as en.", show_default="none")
]


@app.command("list")
def list_(
    as_json: AsJson = False, url: Url = None, token_file: TokenFile = None, data_dir: DataDir = None
) -> None:
    """List the canned replies."""

    async def work(client: "Client") -> "CannedPage":
        return await client.canned()

    page = ask(work, url, token_file, data_dir)
    if as_json:
        say_json(page.items)
        return
    if not page.items:
        say("No canned reply yet. A lead or an admin adds one with `fte canned add`.")
    for reply in page.items:
        where = ", ".join(part for part in (reply.channel, reply.language) if part)
        say(f"{reply.key}{f' ({where})' if where else ''}: {reply.title}: {reply.body}")


@app.command()
def add(
    key: Key,
    body: Body,
    title: Title,
    channel: ForChannel = None,
    language: Language = None,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Add a canned reply. For a lead or an admin."""
    words = text_given(body)

    async def work(client: "Client") -> None:
        from fte.domain.errors import Conflict

        if any(one.key == key for one in (await client.canned()).items):
            raise Conflict(
                f"There is a canned reply {key!r} already.", remedy="`fte canned edit` changes it."
            )
        await client.save_canned(_reply(key=key, title=title, body=words, channel=channel, language=language))

    ask(work, url, token_file, data_dir)
    say(f"Added {key}.")


@app.command()
def edit(
    key: Key,
    body: Annotated[
        str | None, typer.Argument(help="The new text; - reads standard input.", show_default=False)
    ] = None,
    title: Annotated[str | None, typer.Option("--title", help="The new title.")] = None,
    channel: ForChannel = None,
    language: Language = None,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Change what is given of a canned reply; the rest stays. For a lead or an admin."""
    words = None if body is None else text_given(body)
    fresh = {"title": title, "body": words, "channel": channel, "language": language}

    async def work(client: "Client") -> None:
        from fte.domain.errors import NotFound

        old = next((one for one in (await client.canned()).items if one.key == key), None)
        if old is None:
            raise NotFound(f"There is no canned reply {key!r}.", remedy="`fte canned list` shows them.")
        kept = {name: getattr(old, name) for name in fresh}
        await client.save_canned(
            _reply(key=key, **(kept | {n: v for n, v in fresh.items() if v is not None}))
        )

    ask(work, url, token_file, data_dir)
    say(f"Changed {key}.")


@app.command()
def remove(key: Key, url: Url = None, token_file: TokenFile = None, data_dir: DataDir = None) -> None:
    """Remove a canned reply. For a lead or an admin."""

    async def work(client: "Client") -> None:
        await client.remove_canned(key)

    ask(work, url, token_file, data_dir)
    say(f"Removed {key}.")


def _reply(**facts: Any) -> "CannedReply":
    from fte.domain.channels import CHANNELS
    from fte.domain.errors import Rejected
    from fte.wire import CannedReply

    if facts["channel"] not in (None, *CHANNELS):
        raise Rejected(
            f"There is no channel {facts['channel']!r}.", remedy=f"Use one of {', '.join(CHANNELS)}."
        )
    return CannedReply(**facts)
