"""Customers' files as downloads: whatever is in them, no browser may show or run it."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from fte.daemon.responses import UNSTORED
from fte.domain.attachments import file_name

SAFE_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"})
"""Types that are called what they are; all others are only bytes."""
ANY_TYPE: Final = "application/octet-stream"
CLOSED: Final[Mapping[str, str]] = {**UNSTORED, "Content-Security-Policy": "default-src 'none'; sandbox"}


def download(name: str, media_type: str, content: bytes) -> Response:
    """The answer that makes a browser save the file and never show it."""
    headers = {**CLOSED, "Content-Disposition": disposition(name)}
    return Response(content, headers=headers, media_type=media_type if media_type in SAFE_TYPES else ANY_TYPE)


def disposition(name: str) -> str:
    """The Content-Disposition of a download: RFC 6266, the name once in ASCII and, if that changed it, in RFC 8187 too."""
    name = file_name(name)
    plain = "".join(each if each.isascii() and each not in '%";' else "_" for each in name)
    extended = f"; filename*=UTF-8''{quote(name, safe='')}" if plain != name else ""
    return f'attachment; filename="{plain}"{extended}'
