"""What a simulated provider posts to us: in order, tried again as the provider does, disturbed on command."""

import asyncio
import contextlib
import time
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

import httpx
import msgspec

from fte.domain.errors import Rejected

Disturbance = Literal["lost", "doubled", "delayed", "reordered"]

PUSH_TIMEOUT: Final = 15.0
"""Seconds one post may take; Twilio's limit."""
PAUSE_MAX: Final = 10.0
SETTLE_TIMEOUT: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One post. `headers` is called for each try, so that a token is fresh. Posts of one key keep their order."""

    key: str
    url: str
    content: bytes
    headers: Callable[[], Mapping[str, str]]


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """One try of a post. `status` is what came back, None when nothing did; `note` says what was done to it."""

    key: str
    url: str
    attempt: int
    status: int | None
    note: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often a provider tries. `any_failure`: on every answer but 2xx; otherwise only when nobody listened."""

    attempts: int
    pause: float
    any_failure: bool


class Pushes:
    """Posts under way. `log` has every try, oldest first."""

    def __init__(self, patience: Patience) -> None:
        self.log: list[Pushed] = []
        self._patience = patience
        self._web: httpx.AsyncClient | None = None
        self._tails: dict[str, asyncio.Task[int | None]] = {}
        self._under_way: set[asyncio.Task[int | None]] = set()
        self._disturbed: deque[tuple[Disturbance, float]] = deque()
        self._late: weakref.WeakSet[asyncio.Task[int | None]] = weakref.WeakSet()
        self._held: list[Push] = []
        self._hold = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with httpx.AsyncClient(timeout=PUSH_TIMEOUT, trust_env=False) as self._web:
            try:
                yield
            finally:
                await self._cancel()

    def disturb(self, kind: Disturbance, *, times: int = 1, seconds: float = 0.5) -> None:
        """Do that to the next `times` posts. `reordered` keeps them until all have come, then posts them backwards.

        Raises Rejected for a kind there is none of.
        """
        if kind not in get_args(Disturbance):
            raise Rejected(
                f"There is no disturbance {kind!r}.",
                fields={"kind": "one of " + ", ".join(get_args(Disturbance))},
            )
        if kind == "reordered":
            self._hold += times
        else:
            self._disturbed.extend([(kind, seconds)] * times)

    def clear(self) -> None:
        """Disturb nothing any more. What is held back is posted."""
        self._disturbed.clear()
        self._hold = 0
        self._release()

    def send(self, push: Push) -> "asyncio.Task[int | None] | None":
        """Post it soon. The task gives the last status; there is none when the post is lost or held back."""
        if self._hold:
            self._held.append(push)
            self._hold -= 1
            if not self._hold:
                self._release()
            return None
        kind, seconds = self._disturbed.popleft() if self._disturbed else (None, 0.0)
        if kind == "lost":
            self._note(push, 0, None, "lost")
            return None
        if kind == "delayed":
            late = self._start(self._later(push, seconds))
            self._late.add(late)
            return late
        if kind == "doubled":
            self._start(self._post(push, "doubled"))
        return self._in_order(push)

    def disturbs(self, task: "asyncio.Task[int | None]") -> bool:
        """Whether this post is being made later than asked, on command."""
        return task in self._late

    async def settled(self) -> None:
        """Wait until nothing is under way, at most SETTLE_TIMEOUT seconds. What is held back does not count."""
        async with asyncio.timeout(SETTLE_TIMEOUT):
            while self._under_way:
                await asyncio.wait(self._under_way)

    def _release(self) -> None:
        held, self._held = self._held, []
        if held:
            self._start(self._one_by_one(held[::-1]))

    async def _one_by_one(self, pushes: list[Push]) -> int | None:
        status = None
        for push in pushes:
            status = await self._post(push, "reordered")
        return status

    async def _later(self, push: Push, seconds: float) -> int | None:
        await asyncio.sleep(seconds)
        return await self._post(push, "delayed")

    def _in_order(self, push: Push) -> "asyncio.Task[int | None]":
        before = self._tails.get(push.key)

        async def after() -> int | None:
            if before is not None:
                await asyncio.wait([before])
            return await self._post(push, "")

        task = self._tails[push.key] = self._start(after())
        task.add_done_callback(lambda done: self._forget(push.key, done))
        return task

    def _forget(self, key: str, done: "asyncio.Task[int | None]") -> None:
        if self._tails.get(key) is done:
            del self._tails[key]

    def _start(self, work: Coroutine[object, object, int | None]) -> "asyncio.Task[int | None]":
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _post(self, push: Push, note: str) -> int | None:
        status: int | None = None
        for attempt in range(1, self._patience.attempts + 1):
            status = await self._try(push)
            self._note(push, attempt, status, note)
            if attempt == self._patience.attempts or not self._again(status):
                break
            await asyncio.sleep(min(PAUSE_MAX, self._patience.pause * 2 ** (attempt - 1)))
        return status

    async def _try(self, push: Push) -> int | None:
        assert self._web is not None, "the simulator is not running"
        try:
            return (
                await self._web.post(push.url, content=push.content, headers=dict(push.headers()))
            ).status_code
        except httpx.HTTPError:
            return None

    def _again(self, status: int | None) -> bool:
        if status is None:
            return True
        return self._patience.any_failure and not 200 <= status < 300

    def _note(self, push: Push, attempt: int, status: int | None, note: str) -> None:
        self.log.append(
            Pushed(key=push.key, url=push.url, attempt=attempt, status=status, note=note, at=time.time())
        )

    async def _cancel(self) -> None:
        tasks = list(self._under_way)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
