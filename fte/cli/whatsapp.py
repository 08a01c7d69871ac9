"""`fte whatsapp`: how the WhatsApp number is, and what Twilio has to be told."""

from typing import TYPE_CHECKING, Any

import typer

from fte.cli._session import AsJson, DataDir, database, load_settings, plain_errors, run
from fte.domain.errors import FteError, NotFound, Rejected
from fte.domain.text import printable

if TYPE_CHECKING:
    from fte.channels.whatsapp.account import Account
    from fte.settings import Settings

HOWTO = "docs/howto/whatsapp.md goes through it step by step."

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None: ...


@app.command()
def status(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show whether Twilio knows the account, the addresses to enter there, and when a customer last wrote.

    Ends with exit code 1 when WhatsApp does not work.
    """
    settings = load_settings(data_dir=data_dir)
    with plain_errors():
        account = _configured(settings)
    facts = run(lambda: _facts(settings, account))
    if as_json:
        from fte.wire import encode

        typer.echo(encode(facts).decode())
    else:
        for name, value in facts.items():
            typer.echo(printable(f"{name.replace('_', ' '):<15} {_shown(value)}"))
    if facts["problem"]:
        raise typer.Exit(1)


def _configured(settings: "Settings") -> "Account":
    from fte.daemon.whatsapp import account_of

    account = account_of(settings)
    if account is None:
        raise Rejected(
            "TWILIO_ACCOUNT_SID is not set.",
            fields={"TWILIO_ACCOUNT_SID": "missing"},
            remedy=f"Set it, TWILIO_AUTH_TOKEN, TWILIO_WHATSAPP_NUMBER and FTE_PUBLIC_URL. {HOWTO}",
        )
    return account


async def _facts(settings: "Settings", account: "Account") -> dict[str, Any]:
    from fte.store import channel_health, whatsapp

    state, problem = await _asked(account)
    last = said = None
    try:
        async with database(settings) as pool:
            last = await whatsapp.last_inbound(pool, account.number)
            said = next((h for h in await channel_health.current(pool) if h.account == account.number), None)
    except NotFound as error:  # what Twilio says is worth knowing before there is one
        problem = problem or f"{error.message} {error.remedy}"
    if problem is None and said is not None and not said.healthy:
        problem = said.detail
    return {
        "account": account.sid,
        "account_state": state,
        "number": account.number,
        "inbound_webhook": account.inbound_url,
        "status_callback": account.status_url,
        "signature": account.algorithm,
        "template": account.template or None,
        "last_inbound": last,
        "checked": said and said.checked_at,
        "problem": problem,
    }


async def _asked(account: "Account") -> tuple[str | None, str | None]:
    """The account's state as Twilio says it, and what is wrong."""
    from fte.channels.whatsapp.client import TwilioClient

    client = TwilioClient(account)
    try:
        state = await client.account_status()
    except FteError as error:
        return None, error.message
    finally:
        await client.close()
    return state, None if state == "active" else f"The Twilio account is {state}."


def _shown(value: Any) -> str:
    from datetime import datetime

    if value is None:
        return "-"
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, datetime) else str(value)
