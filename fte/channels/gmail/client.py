"""Gmail's API: Google's own blocking client, run in a few threads of its own, with a deadline on every call.

Google's client and the credentials are not made for threads: every call has a connection of its own, and one thread
at a time renews the access token. Nothing is ever retried here: whoever calls knows whether it may be done again.
"""

import asyncio
import base64
import binascii
import json
import os
import re
import socket
import ssl
import stat
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fte.domain.errors import NotFound, Rejected, Unavailable
from fte.domain.text import nameless

if TYPE_CHECKING:
    from google.oauth2.credentials import Credentials

THREADS: Final = 4
"""Calls under way at once."""
SOCKET_TIMEOUT: Final = 10.0
"""Seconds Gmail may be silent within a call."""
CALL_TIMEOUT: Final = 15.0
"""Seconds a call may take, waiting for a thread included."""
REFRESH_TIMEOUT: Final = 5.0
"""Seconds Google may be silent when the access token is renewed."""
RETRY_AFTER: Final = 30.0
"""Seconds to leave Gmail alone when it says that it was too much, but not for how long."""
RETRY_AFTER_MAX: Final = 3_600.0
"""Seconds Gmail may ask to be left alone; what it asks beyond is asked again then."""
PAGE: Final = 500
"""Mails in one page of a list or of the history; the most Gmail gives."""

_TOO_MUCH: Final = frozenset(
    {"rateLimitExceeded", "userRateLimitExceeded", "dailyLimitExceeded", "quotaExceeded", "limitExceeded"}
)
_UNTIL: Final = re.compile(r"[Rr]etry after (\d{4}-\d\d-\d\dT[\d:.]+)Z")
_AUTH: Final = "Run `fte gmail auth`."


class DeadToken(Unavailable):
    """The mailbox's token is dead: run `fte gmail auth`."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message, remedy=_AUTH)


class Throttled(Unavailable):
    """Gmail asks us to slow down."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"Gmail asks to be left alone for {retry_after:.0f} seconds.")
        self.retry_after = retry_after


class Broken(Unavailable):
    """Gmail did not answer properly: whether it did what was asked is not known."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Whose mailbox it is, and its newest history id."""

    address: str
    history_id: int


@dataclass(frozen=True, slots=True)
class Ref:
    """A mail, before it is read."""

    id: str
    thread_id: str
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Page:
    """Some mails, oldest first, and where the next page is (None: this is the last). `history_id` as of now."""

    mails: tuple[Ref, ...]
    next_page: str | None
    history_id: int | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """A mail without its content. `size` is in bytes, as Gmail estimates it; `arrived_at` is Gmail's clock."""

    id: str
    thread_id: str
    labels: frozenset[str]
    arrived_at: datetime
    size: int


class TokenFile:
    """The mailbox's token: authorised-user JSON in a file nobody else may read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._loaded: tuple[int, Credentials] | None = None

    def bearer(self) -> "Credentials":
        """Credentials with a token that is still good. Raises DeadToken, or Unavailable when Google is away."""
        with self._lock:
            credentials = self._current()
            if not credentials.valid:
                _refresh(credentials)
            return credentials

    def forget(self, token: str) -> None:
        """Gmail refused this access token: get a new one next time."""
        with self._lock:
            if self._loaded is not None and self._loaded[1].token == token:
                self._loaded[1].expiry = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)

    def _current(self) -> "Credentials":
        try:
            changed = self._path.stat().st_mtime_ns
            if self._loaded is None or self._loaded[0] != changed:
                self._loaded = changed, read_token(self._path)
        except FileNotFoundError:
            raise DeadToken(f"There is no token of the mailbox at {self._path}.") from None
        return self._loaded[1]


def read_token(path: Path) -> "Credentials":
    """The credentials in a token file. Raises DeadToken for one that others may read or that is none."""
    from google.oauth2.credentials import Credentials

    with path.open(encoding="utf-8") as file:
        if _open_to_others(os.fstat(file.fileno())):
            raise DeadToken(f"Others may read the mailbox's token; run `chmod 600 {path}`.")
        try:
            found = json.load(file)
            return Credentials(  # type: ignore[no-untyped-call]
                None,
                refresh_token=found["refresh_token"],
                client_id=found["client_id"],
                client_secret=found["client_secret"],
                token_uri=found.get("token_uri", "https://oauth2.googleapis.com/token"),
                expiry=datetime.fromtimestamp(0, UTC).replace(tzinfo=None),
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise DeadToken(f"{path} is not a mailbox's token.") from None


def _open_to_others(file: os.stat_result) -> bool:
    """Whether more people can get at a file than its owner. One of somebody else's that its group may only read is
    meant for us: a secret mounted into a container comes so."""
    theirs = 0o077 if file.st_uid == os.getuid() else 0o037
    return bool(stat.S_IMODE(file.st_mode) & theirs)


def _refresh(credentials: "Credentials") -> None:
    import httplib2
    from google.auth.exceptions import GoogleAuthError, RefreshError
    from google_auth_httplib2 import Request

    http = httplib2.Http(timeout=REFRESH_TIMEOUT)
    try:
        credentials.refresh(Request(http))  # type: ignore[no-untyped-call]
    except RefreshError as error:
        if error.retryable:
            raise Unavailable("Google cannot renew the mailbox's token right now.") from None
        raise DeadToken from None
    except (GoogleAuthError, httplib2.HttpLib2Error, OSError):
        raise Unavailable("Google cannot be reached to renew the mailbox's token.") from None
    finally:
        http.close()


class GmailClient:
    """One mailbox of Gmail, asynchronously.

    Every method raises Unavailable when Gmail cannot do it now (DeadToken: until somebody signs in again; Throttled:
    for so many seconds; Broken: nobody knows whether it was done), NotFound, and Rejected for what it will never do.
    """

    def __init__(self, token_file: Path, *, api_url: str, timeout: float = CALL_TIMEOUT) -> None:
        self._token = TokenFile(token_file)
        self._api_url = api_url
        self._timeout = timeout
        self._executor = ThreadPoolExecutor(THREADS, "gmail")
        self._service: Any = None
        self._building = threading.Lock()
        self._quiet_until = 0.0

    def close(self) -> None:
        """Take no more calls. What is under way ends by its own deadline."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def profile(self) -> Profile:
        found = await self._call(lambda users: users.getProfile(userId="me"))
        return Profile(found["emailAddress"], int(found["historyId"]))

    async def watch(self, topic: str) -> datetime:
        """Have new mail announced on a Pub/Sub topic. Returns until when; doing it again prolongs it."""
        body = {
            "topicName": topic,
            "labelIds": ["DRAFT", "SPAM", "TRASH"],
            "labelFilterBehavior": "EXCLUDE",
        }
        found = await self._call(lambda users: users.watch(userId="me", body=body))
        return _time(found["expiration"])

    async def added_since(self, cursor: int, page: str | None = None) -> Page:
        """Mails added after a history id. Raises NotFound when Gmail no longer knows that far back."""
        found = await self._call(
            lambda users: users.history().list(
                userId="me",
                startHistoryId=str(cursor),
                historyTypes=["messageAdded"],
                maxResults=PAGE,
                pageToken=page,
            )
        )
        mails = {
            added["message"]["id"]: _ref(added["message"])
            for record in found.get("history", [])
            for added in record.get("messagesAdded", [])
        }
        return Page(tuple(mails.values()), found.get("nextPageToken"), int(found["historyId"]))

    async def matching(
        self, query: str, page: str | None = None, most: int = PAGE, *, timeout: float | None = None
    ) -> Page:
        """Mails that match a query of Gmail's search, outside spam and trash. Pages come newest first."""
        found = await self._call(
            lambda users: users.messages().list(userId="me", q=query, maxResults=most, pageToken=page),
            timeout=timeout,
        )
        return Page(
            tuple(_ref(mail) for mail in reversed(found.get("messages", []))), found.get("nextPageToken")
        )

    async def summary(self, mail: str) -> Summary:
        fields = "id,threadId,labelIds,internalDate,sizeEstimate"
        found = await self._call(
            lambda users: users.messages().get(userId="me", id=mail, format="minimal", fields=fields)
        )
        return Summary(
            found["id"],
            found["threadId"],
            frozenset(found.get("labelIds", ())),
            _time(found.get("internalDate", "0")),
            int(found.get("sizeEstimate", 0)),
        )

    async def header(self, mail: str, name: str, *, timeout: float | None = None) -> str | None:
        """One header of a mail, undecoded."""
        found = await self._call(
            lambda users: users.messages().get(
                userId="me", id=mail, format="metadata", metadataHeaders=[name]
            ),
            timeout=timeout,
        )
        return _header(found, name)

    async def original(self, mail: str) -> bytes:
        """The mail as it came, by RFC 5322."""
        found = await self._call(
            lambda users: users.messages().get(userId="me", id=mail, format="raw", fields="raw")
        )
        try:
            return base64.urlsafe_b64decode(found["raw"] + "==")
        except (binascii.Error, ValueError):
            raise Broken("Gmail gave a mail that cannot be decoded.") from None

    async def create_draft(self, content: bytes, thread: str | None, *, timeout: float | None = None) -> str:
        message = {"raw": base64.urlsafe_b64encode(content).decode()}
        if thread:
            message["threadId"] = thread
        body = {"message": message}
        found = await self._call(lambda users: users.drafts().create(userId="me", body=body), timeout=timeout)
        return str(found["id"])

    async def send_draft(self, draft: str, *, timeout: float | None = None) -> str:
        """Send a draft, which consumes it: NotFound means that it was sent, or deleted. Returns the mail's id."""
        body = {"id": draft}
        found = await self._call(lambda users: users.drafts().send(userId="me", body=body), timeout=timeout)
        return str(found["id"])

    async def draft_exists(self, draft: str, *, timeout: float | None = None) -> bool:
        try:
            await self._call(
                lambda users: users.drafts().get(userId="me", id=draft, format="minimal"), timeout=timeout
            )
        except NotFound:
            return False
        return True

    async def draft_header(self, draft: str, name: str, *, timeout: float | None = None) -> str | None:
        """One header of a draft, undecoded; None also when the draft is gone."""
        try:
            found = await self._call(
                lambda users: users.drafts().get(userId="me", id=draft, format="metadata"), timeout=timeout
            )
        except NotFound:
            return None
        return _header(found.get("message", {}), name)

    async def drafts(self, query: str, *, timeout: float | None = None) -> list[str]:
        """The drafts that match a query, ten at most."""
        found = await self._call(
            lambda users: users.drafts().list(userId="me", q=query, maxResults=10), timeout=timeout
        )
        return [str(draft["id"]) for draft in found.get("drafts", [])]

    async def _call(self, build: Callable[[Any], Any], *, timeout: float | None = None) -> dict[str, Any]:
        if (quiet := self._quiet_until - time.monotonic()) > 0:
            raise Throttled(quiet)
        future = self._executor.submit(self._execute, build)
        try:
            async with asyncio.timeout(self._timeout if timeout is None else timeout):
                found: dict[str, Any] = await asyncio.wrap_future(future)
                return found
        except TimeoutError:
            if future.cancelled():
                raise Unavailable("Gmail is slow: no thread was free.") from None
            raise Broken("Gmail did not answer in time.") from None
        except Throttled as error:
            self._quiet_until = time.monotonic() + error.retry_after
            raise

    def _execute(self, build: Callable[[Any], Any]) -> Any:
        credentials = self._token.bearer()
        try:
            return self._request(build, credentials)
        except _Unauthorised:
            self._token.forget(str(credentials.token))
        try:
            return self._request(build, self._token.bearer())
        except _Unauthorised:
            raise DeadToken from None

    def _request(self, build: Callable[[Any], Any], credentials: "Credentials") -> Any:
        import httplib2
        from google_auth_httplib2 import AuthorizedHttp
        from googleapiclient.errors import Error, HttpError

        http = AuthorizedHttp(credentials, httplib2.Http(timeout=SOCKET_TIMEOUT), refresh_status_codes=())
        try:
            return build(self._users()).execute(http=http, num_retries=0)
        except HttpError as error:
            raise _refusal(error.status_code, error.content, error.resp) from None
        except (ConnectionRefusedError, socket.gaierror, httplib2.ServerNotFoundError, ssl.SSLError):
            raise Unavailable("Gmail cannot be reached.") from None
        except (OSError, HTTPException, httplib2.HttpLib2Error, Error, ValueError):
            raise Broken from None
        finally:
            http.close()

    def _users(self) -> Any:
        with self._building:
            if self._service is None:
                import httplib2
                from googleapiclient.discovery import build

                self._service = build(
                    "gmail",
                    "v1",
                    http=httplib2.Http(timeout=SOCKET_TIMEOUT),
                    static_discovery=True,
                    client_options={"api_endpoint": self._api_url},
                )
            return self._service.users()


class _Unauthorised(Unavailable):
    """Gmail does not take the access token."""


def _refusal(status: int, content: bytes, headers: Mapping[str, str]) -> Exception:
    """What an error answer of Gmail means, see "Resolve errors" in Gmail's API guide."""
    message, reasons = _explained(content)
    if status == 401:
        return _Unauthorised()
    if status == 404:
        return NotFound("Gmail does not have that (any more).")
    if status == 429 or (status == 403 and reasons & _TOO_MUCH):
        return Throttled(_retry_after(headers, message))
    if status == 403 and reasons & {"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}:
        return DeadToken("The mailbox's token does not allow enough.")
    if status == 403 or "failedPrecondition" in reasons:
        return Unavailable(
            f"Gmail refuses: {nameless(message)[:200]}",
            remedy="Check that the Gmail API is enabled in the Google project.",
        )
    if status >= 500 or status == 408:
        return Broken(f"Gmail failed with {status}.")
    return Rejected(f"Gmail does not take this ({status}): {nameless(message)[:200]}")


def _explained(content: bytes) -> tuple[str, frozenset[str]]:
    """The message and the reasons in the body of an error answer."""
    try:
        error = json.loads(content)["error"]
        entries = [*error.get("errors", ()), *error.get("details", ())]
        reasons = frozenset(str(entry.get("reason")) for entry in entries)
        return str(error.get("message", "")), reasons
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", frozenset()


def _retry_after(headers: Mapping[str, str], message: str) -> float:
    """Seconds to wait: the header's (RFC 9110, 10.2.3), or until the time Gmail puts into its message."""
    given = headers.get("retry-after", "")
    seconds = float(given) if given.isdecimal() else RETRY_AFTER
    if found := _UNTIL.search(message):
        until = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
        seconds = max(seconds, (until - datetime.now(UTC)).total_seconds())
    return min(seconds, RETRY_AFTER_MAX)


def _header(mail: Mapping[str, Any], name: str) -> str | None:
    headers = mail.get("payload", {}).get("headers", ())
    return next((str(h["value"]) for h in headers if h["name"].lower() == name.lower()), None)


def _ref(mail: Mapping[str, Any]) -> Ref:
    return Ref(mail["id"], mail["threadId"], frozenset(mail.get("labelIds", ())))


def _time(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
