"""Google's tokens, simulated: access to mailboxes by OAuth, and the signed tokens of Pub/Sub pushes."""

import json
import secrets
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa

LIFE: Final = 3_599
"""Seconds an access token is good for, as Google's are."""
ISSUER: Final = "https://accounts.google.com"


@dataclass(frozen=True, slots=True)
class Grant:
    """A token of a mailbox; `expires_at` is on the monotonic clock."""

    address: str
    expires_at: float


class Tokens:
    """Who may do what: authorisation codes, refresh tokens and access tokens."""

    def __init__(self) -> None:
        self.client_id = f"{secrets.token_hex(8)}.apps.googleusercontent.com"
        self.client_secret = secrets.token_urlsafe(18)
        self._codes: dict[str, str] = {}
        self._refresh: dict[str, str] = {}
        self._access: dict[str, Grant] = {}
        self._revoked: set[str] = set()

    def authorize(self, address: str) -> str:
        """A code to be exchanged once, as the browser brings it back from Google."""
        code = "4/" + secrets.token_urlsafe(24)
        self._codes[code] = address
        return code

    def refresh_token(self, address: str) -> str:
        token = "1//" + secrets.token_urlsafe(24)
        self._refresh[token] = address
        return token

    def access_token(self, address: str, life: float = LIFE) -> str:
        token = "ya29." + secrets.token_urlsafe(24)
        self._access[token] = Grant(address, time.monotonic() + life)
        return token

    def exchanged(self, code: str) -> str | None:
        """The mailbox of an authorisation code, which is used up."""
        return self._codes.pop(code, None)

    def refreshed(self, token: str) -> str | None:
        """The mailbox of a refresh token; None when it is unknown or revoked."""
        address = self._refresh.get(token)
        return None if address in self._revoked else address

    def mailbox(self, authorization: str) -> str | None:
        """The mailbox an Authorization header opens."""
        grant = self._access.get(authorization.removeprefix("Bearer "))
        return grant.address if grant and time.monotonic() < grant.expires_at else None

    def expire(self) -> None:
        """Let every access token given so far be too old."""
        self._access.clear()

    def revoke(self, address: str) -> None:
        """Take the access away until `restore`: refreshing answers invalid_grant."""
        self._revoked.add(address)
        self._access = {token: grant for token, grant in self._access.items() if grant.address != address}

    def restore(self, address: str) -> None:
        self._revoked.discard(address)


class SigningKey:
    """An RSA key that signs OIDC tokens, with its public half as a JWKS."""

    def __init__(self) -> None:
        self.id = secrets.token_hex(8)

    @cached_property
    def private(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def jwk(self) -> dict[str, Any]:
        from jwt.algorithms import RSAAlgorithm

        public: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(self.private.public_key()))
        return public | {"kid": self.id, "alg": "RS256", "use": "sig"}

    def signed(self, claims: dict[str, Any]) -> str:
        import jwt

        return jwt.encode(claims, self.private, algorithm="RS256", headers={"kid": self.id})


def claims(audience: str, email: str, *, life: float = LIFE) -> dict[str, Any]:
    """The claims of a Pub/Sub push token."""
    now = int(time.time())
    return {
        "iss": ISSUER,
        "aud": audience,
        "azp": "1" * 21,
        "sub": "1" * 21,
        "email": email,
        "email_verified": True,
        "iat": now,
        "exp": now + int(life),
    }
