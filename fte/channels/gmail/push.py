"""Who pushed: the token Google signs for every push of a Pub/Sub subscription, verified.

The signature and the audience prove little: anybody's project may have Google sign a token for any audience. What
proves the sender is the address of the service account our subscription pushes as.
"""

import asyncio
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import jwt

from fte.domain.errors import Refused, Unavailable

ISSUERS: Final = ("https://accounts.google.com", "accounts.google.com")
ALGORITHM: Final = "RS256"
SKEW: Final = 10.0
"""Seconds Google's clock and ours may differ."""
TOKEN_MAX: Final = 8_192
"""Characters of an Authorization header; Google's have about a thousand."""
KEYS_FRESH: Final = 3_600.0
"""Seconds after which the signing keys are fetched again; Google announces new ones days ahead."""
KEYS_STALE: Final = 86_400.0
"""Seconds keys are still believed while newer ones cannot be fetched."""
REFETCH_PAUSE: Final = 60.0
"""Seconds between two fetches that tokens with an unknown key may cause."""
RETRY_PAUSE: Final = 5.0
"""Seconds after a failed fetch before the next one."""
FETCH_TIMEOUT: Final = 5.0
"""Seconds a fetch of the keys may take, whole."""
KEYS_MAX: Final = 64 * 1024
"""Bytes of the document with the keys."""

Clock = Callable[[], float]


class NotGoogle(Refused):
    """This push does not come from the mailbox's subscription."""


class SigningKeys:
    """Google's public keys by their ids, fetched when needed and not more often than the pauses allow."""

    def __init__(self, url: str, clock: Clock = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._lock = asyncio.Lock()
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._next_fetch = float("-inf")

    async def key(self, key_id: str) -> jwt.PyJWK | None:
        """The key, or None when Google does not have it. Raises Unavailable when that cannot be known now."""
        if self._wanted(key_id):
            async with self._lock:
                if self._wanted(key_id):
                    await self._fetch()
        if self._age > KEYS_STALE:
            raise Unavailable(
                "Google's signing keys cannot be fetched.", remedy="Check FTE_GOOGLE_CERTS_URL."
            )
        return self._keys.get(key_id)

    @property
    def _age(self) -> float:
        return self._clock() - self._fetched_at

    def _wanted(self, key_id: str) -> bool:
        wanted = self._age > KEYS_FRESH or key_id not in self._keys
        return wanted and self._clock() >= self._next_fetch

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT):
                self._keys = _parsed(await _download(self._url))
        except (TimeoutError, httpx.HTTPError, ValueError):  # what is known stays known until it is stale
            self._next_fetch = self._clock() + RETRY_PAUSE
            return
        self._fetched_at = self._clock()
        self._next_fetch = self._clock() + REFETCH_PAUSE


async def _download(url: str) -> Any:
    async with httpx.AsyncClient(timeout=FETCH_TIMEOUT) as client, client.stream("GET", url) as response:
        response.raise_for_status()
        document = bytearray()
        async for chunk in response.aiter_bytes():
            document += chunk
            if len(document) > KEYS_MAX:
                raise ValueError("too many keys")
    return httpx.Response(200, content=bytes(document)).json()


def _parsed(document: Any) -> Mapping[str, jwt.PyJWK]:
    """The RSA signing keys of a JWK set (RFC 7517). Raises ValueError when there is none."""
    entries = document.get("keys") if isinstance(document, dict) else None
    keys: dict[str, jwt.PyJWK] = {}
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("kty") == "RSA" and entry.get("use", "sig") == "sig":
            try:
                keys[str(entry["kid"])] = jwt.PyJWK(entry, algorithm=ALGORITHM)
            except (jwt.PyJWTError, KeyError, TypeError):
                continue
    if not keys:
        raise ValueError("no keys")
    return keys


class PushVerifier:
    """Lets through what Google signed for our audience in the name of our subscription's service account."""

    def __init__(self, *, audience: str, account: str, keys: SigningKeys) -> None:
        self._audience = audience
        self._account = account
        self._keys = keys

    async def verify(self, authorization: str | None) -> None:
        """Check a request's Authorization header.

        Raises NotGoogle for everything that is not proven, also when no audience or no account is configured;
        Unavailable when Google's keys cannot be had, so that the push is delivered again later.
        """
        if not (self._audience and self._account):
            raise NotGoogle(remedy="Set FTE_GMAIL_PUSH_ACCOUNT and FTE_GMAIL_PUSH_AUDIENCE.")
        token = _bearer(authorization)
        key = await self._keys.key(_key_id(token))
        if key is None:
            raise NotGoogle
        claims = self._claims(token, key)
        email = claims.get("email")
        same = isinstance(email, str) and hmac.compare_digest(email.encode(), self._account.encode())
        if not same or claims.get("email_verified") is not True:
            raise NotGoogle

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=ISSUERS,
                leeway=SKEW,
                options={"require": ["exp", "iat", "iss", "aud"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            raise NotGoogle from None


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "")[: TOKEN_MAX + 1].partition(" ")
    if scheme.lower() != "bearer" or not token or len(authorization or "") > TOKEN_MAX:
        raise NotGoogle
    return token.strip()


def _key_id(token: str) -> str:
    """Which key a token names, before anything of it is believed."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError):
        raise NotGoogle from None
    key_id = header.get("kid")
    if header.get("alg") != ALGORITHM or not isinstance(key_id, str):
        raise NotGoogle
    return key_id
