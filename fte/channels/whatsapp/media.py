"""Files customers send: which are taken, and fetching them from Twilio and from nowhere else.

Twilio answers a media URL of the account with a redirect to its CDN
(https://www.twilio.com/docs/messaging/api/media-resource). The account's credentials go to the API alone. A redirect
is followed to the hosts named here, each resolved once, checked, and connected to by that very address, so that
neither a name nor a literal leads into our own network.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from fte.channels.whatsapp.account import Account
from fte.domain.errors import Rejected, Unavailable
from fte.domain.text import one_line

if TYPE_CHECKING:
    import httpx

SIZE_MAX: Final = 16 * 1024 * 1024
"""Bytes of one file: as many as WhatsApp takes (https://www.twilio.com/docs/whatsapp/guidance-whatsapp-media-messages)."""
FETCH_TIMEOUT: Final = 30.0
"""Seconds one file may take, redirects included."""
REDIRECTS_MAX: Final = 3
SOURCE_MAX: Final = 500

_PATH: Final = re.compile(
    r"/2010-04-01/Accounts/(AC[0-9a-fA-F]{32})/Messages/(?:MM|SM)[0-9a-fA-F]{32}/Media/ME[0-9a-fA-F]{32}"
)
_CDN: Final = {
    "mms.twiliocdn.com": "/",
    "media.twiliocdn.com": "/",
    "s3-external-1.amazonaws.com": "/media.twiliocdn.com/",
}
"""Hosts Twilio keeps media on, and what their paths begin with."""

_KINDS: Final = {
    "image/jpeg": ("image", ".jpg"),
    "image/png": ("image", ".png"),
    "image/webp": ("image", ".webp"),
    "image/gif": ("image", ".gif"),
    "audio/ogg": ("voice message", ".ogg"),
    "audio/mpeg": ("audio", ".mp3"),
    "audio/mp4": ("audio", ".m4a"),
    "audio/aac": ("audio", ".aac"),
    "audio/amr": ("audio", ".amr"),
    "video/mp4": ("video", ".mp4"),
    "video/3gpp": ("video", ".3gp"),
    "application/pdf": ("document", ".pdf"),
    "text/plain": ("document", ".txt"),
    "text/csv": ("document", ".csv"),
    "text/vcard": ("contact card", ".vcf"),
    "text/x-vcard": ("contact card", ".vcf"),
    "application/msword": ("document", ".doc"),
    "application/vnd.ms-excel": ("document", ".xls"),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ("document", ".docx"),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ("document", ".xlsx"),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ("document", ".pptx"),
}
"""Types that are taken, what they are called in a transcript, and the ending of their names."""
_BEGINNINGS: Final = {
    "image/jpeg": b"\xff\xd8\xff",
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/webp": b"RIFF",
    "image/gif": b"GIF8",
    "audio/ogg": b"OggS",
    "audio/amr": b"#!AMR",
    "application/pdf": b"%PDF-",
    "application/msword": b"\xd0\xcf\x11\xe0",
    "application/vnd.ms-excel": b"\xd0\xcf\x11\xe0",
} | dict.fromkeys((type_ for type_ in _KINDS if "openxmlformats" in type_), b"PK\x03\x04")
"""How the content of a type begins, where it always begins alike."""

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that came with a message; with a `refusal`, one that is not fetched, and why."""

    kind: str
    name: str
    media_type: str
    source: str
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """What was fetched."""

    media_type: str
    data: bytes = field(repr=False)


def described(account: Account, source: str, type_: str, ordinal: int) -> File:
    """A file by what Twilio says of it."""
    media_type = _plain(type_)
    kind, ending = _KINDS.get(media_type, ("file", ""))
    return File(
        kind=kind,
        name=f"{kind.replace(' ', '-')}-{ordinal}{ending}",
        media_type=media_type,
        source=source if is_ours(account, source) else "",
        refusal=_refusal(account, source, media_type),
    )


def _plain(type_: str) -> str:
    return one_line(type_.partition(";")[0]).lower()[:100]


def _refusal(account: Account, source: str, media_type: str) -> str | None:
    if media_type not in _KINDS:
        return f"Files of the type {media_type or 'unknown'} are not taken."
    return None if is_ours(account, source) else "It is not where Twilio keeps this account's files."


def is_ours(account: Account, source: str) -> bool:
    """Whether a URL is that of a file of a message of our account, at the API's very address."""
    if len(source) > SOURCE_MAX or not source.startswith(account.api_url + "/"):
        return False
    match = _PATH.fullmatch(source[len(account.api_url) :])
    return match is not None and match[1] == account.sid


class Fetcher:
    """Fetches files, within limits of size and time. Create it inside a running loop and close it."""

    def __init__(self, account: Account, resolve: Resolve | None = None) -> None:
        import httpx

        self._account = account
        self._resolve = resolve or _resolved
        self._client = httpx.AsyncClient(
            timeout=FETCH_TIMEOUT,
            trust_env=False,
            follow_redirects=False,
            headers={"Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def fetch(self, source: str, media_type: str) -> Content:
        """The file at a URL of ours. Raises Rejected when it will never be taken, Unavailable when it may be later."""
        import httpx

        if not is_ours(self._account, source):
            raise Rejected("It is not where Twilio keeps this account's files.")
        try:
            async with asyncio.timeout(FETCH_TIMEOUT):
                return await self._follow(source, media_type)
        except TimeoutError:
            raise Unavailable(f"It did not arrive within {FETCH_TIMEOUT:.0f} seconds.") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Unavailable(f"The connection failed: {type(error).__name__}.") from None

    async def _follow(self, source: str, media_type: str) -> Content:
        request = self._client.build_request("GET", source)
        request.headers["Authorization"] = self._account.credentials
        for _ in range(REDIRECTS_MAX + 1):
            response = await self._client.send(request, stream=True)
            try:
                if not response.is_redirect:
                    return await _read(response, media_type)
                request = await self._redirected(response)
            finally:
                await response.aclose()
        raise Rejected(f"It is behind more than {REDIRECTS_MAX} redirects.")

    async def _redirected(self, response: "httpx.Response") -> "httpx.Request":
        """The request a redirect asks for: without credentials, to a host we know, at an address that is public."""
        import httpx

        try:
            # The request went to an address; what its redirect is relative to is the name.
            name = response.request.headers["Host"]
            target = response.request.url.copy_with(netloc=name.encode()).join(response.headers["Location"])
        except httpx.InvalidURL:
            raise Rejected("It is redirected to something that is no address.") from None
        if _origin(target) == _origin(httpx.URL(self._account.api_url)):
            return self._client.build_request("GET", target)
        if not _is_cdn(target):
            raise Rejected("It is redirected to where Twilio keeps no files.")
        address = _public(await self._resolve(target.host, target.port or 443))
        pinned = target.copy_with(host=address)
        return self._client.build_request(
            "GET", pinned, headers={"Host": target.host}, extensions={"sni_hostname": target.host}
        )


def _origin(url: "httpx.URL") -> tuple[str, str, int | None, bytes]:
    return url.scheme, url.host, url.port, url.userinfo


def _is_cdn(url: "httpx.URL") -> bool:
    beginning = _CDN.get(url.host)
    plain = url.scheme == "https" and url.port is None and not url.userinfo
    return plain and beginning is not None and url.path.startswith(beginning)


async def _resolved(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def _public(addresses: Sequence[str]) -> str:
    """The first of a host's addresses, all of which must be public: a name that also leads inside leads nowhere."""
    if not addresses or not all(_is_public(address) for address in addresses):
        raise Rejected("It is redirected to an address that is not public.")
    return addresses[0]


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    inner = parsed if isinstance(parsed, ipaddress.IPv4Address) else _embedded(parsed)
    return all(one.is_global and not one.is_multicast for one in (parsed, inner or parsed))


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to: mapped, by 6to4, or by NAT64 (RFC 6052)."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


async def _read(response: "httpx.Response", expected: str) -> Content:
    # 404 too: Twilio announces a file a moment before it can be had.
    if response.status_code != 200:
        raise Unavailable(f"Twilio answered {response.status_code}.")
    media_type = _plain(response.headers.get("Content-Type", "")) or expected
    if media_type == "application/octet-stream":
        media_type = expected
    if media_type not in _KINDS:
        raise Rejected(f"Files of the type {media_type} are not taken.")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise Rejected("It is packed, which was not asked for.")
    data = bytearray()
    async for chunk in response.aiter_raw():
        data += chunk
        if len(data) > SIZE_MAX:
            raise Rejected(f"It is larger than {SIZE_MAX // 1024 // 1024} MB.")
    if not data.startswith(_BEGINNINGS.get(media_type, b"")):
        raise Rejected(f"Its content is not what it claims to be, {media_type}.")
    return Content(media_type, bytes(data))
