"""Keeps the model in step with the daemon: follows the stream, and fetches the rows it says are out of date.

Knows no widgets. What a screen must know is handed to one function as signals, in order.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Final, TypeVar

from fte.console.client import Client, Heard, Reset
from fte.console.errors import BadToken
from fte.console.model import Fetch, Link, Phase, Queue, conversation_of
from fte.console.signals import Denied, Happened, Missed, Rows, Signal, Welcome
from fte.domain.errors import FteError
from fte.wire import QueuePage

REFRESH_PAUSE: Final = 0.25
"""Seconds between two fetches of rows: what arrives meanwhile is fetched together."""

T = TypeVar("T")


class Feed:
    """One run of the console against one daemon."""

    def __init__(self, client: Client, queue: Queue, tell: Callable[[Signal], None]) -> None:
        self._client = client
        self._queue = queue
        self._tell = tell
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Follow until cancelled, or until the token is refused."""
        try:
            operator = await self._insist(self._client.me)
            self._queue.me = operator.name
            self._tell(Welcome(operator))
            page = await self._insist(self._first_page)
            await self._work(page.cursor)
        except BadToken as error:
            self._tell(Denied(error))

    def refresh(self) -> None:
        """The model wants a fetch: make it soon."""
        self._wake.set()

    async def _work(self, cursor: str) -> None:
        refused: BadToken | None = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow(cursor))
                group.create_task(self._keep_fresh())
        except* BadToken as errors:
            refused = BadToken(*{str(error) for error in errors.exceptions[:1]})
        if refused is not None:
            raise refused

    async def _insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        attempt = 0
        while True:
            try:
                return await ask()
            except BadToken:
                raise
            except FteError as error:
                attempt += 1
                self._tell(Link(Phase.RECONNECTING, attempt, _words(error)))
            await self._client.pause(attempt)

    async def _first_page(self) -> QueuePage:
        fetch = self._queue.next_fetch()
        assert fetch is not None, "a fresh queue wants its page"
        return await self._fetch(fetch)

    async def _fetch(self, fetch: Fetch) -> QueuePage:
        try:
            page = await self._client.queue(fetch.view, fetch.search, fetch.ids, fetch.before)
        except BaseException:
            self._queue.failed()
            raise
        self._queue.fetched(page)
        self._tell(Rows())
        return page

    async def _follow(self, cursor: str) -> None:
        async with aclosing(self._client.follow(cursor)) as stream:
            async for heard in stream:
                self._take(heard)

    def _take(self, heard: Link | Heard | Reset) -> None:
        match heard:
            case Heard(event=event):
                if self._queue.apply(event):
                    self._tell(Happened(event, conversation_of(event)))
                    self.refresh()
            case Reset():
                self._queue.invalidate()
                self._tell(Missed())
                self.refresh()
            case Link():
                self._tell(heard)

    async def _keep_fresh(self) -> None:
        attempt = 0
        while True:
            fetch = self._queue.next_fetch()
            if fetch is None:
                await self._wake.wait()
                self._wake.clear()
                continue
            try:
                await self._fetch(fetch)
                attempt = 0
                await asyncio.sleep(REFRESH_PAUSE)
            except BadToken:
                raise
            except FteError:
                attempt += 1
                await self._client.pause(attempt)


def _words(error: FteError) -> str:
    return f"{error.message} {error.remedy}" if error.remedy else error.message
