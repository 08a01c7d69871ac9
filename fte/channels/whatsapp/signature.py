"""Whether a webhook request is Twilio's.

The signature is the Base64 of an HMAC over the URL Twilio was told to post to and, sorted by name, each parameter's
name and its values (https://www.twilio.com/docs/usage/security#validating-requests). It carries no time and does not
separate names from values, so a genuine request may still be an old one, and its shape is to be checked.

The SDK's RequestValidator computes the same, but raises on a missing header, compares in a time that depends on the
secret, and takes only parameters that are valid UTF-8; so this works on bytes.
"""

import base64
import hmac
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

from fte.channels.whatsapp.account import Algorithm

HEADER: Final = b"x-twilio-signature"
_LENGTH: Final[dict[Algorithm, int]] = {"sha1": 28, "sha256": 44}
"""Characters of a signature: what another algorithm made has another length and is refused."""
_DEFAULT_PORT: Final = {"http": 80, "https": 443}

Pairs = Iterable[tuple[bytes, bytes]]


def has_form(header: bytes | None, algorithm: Algorithm) -> bool:
    """Whether the header could be a signature at all: known before the body is read."""
    return header is not None and len(header) == _LENGTH[algorithm]


def is_genuine(
    header: bytes | None, *, token: str, algorithm: Algorithm, public_url: str, target: bytes, form: Pairs
) -> bool:
    """Whether the request was signed with our token for the address we configured.

    `target` is the raw path with the raw query, as they came; `form` every decoded parameter, the blank ones too.
    The Host header has no say, nor has any header about the algorithm. Without a token nothing is genuine.
    """
    if header is None or not token or not has_form(header, algorithm):
        return False
    parameters = b"".join(_signed(form))
    expected = [
        _signature(token, algorithm, url + target + parameters) for url in _spellings(public_url.rstrip("/"))
    ]
    return any(hmac.compare_digest(header, candidate) for candidate in expected)


def made(token: str, algorithm: Algorithm, url: str, form: Mapping[str, str]) -> str:
    """The signature Twilio would put on a form it posts to `url`."""
    parameters = b"".join(_signed((name.encode(), value.encode()) for name, value in form.items()))
    return _signature(token, algorithm, url.encode() + parameters).decode()


def _signed(form: Pairs) -> Iterable[bytes]:
    for name, value in sorted(set(form)):
        yield name + value


def _signature(token: str, algorithm: Algorithm, signed: bytes) -> bytes:
    return base64.b64encode(hmac.digest(token.encode(), signed, algorithm))


def _spellings(public_url: str) -> list[bytes]:
    """The address with and without its port: Twilio signs either, whether or not the port is the default one."""
    parts = urlsplit(public_url)
    port = parts.port or _DEFAULT_PORT.get(parts.scheme, 0)
    bare = parts.netloc[: -len(f":{parts.port}")] if parts.port else parts.netloc
    return [_with(parts, bare), _with(parts, f"{bare}:{port}")]


def _with(parts: SplitResult, netloc: str) -> bytes:
    return parts._replace(netloc=netloc).geturl().encode()
