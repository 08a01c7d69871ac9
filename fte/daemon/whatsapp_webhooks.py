"""Twilio's webhooks: what customers write, and what becomes of our messages. Stored first, answered then.

Twilio posts again only when it could not connect (and not at all on a 429, which is therefore never answered); what is
lost on the way is found by the watch.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl
from uuid import UUID

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from fte.channels.whatsapp import inbound, refusals, signature
from fte.channels.whatsapp.account import INBOUND_PATH, STATUS_PATH, Account
from fte.channels.whatsapp.inbound import Incoming, StatusReport
from fte.daemon import trail
from fte.daemon.bodies import URLENCODED, media_type, read_body
from fte.daemon.openapi import operation
from fte.daemon.responses import UNSTORED, problem
from fte.daemon.whatsapp import as_inbound
from fte.domain.delivery import WINDOW_CLOSED
from fte.domain.errors import FteError, Malformed, Refused, Unavailable
from fte.pg.pool import Pool
from fte.store import replies, whatsapp
from fte.store.intake import take_in

BODY_MAX: Final = 256 * 1024
"""Bytes of a request: WhatsApp's longest text, percent-encoded, several times over."""
FIELDS_MAX: Final = 300
TELL_EVERY: Final = 60.0
"""Seconds between two lines in the log about refused requests, which anybody can cause."""
TELL_MISSED_EVERY: Final = 1.0
"""Seconds between two notes that webhooks may have been lost."""
TWIML: Final = b'<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
"""No instructions: answers go out through the API, when there is one."""

_log = structlog.get_logger("fte.whatsapp")


class Webhooks:
    """The routes of one account; without one they refuse everything. `on_stored` is called after every message that was
    newly stored."""

    def __init__(
        self, pool: Pool, secret: bytes, account: Account | None, on_stored: Callable[[], None]
    ) -> None:
        self._pool = pool
        self._secret = secret
        self._account = account
        self._on_stored = on_stored
        self._missed = asyncio.Event()
        self._missed.set()  # before this process was there
        self._refused = 0
        self._tell_at = 0.0

    async def run(self) -> None:
        """Have what webhooks may not have brought looked for, until cancelled."""
        while self._account is not None:
            await self._missed.wait()
            self._missed.clear()
            try:
                await whatsapp.missed(self._pool, self._account.number)
            except Unavailable:
                self._missed.set()
            await asyncio.sleep(TELL_MISSED_EVERY)

    def routes(self) -> list[Route]:
        """Both take both: a message posted to the address meant for statuses is not lost."""
        return [Route(path, self._receive, methods=["POST"]) for path in (INBOUND_PATH, STATUS_PATH)]

    @operation(
        "A customer's message or the state of one of ours, as Twilio posts and signs it",
        takes=dict[str, str],
        kinds=(URLENCODED,),
        unread=(400, 408, 413),
        header={signature.HEADER.decode(): str},
        query={"reply": UUID},
        gives=str,
        media="application/xml",
        errors=(403, 503),
    )
    async def _receive(self, request: Request) -> Response:
        try:
            account = self._configured()
            form = await self._genuine_form(request, account)
            await self._take(inbound.understand(form, account), account, request)
        except ClientDisconnect:
            self._missed.set()
            return Response(status_code=400)
        except FteError as error:
            if isinstance(error, Unavailable):
                self._missed.set()
            if isinstance(error, Malformed):
                _log.error("whatsapp webhook not understood", problem=error.message)
            return problem(error)
        return Response(TWIML, 200, UNSTORED, "application/xml")

    def _configured(self) -> Account:
        if self._account is None:
            raise Refused(
                "WhatsApp is not set up here.",
                remedy="Set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_WHATSAPP_NUMBER and FTE_PUBLIC_URL.",
            )
        return self._account

    async def _genuine_form(self, request: Request, account: Account) -> list[tuple[str, str]]:
        """The form, when Twilio signed it. Raises Refused, and Malformed for what is signed and yet no form."""
        headers = dict(request.scope["headers"])
        header = headers.get(signature.HEADER)
        if not signature.has_form(header, account.algorithm):
            raise self._refusal("no signature of the configured algorithm")
        body = await read_body(request.scope, request.receive, BODY_MAX)
        form = _form(body) if media_type(headers) == URLENCODED else None
        if not signature.is_genuine(
            header,
            token=account.token,
            algorithm=account.algorithm,
            public_url=account.public_url,
            target=_target(request),
            form=[(_bytes(name), _bytes(value)) for name, value in form or ()],
        ):
            raise self._refusal("the signature is not that of our token and FTE_PUBLIC_URL")
        if form is None:
            raise Malformed(f"This is not a form of at most {FIELDS_MAX} fields.")
        return form

    def _refusal(self, reason: str) -> Refused:
        self._refused += 1
        if time.monotonic() >= self._tell_at:
            _log.warning("whatsapp webhook refused", reason=reason, times=self._refused)
            self._refused, self._tell_at = 0, time.monotonic() + TELL_EVERY
        return Refused("This request is not signed by Twilio for this address.")

    async def _take(self, meaning: Incoming | StatusReport, account: Account, request: Request) -> None:
        if isinstance(meaning, StatusReport):
            reported = await replies.report(
                self._pool, "whatsapp", meaning.sid, meaning.status, error_of(meaning), _reply_id(request)
            )
            if reported is not None:
                trail.reported(reported, meaning.status)
        else:
            received = await take_in(self._pool, self._secret, as_inbound(account, meaning))
            trail.received(received, "whatsapp")
            if received.duplicate:
                return
        self._on_stored()


def error_of(report: StatusReport) -> str | None:
    """What went wrong, as `fte.store.replies` wants it: the bare code for a closed window, words for the rest."""
    if report.code == int(WINDOW_CLOSED):
        return WINDOW_CLOSED
    return refusals.explained(report.code, report.message) or None


def _target(request: Request) -> bytes:
    query: bytes = request.scope["query_string"]
    path: bytes = request.scope["raw_path"].partition(b"?")[0]
    return path + b"?" + query if query else path


def _form(body: bytes) -> list[tuple[str, str]] | None:
    """Every field, the blank ones too. What is not UTF-8 becomes lone surrogates, which `_bytes` turns back."""
    try:
        return parse_qsl(
            body.decode("utf-8", "surrogateescape"),
            keep_blank_values=True,
            max_num_fields=FIELDS_MAX,
            errors="surrogateescape",
        )
    except ValueError:
        return None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _reply_id(request: Request) -> UUID | None:
    """Our reply's id, which the signed address names: the status of a message whose sid we never learned finds it."""
    try:
        return UUID(request.query_params.get("reply", ""))
    except ValueError:
        return None
