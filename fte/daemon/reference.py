"""The description of the routes, for programs and as pages: /openapi.json, /docs and /redoc, all from our own files."""

import asyncio
import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from fte import wire
from fte.channels.web_form.assets import Asset, asset
from fte.daemon.files import StaticFile
from fte.daemon.openapi import HTML, document, operation
from fte.daemon.responses import JSON_TYPE, SECURE
from fte.domain.errors import NotFound

FOLDER: Final = Path(__file__).parent / "reference_files"
DOCS: Final = ("swagger-ui.css", "reference.css", "swagger-ui-bundle.js", "docs.js")
REDOC: Final = ("reference.css", "redoc.standalone.js", "redoc.js")

_LOGO: Final = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
_NO_LOGO: Final = b"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E"
"""ReDoc shows its maker's logo from elsewhere, which would tell them who reads this."""

_STYLES: Final = " ".join(
    f"'sha256-{digest}='"
    for digest in (
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
        "QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc",
    )
)
"""What ReDoc puts into the page while it runs: empty style sheets, which it fills by script, and one for scroll bars."""
_POLICY: Final = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {_STYLES}; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {**SECURE, "Cache-Control": "no-cache"}
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
{files}
</head>
<body><div id="reference"></div></body>
</html>
"""


class Reference:
    """Describes the routes it is given, and its own. Nothing is read or made before somebody asks."""

    def __init__(self, described: Sequence[BaseRoute]) -> None:
        self._described = described
        self._making = asyncio.Lock()

    def routes(self) -> list[Route]:
        return [
            Route("/openapi.json", self._document),
            Route("/docs", self._docs),
            Route("/redoc", self._redoc),
            Route("/docs/{file}", self._file),
        ]

    @operation("This description", header={"If-None-Match": str}, gives=dict[str, Any], also={304: None})
    async def _document(self, request: Request) -> Response:
        async with self._making:
            content, etag = await asyncio.to_thread(lambda: self._text)
        headers = {**_HEADERS, "ETag": etag}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(content, 200, headers, JSON_TYPE)

    @operation("This description as a page of Swagger UI", gives=str, media=HTML)
    async def _docs(self, _: Request) -> Response:
        return await self._page("The HTTP API", DOCS)

    @operation("This description as a page of ReDoc", gives=str, media=HTML)
    async def _redoc(self, _: Request) -> Response:
        return await self._page("The HTTP API", REDOC)

    @operation(
        "A file of the pages",
        id=str,
        header={"If-None-Match": str},
        gives=str,
        media="text/*",
        also={304: None},
    )
    async def _file(self, request: Request) -> Response:
        wanted = (await self._loaded()).get(request.path_params["file"])
        if wanted is None:
            raise NotFound("There is no such file.")
        return StaticFile(wanted).answer(request.scope)

    async def _page(self, title: str, names: Sequence[str]) -> Response:
        files = await self._loaded()
        html = _PAGE.format(title=title, files="\n".join(_tag(files[name]) for name in names))
        headers = {**_HEADERS, "Content-Security-Policy": _POLICY}
        return Response(html, 200, headers, f"{HTML}; charset=utf-8")

    async def _loaded(self) -> dict[str, Asset]:
        async with self._making:
            return await asyncio.to_thread(lambda: self._files)

    @cached_property
    def _text(self) -> tuple[bytes, str]:
        """The document and its version."""
        content = wire.encode(document([*self._described, *self.routes()]))
        return content, f'"{hashlib.sha256(content).hexdigest()[:16]}"'

    @cached_property
    def _files(self) -> dict[str, Asset]:
        return {name: asset(name, _content(name), "/docs") for name in dict.fromkeys((*DOCS, *REDOC))}


def _content(name: str) -> bytes:
    return (FOLDER / name).read_bytes().replace(_LOGO, _NO_LOGO)


def _tag(file: Asset) -> str:
    if file.name.endswith(".css"):
        return f'<link rel="stylesheet" href="{file.url}">'
    return f'<script src="{file.url}" defer></script>'
