"""From our errors to HTTP answers, for every route: one table of statuses, one JSON shape."""

import math
from collections.abc import Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route

from fte import wire
from fte.domain.errors import (
    Conflict,
    FteError,
    Malformed,
    NotFound,
    Refused,
    Rejected,
    TooMany,
    Unauthorized,
    Unavailable,
)

RETRY_AFTER: Final = 5
"""Seconds a client is asked to wait when something of ours is away."""

JSON_TYPE: Final = "application/json"
SECURE: Final[Mapping[str, str]] = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
"""Headers of every answer."""
UNSTORED: Final[Mapping[str, str]] = {**SECURE, "Cache-Control": "no-store"}


class TooLarge(Rejected):
    """The request is too large."""


class WrongMedia(Rejected):
    """This kind of content is not taken here."""


class TooSlow(Rejected):
    """The request took too long to arrive."""


_STATUS: Final[tuple[tuple[type[FteError], int], ...]] = (
    (TooLarge, 413),
    (WrongMedia, 415),
    (TooSlow, 408),
    (Malformed, 400),
    (Rejected, 422),
    (Unauthorized, 401),
    (TooMany, 429),
    (Refused, 403),
    (NotFound, 404),
    (Conflict, 409),
    (Unavailable, 503),
)


def status(error: FteError) -> int:
    """The HTTP status that says what the caller should do about the error."""
    return next((code for kind, code in _STATUS if isinstance(error, kind)), 500)


def error_headers(error: FteError) -> dict[str, str]:
    """The headers that go with the status, whatever the body is."""
    headers = dict(UNSTORED)
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    elif isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    elif isinstance(error, Unavailable):
        headers["Retry-After"] = str(RETRY_AFTER)
    elif isinstance(error, TooLarge | TooSlow):
        headers["Connection"] = "close"
    return headers


def json_response(value: Any, *, code: int = 200, headers: Mapping[str, str] = UNSTORED) -> Response:
    return Response(wire.encode(value), code, headers, JSON_TYPE)


def problem(error: FteError) -> Response:
    """The JSON answer to an error."""
    fields = dict(error.fields) if isinstance(error, Rejected) else {}
    # What a dependency said may name addresses and paths of ours; operators find it in the log.
    message = Unavailable().message if isinstance(error, Unavailable) else error.message
    remedy = None if isinstance(error, Unavailable) else error.remedy
    body = wire.Problem(error=message, fields=fields, remedy=remedy)
    return json_response(body, code=status(error), headers=error_headers(error))


async def _on_error(_: Request, error: Exception) -> Response:
    return problem(error if isinstance(error, FteError) else FteError())


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return problem(FteError())
    headers = {**UNSTORED, **(error.headers or {})}
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return json_response(wire.Problem(error=f"{error.detail}."), code=error.status_code, headers=headers)


def _methods(request: Request) -> set[str]:
    """Every method of the address: of several routes for one, the framework names only the first one's."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    path = next((route.path for route in routes if route.matches(request.scope)[0] != Match.NONE), None)
    return {method for route in routes if route.path == path for method in route.methods or ()}


async def _on_leaving(_: Request, __: Exception) -> Response:
    """Nobody is there to read it, and nothing is broken."""
    return Response(status_code=400)


EXCEPTION_HANDLERS: Final[Mapping[Any, Any]] = {
    FteError: _on_error,
    HTTPException: _on_http_error,
    ClientDisconnect: _on_leaving,
    Exception: _on_error,
}
"""For `Starlette(exception_handlers=…)`: every error is our JSON, none a traceback."""
