"""The way in to the desk for other agents over HTTP: whose request it is. What they may do there is `_mcp_tools`'s.

Every request is a desk of its own, made for its token and gone with the answer: nothing is left for another's, and who
was revoked is refused from the next one on.
"""

import asyncio
import signal
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import aclosing
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from mcp.types import jsonrpc_message_adapter
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from fte.channels.web_form.limits import Clock, Limiter, client_address
from fte.console.client import Client
from fte.console.errors import BadToken
from fte.daemon.bodies import read_body
from fte.daemon.http import application, bind, serve
from fte.domain.errors import Malformed, Refused, Rejected, TooMany, Unauthorized, Unavailable
from fte.domain.operators import OperatorRole

PATH: Final = "/mcp"
LOCAL: Final = ("127.0.0.1", "localhost", "[::1]")
"""Names of this machine, always taken for ours."""
DEADLINE: Final = 60.0
"""Seconds a request may take, with all that the daemon is asked for it."""
AT_ONCE_MAX: Final = 64
"""Requests under way at a time."""
WRONG_PER_MINUTE: Final = 30
"""Wrong tokens that an address may try."""
KNOWN_MAX: Final = 1_000
"""Tokens remembered as right: somebody else's wrong ones from the same address do not count against them."""

MakeDesk = Callable[[Client, OperatorRole], "MCPServer[None]"]


class Entrance:
    """POST /mcp. Raises what the daemon's own routes raise, for the same answers."""

    def __init__(
        self,
        url: str,
        make_desk: MakeDesk,
        names: Sequence[str] = (),
        hops: int = 0,
        *,
        clock: Clock = time.monotonic_ns,
    ) -> None:
        """The daemon is at `url`; `names` are the hosts that we are reached by, through `hops` trusted proxies."""
        hosts = [*LOCAL, *map(in_url, names)]
        self._names = TransportSecurityMiddleware(
            TransportSecuritySettings(
                allowed_hosts=[host + port for host in hosts for port in ("", ":*")],
                allowed_origins=[
                    f"{scheme}://{host}{port}"
                    for scheme in ("http", "https")
                    for host in hosts
                    for port in ("", ":*")
                ],
            )
        )
        self._url = url
        self._make_desk = make_desk
        self._hops = hops
        self._busy = 0
        self._wrong = Limiter(WRONG_PER_MINUTE, 60, clock=clock)
        self._known: OrderedDict[bytes, None] = OrderedDict()

    def app(self) -> Starlette:
        return application([Route(PATH, self, methods=["POST"])])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if await self._names.validate_request(Request(scope)) is not None:
            # A page of a stranger's, in the browser of somebody who can reach us, comes under another name.
            raise Refused(
                "This is not reached by that name, or not from there.", remedy="Name it with --allowed-host."
            )
        if self._busy >= AT_ONCE_MAX:
            raise Unavailable
        self._busy += 1
        try:
            async with asyncio.timeout(DEADLINE):
                await self._answer(scope, receive, send)
        except TimeoutError:
            raise Unavailable from None
        finally:
            self._busy -= 1

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        token = _token(request)
        async with aclosing(Client(self._url, token, person=False)) as client:
            role = await self._role(client, token, self._sender(request))
            body = await read_body(scope, receive)
            _check(body)
            desk = self._make_desk(client, role)
            app = desk.streamable_http_app(
                streamable_http_path=PATH,
                stateless_http=True,
                json_response=True,
                transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
            )
            async with desk.session_manager.run():
                await app(scope, _again(body, receive), send)

    async def _role(self, client: Client, token: str, sender: str) -> OperatorRole:
        """The role of whose token it is, as the daemon says it now. Raises Unauthorized, TooMany or Unavailable."""
        known = sha256(token.encode()).digest()
        strange = known not in self._known
        if strange:
            self._count(sender)
        try:
            operator = await client.me()
        except BadToken:
            self._known.pop(known, None)
            raise Unauthorized from None
        except Unavailable:
            if strange:
                self._wrong.give_back(sender)
            raise
        if strange:
            self._wrong.give_back(sender)
            self._known[known] = None
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
        return operator.role

    def _count(self, sender: str) -> None:
        try:
            self._wrong.take(sender)
        except TooMany as error:
            words = "Too many wrong tokens came from your address. Please wait a little."
            raise TooMany(words, retry_after=error.retry_after) from None

    def _sender(self, request: Request) -> str:
        forwarded = request.headers.getlist("x-forwarded-for") if self._hops else []
        return client_address(request.client.host if request.client else "", forwarded, self._hops)


def _token(request: Request) -> str:
    """The token that the request brings. Raises Unauthorized when it cannot be one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if (
        scheme.lower() != "bearer"
        or not token.isascii()
        or not token.isprintable()
        or " " in token
        or not token
    ):
        raise Unauthorized
    return token


def _check(body: bytes) -> None:
    """Raises Malformed for what is no message, which the library would answer in words of its own."""
    try:
        jsonrpc_message_adapter.validate_json(body, by_name=False)
    except ValidationError:
        raise Malformed(
            "This is no message of the Model Context Protocol.",
            remedy="Send one message of JSON-RPC 2.0, as an object.",
        ) from None


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the whole body first, and then what comes after it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_() -> Message:
        return messages.pop() if messages else await receive()

    return next_


def address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, or of a port alone on this machine. Raises Rejected."""
    given = f"127.0.0.1:{text}" if text.isdecimal() else text
    try:
        parts = urlsplit(f"//{given}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None or parts.netloc != given or "@" in given:
        raise Rejected(
            f"{text!r} is no address to listen on.", remedy="Give --http HOST:PORT, as 127.0.0.1:9000."
        )
    return host, port


async def run(entrance: Entrance, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `on_ready` is told at which address. Raises Unavailable when it cannot be had."""
    try:
        listening = bind(host, port)
    except Unavailable as error:
        raise Unavailable(error.message, remedy="Name another address with --http.") from None
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    on_ready(f"http://{in_url(host)}:{listening.getsockname()[1]}{PATH}")
    try:
        await serve(entrance.app(), listening, stop)
    finally:
        listening.close()


def in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
