"""What both simulators are: an HTTP server in the caller's loop, with faults, an accept log and a control route."""

import asyncio
import contextlib
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any, ClassVar, Final, Self

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from fte.demo.providers.accepts import AcceptLog
from fte.demo.providers.faults import Fault, Faults
from fte.demo.providers.pushes import Patience, Pushes
from fte.domain.errors import FteError, Rejected

HANG_MAX: Final = 600.0
"""Seconds an unanswered call is kept open."""
START_TIMEOUT: Final = 10.0
GRACE: Final = 2.0
"""Seconds calls under way are given when it stops."""
BODY_MAX: Final = 40 * 1024 * 1024
"""Bytes of one request: a mail of 25 MB, in base64."""

Handler = Callable[[Request], Awaitable[Response]]


class ApiError(Exception):
    """An answer other than success, in the provider's own shape."""

    def __init__(self, status: int, message: str, code: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.reason = reason


class Simulator(ABC):
    """One provider. Use it as `async with Simulated…().running() as provider`."""

    OPERATIONS: ClassVar[frozenset[str]]

    def __init__(self, patience: Patience) -> None:
        self.faults = Faults(self.OPERATIONS)
        self.accepted = AcceptLog()
        self.pushes = Pushes(patience)
        self._url = ""
        self._let_go = asyncio.Event()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        assert self._url, "the simulator is not running"
        return self._url

    @contextlib.asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator[Self]:
        """Serve on 127.0.0.1, on a free port unless one is named, until the block is left."""
        with socket.socket() as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(("127.0.0.1", port))
            listening.listen(1024)
            self._url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            server = _Server(_config(self._application()))
            async with self.pushes.open():
                serving = asyncio.create_task(server.serve(sockets=[listening]))
                try:
                    async with asyncio.timeout(START_TIMEOUT):
                        await server.listens.wait()
                    yield self
                finally:
                    self.clear()
                    server.leaves.set()
                    await serving

    def clear(self) -> None:
        """End every fault and disturbance. Calls that hang are cut off."""
        self.faults.clear()
        self.pushes.clear()
        self._let_go.set()
        self._let_go = asyncio.Event()

    def operation(self, name: str, handler: Handler) -> Handler:
        """The handler of an API call, with its faults."""
        assert name in self.OPERATIONS, name

        async def call(request: Request) -> Response:
            fault = self.faults.take(name)
            if fault and (answer := await self._instead(fault, request)):
                return answer
            answer = await self._answered(handler, request)
            return await self._afterwards(fault, request, answer) if fault else answer

        return call

    async def _instead(self, fault: Fault, request: Request) -> Response | None:
        """The answer to a call that is not to be carried out; None when it is."""
        if fault.kind == "too_many":
            answer = self.failed(ApiError(429, "Too many requests.", reason="rateLimitExceeded"))
            answer.headers["Retry-After"] = str(fault.retry_after)
            return answer
        if fault.kind == "server_error":
            return self.failed(ApiError(fault.status or 503, "Try again later.", reason="backendError"))
        if fault.kind == "refuse":
            return self.failed(ApiError(fault.status or 400, "Refused on command.", code=fault.code))
        if fault.kind == "hang_before":
            return await self._hang(request)
        if fault.kind == "reset_before":
            return await _reset(request)
        return None

    async def _afterwards(self, fault: Fault, request: Request, answer: Response) -> Response:
        if fault.kind == "hang_after":
            return await self._hang(request)
        if fault.kind == "reset_after":
            return await _reset(request)
        await asyncio.sleep(fault.seconds)
        return answer

    async def _answered(self, handler: Handler, request: Request) -> Response:
        try:
            return await handler(request)
        except ApiError as error:
            return self.failed(error)

    async def _hang(self, request: Request) -> Response:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HANG_MAX):
                await self._let_go.wait()
        return await _reset(request)

    def _application(self) -> Starlette:
        control = [
            Route("/control", self._about, methods=["GET"]),
            Route("/control/accepted", self._show_accepted, methods=["GET"]),
            Route("/control/pushed", self._show_pushed, methods=["GET"]),
            Route("/control/outbox", self._show_outbox, methods=["GET"]),
            Route("/control/faults", plainly(self._order_fault), methods=["POST"]),
            Route("/control/pushes", plainly(self._order_disturbance), methods=["POST"]),
            Route("/control/clear", self._order_clear, methods=["POST"]),
        ]
        return Starlette(routes=[*control, *self.routes()], max_body_size=BODY_MAX)

    async def _about(self, _: Request) -> Response:
        return as_json({"provider": type(self).__name__, "operations": sorted(self.OPERATIONS)})

    async def _show_accepted(self, request: Request) -> Response:
        return as_json(self.accepted.after(_after(request)))

    async def _show_pushed(self, request: Request) -> Response:
        return as_json(self.pushes.log[_after(request) :])

    async def _show_outbox(self, request: Request) -> Response:
        return as_json(self.shown_outbox()[_after(request) :])

    async def _order_fault(self, request: Request) -> Response:
        self.faults.next(**await read_json(request))
        return as_json({})

    async def _order_disturbance(self, request: Request) -> Response:
        self.pushes.disturb(**await read_json(request))
        return as_json({})

    async def _order_clear(self, _: Request) -> Response:
        self.clear()
        return as_json({})

    @abstractmethod
    def routes(self) -> list[Route]:
        """The provider's own API, and what the control route can order of it."""

    @abstractmethod
    def failed(self, error: ApiError) -> Response:
        """The error as this provider says it."""

    @abstractmethod
    def shown_outbox(self) -> list[Any]:
        """What customers got so far, oldest first, as JSON shows it."""


def as_json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def read_json(request: Request) -> dict[str, Any]:
    """The JSON object of a request. Raises Rejected when it is none."""
    try:
        return msgspec.json.decode(await request.body(), type=dict[str, Any])
    except msgspec.MsgspecError:
        raise Rejected("This is not a JSON object.") from None


def plainly(handler: Handler) -> Handler:
    """A control route whose caller is told what was wrong with the order."""

    async def call(request: Request) -> Response:
        try:
            return await handler(request)
        except FteError as error:
            fields = error.fields if isinstance(error, Rejected) else {}
            return as_json({"error": error.message, "fields": fields}, 422)
        except (TypeError, ValueError, msgspec.ValidationError) as error:
            return as_json({"error": f"Not understood: {error}."}, 422)

    return call


def _after(request: Request) -> int:
    text = request.query_params.get("after", "0")
    return int(text) if text.isdecimal() else 0


def _config(application: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=_Protocol,
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        lifespan="off",
    )


async def _reset(request: Request) -> Response:
    """Reset the connection, so that the caller sees an error and no answer."""
    transport: asyncio.Transport = request.scope["fte.transport"]
    connection = transport.get_extra_info("socket")
    if connection is not None:  # a linger time of zero makes the kernel send RST instead of FIN
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await asyncio.sleep(0)
    return Response(status_code=500)


class _Server(uvicorn.Server):
    """A server that leaves signals to the process it is a part of, says when it listens, and leaves at once: the
    library's own looks ten times a second whether it is to go, and then waits a while."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()
        self.leaves = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()

    async def main_loop(self) -> None:
        await self.leaves.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if under_way := set(self.server_state.tasks):
            _, left = await asyncio.wait(under_way, timeout=GRACE)
            for task in left:
                task.cancel()
        await asyncio.sleep(0)  # closed connections are told so in the loop's next round

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class _Protocol(H11Protocol):
    """Gives the application its connection, which it needs to be able to cut it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        inner: ASGIApp = self.app

        async def connected(scope: Scope, receive: Receive, send: Send) -> None:
            scope["fte.transport"] = self.transport
            await inner(scope, receive, send)

        self.app = connected
