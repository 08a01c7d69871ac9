"""`fte gmail`: signing in to the mailbox, its announcements, and how it is."""

from typing import TYPE_CHECKING, Annotated

import typer

from fte.cli._session import AsJson, DataDir, database, load_settings, run
from fte.domain.errors import FteError, NotFound, Rejected
from fte.domain.text import printable

if TYPE_CHECKING:
    from datetime import datetime

    from fte.channels.gmail.client import GmailClient
    from fte.channels.gmail.oauth import Consent, OAuthClient
    from fte.settings import Settings

HOWTO = "docs/howto/gmail.md goes through it step by step."

app = typer.Typer(no_args_is_help=True)


@app.command()
def auth(
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address, and take what the browser ends at.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Sign in to the mailbox, and keep its token. Needed once, and again when Google has ended the token's life."""
    settings = _configured(load_settings(data_dir=data_dir))

    async def work() -> None:
        from fte.channels.gmail import oauth

        if settings.gmail_client_file is None:
            raise Rejected(
                "FTE_GMAIL_CLIENT_FILE is not set.", fields={"FTE_GMAIL_CLIENT_FILE": "missing"}, remedy=HOWTO
            )
        client = oauth.read_client(settings.gmail_client_file)
        consent, code = await (_pasted if no_browser else _from_browser)(client, settings.gmail_account)
        await _keep(settings, await oauth.exchange(client, consent, code))

    run(work)
    typer.echo(f"Signed in to {settings.gmail_account}. The token is in {settings.gmail_token_path}.")


@app.command()
def watch(data_dir: DataDir = None) -> None:
    """Have Gmail announce new mail for the next seven days. The daemon does this daily by itself."""
    settings = _configured(load_settings(data_dir=data_dir))

    async def work() -> "datetime":
        from fte.store import mailboxes

        if not settings.gmail_topic:
            raise Rejected("FTE_GMAIL_TOPIC is not set.", fields={"FTE_GMAIL_TOPIC": "missing"}, remedy=HOWTO)
        async with database(settings, new=True) as pool:
            client = _client(settings)
            try:
                until = await client.watch(settings.gmail_topic)
            finally:
                client.close()
            await mailboxes.watched(pool, settings.gmail_account.lower(), until)
            return until

    typer.echo(f"Gmail announces new mail until {run(work):%Y-%m-%d %H:%M} UTC.")


@app.command()
def status(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show whether the token works, how far the mailbox is read, and until when new mail is announced.

    Ends with exit code 1 when e-mail does not work.
    """
    settings = _configured(load_settings(data_dir=data_dir))
    facts = run(lambda: _facts(settings))
    if as_json:
        from fte.wire import encode

        typer.echo(encode(facts).decode())
    else:
        for name, value in facts.items():
            typer.echo(printable(f"{name.replace('_', ' '):<15} {_shown(value)}"))
    if facts["problem"]:
        raise typer.Exit(1)


def _configured(settings: "Settings") -> "Settings":
    from fte.cli._session import plain_errors

    with plain_errors():
        if not settings.gmail_account:
            raise Rejected(
                "FTE_GMAIL_ACCOUNT is not set.",
                fields={"FTE_GMAIL_ACCOUNT": "missing"},
                remedy=f"Set it to the address customers write to. {HOWTO}",
            )
    return settings


def _client(settings: "Settings") -> "GmailClient":
    from fte.channels.gmail.client import GmailClient

    return GmailClient(settings.gmail_token_path, api_url=settings.gmail_api_url)


async def _from_browser(client: "OAuthClient", account: str) -> "tuple[Consent, str]":
    import asyncio
    import webbrowser

    from fte.channels.gmail import oauth

    async with oauth.listening() as (redirect_uri, came):
        consent = oauth.begin(client, account, redirect_uri)
        typer.echo(f"Opening your browser. If nothing opens, go to\n\n{consent.url}\n", err=True)
        await asyncio.to_thread(webbrowser.open, consent.url)
        try:
            async with asyncio.timeout(oauth.CONSENT_TIMEOUT):
                return consent, oauth.code_in(await came, consent)
        except TimeoutError:
            raise Rejected(
                f"Nobody came back from Google within {oauth.CONSENT_TIMEOUT:.0f} seconds.",
                remedy="On a machine without a browser, run `fte gmail auth --no-browser`.",
            ) from None


async def _pasted(client: "OAuthClient", account: str) -> "tuple[Consent, str]":
    from fte.channels.gmail import oauth

    consent = oauth.begin(client, account, oauth.PASTED)
    typer.echo(
        f"Open this address in any browser and agree:\n\n{consent.url}\n\n"
        "The browser then ends at a page it cannot load. That page's address is what is needed here.",
        err=True,
    )
    return consent, oauth.code_in(typer.prompt("Address", err=True), consent, bare=True)


async def _keep(settings: "Settings", token: dict[str, object]) -> None:
    """Keep the token, once it is known to be the right mailbox's."""
    from fte.channels.gmail import oauth
    from fte.channels.gmail.client import GmailClient

    path = settings.gmail_token_path
    trial = path.with_name(path.name + ".new")
    oauth.write_token(trial, token)
    client = GmailClient(trial, api_url=settings.gmail_api_url)
    try:
        address = (await client.profile()).address
        if address.lower() != settings.gmail_account.lower():
            raise Rejected(
                f"You signed in to {address}, but FTE_GMAIL_ACCOUNT is {settings.gmail_account}.",
                remedy="Run `fte gmail auth` again with the other account, or change FTE_GMAIL_ACCOUNT.",
            )
        oauth.write_token(path, token)
    finally:
        client.close()
        trial.unlink(missing_ok=True)


async def _facts(settings: "Settings") -> dict[str, object]:
    from fte.store import channel_health, mailboxes

    account = settings.gmail_account.lower()
    problem, token = await _token_problem(settings)
    state = said = None
    try:
        async with database(settings) as pool:
            state = await mailboxes.state(pool, account)
            said = next((h for h in await channel_health.current(pool) if h.account == account), None)
    except NotFound as error:  # what Google says is worth knowing before there is one
        problem = problem or f"{error.message} {error.remedy}"
    if problem is None and said is not None and not said.healthy:
        problem = said.detail
    return {
        "account": settings.gmail_account,
        "token": token,
        "cursor": state and state.cursor,
        "last_sync": state and state.synced_at,
        "next_sync": state and state.next_sync_at,
        "watch_until": state and state.watch_expires_at,
        "announcements": bool(settings.gmail_topic and settings.gmail_push_account),
        "problem": problem,
    }


async def _token_problem(settings: "Settings") -> tuple[str | None, str]:
    from fte.channels.gmail.client import DeadToken

    client = _client(settings)
    try:
        address = (await client.profile()).address
    except DeadToken as error:
        return f"{error.message} {error.remedy}", "dead"
    except FteError as error:
        return error.message, "not checked"
    finally:
        client.close()
    if address.lower() != settings.gmail_account.lower():
        return f"The token is that of {address}. Run `fte gmail auth`.", "of another mailbox"
    return None, "works"


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if hasattr(value, "strftime") else str(value)
