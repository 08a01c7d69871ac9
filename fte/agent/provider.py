"""The provider of a model: what its failures mean, how much of its answers is read, and when it is left alone."""

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from email.utils import parsedate_to_datetime
from time import monotonic, time
from typing import Final

import httpx2
from agents import ModelRefusalError
from openai import APIConnectionError, APIError, APIStatusError, DefaultAsyncHttpxClient

CONNECT_TIMEOUT: Final = 5.0
"""Seconds for a connection to a provider, TLS included."""
ANSWER_MAX: Final = 4 * 1024 * 1024
"""Bytes of one answer that are read."""
AWAY: Final = 1.0
"""Seconds a provider that is away is given, unless it names its own time."""
OPEN_AFTER: Final = 5
"""Failures in a row after which a provider is left alone."""
OPEN_MAX: Final = 15.0
"""Seconds it is left alone at most before one call tries it again."""

_BUSY: Final = frozenset({408, 409, 425, 429})
_CODES: Final = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "invalid_api_key",
        "model_not_found",
        "rate_limit_exceeded",
        "context_length_exceeded",
        "content_filter",
    }
)
"""The provider's words that may stand in a trace: any other could be anything."""
_SPENT: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


class ModelFailure(Exception):
    """A call of the model that gave no answer.

    `kind` is fit for traces and logs: a class, a status, a known code, nothing the provider wrote freely. `wait` is None
    when the same call will fail again, 0 when another may go better, else the seconds after which a provider that is
    away or busy for everybody may be asked again. `asked` is what it said itself about that, in seconds.
    """

    def __init__(
        self,
        kind: str,
        wait: float | None,
        *,
        asked: float | None = None,
        status: int | None = None,
        code: str = "",
    ) -> None:
        self.kind, self.wait, self.asked, self.status, self.code = kind, wait, asked, status, code
        super().__init__(kind)


class AnswerTooLarge(Exception):
    """The provider's answer is longer than we read."""


def failure_of(error: Exception) -> ModelFailure:
    """What an error of a call means for the next one."""
    kind = type(error).__name__
    if isinstance(error, ModelFailure):
        return error
    if isinstance(error, APIStatusError):
        return _by_status(error, kind)
    if isinstance(error, APIConnectionError) and any(isinstance(one, ssl.SSLError) for one in _chain(error)):
        return ModelFailure(f"{kind} TLS", AWAY)
    if isinstance(error, TimeoutError | APIConnectionError | httpx2.TransportError):
        return ModelFailure(kind, AWAY)
    if type(error) is APIError:  # in the middle of a stream, after a status that promised an answer
        code = _known(error.code)
        return ModelFailure(f"{kind} {code}".rstrip(), None if code in _SPENT else AWAY, code=code)
    return ModelFailure(kind, None if isinstance(error, ModelRefusalError) else 0.0)


def _by_status(error: APIStatusError, kind: str) -> ModelFailure:
    status, code = error.status_code, _known(error.code)
    kind = f"{kind} {status} {code}".rstrip()
    if (status < 500 and status not in _BUSY) or code in _SPENT:
        return ModelFailure(kind, None, status=status, code=code)
    asked = retry_after(error.response.headers)
    return ModelFailure(kind, max(asked or 0.0, AWAY), asked=asked, status=status, code=code)


def _known(code: object) -> str:
    return code if isinstance(code, str) and code in _CODES else ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def retry_after(headers: httpx2.Headers, now: Callable[[], float] = time) -> float | None:
    """Seconds from Retry-After (RFC 9110, 10.2.3: seconds or a date) or retry-after-ms; None without a sensible one."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        return seconds if 0 <= seconds < float("inf") else None
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - now())
    except (ValueError, OverflowError):
        return None


class Circuit:
    """Leaves a provider alone that failed many times in a row: one call at a time tries it again, the rest need not wait.

    `now` is a clock in seconds.
    """

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._failures = 0
        self._until = 0.0
        self._trying = False

    def wait(self) -> float:
        """Seconds to wait before a call; 0 when it may be made now. Whoever is given 0 reports how it ended."""
        if self._failures < OPEN_AFTER:
            return 0.0
        left = self._until - self._now()
        if left > 0 or self._trying:
            return max(left, AWAY)
        self._trying = True
        return 0.0

    def answered(self) -> None:
        """The provider is there, whatever it said."""
        self._failures, self._trying = 0, False

    def failed(self, wait: float) -> None:
        """It is not, or asks for `wait` seconds. Calls that were on their way when it was left alone say nothing new."""
        self._trying = False
        if self._failures >= OPEN_AFTER and self._now() < self._until:
            return
        self._failures += 1
        opened = max(0, self._failures - OPEN_AFTER)
        self._until = self._now() + min(OPEN_MAX, max(wait, AWAY * 2.0 ** min(opened, 10)))

    def given_up(self) -> None:
        """The call was ended by us, so nothing is known."""
        self._trying = False


def http_client(timeout: float) -> DefaultAsyncHttpxClient:
    """A client whose answers are bounded. `timeout` is in seconds, between two signs of life.

    A redirect could carry a customer's text to a host nobody configured, so none is followed; and a packed answer could be
    small on the way and huge here, so none is asked for or taken.
    """
    return DefaultAsyncHttpxClient(
        follow_redirects=False,
        timeout=httpx2.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [_bounded]},
    )


async def _bounded(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise AnswerTooLarge
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Bounded(response.stream)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._inner:
            size += len(chunk)
            if size > ANSWER_MAX:
                raise AnswerTooLarge
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
