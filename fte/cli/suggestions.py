"""`fte suggestions`: pages that answers of people could become."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fte.cli._remote import TokenFile, Url, ask, say, say_json, text_given
from fte.cli._session import AsJson, DataDir
from fte.domain.text import printable

if TYPE_CHECKING:
    from fte.console.client import Client
    from fte.wire import SuggestionView, TaughtPage

app = typer.Typer(no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The suggestion's id, as `fte suggestions list` shows it.")]


@app.command("list")
def list_(
    as_json: AsJson = False, url: Url = None, token_file: TokenFile = None, data_dir: DataDir = None
) -> None:
    """List answers of people that no page had, and answers of the AI that people changed, the newest first."""

    async def work(client: "Client") -> "list[SuggestionView]":
        return (await client.suggestions()).items

    found = ask(work, url, token_file, data_dir)
    if as_json:
        say_json(found)
        return
    if not found:
        say("Nothing to learn from at the moment.")
    for one in found:
        numbers = ", ".join(f"#{number}" for number in (one.number, *(other.number for other in one.others)))
        say(f"{one.id} {numbers} {one.operator} {one.kind}: {one.title}")


@app.command()
def show(
    id_: Id,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Show a suggestion: the questions, the answers, and the page they could become."""
    one = ask(lambda client: _one(client, id_), url, token_file, data_dir)
    if as_json:
        say_json(one)
        return
    for source in (one, *one.others):
        say(f"#{source.number}  {source.operator} {source.kind} on {source.at:%Y-%m-%d %H:%M} UTC")
        words = (("Asked", source.question), ("The AI wrote", source.draft), ("Answered", source.answer))
        typer.echo("".join(f"\n{name}:\n{printable(text)}\n" for name, text in words if text))
    typer.echo(f"The page:\n# {printable(one.title)}\n\n{printable(one.body)}")


@app.command()
def approve(
    id_: Id,
    title: Annotated[
        str, typer.Option("--title", help="The page's title.", show_default="the one suggested")
    ] = "",
    body: Annotated[
        str,
        typer.Option(
            "--body", help="The page's text; - reads standard input.", show_default="the one suggested"
        ),
    ] = "",
    category: Annotated[
        str, typer.Option("--category", help="general, technical, billing, feedback or bug_report.")
    ] = "general",
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Make it a page of the knowledge base. The AI answers from it from then on. For a lead or an admin."""
    chosen: Any = category
    words = text_given(body)

    async def work(client: "Client") -> "TaughtPage":
        from fte.wire import TeachRequest

        one = await _one(client, id_)
        page = TeachRequest(title=title or one.title, body=words or one.body, category=chosen)
        return await client.approve_suggestion(one, page)

    taught = ask(work, url, token_file, data_dir)
    say(f"Learned: {taught.source}. `fte kb delete {taught.source}` forgets it.")


@app.command()
def reject(id_: Id, url: Url = None, token_file: TokenFile = None, data_dir: DataDir = None) -> None:
    """Do not suggest it again. For a lead or an admin."""

    async def work(client: "Client") -> None:
        await client.reject_suggestion(await _one(client, id_))

    ask(work, url, token_file, data_dir)
    say("Rejected.")


async def _one(client: "Client", id_: str) -> "SuggestionView":
    """The one whose id begins like this, if it is the only one."""
    from fte.domain.errors import NotFound

    found = [one for one in (await client.suggestions()).items if str(one.id).startswith(id_.lower())]
    if len(found) != 1 or not id_:
        raise NotFound(
            f"{'No suggestion has' if not found else 'Several suggestions have'} this id.",
            remedy="`fte suggestions list` shows them.",
        )
    return found[0]
