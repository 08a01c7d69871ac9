"""`fte simulate`: one message as a customer would send it."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from fte.cli._session import DataDir, load_settings, plain_errors
from fte.domain.errors import Rejected, Unavailable
from fte.domain.text import printable

if TYPE_CHECKING:
    from fte.settings import Settings

TIMEOUT: Final = 20.0
app = typer.Typer(no_args_is_help=True)

Text = Annotated[str, typer.Argument(help="What the customer writes.")]
Address = Annotated[str, typer.Option("--from", help="The customer's e-mail address.")]
Number = Annotated[str, typer.Option("--from", help="The customer's number, such as +447700900123.")]
Name = Annotated[
    str | None, typer.Option("--name", help="The customer's name.", show_default="taken from --from")
]
Subject = Annotated[str, typer.Option("--subject", help="What it is about.")]
ProviderUrl = Annotated[
    str | None,
    typer.Option(
        "--provider-url",
        help="Address of the simulated provider.",
        show_default="that of the running `fte demo`",
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="Address of the daemon; also FTE_URL.",
        show_default="that of the running `fte demo`, or the local one",
    ),
]


@app.command()
def email(
    text: Text,
    sender: Address,
    subject: Subject = "A question",
    name: Name = None,
    provider_url: ProviderUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Send a mail to the mailbox of the simulated Gmail of a running `fte demo`."""
    with plain_errors():
        _check_address(sender)
        provider = provider_url or _demo(load_settings(data_dir=data_dir)).gmail
        mail = {"sender": sender, "name": name or _name(sender), "subject": subject, "text": text}
        stored = _post(f"{provider.rstrip('/')}/control/deliver", {"mail": mail})
        typer.echo(f"Delivered as {printable(str(stored['id']))}.")


@app.command()
def whatsapp(
    text: Text,
    sender: Number,
    name: Name = None,
    provider_url: ProviderUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Send a WhatsApp message through the simulated Twilio of a running `fte demo`."""
    with plain_errors():
        number = _checked_number(sender)
        provider = provider_url or _demo(load_settings(data_dir=data_dir)).twilio
        order = {"sender": number, "text": text, "profile_name": name or "Customer"}
        written = _post(f"{provider.rstrip('/')}/control/write", order)
        status = written.get("status")
        if not isinstance(status, int) or not 200 <= status < 300:
            said = "did not answer" if status is None else f"answered {status}"
            raise Unavailable(
                f"The daemon's WhatsApp webhook {said}.",
                remedy="Is WhatsApp configured there? GET /health says which channels are active.",
            )
        typer.echo(f"Delivered as {printable(str(written['sid']))}.")


@app.command()
def form(
    text: Text,
    sender: Address,
    subject: Subject = "A question",
    name: Name = None,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Fill in the web form of the running `fte demo`, or of a daemon."""
    with plain_errors():
        _check_address(sender)
        daemon = _daemon_url(load_settings(url=url, data_dir=data_dir))
        filled = {
            "name": name or _name(sender),
            "email": sender,
            "subject": subject,
            "category": "general",
            "message": text,
        }
        answer = _post(f"{daemon}/support/submit", filled)
        ticket = printable(str(answer["ticket_id"]))
        typer.echo(f"Ticket {ticket}: {daemon}/support/ticket/{ticket}")


def _daemon_url(settings: "Settings") -> str:
    from fte.demo.state import running

    demo = None if settings.url else running(settings.data_dir)
    return (demo.daemon if demo else settings.local_url).rstrip("/")


def _demo(settings: "Settings") -> Any:
    from fte.demo.state import running

    demo = running(settings.data_dir)
    if demo is None:
        raise Unavailable(
            "No demonstration is running.",
            remedy="Start `fte demo` in another terminal, or name the simulator with --provider-url.",
        )
    return demo


def _check_address(address: str) -> None:
    local, at, domain = address.partition("@")
    if not (local and at and domain) or any(character.isspace() for character in address):
        raise Rejected(f"--from {address!r} is no e-mail address.", remedy="Write it like ada@example.com.")


def _checked_number(number: str) -> str:
    digits = "".join(character for character in number.removeprefix("whatsapp:") if character not in " -()/")
    if not (
        digits.startswith("+") and digits[1:].isascii() and digits[1:].isdecimal() and 7 <= len(digits) <= 16
    ):
        raise Rejected(
            f"--from {number!r} is no international number.", remedy="Write it like +447700900123."
        )
    return digits


def _name(address: str) -> str:
    words = address.partition("@")[0].replace(".", " ").replace("_", " ").title()
    return words if len(words) >= 2 else "Customer"


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to a POST. Raises Rejected, naming the fields, or Unavailable."""
    import httpx

    try:
        answer = httpx.post(url, json=body, timeout=TIMEOUT, trust_env=False)
        said = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(
            f"Nothing answers at {url}: {str(error) or type(error).__name__}.",
            remedy="Is `fte demo` or `fte up` running? Name another address with --provider-url or --url.",
        ) from None
    except ValueError:
        raise Unavailable(f"{url} answered {answer.status_code}, and not as expected.") from None
    if answer.is_success and isinstance(said, dict):
        return said
    raise _refusal(answer.status_code, said if isinstance(said, dict) else {})


def _refusal(status: int, said: dict[str, Any]) -> Rejected:
    fields = said.get("fields")
    fields = fields if isinstance(fields, dict) else {}
    details = "; ".join(f"{name}: {problem}" for name, problem in fields.items())
    message = str(said.get("error") or f"It was answered with {status}.")
    return Rejected(f"{message} {details}".strip())
