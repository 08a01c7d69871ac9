"""Request bodies: read once, bounded in size and time, and decoded by their content type."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from fte.channels.web_form.parse import Upload
from fte.daemon.responses import JSON_TYPE, TooLarge, TooSlow, WrongMedia
from fte.domain.errors import Malformed, Rejected, Unavailable

BODY_MAX: Final = 64 * 1024
"""Bytes in a request body."""
BODY_TIMEOUT: Final = 10.0
"""Seconds the whole of a body may take to arrive."""
UPLOAD_MAX: Final = 10 * 1024 * 1024
"""Bytes in a body with files: those of the largest files, in base64, and the text."""
UPLOAD_TIMEOUT: Final = 60.0
"""Seconds the whole of such a body may take to arrive."""
UPLOADS_MAX: Final = 4
"""Such bodies in memory at a time."""
UPLOAD_PATIENCE: Final = 20.0
"""Seconds a body waits for its turn."""
FIELDS_MAX: Final = 50
"""Fields in a form."""

URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
FORM_KINDS: Final = (JSON_TYPE, URLENCODED, MULTIPART)
"""What a form may be sent as."""

Fields = dict[str, Any]
_UNREADABLE: Final = (MultiPartException, ValueError, LookupError, AssertionError)
"""What the parser of forms raises."""


class Uploads:
    """The places for bodies with files: what has none yet is not read, so that memory stays bounded."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(UPLOADS_MAX)

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Raises Unavailable when none is free for UPLOAD_PATIENCE seconds."""
        try:
            async with asyncio.timeout(UPLOAD_PATIENCE):
                await self._places.acquire()
        except TimeoutError:
            words = "Many files are on their way to us right now. Please try again in a moment."
            raise Unavailable(words) from None
        try:
            yield
        finally:
            self._places.release()


class Beginning:
    """What a form began with, up to BODY_MAX bytes: its texts come before its files, so they are here when the whole of it
    is not taken."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._kept = bytearray()
        self._more = True

    async def receive(self) -> Message:
        message = await self._receive()
        self._kept += message.get("body", b"")[: BODY_MAX - len(self._kept)]
        self._more = message.get("more_body", False)
        return message

    async def read_on(self) -> None:
        """Hear the client out, for BODY_TIMEOUT seconds at most: some browsers show no answer before they have said all."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BODY_TIMEOUT):
                while self._more:
                    await self.receive()

    async def texts(self, scope: Scope) -> Fields:
        """The texts before the first file that are here whole; none of a body that cannot be read."""
        parser = _parser(scope, bytes(self._kept), files=0)
        with contextlib.suppress(*_UNREADABLE):  # at the first file, or at the end of what is here
            await parser.parse()
        return {name: value for name, value in parser.items if isinstance(value, str)}


async def read_body(
    scope: Scope, receive: Receive, limit: int = BODY_MAX, seconds: float | None = None
) -> bytes:
    """The whole body, within so many seconds, else BODY_TIMEOUT; each of its parts within BODY_TIMEOUT.

    Raises TooLarge, TooSlow, and ClientDisconnect when the client left.
    """
    first = await _within_deadline(receive)
    body: bytes = first.get("body", b"")
    if first.get("more_body", False):
        body = await _rest(body, receive, limit, BODY_TIMEOUT if seconds is None else seconds)
    if len(body) > limit:
        raise _too_large(limit)
    return body


@contextlib.asynccontextmanager
async def reading_fields(
    scope: Scope, receive: Receive, headers: dict[bytes, bytes], uploads: Uploads
) -> AsyncIterator[Fields]:
    """The fields of a JSON object or of a form, by their names; the files of a form as Uploads, under `attachments`.

    A body that says that it is larger than BODY_MAX has a place of `uploads` until the block is left.

    Raises WrongMedia, Malformed, TooLarge, TooSlow or Unavailable; Rejected for JSON that is not an object.
    """
    kind = media_type(headers)
    if kind not in FORM_KINDS:
        raise WrongMedia(f"Send JSON ({JSON_TYPE}) or a form post; {kind or 'no content type'} is not taken.")
    size = int(headers.get(b"content-length", b"0"))
    large = size > BODY_MAX and kind != URLENCODED
    limit = UPLOAD_MAX if large else BODY_MAX
    if size > limit:
        raise _too_large(limit)
    async with uploads.place() if large else contextlib.nullcontext():
        body = await read_body(scope, receive, limit, UPLOAD_TIMEOUT if large else None)
        if kind == JSON_TYPE:
            yield _json_fields(body)
        else:
            yield _urlencoded(body) if kind == URLENCODED else await _multipart(scope, body)


def media_type(headers: dict[bytes, bytes]) -> str:
    """The content type without its parameters, in lower case; empty when there is none."""
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")


async def _within_deadline(receive: Receive) -> Any:
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            message = await receive()
    except TimeoutError:
        raise TooSlow(f"The request did not arrive within {BODY_TIMEOUT:.0f} seconds.") from None
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message


async def _rest(body: bytes, receive: Receive, limit: int, seconds: float) -> bytes:
    chunks, size, more = [body], len(body), True
    deadline = asyncio.get_running_loop().time() + seconds
    while more and size <= limit:
        message = await _within_deadline(receive)
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        more = message.get("more_body", False)
        if asyncio.get_running_loop().time() > deadline:
            raise TooSlow(f"The request did not arrive within {seconds:.0f} seconds.")
    return b"".join(chunks)


def _too_large(limit: int) -> TooLarge:
    words = f"{limit // 1024**2} MB" if limit >= 1024**2 else f"{limit // 1024} kB"
    return TooLarge(f"That is too large: everything together may have {words}.")


def _json_fields(body: bytes) -> Fields:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        value = _lenient_json(body)
    if not isinstance(value, dict):
        raise Rejected("Send one JSON object with the fields of the form.")
    return value


def _lenient_json(body: bytes) -> Any:
    """Takes more than the strict decoder, such as lone surrogates, so that the wrong field can be named."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Malformed("This is not valid JSON.") from None


def _urlencoded(body: bytes) -> Fields:
    # What is not UTF-8 becomes lone surrogates, which no field takes: the sender is told which field it was.
    try:
        text = body.decode("utf-8", "surrogateescape")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="surrogateescape")
        return dict(pairs)
    except ValueError:
        raise Malformed(f"This form cannot be read; it may have {FIELDS_MAX} fields.") from None


async def _multipart(scope: Scope, body: bytes) -> Fields:
    try:
        form = await _parser(scope, body).parse()
    except _UNREADABLE:
        raise Malformed(f"This form cannot be read; it may have {FIELDS_MAX} fields.") from None
    try:
        return await _with_files(form.multi_items())
    finally:
        await form.close()


def _parser(scope: Scope, body: bytes, files: int = FIELDS_MAX) -> MultiPartParser:
    async def stream() -> Any:
        yield body

    return _InMemory(Headers(scope=scope), stream(), max_files=files, max_fields=FIELDS_MAX)


class _InMemory(MultiPartParser):
    """Keeps files where the body is already; the base class writes them to a disk, which a pod does not have."""

    spool_max_size = UPLOAD_MAX + 1


async def _with_files(items: list[tuple[str, UploadFile | str]]) -> Fields:
    fields: Fields = {}
    files: list[Upload] = []
    for name, value in items:
        if isinstance(value, str):
            fields[name] = value
        elif value.size or value.filename:
            # Whatever the field was called: a file is an attachment.
            files.append(Upload(value.filename or "", value.content_type or "", await value.read()))
    return fields | {"attachments": files} if files else fields
