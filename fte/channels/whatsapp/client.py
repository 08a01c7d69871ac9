"""Twilio's API through its SDK, with the deadlines the SDK lacks and our errors instead of its own."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fte.channels.whatsapp import refusals
from fte.channels.whatsapp.account import Account
from fte.domain.errors import InDoubt, Unavailable

if TYPE_CHECKING:
    from aiohttp import ClientSession

CALL_TIMEOUT: Final = 7.0
"""Seconds one call may take: a sender's time is enough for two."""
LIST_TIMEOUT: Final = 30.0
"""Seconds a listing may take, all of its pages."""
CONNECTIONS_MAX: Final = 20
PAGE: Final = 200
"""Messages on a page of a listing."""

T = TypeVar("T")


class _Call:
    """How far a call came. Once its headers are out, Twilio may have acted on it."""

    went_out = False


_call: ContextVar[_Call | None] = ContextVar("twilio_call", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A message as Twilio lists it. `sender` and `recipient` are as Twilio writes them, `whatsapp:+…`."""

    sid: str
    sender: str
    recipient: str
    text: str
    inbound: bool
    status: str
    error: int | None
    error_message: str
    media: int
    created_at: datetime


class TwilioClient:
    """One account's API. Create it inside a running event loop, and close it there."""

    def __init__(self, account: Account) -> None:
        from twilio.http.async_http_client import AsyncTwilioHttpClient
        from twilio.rest import Client

        # It logs every request with its parameters, which are customers' numbers.
        logging.getLogger("twilio.async_http_client").setLevel(logging.WARNING)
        self._account = account
        self._session = _session()
        http = AsyncTwilioHttpClient(pool_connections=False)
        http.session = self._session
        self._client = Client(
            account_sid=account.sid, credential_provider=_Basic(account), http_client=http, environment={}
        )
        self._client.api.base_url = account.api_url

    async def close(self) -> None:
        await self._session.close()

    async def create(self, fields: Mapping[str, Any]) -> str:
        """Have a message sent; its sid. Raises what `refusals.of_creation` says; Unavailable when it certainly did
        not reach Twilio; InDoubt when it may have."""
        made = await _creating(self._client.messages.create_async(**fields))
        if not made.sid:
            raise InDoubt("Twilio took the message but did not name it.")
        return str(made.sid)

    async def between(self, sender: str, recipient: str, limit: int) -> list[Listed]:
        """The newest messages from one address to another, newest first."""
        found = self._client.messages.list_async(from_=sender, to=recipient, limit=limit, page_size=limit)
        return [_listed(message) for message in await _reading(found, CALL_TIMEOUT)]

    async def since(
        self, after: datetime, before: datetime, limit: int, *, sender: str = "", recipient: str = ""
    ) -> list[Listed]:
        """Messages from or to an address sent in a span of time, newest first."""
        ends = {"from_": sender} if sender else {"to": recipient}
        found = self._client.messages.list_async(
            date_sent_after=after, date_sent_before=before, limit=limit, page_size=min(PAGE, limit), **ends
        )
        return [_listed(message) for message in await _reading(found, LIST_TIMEOUT)]

    async def files(self, sid: str, limit: int) -> list[tuple[str, str]]:
        """URL and type of each file of a message."""
        found = await _reading(self._client.messages(sid).media.list_async(limit=limit), LIST_TIMEOUT)
        base = f"{self._account.api_url}/2010-04-01/Accounts/{self._account.sid}/Messages/{sid}/Media/"
        return [(base + str(file.sid), str(file.content_type or "")) for file in found]

    async def account_status(self) -> str:
        """Whether the account is `active`, `suspended` or `closed`. Raises Unavailable, ChannelDown for credentials."""
        account = await _reading(self._client.api.accounts(self._account.sid).fetch_async(), CALL_TIMEOUT)
        return str(account.status)


class _Basic:
    """The SDK's provider and strategy of credentials in one. Left to itself it would have aiohttp make the header,
    in a way aiohttp 4 no longer knows."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def to_auth_strategy(self) -> "_Basic":
        return self

    def get_auth_string(self) -> str:
        return self._account.credentials


def _session() -> "ClientSession":
    """Connections that are used once: on a kept one, "closed meanwhile" looks like an answer that was lost."""
    from aiohttp import ClientSession, TCPConnector, TraceConfig

    async def sent(*_: object) -> None:
        if (call := _call.get()) is not None:
            call.went_out = True

    trace = TraceConfig()
    trace.on_request_headers_sent.append(sent)
    connector = TCPConnector(force_close=True, limit=CONNECTIONS_MAX)
    return ClientSession(connector=connector, trace_configs=[trace])


async def _creating(request: Awaitable[T]) -> T:
    async with _noted() as call:
        try:
            return await _answered(request, CALL_TIMEOUT)
        except _Answered as answer:
            raise refusals.of_creation(answer.status, answer.code, answer.message) from None
        except _Failed as failure:
            if call.went_out:
                raise InDoubt(f"Twilio may have taken the message: {failure.cause}.") from None
            raise Unavailable(f"Twilio cannot be reached: {failure.cause}.") from None


async def _reading(request: Awaitable[T], seconds: float) -> T:
    try:
        return await _answered(request, seconds)
    except _Answered as answer:
        raise refusals.of_reading(answer.status, answer.code, answer.message) from None
    except _Failed as failure:
        raise Unavailable(f"Twilio cannot be asked: {failure.cause}.") from None


class _Answered(Exception):
    """Twilio answered with an error."""

    def __init__(self, status: int, code: int | None, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(status)


class _Failed(Exception):
    """There was no answer, or none that could be read."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(cause)


@asynccontextmanager
async def _noted() -> AsyncIterator[_Call]:
    call = _Call()
    before = _call.set(call)
    try:
        yield call
    finally:
        _call.reset(before)


async def _answered(request: Awaitable[T], seconds: float) -> T:
    from aiohttp import ClientError
    from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException

    try:
        async with asyncio.timeout(seconds):
            return await request
    except TwilioRestException as error:
        raise _Answered(error.status, _code(error.code, error.status), error.msg) from None
    except TwilioServiceException as error:
        raise _Answered(error.status, _code(error.code, error.status), error.title) from None
    except TimeoutError:
        raise _Failed(f"no answer within {seconds:.0f} seconds") from None
    except (ClientError, OSError, TwilioException, ValueError, KeyError, TypeError) as error:
        raise _Failed(type(error).__name__) from None


def _code(code: Any, status: int) -> int | None:
    """Twilio's number of the error; the SDK puts the HTTP status in its place when there was none."""
    return code if isinstance(code, int) and code != status else None


def _listed(message: Any) -> Listed:
    return Listed(
        sid=str(message.sid),
        sender=str(message.from_ or ""),
        recipient=str(message.to or ""),
        text=str(message.body or ""),
        inbound=message.direction == "inbound",
        status=str(message.status or ""),
        error=message.error_code or None,
        error_message=str(message.error_message or ""),
        media=int(message.num_media or 0),
        created_at=message.date_created or message.date_sent or datetime.now(UTC),
    )
