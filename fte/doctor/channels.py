"""The channels: whether the providers know us, and whether they find us at our public address."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import httpx

from fte.daemon.whatsapp import account_of
from fte.doctor.finding import Finding, failed, ok, skipped, warning
from fte.domain.errors import FteError, Unavailable
from fte.settings import Settings

if TYPE_CHECKING:
    from fte.channels.whatsapp.account import Account
    from fte.pg.pool import Pool

TIMEOUT: Final = 8.0
WATCH_LEFT: Final = timedelta(days=2)
"""A watch is renewed daily; with less than this left it was not."""
_PROBE: Final = {"FteDoctor": "1"}
"""A form that means nothing to us: it is refused only after its signature was found to be good."""


async def whatsapp(settings: Settings) -> list[Finding]:
    try:
        account = account_of(settings)
    except FteError as error:
        return [failed("twilio", error.message, error.remedy)]
    if account is None:
        return [skipped("twilio", "Not configured: TWILIO_ACCOUNT_SID is not set.")]
    return [await _known(account), await _found(account)]


async def _known(account: "Account") -> Finding:
    from fte.channels.whatsapp.client import TwilioClient

    client = TwilioClient(account)
    try:
        state = await client.account_status()
    except FteError as error:
        remedy = (
            error.remedy or "Check TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, and the way to FTE_TWILIO_API_URL."
        )
        return failed("twilio account", error.message, remedy)
    finally:
        await client.close()
    if state != "active":
        return failed("twilio account", f"The account is {state}.", "Look at it in Twilio's console.")
    return ok("twilio account", "Twilio knows the account, and it is active.")


async def _found(account: "Account") -> Finding:
    """Post to our own webhook as Twilio would: signed for the public address."""
    from fte.channels.whatsapp import signature

    signed = signature.made(account.token, account.algorithm, account.inbound_url, _PROBE)
    headers = {signature.HEADER.decode(): signed}
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT) as client:
            response = await client.post(account.inbound_url, data=_PROBE, headers=headers)
    except httpx.HTTPError as error:
        return failed("twilio webhook", *_unreachable(account.inbound_url, error))
    match response.status_code:
        case 400 if "error" in _json(response):
            return ok("twilio webhook", f"{account.inbound_url} takes what Twilio signs.")
        case 403:
            return failed(
                "twilio webhook",
                f"{account.inbound_url} refuses (403) what is signed for exactly that address.",
                "FTE_PUBLIC_URL and TWILIO_AUTH_TOKEN of the daemon must be these ones, and the address in Twilio's "
                "console (or of your tunnel) must be FTE_PUBLIC_URL with /webhooks/whatsapp; a proxy must not change "
                "the path.",
            )
        case status:
            return failed(
                "twilio webhook",
                f"{account.inbound_url} answers with HTTP {status}, not like our daemon.",
                "Check where FTE_PUBLIC_URL leads: the proxy or tunnel must pass /webhooks/ on to the daemon.",
            )


def _unreachable(url: str, error: httpx.HTTPError) -> tuple[str, str]:
    why = str(error) or type(error).__name__
    return (
        f"{url} cannot be reached from here: {why}.",
        "Start the daemon, and check FTE_PUBLIC_URL and the proxy or tunnel in front of it.",
    )


def _json(response: httpx.Response) -> dict[str, object]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


# ---------------------------------------------------------------- Gmail


async def gmail(settings: Settings, pool: "Pool | None") -> list[Finding]:
    if not settings.gmail_account:
        return [skipped("gmail", "Not configured: FTE_GMAIL_ACCOUNT is not set.")]
    return [await _token(settings), await _watch(settings, pool), await _push(settings)]


async def _token(settings: Settings) -> Finding:
    from fte.channels.gmail.client import GmailClient

    client = GmailClient(settings.gmail_token_path, api_url=settings.gmail_api_url)
    try:
        address = (await client.profile()).address
    except FteError as error:
        wait = "Look at the network and at Google's status page. The daemon goes on by itself when Google answers."
        otherwise = wait if isinstance(error, Unavailable) else "Run `fte gmail auth`."
        return failed("gmail token", error.message, error.remedy or otherwise)
    finally:
        client.close()
    if address.lower() != settings.gmail_account.lower():
        return failed(
            "gmail token",
            f"The token is that of {address}.",
            "Run `fte gmail auth` with FTE_GMAIL_ACCOUNT's account.",
        )
    return ok("gmail token", "The mailbox lets us in.")


async def _watch(settings: Settings, pool: "Pool | None") -> Finding:
    from fte.store import mailboxes

    if not settings.gmail_topic:
        every = f"every {settings.gmail_poll:.0f} seconds"
        return warning(
            "gmail watch",
            f"Gmail announces nothing: mail is looked for {every}.",
            "For answers at once set FTE_GMAIL_TOPIC; docs/howto/gmail.md shows how.",
        )
    if pool is None:
        return skipped("gmail watch", "There is no database to look at.")
    state = await mailboxes.state(pool, settings.gmail_account.lower())
    until = state.watch_expires_at if state else None
    now = datetime.now(UTC)
    renew = "Run `fte gmail watch`. The role mailbox renews it daily: see in its log why it did not."
    if until is None or until <= now:
        said = (
            "was never asked to announce mail"
            if until is None
            else f"stopped announcing mail on {until:%Y-%m-%d %H:%M} UTC"
        )
        return failed("gmail watch", f"Gmail {said}; mail is only found by polling.", renew)
    if until - now < WATCH_LEFT:
        return warning("gmail watch", f"Gmail stops announcing mail on {until:%Y-%m-%d %H:%M} UTC.", renew)
    return ok("gmail watch", f"Gmail announces new mail until {until:%Y-%m-%d %H:%M} UTC.")


async def _push(settings: Settings) -> Finding:
    """Whether pushes find us and are believed. Only Google can sign one: an unsigned one must be refused."""
    if not settings.gmail_topic:
        return skipped("gmail push", "Gmail announces nothing.")
    if not settings.gmail_push_account:
        return failed(
            "gmail push",
            "No push is believed: FTE_GMAIL_PUSH_ACCOUNT is not set.",
            "Set it to the service account of the push subscription.",
        )
    if not (settings.gmail_push_audience or settings.public_url):
        return failed(
            "gmail push",
            "It is not known which audience pushes must have.",
            "Set FTE_PUBLIC_URL, or FTE_GMAIL_PUSH_AUDIENCE as in the push subscription.",
        )
    if not settings.public_url:
        return skipped("gmail push", "FTE_PUBLIC_URL is not set, so nothing can be posted there.")
    url = settings.public_url.rstrip("/") + "/webhooks/gmail"
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT) as client:
            response = await client.post(url, json={})
    except httpx.HTTPError as error:
        return failed("gmail push", *_unreachable(url, error))
    if response.status_code in (401, 403) and "error" in _json(response):
        return ok("gmail push", f"{url} is ours, and refuses what Google did not sign.")
    return failed(
        "gmail push",
        f"{url} answers an unsigned push with HTTP {response.status_code}, not like our daemon.",
        "Check where FTE_PUBLIC_URL leads: the proxy or tunnel must pass /webhooks/ on to the daemon.",
    )
