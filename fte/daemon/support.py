"""The web form's routes: the page, submitting it, and the ticket it becomes."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

import msgspec
from msgspec import Meta
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fte.channels.web_form import assets, page, parse, ticket_page
from fte.channels.web_form.limits import SECOND, Clock, Limiter, client_address
from fte.channels.web_form.markup import Html
from fte.channels.web_form.origins import Origins
from fte.channels.web_form.page import Site, Trouble
from fte.daemon import trail
from fte.daemon.attached import attachments
from fte.daemon.bodies import FORM_KINDS, UPLOAD_MAX, Beginning, Fields, Uploads, media_type, reading_fields
from fte.daemon.files import StaticFile
from fte.daemon.openapi import HTML, operation
from fte.daemon.responses import JSON_TYPE, UNSTORED, TooSlow, error_headers, json_response, problem, status
from fte.domain.deadlines import Policy, answer_by_words, expectation, is_open
from fte.domain.errors import FteError, NotFound, Rejected, TooMany, Unavailable
from fte.domain.identity import EMAIL_MAX, identity_key
from fte.domain.modes import Answers, who_answers
from fte.domain.tickets import CATEGORIES, PRIORITIES, Category, Priority, TicketStatus
from fte.pg.pool import Pool
from fte.settings import Settings
from fte.store import modes, tickets
from fte.store.intake import InboundMessage, Received, take_in
from fte.store.tickets import PAGE, TicketMessage, TicketView

ACCOUNT: Final = "form"
"""The account the form's messages are stored under; there is only one form."""
ANSWERS_PER_TICKET: Final = 60
"""Further messages an hour on one ticket. Its holder has proven more than an address, so may write more."""
FILES_PER_IP: Final = 20
"""Messages with files an hour from one IP."""
MINUTE: Final = 60
HOUR: Final = 3600

RULES_SECONDS: Final = 5
"""How old what the form says about who answers may be."""
RULES_PATIENCE: Final = 0.5
"""Seconds a page waits to learn who answers; after that it says what was so before, or promises nothing."""

THANKS: Final[dict[Answers, str]] = {
    "ai": "Thank you. We have your message, and our AI assistant answers first.",
    "checked": "Thank you. We have your message. A member of our team reads the answer before you get it.",
    "people": "Thank you. We have your message, and a member of our team answers it.",
    "either": "Thank you. We have your message.",
}

_BODY_MAX: Final = 100 * UPLOAD_MAX
"""Bytes at which the server library steps in, with less kind words than ours. We read no more than UPLOAD_MAX of it into
memory."""
_NOT_KEPT: Final = (
    "What you wrote could not be kept. Go back in your browser, which may still have it, and copy it before you try "
    "again."
)

Headers = dict[bytes, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """What the routes need. `on_stored` is called after every message that was newly stored."""

    pool: Pool
    secret: bytes
    settings: Settings
    on_stored: Callable[[], None]
    clock: Clock = time.monotonic_ns


class FormFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a message in JSON. `content` is its bytes in base64; what it is, they tell."""

    name: Annotated[str, Meta(max_length=parse.FILE_NAME_MAX)]
    content: Annotated[str, Meta(min_length=4, extra_json_schema={"contentEncoding": "base64"})]


FormFiles = Annotated[list[FormFile], Meta(max_length=parse.FILES_MAX)]


class FirstMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What the form takes, as `fte.channels.web_form.parse` checks it. Further fields are ignored."""

    name: Annotated[str, Meta(min_length=parse.NAME.low, max_length=parse.NAME.high)]
    email: Annotated[str, Meta(max_length=EMAIL_MAX, extra_json_schema={"format": "email"})]
    subject: Annotated[str, Meta(min_length=parse.SUBJECT.low, max_length=parse.SUBJECT.high)]
    category: Category
    message: Annotated[str, Meta(min_length=parse.MESSAGE.low, max_length=parse.MESSAGE.high)]
    priority: Priority | Literal[""] | None = "medium"
    submission_id: Annotated[str, Meta(max_length=parse.KEY_MAX)] | None = None
    attachments: FormFiles | None = None


class FurtherMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What a ticket takes."""

    message: Annotated[str, Meta(min_length=parse.ANSWER.low, max_length=parse.ANSWER.high)]
    submission_id: Annotated[str, Meta(max_length=parse.KEY_MAX)] | None = None
    attachments: FormFiles | None = None


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a message that is stored."""

    ticket_id: str
    message: str
    estimated_response_time: str


class TicketAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket, for programs."""

    ticket_id: str
    status: TicketStatus
    subject: str
    messages: tuple[TicketMessage, ...]
    created_at: datetime
    last_updated: datetime


def routes(support: Support) -> list[Route]:
    """The routes under /support. Raises Rejected when FTE_EMBED_ORIGINS is wrong."""
    origins = Origins(support.settings.embed_origins)
    files = assets.load()
    who = _Who(support.pool, support.clock)
    pages = _Pages(_site(support.settings, files), origins, who)
    intake = _Intake(support, who)
    ticket = _Ticket(support, pages, intake)
    return [
        Route("/support", pages.form),
        Route(
            "/support/submit",
            _Submit(pages, intake, origins),
            methods=["POST", "OPTIONS"],
            max_body_size=_BODY_MAX,
        ),
        *(Route(f"/support/{name}", StaticFile(asset), methods=["GET"]) for name, asset in files.items()),
        Route("/support/ticket", ticket.find),
        Route("/support/ticket/{ticket_id}/messages", ticket.back, methods=["GET"]),
        Route(
            "/support/ticket/{ticket_id}/messages", ticket.write, methods=["POST"], max_body_size=_BODY_MAX
        ),
        Route("/support/ticket/{ticket_id:path}", ticket.show),
    ]


def _site(settings: Settings, files: Mapping[str, assets.Asset]) -> Site:
    unset = next(field.default for field in fields(Settings) if field.name == "company")
    company = "" if settings.company == unset else settings.company
    return Site(company=company, stylesheet=files["form.css"].url, script=files["form.js"].url)


class _Who:
    """Who answers on the form, as the rules were RULES_SECONDS ago at most while the database can be asked."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._asked: int | None = None
        self._config: Any = None

    async def answers(self, category: object = None, *, shared: bool = False) -> Answers:
        """In a category; for anything else than one, in whichever the customer will choose.

        In a `shared` conversation each answer of the AI is held: see `modes.decide`.
        """
        now = self._clock()
        if self._asked is None or now - self._asked >= RULES_SECONDS * SECOND:
            with contextlib.suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(RULES_PATIENCE):
                    self._config = await modes.config(self._pool, "web_form")
            self._asked = now
        if self._config is None:
            return "either"
        who = who_answers(self._config, next((known for known in CATEGORIES if known == category), None))
        return "checked" if shared and who == "ai" else who


class _Pages:
    """Our HTML as responses, with the headers every page has."""

    def __init__(self, site: Site, origins: Origins, who: _Who) -> None:
        self.site = site
        self._who = who
        self._headers = {
            **UNSTORED,
            "Vary": "Accept",
            "Content-Security-Policy": (
                "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
                f"form-action 'self'; base-uri 'none'; frame-ancestors {origins.frame_ancestors}"
            ),
        }
        self._not_found = page.notice_page(
            site,
            "There is no such ticket",
            "Please check the address or the ticket number, or write to us again.",
        )

    def response(self, html: Html, code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        content = html.encode("utf-8", "replace")
        return Response(content, code, {**self._headers, **(headers or {})}, "text/html; charset=utf-8")

    async def promising(self, category: object = None) -> Site:
        """The site, and who answers on it now."""
        return replace(self.site, answers=await self._who.answers(category))

    async def promising_in(self, view: TicketView) -> Site:
        """The site, and who answers now in that ticket."""
        return replace(self.site, answers=await self._who.answers(view.category, shared=view.shared))

    @operation("The page with the form", gives=str, media=HTML)
    async def form(self, _: Request) -> Response:
        return self.response(page.form_page(await self.promising(), _new_key(), {}))

    async def failed_form(self, error: FteError, kept: Fields) -> Response:
        """The form again, with what was typed and what is wrong."""
        html = page.form_page(await self.promising(), _kept_key(kept), kept, _trouble(error))
        return self.response(html, status(error), error_headers(error))

    def failed(self, error: FteError, also: str = "") -> Response:
        """A page that only says what went wrong."""
        if isinstance(error, NotFound):
            return self.response(self._not_found, 404, error_headers(error))
        title = (
            "That did not work" if isinstance(error, Rejected | TooMany) else "We cannot be reached right now"
        )
        return self.response(
            page.notice_page(self.site, title, f"{_trouble(error).message} {also}".strip()),
            status(error),
            error_headers(error),
        )


class _Intake:
    """Checks, limits and stores what customers write."""

    def __init__(self, support: Support, who: _Who) -> None:
        settings, clock = support.settings, support.clock
        self._support = support
        self._who = who
        self._by_ip = Limiter(settings.form_rate_per_ip, MINUTE, clock=clock)
        self._by_address = Limiter(settings.form_rate_per_address, HOUR, clock=clock)
        self._by_ticket = Limiter(ANSWERS_PER_TICKET, HOUR, clock=clock)
        self._files_by_ip = Limiter(FILES_PER_IP, HOUR, clock=clock)
        self.uploads = Uploads()

    def count(self, scope: Scope, given: Fields) -> None:
        """Count a request for its sender. Raises TooMany."""
        hops = self._support.settings.trusted_proxies
        forwarded = (
            [v.decode("latin-1") for k, v in scope["headers"] if k == b"x-forwarded-for"] if hops else []
        )
        peer = scope["client"][0] if scope.get("client") else ""
        address = client_address(peer, forwarded, hops)
        self._by_ip.take(address)
        if given.get("attachments"):
            self._files_by_ip.take(address)

    async def first(self, given: Fields, headers: Headers) -> Received:
        """Store a first message. Raises Rejected, TooMany or Unavailable; the last may yet have stored it."""
        form = parse.parse_form(given)
        content = (form.email, form.name, form.subject, form.category, form.priority, form.message)
        message = InboundMessage(
            channel="web_form",
            account=ACCOUNT,
            provider_id=parse.provider_id(
                _key(form.submission_id, headers), "form", *content, files=form.attachments
            ),
            identifier_type="email",
            identifier=form.email,
            verified=False,
            name=form.name,
            body=parse.with_files(form.message, form.attachments),
            subject=form.subject,
            category=form.category,
            priority=form.priority,
            attachments=attachments(form.attachments),
        )
        return await self._store(message, self._by_address, identity_key("email", form.email))

    async def further(self, ticket: TicketView, given: Fields, headers: Headers) -> Received:
        """Store a further message on a ticket. Raises like `first`."""
        answer = parse.parse_answer(given)
        ticket_key = str(ticket.ticket)
        message = InboundMessage(
            channel="web_form",
            account=ACCOUNT,
            provider_id=parse.provider_id(
                _key(answer.submission_id, headers), ticket_key, answer.message, files=answer.attachments
            ),
            identifier_type="email",
            identifier=ticket.identifier,
            verified=False,
            name="",
            body=parse.with_files(answer.message, answer.attachments),
            attachments=attachments(answer.attachments),
            into_ticket=ticket.ticket,
            envelope={PAGE: str(ticket.ticket)},
        )
        return await self._store(message, self._by_ticket, ticket_key)

    async def _store(self, message: InboundMessage, limiter: Limiter, sender: str) -> Received:
        limiter.take(sender)
        try:
            received = await take_in(self._support.pool, self._support.secret, message)
        except Unavailable:
            limiter.give_back(sender)
            raise
        if received.gone:
            raise NotFound("This message was erased.", remedy="Write a new one.")
        trail.received(received, message.channel)
        if received.duplicate:
            limiter.give_back(sender)
        else:
            self._support.on_stored()
        return received

    async def stored(
        self, received: Received, priority: object, category: object, *, shared: bool = False
    ) -> Response:
        """The answer to a message that is stored, of the priority and category its sender chose."""
        chosen: Priority = next((known for known in PRIORITIES if known == priority), "medium")
        who = await self._who.answers(category, shared=shared)
        estimate = estimated_response_time(self._support.settings.policy, chosen, who, datetime.now(UTC))
        answer = Submitted(
            ticket_id=received.ticket_id, message=THANKS[who], estimated_response_time=estimate
        )
        return json_response(answer)


_FILES_RULE: Final = (
    f"Files are pictures, PDF, text, office documents, sound or video: at most {parse.FILES_MAX}, "
    f"{parse.FILE_BYTES_MAX // 1024**2} MB each and {parse.FILES_BYTES_MAX // 1024**2} MB in all. "
    "A form post with files is multipart, and a body over 64 kB says its length."
)


@operation("Let a page of an allowed site post from its own script", method="OPTIONS", status=204)
@operation(
    "Write to us",
    method="POST",
    takes=FirstMessage,
    rule=f"The texts hold that many characters that can be seen and stored. {_FILES_RULE}",
    kinds=FORM_KINDS,
    header={"Idempotency-Key": str},
    gives=Submitted,
    also={303: None},
    page=True,
    errors=(404, 415, 429, 503),
)
class _Submit:
    """POST /support/submit: the busiest route, so it is a bare ASGI application."""

    def __init__(self, pages: _Pages, intake: _Intake, origins: Origins) -> None:
        self._pages = pages
        self._intake = intake
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = dict(scope["headers"])
        preflight = scope["method"] == "OPTIONS"
        response = Response(status_code=204) if preflight else await self._submit(scope, receive, headers)
        if b"origin" in headers:
            self._share(response, headers[b"origin"].decode("latin-1"), preflight)
        await response(scope, receive, send)

    async def _submit(self, scope: Scope, receive: Receive, headers: Headers) -> Response:
        given: Fields | None = None
        begun = Beginning(receive)
        try:
            async with reading_fields(scope, begun.receive, headers, self._intake.uploads) as given:
                self._intake.count(scope, given)
                received = await self._intake.first(given, headers)
        except ClientDisconnect:
            return _nobody()
        except FteError as error:
            if not _wants_page(headers):
                return problem(error)
            given = await _typed(error, begun, scope) if given is None else given
            if given is None:
                return self._pages.failed(error, _NOT_KEPT)
            return await self._pages.failed_form(error, given)
        if _wants_page(headers):
            return _see_ticket(received.ticket_id)
        return await self._intake.stored(received, given.get("priority"), given.get("category"))

    def _share(self, response: Response, origin: str, preflight: bool) -> None:
        """Let a page of an allowed site read the answer. Without cookies nobody's rights are borrowed."""
        response.headers["Vary"] = "Origin"
        if not self._origins.allow(origin):
            return
        response.headers["Access-Control-Allow-Origin"] = "*" if self._origins.everywhere else origin
        if preflight:
            response.headers["Access-Control-Allow-Methods"] = "POST"
            response.headers["Access-Control-Allow-Headers"] = "content-type, idempotency-key"
            response.headers["Access-Control-Max-Age"] = "600"
        else:
            response.headers["Access-Control-Expose-Headers"] = "Retry-After"


class _Ticket:
    """A ticket's page, and what its holder does there."""

    def __init__(self, support: Support, pages: _Pages, intake: _Intake) -> None:
        self._pool = support.pool
        self._pages = pages
        self._intake = intake

    @operation("From the box on the form to the ticket", status=303, query={"id": str})
    async def find(self, request: Request) -> Response:
        """From the box on the form to the ticket; the ticket's whole address may be pasted too."""
        typed = request.query_params.get("id", "").strip().partition("?")[0].partition("#")[0].rstrip("/")
        return _see_ticket(typed.rpartition("/")[2].lower()) if typed else _see("/support")

    @operation(
        "From the address a message was posted to, back to the ticket", status=303, id=str, finds=False
    )
    async def back(self, request: Request) -> Response:
        """Who reloads the address a message was posted to wants to see the ticket."""
        return _see_ticket(request.path_params["ticket_id"])

    @operation(
        "A ticket: a page for browsers, otherwise JSON",
        id=str,
        header={"If-None-Match": str},
        gives=TicketAnswer,
        also={304: None},
        page=True,
        shown=True,
        errors=(503,),
    )
    async def show(self, request: Request) -> Response:
        headers: Headers = dict(request.scope["headers"])
        ticket_id: str = request.path_params["ticket_id"]
        try:
            view = await tickets.by_public_id(self._pool, ticket_id)
        except FteError as error:
            return self._pages.failed(error) if _wants_page(headers) else problem(error)
        site = await self._pages.promising_in(view)
        version = _version(view, site.answers)
        if headers.get(b"if-none-match", b"").decode("latin-1") == version:
            return Response(status_code=304, headers={**UNSTORED, "ETag": version, "Vary": "Accept"})
        if not _wants_page(headers):
            return json_response(
                _as_json(ticket_id, view), headers={**UNSTORED, "ETag": version, "Vary": "Accept"}
            )
        writing = "write" in request.query_params
        html = ticket_page.ticket_page(
            site, _as_page(ticket_id, view, site.answers), _new_key(), writing=writing
        )
        return self._pages.response(html, headers={"ETag": version})

    @operation(
        "Write on in a ticket",
        id=str,
        takes=FurtherMessage,
        rule=f"The text holds something that can be seen and stored. {_FILES_RULE}",
        kinds=FORM_KINDS,
        header={"Idempotency-Key": str},
        gives=Submitted,
        also={303: None},
        page=True,
        errors=(415, 429, 503),
    )
    async def write(self, request: Request) -> Response:
        headers: Headers = dict(request.scope["headers"])
        ticket_id: str = request.path_params["ticket_id"]
        given: Fields | None = None
        view: TicketView | None = None
        begun = Beginning(request.receive)
        try:
            async with reading_fields(request.scope, begun.receive, headers, self._intake.uploads) as given:
                self._intake.count(request.scope, given)
                view = await tickets.by_public_id(self._pool, ticket_id)
                received = await self._intake.further(view, given, headers)
        except ClientDisconnect:
            return _nobody()
        except FteError as error:
            if not _wants_page(headers):
                return problem(error)
            given = await _typed(error, begun, request.scope) if given is None else given
            return await self._failed(error, ticket_id, given, view)
        if _wants_page(headers):
            return _see_ticket(ticket_id, "#thread-end")
        return await self._intake.stored(received, None, view.category, shared=view.shared)

    async def _failed(
        self, error: FteError, ticket_id: str, given: Fields | None, view: TicketView | None
    ) -> Response:
        site, trouble = self._pages.site, _trouble(error)
        if isinstance(error, NotFound):
            return self._pages.failed(error)
        if given is None:
            return self._pages.failed(error, _NOT_KEPT)
        if view is None:
            html = ticket_page.answer_page(site, ticket_id, _kept_key(given), given, trouble)
        else:
            site = await self._pages.promising_in(view)
            shown = _as_page(ticket_id, view, site.answers)
            html = ticket_page.ticket_page(site, shown, _kept_key(given), kept=given, trouble=trouble)
        return self._pages.response(html, status(error), error_headers(error))


def _wants_page(headers: Headers) -> bool:
    return b"text/html" in headers.get(b"accept", b"") and media_type(headers) != JSON_TYPE


async def _typed(error: FteError, begun: Beginning, scope: Scope) -> Fields | None:
    """What was typed into a form whose body was not taken, and that files came with it; None when the text is not there."""
    if not isinstance(error, TooSlow):
        await begun.read_on()
    texts = await begun.texts(scope)
    return texts | {"attachments": True} if texts.get("message") else None


def _new_key() -> str:
    return secrets.token_urlsafe(16)


def _key(submission_id: str, headers: Headers) -> str:
    return submission_id or headers.get(b"idempotency-key", b"").decode("latin-1") or _new_key()


def _kept_key(given: Fields) -> str:
    """The page's own submission id, so that a second try of the same message stays the same message."""
    key = given.get("submission_id")
    return key if isinstance(key, str) and 0 < len(key) <= parse.KEY_MAX else _new_key()


def _trouble(error: FteError) -> Trouble:
    if isinstance(error, Unavailable):
        return Trouble(
            "Your message is not sent yet: we cannot store it right now. Please try again in a moment.", {}
        )
    return Trouble(error.message, error.fields if isinstance(error, Rejected) else {})


def estimated_response_time(policy: Policy, priority: Priority, who: Answers, now: datetime) -> str:
    """How soon the form's customer hears from us: from the AI, and, where hours are known, from a person."""
    by_person = expectation(policy, priority, now, on_duty=is_open(policy.hours, now))
    if who == "ai" and by_person is None:
        return "Usually within a minute; longer when a person of our team answers."
    if by_person is None:
        return "As soon as a person of our team is free."
    words = answer_by_words(by_person, now)
    if who == "ai":
        return f"Usually within a minute; when a person of our team has to answer, by {words}."
    return f"By {words}."


def _see(address: str) -> Response:
    return Response(status_code=303, headers={**UNSTORED, "Location": address})


def _see_ticket(ticket_id: str, part: str = "") -> Response:
    return _see(f"/support/ticket/{quote(ticket_id, safe='', errors='replace')}{part}")


def _nobody() -> Response:
    """For a client that has left; no one reads it."""
    return Response(status_code=400)


def _version(view: TicketView, answers: Answers) -> str:
    newest = max([view.last_updated, *(message.at for message in view.messages)])
    return f'W/"{int(newest.timestamp() * 1_000_000):x}-{len(view.messages)}-{view.status}-{answers}"'


def _as_json(ticket_id: str, view: TicketView) -> TicketAnswer:
    return TicketAnswer(
        ticket_id=ticket_id,
        status=view.status,
        subject=view.subject,
        messages=view.messages,
        created_at=view.created_at,
        last_updated=view.last_updated,
    )


def _as_page(ticket_id: str, view: TicketView, answers: Answers) -> ticket_page.Ticket:
    return ticket_page.Ticket(
        ticket_id=ticket_id,
        status=view.status,
        subject=view.subject,
        created_at=view.created_at,
        messages=view.messages,
        version=_version(view, answers),
    )
