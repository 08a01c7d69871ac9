"""The operators' stream: events as they are committed, over server-sent events, resumed from a cursor."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from fte import wire
from fte.daemon.openapi import operation
from fte.daemon.operator_api import OperatorApi
from fte.daemon.responses import UNSTORED
from fte.domain.errors import FteError, NotFound, Refused, Rejected, Unavailable
from fte.domain.events import OPERATOR_TOPICS
from fte.pg import log
from fte.ports import Bus
from fte.wire import Envelope, StreamNotice

KEEP_ALIVE: Final = 5.0
"""Seconds of silence after which a comment shows that the line lives."""
BEGIN_MAX: Final = 10.0
"""Seconds a subscription may take to begin before the client is sent away to come again."""
RECHECK: Final = 1.0
"""Seconds for which a token that was good is taken to be still good."""
STREAMS_MAX: Final = 200

_log = structlog.get_logger("fte.stream")


@dataclass(slots=True)
class Stream:
    """`stopping` ends every open stream, so that a shutdown need not wait for them."""

    api: OperatorApi
    bus: Bus
    stopping: asyncio.Event
    open: int = 0

    def routes(self) -> list[Route]:
        return [Route("/operator/stream", self._stream)]

    @operation(
        "Events as they are committed, as server-sent events",
        gives=str,
        media="text/event-stream",
        may="read",
        query={"topics": str, "cursor": str},
        header={"Last-Event-ID": str},
        errors=(422,),
    )
    async def _stream(self, request: Request) -> Response:
        await self.api.operator(request, "read")
        topics = _topics(request.query_params.get("topics", ",".join(OPERATOR_TOPICS)))
        asked = request.headers.get("last-event-id") or request.query_params.get("cursor")
        if asked:
            self.bus.check(asked)
        cursor = asked or str(await log.end(self.api.pool))
        if self.open >= STREAMS_MAX:
            raise Unavailable("Too many streams are open.")
        headers = {**UNSTORED, "X-Accel-Buffering": "no"}
        return StreamingResponse(self._lines(request, topics, cursor), 200, headers, "text/event-stream")

    async def _lines(self, request: Request, topics: Sequence[str], cursor: str) -> AsyncIterator[bytes]:
        self.open += 1
        lines = self._subscribed(topics, cursor)
        coming = asyncio.ensure_future(anext(lines))
        stopping = asyncio.ensure_future(self.stopping.wait())
        loop = asyncio.get_running_loop()
        silent_since = checked = loop.time()
        began = False
        try:
            while not stopping.done():
                await asyncio.wait({coming, stopping}, timeout=RECHECK, return_when=asyncio.FIRST_COMPLETED)
                if loop.time() - checked >= RECHECK:
                    await self.api.operator(request, "read")
                    checked = loop.time()
                if coming.done():
                    yield coming.result()
                    coming = asyncio.ensure_future(anext(lines))
                    began = True
                    silent_since = loop.time()
                elif not began:
                    if loop.time() - silent_since >= BEGIN_MAX:
                        raise Unavailable
                elif loop.time() - silent_since >= KEEP_ALIVE:
                    yield b": alive\n\n"
                    silent_since = loop.time()
        except NotFound:
            yield _notice(StreamNotice(kind="reset", cursor=str(await log.end(self.api.pool))))
        except (Refused, Unavailable) as error:
            _log.info("stream ended", reason=type(error).__name__)
        finally:
            self.open -= 1
            stopping.cancel()
            coming.cancel()
            with contextlib.suppress(asyncio.CancelledError, FteError):
                await coming
            await lines.aclose()

    async def _subscribed(self, topics: Sequence[str], cursor: str) -> AsyncGenerator[bytes, None]:
        """That the subscription has begun, and every event after it. Raises what `Bus.subscribe` raises."""
        async with contextlib.aclosing(await self.bus.subscribe(topics, cursor)) as events:
            yield _notice(StreamNotice(kind="ready", cursor=cursor))
            async for after, event in events:
                yield _event(after, event)


def _topics(text: str) -> list[str]:
    topics = [topic for topic in text.split(",") if topic]
    if not topics or any(topic not in OPERATOR_TOPICS for topic in topics):
        raise Rejected("Unknown topic.", fields={"topics": f"some of {', '.join(OPERATOR_TOPICS)}"})
    return topics


def _event(cursor: str, event: Envelope) -> bytes:
    return b"event: event\nid: " + cursor.encode() + b"\ndata: " + wire.encode(event) + b"\n\n"


def _notice(notice: StreamNotice) -> bytes:
    return b"event: notice\ndata: " + wire.encode(notice) + b"\n\n"
