"""`fte mode`: whether answers are sent, wait for approval, or are not given; over the operators' API."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fte.cli._remote import TokenFile, Url, ask, say_json
from fte.cli._session import AsJson, DataDir, plain_errors

if TYPE_CHECKING:
    from fte.console.client import Client
    from fte.wire import ModesView

app = typer.Typer(no_args_is_help=True)


@app.command()
def show(
    as_json: AsJson = False, url: Url = None, token_file: TokenFile = None, data_dir: DataDir = None
) -> None:
    """Show how answers are treated on each channel, and for which categories otherwise."""

    async def work(client: "Client") -> "ModesView":
        return await client.modes()

    _print(ask(work, url, token_file, data_dir), as_json)


@app.command("set")
def set_(
    channel: Annotated[Literal["email", "whatsapp", "web_form"], typer.Argument(help="The channel.")],
    mode: Annotated[
        Literal["auto", "draft", "off", "none"],
        typer.Argument(
            help="auto sends, draft holds every answer, off gives none; none takes the rule away."
        ),
    ],
    below: Annotated[
        float, typer.Option("--below", min=0.0, max=1.0, help="With auto: hold answers less sure than this.")
    ] = 0.0,
    category: Annotated[
        Literal["general", "technical", "billing", "feedback", "bug_report"] | None,
        typer.Option(
            "--category", help="Only for this category; otherwise for all without a rule of their own."
        ),
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
    token_file: TokenFile = None,
    data_dir: DataDir = None,
) -> None:
    """Set how answers are treated; for a lead or an admin. It counts for every answer finished from now on."""
    from fte.domain.ids import new_id
    from fte.wire import ModeRequest

    request = ModeRequest(
        channel=channel, category=category, mode=None if mode == "none" else mode, below=below
    )
    with plain_errors():
        request.rule()

    async def work(client: "Client") -> "ModesView":
        return await client.configure(request, new_id())

    _print(ask(work, url, token_file, data_dir), as_json)


def _print(modes: "ModesView", as_json: bool) -> None:
    if as_json:
        say_json(modes)
        return
    for rule in modes.rules:
        held = f", held below {rule.below:.2f}" if rule.below else ""
        typer.echo(f"{rule.channel:<9} {rule.category or 'all others':<11} {rule.mode}{held}")
