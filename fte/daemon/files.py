"""Our own static files, kept by browsers for as long as an address names its content."""

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fte.channels.web_form.assets import Asset
from fte.daemon.openapi import Operation
from fte.daemon.responses import SECURE


class StaticFile:
    """A route of one file."""

    def __init__(self, asset: Asset) -> None:
        self._version = asset.version.encode("ascii")
        self._etag = f'"{asset.version}"'
        self._asset = asset
        media = asset.media_type.partition(";")[0]
        self.operations = {"": Operation(summary=asset.name, gives=str, media=media, also={304: None})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.answer(scope)(scope, receive, send)

    def answer(self, scope: Scope) -> Response:
        named = scope["query_string"] == b"v=" + self._version
        headers = {
            **SECURE,
            "ETag": self._etag,
            "Cache-Control": "public, max-age=31536000, immutable" if named else "public, max-age=300",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        if dict(scope["headers"]).get(b"if-none-match", b"").decode("latin-1") == self._etag:
            return Response(status_code=304, headers=headers)
        return Response(self._asset.content, 200, headers, self._asset.media_type)
