"""Signing in to the mailbox: OAuth for installed programs (RFC 8252) with a proof of possession (RFC 7636)."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from fte.domain.errors import Rejected, Unavailable

SCOPES: Final = (
    "https://www.googleapis.com/auth/gmail.readonly",
    "https://www.googleapis.com/auth/gmail.compose",
)
"""What is asked for: reading mail, its history and being told of changes; writing and sending drafts. Neither allows
to delete, move or label anything; `gmail.modify`, which also covers both, would."""
WIDER: Final = frozenset({"https://www.googleapis.com/auth/gmail.modify", "https://mail.google.com/"})
"""Scopes each of which covers what is asked for."""
PASTED: Final = "http://localhost:1"
"""Where the browser is sent when nobody listens for it: the address it ends at carries the code."""
CONSENT_TIMEOUT: Final = 300.0
"""Seconds a person has for Google's pages."""
EXCHANGE_TIMEOUT: Final = 10.0
_LINE_MAX: Final = 16 * 1024
_LINE_TIMEOUT: Final = 5.0
_DONE: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
    b"Thank you. You can close this page and go back to the terminal.\n"
)


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """Our program, as Google's console knows it."""

    client_id: str
    client_secret: str
    auth_uri: str
    token_uri: str


@dataclass(frozen=True, slots=True)
class Consent:
    """A request for consent under way: the page to open, and what proves that the answer belongs to it."""

    url: str
    redirect_uri: str
    state: str
    verifier: str


def read_client(path: Path) -> OAuthClient:
    """The OAuth client in the JSON file Google's console gives. Raises Rejected, saying what is wrong with it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _bad_client(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise _bad_client(f"{path} is not JSON.") from None
    if isinstance(content, dict) and "web" in content:
        raise _bad_client(f"{path} is a client for web applications; one for desktop apps is needed.")
    try:
        found = content["installed"]
        return OAuthClient(
            *(str(found[name]) for name in ("client_id", "client_secret", "auth_uri", "token_uri"))
        )
    except (KeyError, TypeError):
        raise _bad_client(f"{path} is not an OAuth client of Google's console.") from None


def _bad_client(message: str) -> Rejected:
    return Rejected(
        message,
        fields={"FTE_GMAIL_CLIENT_FILE": "wrong file"},
        remedy="Create an OAuth client of type Desktop app in Google's console and download its JSON file.",
    )


def begin(client: OAuthClient, account: str, redirect_uri: str) -> Consent:
    """Prepare the request for consent to use an account's mailbox."""
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "client_id": client.client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": " ".join(SCOPES),
        "access_type": "offline",
        "prompt": "consent",
        "login_hint": account,
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return Consent(f"{client.auth_uri}?{urlencode(asked)}", redirect_uri, state, verifier)


def code_in(answer: str, consent: Consent, *, bare: bool = False) -> str:
    """The code in the address the browser was sent to, or, where `bare` says so, the code itself.

    Raises Rejected when consent was refused, or when the address belongs to another request.
    """
    answer = answer.strip()
    if bare and answer and not {"=", "?", ":"} & set(answer):
        return answer
    found = {name: values[0] for name, values in parse_qs(urlsplit(answer).query).items()}
    if "error" in found:
        raise Rejected(
            f"Google says: {found['error']}.", remedy="Run `fte gmail auth` again and agree to all."
        )
    if (
        not hmac.compare_digest(found.get("state", "").encode(), consent.state.encode())
        or "code" not in found
    ):
        raise Rejected("This is not the answer to our question.", remedy="Run `fte gmail auth` again.")
    return found["code"]


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[tuple[str, "asyncio.Future[str]"]]:
    """Wait on this machine for the browser to come back: the address to send it to, and the one it came to."""
    came: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def on_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, ValueError):
            async with asyncio.timeout(_LINE_TIMEOUT):
                words = (await reader.readline()).decode("ascii", "replace").split()
            writer.write(_DONE)
            await writer.drain()
            if len(words) == 3 and "?" in words[1] and not came.done():
                came.set_result(words[1])
        writer.close()

    server = await asyncio.start_server(on_request, "127.0.0.1", 0, limit=_LINE_MAX)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", came
    finally:
        server.close()
        came.cancel()


async def exchange(client: OAuthClient, consent: Consent, code: str) -> dict[str, Any]:
    """Turn a code into what a token file holds.

    Raises Rejected when Google does not take the code or not everything was agreed to, Unavailable when Google is away.
    """
    import httpx

    asked = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "redirect_uri": consent.redirect_uri,
        "code_verifier": consent.verifier,
    }
    try:
        async with httpx.AsyncClient(timeout=EXCHANGE_TIMEOUT) as web:
            response = await web.post(client.token_uri, data=asked)
        answer = response.json()
    except (httpx.HTTPError, ValueError):
        raise Unavailable("Google cannot be reached.", remedy="Run `fte gmail auth` again.") from None
    if response.status_code != 200:
        raise Rejected(
            f"Google does not take the code: {answer.get('error_description') or answer.get('error')}.",
            remedy="Run `fte gmail auth` again; a code is good for a few minutes, and once.",
        )
    return _token(client, answer)


def _token(client: OAuthClient, answer: Mapping[str, Any]) -> dict[str, Any]:
    granted = frozenset(str(answer.get("scope", "")).split())
    if not (granted & WIDER or granted >= frozenset(SCOPES)):
        raise Rejected(
            "Not everything was agreed to.", remedy="Run `fte gmail auth` again and tick every box."
        )
    if not answer.get("refresh_token"):
        raise Rejected("Google gave no lasting token.", remedy="Run `fte gmail auth` again.")
    return {
        "type": "authorized_user",
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "refresh_token": answer["refresh_token"],
        "token_uri": client.token_uri,
        "scopes": sorted(granted),
    }


def write_token(path: Path, content: Mapping[str, Any]) -> None:
    """Put a token file in place, whole, readable by its owner only. Raises Rejected when that cannot be done."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump(content, file)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise Rejected(
            f"{path} cannot be written: {error.strerror}.", fields={"FTE_GMAIL_TOKEN_FILE": "not writable"}
        ) from None
