"""Twilio for WhatsApp, simulated: messages and media behind the real HTTP API, signed webhooks and callbacks.

Twilio's own client talks to it with `client.api.base_url = twilio.url`. Answers, errors and parameters have the shape
of https://www.twilio.com/docs/messaging/api/message-resource; what is not there answers 404.
"""

import asyncio
import base64
import binascii
import secrets
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from fte.demo.providers.pushes import Patience, Push
from fte.demo.providers.server import ApiError, Handler, Simulator, as_json, plainly, read_json
from fte.demo.providers.whatsapp import (
    API_VERSION,
    BODY_MAX,
    ERRORS,
    OUTSIDE_WINDOW,
    WINDOW,
    Button,
    Location,
    Media,
    Message,
    Reaction,
    SignatureAlgorithm,
    Status,
    inbound_parameters,
    new_sid,
    reply_id_of,
    signature,
)
from fte.domain.errors import Rejected

NUMBER: Final = "whatsapp:+14155238886"
PATIENCE: Final = Patience(attempts=2, pause=0.5, any_failure=False)
"""Twilio posts a second time only when nobody listened."""
PAGE_SIZE: Final = 50
PAGE_MAX: Final = 1_000
SETTINGS_HEADER: Final = "X-Twilio-Webhooks-Signature-Settings"


class SentMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message of ours that was accepted. `at` is seconds since 1970."""

    sid: str
    recipient: str
    text: str
    content_sid: str
    reply_id: str | None
    status_callback: str
    at: float


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's message. `status` is what our webhook answered, None when it did not or was not asked yet."""

    sid: str
    status: int | None


@dataclass(frozen=True, slots=True)
class _End:
    """How a message is to end, other than read."""

    status: Status
    error_code: int | None


class SimulatedTwilio(Simulator):
    """One account with one WhatsApp number.

    Customers' messages go to `webhook`, a full URL. `signature` is how requests are signed. `step` is the pause in
    seconds before each status of a message; `reads` False: customers do not let us see what they read.
    """

    OPERATIONS: ClassVar[frozenset[str]] = frozenset(
        {
            "accounts.fetch",
            "messages.create",
            "messages.list",
            "messages.fetch",
            "media.list",
            "media.fetch",
            "media.content",
        }
    )

    def __init__(
        self,
        webhook: str = "",
        *,
        number: str = NUMBER,
        signature: SignatureAlgorithm = "sha1",
        step: float = 0.0,
        reads: bool = True,
        page_size: int = PAGE_MAX,
    ) -> None:
        super().__init__(PATIENCE)
        self.account = new_sid("AC")
        self.auth_token = secrets.token_hex(16)
        self.number = number
        self.webhook = webhook
        self.signature: SignatureAlgorithm = signature
        self.step = step
        self.reads = reads
        self.page_size = page_size
        self.media_redirect = ""
        """Where a media file is redirected to instead of being served, when set."""
        self.messages: dict[str, Message] = {}
        self.outbox: list[SentMessage] = []
        self._heard: dict[str, float] = {}
        self._ends: deque[_End] = deque()
        self._reporting: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------ what tests and the demonstration do

    async def customer_writes(
        self,
        sender: str,
        text: str = "",
        *,
        profile_name: str = "Customer",
        media: Sequence[Media] = (),
        button: Button | None = None,
        location: Location | None = None,
        reaction: Reaction | None = None,
        reply_to: str | None = None,
    ) -> Written:
        """Let a customer write from `sender` (E.164), and post it to the webhook.

        Comes back when the webhook has answered, or at once when the post was lost, delayed or held back.
        """
        address = "whatsapp:" + sender.removeprefix("whatsapp:")
        attached = {new_sid("ME"): file for file in media}
        body = text or (button.text if button else "") or (reaction.emoji if reaction else "")
        message = Message(
            sid=new_sid("MM" if media else "SM"),
            account=self.account,
            sender=address,
            recipient=self.number,
            body=body,
            direction="inbound",
            status="received",
            sent_at=time.time(),
            media=attached,
        )
        self.messages[message.sid] = message
        self._heard[address] = message.created_at
        parameters = inbound_parameters(
            message,
            self.url,
            profile_name=profile_name,
            button=button,
            location=location,
            reaction=reaction,
            reply_to=reply_to,
        )
        posted = self._post(address, self.webhook, parameters) if self.webhook else None
        late = posted is None or self.pushes.disturbs(posted)
        return Written(sid=message.sid, status=None if late or posted is None else await posted)

    def close_window(self, customer: str) -> None:
        """Let the customer's last message be more than a day old."""
        address = "whatsapp:" + customer.removeprefix("whatsapp:")
        self._heard[address] = time.time() - WINDOW - 1

    def next_ends(self, status: Status, error_code: int | None = None, *, times: int = 1) -> None:
        """Let the next `times` accepted messages end like that, such as failed, or sent and never delivered."""
        self._ends.extend([_End(status, error_code)] * times)

    def refuse(self, code: int, *, times: int = 1, status: int = 400) -> None:
        """Refuse the next `times` messages with one of Twilio's error codes."""
        self.faults.next("messages.create", "refuse", times=times, status=status, code=code)

    def report(self, sid: str, status: Status, error_code: int | None = None) -> None:
        """Report a status of a message, whatever came before."""
        message = self.messages[sid]
        message.settle(status, error_code)
        if message.status_callback:
            self._post(sid, message.status_callback, message.report())

    async def settled(self) -> None:
        """Wait until every status is reported and every post is done."""
        while self._reporting:
            await asyncio.wait(self._reporting)
        await self.pushes.settled()

    def signed(self, url: str, parameters: dict[str, str]) -> dict[str, str]:
        """The headers that prove a post of these parameters is ours."""
        headers = {"X-Twilio-Signature": signature(self.auth_token, url, parameters, self.signature)}
        if self.signature == "sha256":
            headers[SETTINGS_HEADER] = "key=webhooks_sharedkey_simulated,algorithm=HMAC_SHA256"
        return headers

    def environment(self) -> dict[str, str]:
        """Settings that make a daemon use this account."""
        return {
            "TWILIO_ACCOUNT_SID": self.account,
            "TWILIO_AUTH_TOKEN": self.auth_token,
            "TWILIO_WHATSAPP_NUMBER": self.number,
            "FTE_TWILIO_SIGNATURE": self.signature,
            "FTE_TWILIO_API_URL": self.url,
        }

    # ------------------------------------------------------------ routes

    def routes(self) -> list[Route]:
        account = f"/{API_VERSION}/Accounts/{{account}}"
        message = f"{account}/Messages/{{sid}}"
        return [
            self._route("GET", f"{account}.json", "accounts.fetch", self._about_account),
            self._route("POST", f"{account}/Messages.json", "messages.create", self._create),
            self._route("GET", f"{account}/Messages.json", "messages.list", self._list),
            self._route("GET", f"{message}.json", "messages.fetch", self._fetch),
            self._route("GET", f"{message}/Media.json", "media.list", self._list_media),
            self._route("GET", f"{message}/Media/{{media}}.json", "media.fetch", self._fetch_media),
            self._route("GET", f"{message}/Media/{{media}}", "media.content", self._content),
            Route("/control/write", plainly(self._order_message), methods=["POST"]),
            Route("/control/window", plainly(self._order_window), methods=["POST"]),
            Route("/control/ends", plainly(self._order_ends), methods=["POST"]),
            Route("/control/report", plainly(self._order_report), methods=["POST"]),
        ]

    def failed(self, error: ApiError) -> Response:
        code = error.code or {429: 20429, 404: 20404}.get(error.status, 20500)
        return as_json(
            {
                "code": code,
                "message": ERRORS.get(code, error.message),
                "more_info": f"https://www.twilio.com/docs/errors/{code}",
                "status": error.status,
            },
            error.status,
        )

    def shown_outbox(self) -> list[Any]:
        return [
            msgspec.to_builtins(sent) | {"status": self.messages[sent.sid].status} for sent in self.outbox
        ]

    def _route(self, method: str, path: str, operation: str, handler: Handler) -> Route:
        async def call(request: Request) -> Response:
            self._check(request)
            return await handler(request)

        return Route(path, self.operation(operation, call), methods=[method])

    def _check(self, request: Request) -> None:
        try:
            given = base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic "))
        except binascii.Error:
            given = b""
        if given.decode("latin-1") != f"{self.account}:{self.auth_token}":
            raise ApiError(401, "Authenticate", 20003)
        if request.path_params["account"] != self.account:
            raise _not_found()

    async def _about_account(self, _: Request) -> Response:
        about = {"sid": self.account, "status": "active", "type": "Full", "friendly_name": "Simulated"}
        return as_json(about | {"uri": f"/{API_VERSION}/Accounts/{self.account}.json"})

    # ------------------------------------------------------------ messages

    async def _create(self, request: Request) -> Response:
        async with request.form() as form:
            asked = {name: str(value) for name, value in form.multi_items() if name != "MediaUrl"}
            media_urls = [str(value) for value in form.getlist("MediaUrl")]
        self._check_message(asked, media_urls)
        message = Message(
            sid=new_sid("MM" if media_urls else "SM"),
            account=self.account,
            sender=asked["From"],
            recipient=asked["To"],
            body=asked.get("Body", ""),
            direction="outbound-api",
            status="queued",
            status_callback=asked.get("StatusCallback", ""),
            content_sid=asked.get("ContentSid", ""),
            content_variables=asked.get("ContentVariables", ""),
            media_urls=media_urls,
        )
        self._accept(message)
        return as_json(message.shown(), 201)

    def _check_message(self, asked: dict[str, str], media_urls: Sequence[str]) -> None:
        recipient = asked.get("To", "")
        if not recipient:
            raise ApiError(400, "", 21604)
        if asked.get("From") != self.number:
            raise ApiError(400, "", 63007)
        if not recipient.startswith("whatsapp:+") or not recipient.removeprefix("whatsapp:+").isdecimal():
            raise ApiError(400, "", 21211)
        if not (asked.get("Body") or media_urls or asked.get("ContentSid")):
            raise ApiError(400, "", 21619)
        if len(asked.get("Body", "")) > BODY_MAX:
            raise ApiError(400, "", 21617)

    def _accept(self, message: Message) -> None:
        self.messages[message.sid] = message
        reply_id = reply_id_of(message.status_callback)
        self.accepted.add("messages.create", message.sid, reply_id, message.recipient)
        self.outbox.append(
            SentMessage(
                sid=message.sid,
                recipient=message.recipient,
                text=message.body,
                content_sid=message.content_sid,
                reply_id=reply_id,
                status_callback=message.status_callback,
                at=message.created_at,
            )
        )
        task = asyncio.create_task(self._live(message, self._course(message)))
        self._reporting.add(task)
        task.add_done_callback(self._reporting.discard)

    def _course(self, message: Message) -> list[_End]:
        """The statuses a message goes through after it was queued."""
        heard = self._heard.get(message.recipient, 0.0)
        if not message.content_sid and time.time() - heard > WINDOW:
            return [_End("failed", OUTSIDE_WINDOW)]
        course = [_End("sent", None), _End("delivered", None), *([_End("read", None)] if self.reads else [])]
        if not self._ends:
            return course
        end = self._ends.popleft()
        if end.status in ("failed", "undelivered"):
            return [end] if end.status == "failed" else [course[0], end]
        return [step for step in course if _rank(step.status) <= _rank(end.status)]

    async def _live(self, message: Message, course: Sequence[_End]) -> None:
        for step in course:
            await asyncio.sleep(self.step)
            if step.status == "sent":
                message.sent_at = time.time()
            self.report(message.sid, step.status, step.error_code)

    async def _list(self, request: Request) -> Response:
        asked = request.query_params
        found = [message for message in reversed(self.messages.values()) if _listed(message, asked)]
        size = max(1, min(_number(asked.get("PageSize"), PAGE_SIZE), self.page_size))
        page = _number(asked.get("Page"), 0)
        first = page * size

        def uri(number: int) -> str:
            rest = [(name, value) for name, value in asked.multi_items() if name not in ("Page", "PageToken")]
            return f"{request.url.path}?{urlencode([*rest, ('Page', number)])}"

        shown = [message.shown() for message in found[first : first + size]]
        return as_json(
            {
                "messages": shown,
                "page": page,
                "page_size": size,
                "start": first,
                "end": first + max(0, len(shown) - 1),
                "uri": uri(page),
                "first_page_uri": uri(0),
                "previous_page_uri": uri(page - 1) if page else None,
                "next_page_uri": uri(page + 1) if first + size < len(found) else None,
            }
        )

    async def _fetch(self, request: Request) -> Response:
        return as_json(self._message(request).shown())

    def _message(self, request: Request) -> Message:
        message = self.messages.get(request.path_params["sid"])
        if message is None:
            raise _not_found()
        return message

    # ------------------------------------------------------------ media

    async def _list_media(self, request: Request) -> Response:
        message = self._message(request)
        return as_json(
            {
                "media_list": [message.media_shown(sid) for sid in message.media],
                "page": 0,
                "page_size": PAGE_SIZE,
                "next_page_uri": None,
                "uri": request.url.path,
            }
        )

    async def _fetch_media(self, request: Request) -> Response:
        message = self._message(request)
        sid, _ = _attached(message, request)
        return as_json(message.media_shown(sid))

    async def _content(self, request: Request) -> Response:
        _, media = _attached(self._message(request), request)
        if self.media_redirect:
            return RedirectResponse(self.media_redirect, 307)
        return Response(media.content, media_type=media.media_type)

    # ------------------------------------------------------------ what goes to us

    def _post(self, key: str, url: str, parameters: dict[str, str]) -> "asyncio.Task[int | None] | None":
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": secrets.token_hex(16),
            **self.signed(url, parameters),
        }
        content = urlencode(parameters).encode()
        return self.pushes.send(Push(key=key, url=url, content=content, headers=lambda: headers))

    # ------------------------------------------------------------ the control route

    async def _order_message(self, request: Request) -> Response:
        order = _ordered(await read_json(request), _Message)
        written = await self.customer_writes(
            order.sender,
            order.text,
            profile_name=order.profile_name,
            media=order.media,
            button=order.button,
            location=order.location,
            reaction=order.reaction,
            reply_to=order.reply_to,
        )
        return as_json(written)

    async def _order_window(self, request: Request) -> Response:
        self.close_window(str((await read_json(request))["customer"]))
        return as_json({})

    async def _order_ends(self, request: Request) -> Response:
        order = _ordered(await read_json(request), _Ends)
        self.next_ends(order.status, order.error_code, times=order.times)
        return as_json({})

    async def _order_report(self, request: Request) -> Response:
        order = _ordered(await read_json(request), _Report)
        if order.sid not in self.messages:
            raise Rejected("There is no such message.", fields={"sid": "unknown"})
        self.report(order.sid, order.status, order.error_code)
        return as_json({})


class _Order(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    pass


class _Message(_Order, kw_only=True):
    sender: str
    text: str = ""
    profile_name: str = "Customer"
    media: list[Media] = []
    button: Button | None = None
    location: Location | None = None
    reaction: Reaction | None = None
    reply_to: str | None = None


class _Ends(_Order, kw_only=True):
    status: Status
    error_code: int | None = None
    times: int = 1


class _Report(_Order, kw_only=True):
    sid: str
    status: Status
    error_code: int | None = None


def _ordered(value: dict[str, Any], type_: type[Any]) -> Any:
    return msgspec.convert(value, type_)


def _rank(status: Status) -> int:
    return ("queued", "sent", "delivered", "read").index(status)


def _not_found() -> ApiError:
    return ApiError(404, "", 20404)


def _attached(message: Message, request: Request) -> tuple[str, Media]:
    sid = request.path_params["media"]
    if sid not in message.media:
        raise _not_found()
    return sid, message.media[sid]


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdecimal() else otherwise


def _listed(message: Message, asked: Any) -> bool:
    """Whether a list with these parameters shows the message. Times are compared in whole seconds."""
    moment = int(message.sent_at or message.created_at)
    after, before, on = (_moment(asked.get(name)) for name in ("DateSent>", "DateSent<", "DateSent"))
    return (
        asked.get("To") in (None, message.recipient)
        and asked.get("From") in (None, message.sender)
        and (after is None or moment >= after)
        and (before is None or moment <= before)
        and (on is None or int(on) // 86_400 == moment // 86_400)
    )


def _moment(text: str | None) -> float | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise ApiError(400, "Invalid DateSent", 20001) from None
