"""POST /webhooks/gmail: Pub/Sub says that a mailbox has changed. That is stored, and somebody else looks."""

import base64
import binascii
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fte.daemon.bodies import read_body
from fte.daemon.openapi import operation
from fte.daemon.responses import UNSTORED, TooLarge
from fte.domain.errors import Refused
from fte.pg.pool import Pool
from fte.settings import Settings
from fte.store import mailboxes

if TYPE_CHECKING:
    from fte.channels.gmail.push import PushVerifier

PATH: Final = "/webhooks/gmail"

_STANDARD: Final = str.maketrans("-_", "+/")
"""From the URL-safe alphabet of base64 to the standard one; Gmail's guide shows both."""

_log = structlog.get_logger("fte.gmail")


class Message(msgspec.Struct):
    data: str


class Push(msgspec.Struct):
    """A push of Pub/Sub, see "Push subscriptions" in its guide."""

    message: Message


class _Change(msgspec.Struct):
    """What Gmail announces. Its history id is not read: the stored one says where to go on."""

    emailAddress: str


class GmailWebhook:
    """Takes pushes for the configured mailbox; `on_stored` is called when one has been noted."""

    def __init__(self, pool: Pool, settings: Settings, on_stored: Callable[[], None]) -> None:
        self._pool = pool
        self._account = settings.gmail_account.lower()
        self._verifier = _verifier(settings)
        self._on_stored = on_stored

    def routes(self) -> list[Route]:
        return [Route(PATH, self._push, methods=["POST"])]

    @operation(
        "Pub/Sub says that the mailbox has changed",
        status=204,
        takes=Push,
        unread=(408,),
        header={"Authorization": str},
        errors=(403, 503),
    )
    async def _push(self, request: Request) -> Response:
        """204 once the change is noted, or when there is nothing to note; 403 without a good token.

        A push that cannot be understood is acknowledged all the same: any other answer would bring it back for
        days, and polling finds what it may have meant.
        """
        if self._verifier is None:
            raise Refused(
                "This push does not come from the mailbox's subscription."
            )  # `fte doctor` says what is missing
        await self._verifier.verify(request.headers.get("authorization"))
        try:
            address = _mailbox(await read_body(request.scope, request.receive))
        except (ValueError, TooLarge):
            _log.warning("push not understood")
            return Response(status_code=204, headers=UNSTORED)
        if address == self._account:
            await mailboxes.mark_dirty(self._pool, self._account)
            self._on_stored()
        return Response(status_code=204, headers=UNSTORED)


def _verifier(settings: Settings) -> "PushVerifier | None":
    """None when pushes are not configured: then none are believed."""
    audience = settings.gmail_push_audience or (
        settings.public_url.rstrip("/") + PATH if settings.public_url else ""
    )
    if not (settings.gmail_account and settings.gmail_push_account and audience):
        return None
    from fte.channels.gmail.push import PushVerifier, SigningKeys

    keys = SigningKeys(settings.google_certs_url)
    return PushVerifier(audience=audience, account=settings.gmail_push_account, keys=keys)


def _mailbox(body: bytes) -> str:
    """The address in a push. Raises ValueError for a body that has none."""
    try:
        push = msgspec.json.decode(body, type=Push)
        data = base64.b64decode(push.message.data.translate(_STANDARD))
        return msgspec.json.decode(data, type=_Change).emailAddress.lower()
    except (msgspec.MsgspecError, binascii.Error, UnicodeError, RecursionError) as error:
        raise ValueError(type(error).__name__) from None
