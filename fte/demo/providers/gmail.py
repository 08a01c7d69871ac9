"""Gmail, simulated: mailboxes behind the real HTTP API, OAuth tokens, and Pub/Sub pushes.

Google's own client talks to it with `client_options={"api_endpoint": gmail.url}`. Answers and errors have the shape
of https://developers.google.com/workspace/gmail/api/reference/rest; what is not there answers 404.
"""

import base64
import binascii
import json
import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, TypeVar
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from fte.demo.providers.mail import Mail, Reading, domain, encoded, with_headers, without_header
from fte.demo.providers.mailbox import Format, Ids, Mailbox, Query, StoredMail, Watch, shown
from fte.demo.providers.oauth import LIFE, SigningKey, Tokens, claims
from fte.demo.providers.pushes import Patience, Push
from fte.demo.providers.server import ApiError, Handler, Simulator, as_json, plainly, read_json
from fte.domain.errors import NotFound, Rejected

Dmarc = Literal["pass", "fail", "none"]

REPLY_HEADER: Final = "X-FTE-Reply"
"""Names our reply in a mail of ours, for the accept log."""
PUSH_ACCOUNT: Final = "gmail-push@simulated.iam.gserviceaccount.com"
TOPIC: Final = "projects/simulated/topics/gmail"
WATCH_LIFE: Final = 7 * 24 * 3600.0
"""Seconds a watch lasts."""
PAGE_MAX: Final = 500
PATIENCE: Final = Patience(attempts=6, pause=0.5, any_failure=True)
"""Pub/Sub pushes again until it is acknowledged; here it gives up after a while."""
SCOPE: Final = "https://www.googleapis.com/auth/gmail.modify"

_STATUS: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}
_LABEL_KINDS: Final = {
    "messageAdded": "messagesAdded",
    "messageDeleted": "messagesDeleted",
    "labelAdded": "labelsAdded",
    "labelRemoved": "labelsRemoved",
}
T = TypeVar("T")


class SentMail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail of ours that was sent. `at` is seconds since 1970; `raw` is what its readers get."""

    id: str
    thread_id: str
    mailbox: str
    message_id: str
    in_reply_to: str
    recipients: list[str]
    subject: str
    text: str
    reply_id: str | None
    at: float
    raw: bytes

    @property
    def reading(self) -> Reading:
        return Reading(self.raw)


@dataclass(frozen=True, slots=True)
class _Subscription:
    """Where the pushes of a mailbox go, and for whom their token is."""

    url: str
    audience: str


class SimulatedGmail(Simulator):
    """Gmail for these addresses.

    `page_size` is the most entries a page of a list has. `keeps_message_ids` False: like Gmail with a Message-ID it
    does not like, it gives every mail that is sent one of its own. `watch_life` is in seconds.
    """

    OPERATIONS: ClassVar[frozenset[str]] = frozenset(
        {"getProfile", "watch", "stop", "history.list", "messages.list", "messages.get", "messages.send"}
        | {"messages.modify", "attachments.get", "threads.get", "drafts.create", "drafts.get", "drafts.list"}
        | {"drafts.send", "drafts.delete", "token", "certs"}
    )

    def __init__(
        self,
        *addresses: str,
        push_account: str = PUSH_ACCOUNT,
        page_size: int = 100,
        keeps_message_ids: bool = True,
        watch_life: float = WATCH_LIFE,
    ) -> None:
        super().__init__(PATIENCE)
        ids = Ids()
        self.tokens = Tokens()
        self.key = SigningKey()
        self.outbox: list[SentMail] = []
        self.push_account = push_account
        self.page_size = page_size
        self.keeps_message_ids = keeps_message_ids
        self.watch_life = watch_life
        self._mailboxes = {address.lower(): Mailbox(address.lower(), ids) for address in addresses}
        self._subscriptions: dict[str, _Subscription] = {}

    # ------------------------------------------------------------ what tests and the demonstration do

    def mailbox(self, address: str) -> Mailbox:
        """The mailbox of an address. Raises NotFound when it is not ours."""
        try:
            return self._mailboxes[address.lower()]
        except KeyError:
            raise NotFound(f"There is no simulated mailbox {address!r}.") from None

    def push_to(self, address: str, url: str, audience: str = "") -> None:
        """Post the mailbox's pushes to this URL, once it is watched. The audience is the URL unless named."""
        self._subscriptions[self.mailbox(address).address] = _Subscription(url, audience or url)

    async def deliver(
        self,
        mail: bytes | Mail | Mapping[str, Any],
        to: str | None = None,
        *,
        dmarc: Dmarc = "pass",
        labels: Collection[str] = ("INBOX", "UNREAD"),
        return_path: str | None = None,
    ) -> StoredMail:
        """Let somebody's mail arrive, with what Gmail writes on top of it, and announce it.

        A mapping has the fields of `Mail`. `to` is the first mailbox unless named; `return_path` the From address
        unless given, empty for a bounce. Raises NotFound for a mailbox that is not here, Rejected for wrong fields.
        """
        mailbox = self.mailbox(to or next(iter(self._mailboxes)))
        written = mail if isinstance(mail, bytes) else _typed(mail, Mail).to_bytes(mailbox.address)
        return self._arrive(mailbox, written, dmarc, labels, return_path)

    def announce(self, address: str, history_id: int | None = None) -> None:
        """Push a notice, as if something had changed; with another history id than the newest if one is given."""
        mailbox = self.mailbox(address)
        subscription = self._subscriptions.get(mailbox.address)
        if subscription is None:
            return
        notice = {"emailAddress": mailbox.address, "historyId": history_id or mailbox.history_id}
        self.pushes.send(
            Push(
                key=mailbox.address,
                url=subscription.url,
                content=_pubsub(notice),
                headers=lambda: {
                    "Content-Type": "application/json",
                    "Authorization": f"Bearer {self.push_token(subscription.audience)}",
                },
            )
        )

    def push_token(self, audience: str, **changed: Any) -> str:
        """A token as pushes carry; `changed` claims instead of the right ones (None: left out)."""
        said = claims(audience, self.push_account) | changed
        return self.key.signed({name: value for name, value in said.items() if value is not None})

    def rotate_key(self) -> None:
        """Sign with a new key from now on; /certs shows only that one."""
        self.key = SigningKey()

    def write_token_file(self, path: Path, address: str | None = None) -> Path:
        """The mailbox's access as an `authorized_user` file, its `token_uri` here. Readable by its owner only."""
        mailbox = self.mailbox(address or next(iter(self._mailboxes)))
        content = {
            "type": "authorized_user",
            "client_id": self.tokens.client_id,
            "client_secret": self.tokens.client_secret,
            "refresh_token": self.tokens.refresh_token(mailbox.address),
            "token_uri": f"{self.url}/token",
            "scopes": [SCOPE],
        }
        return _private_file(path, content)

    def write_client_file(self, path: Path) -> Path:
        """An OAuth client as Google's console gives it, with the addresses here."""
        client = {
            "client_id": self.tokens.client_id,
            "client_secret": self.tokens.client_secret,
            "auth_uri": f"{self.url}/auth",
            "token_uri": f"{self.url}/token",
            "redirect_uris": ["http://localhost"],
        }
        return _private_file(path, {"installed": client})

    def environment(self, folder: Path, address: str | None = None) -> dict[str, str]:
        """Settings that make a daemon use this mailbox. Its token and client files are written into `folder`."""
        mailbox = self.mailbox(address or next(iter(self._mailboxes)))
        return {
            "FTE_GMAIL_ACCOUNT": mailbox.address,
            "FTE_GMAIL_CLIENT_FILE": str(self.write_client_file(folder / "gmail-client.json")),
            "FTE_GMAIL_TOKEN_FILE": str(self.write_token_file(folder / "gmail-token.json", mailbox.address)),
            "FTE_GMAIL_TOPIC": TOPIC,
            "FTE_GMAIL_PUSH_ACCOUNT": self.push_account,
            "FTE_GMAIL_API_URL": self.url,
            "FTE_GOOGLE_CERTS_URL": f"{self.url}/certs",
        }

    # ------------------------------------------------------------ routes

    def routes(self) -> list[Route]:
        user = "/gmail/v1/users/{user}"
        return [
            self._route("GET", f"{user}/profile", "getProfile", self._profile),
            self._route("POST", f"{user}/watch", "watch", self._watch),
            self._route("POST", f"{user}/stop", "stop", self._stop),
            self._route("GET", f"{user}/history", "history.list", self._history),
            self._route("GET", f"{user}/messages", "messages.list", self._messages),
            self._route("POST", f"{user}/messages/send", "messages.send", self._send_message),
            self._route("GET", f"{user}/messages/{{id}}", "messages.get", self._message),
            self._route("POST", f"{user}/messages/{{id}}/modify", "messages.modify", self._modify),
            self._route(
                "GET", f"{user}/messages/{{id}}/attachments/{{part}}", "attachments.get", self._attachment
            ),
            self._route("GET", f"{user}/threads/{{id}}", "threads.get", self._thread),
            self._route("POST", f"{user}/drafts", "drafts.create", self._create_draft),
            self._route("GET", f"{user}/drafts", "drafts.list", self._drafts),
            self._route("POST", f"{user}/drafts/send", "drafts.send", self._send_draft),
            self._route("GET", f"{user}/drafts/{{id}}", "drafts.get", self._draft),
            self._route("DELETE", f"{user}/drafts/{{id}}", "drafts.delete", self._delete_draft),
            self._route("POST", "/token", "token", self._token),
            self._route("GET", "/certs", "certs", self._certs),
            Route("/auth", self._consent, methods=["GET"]),
            Route("/control/deliver", plainly(self._order_delivery), methods=["POST"]),
            Route("/control/tokens", plainly(self._order_tokens), methods=["POST"]),
        ]

    def failed(self, error: ApiError) -> Response:
        detail = {"message": error.message, "domain": "global", "reason": error.reason or "failed"}
        status = _STATUS.get(error.status, "UNKNOWN")
        return as_json(
            {
                "error": {
                    "code": error.status,
                    "message": error.message,
                    "errors": [detail],
                    "status": status,
                }
            },
            error.status,
        )

    def shown_outbox(self) -> list[Any]:
        return list(self.outbox)

    def _route(self, method: str, path: str, operation: str, handler: Handler) -> Route:
        return Route(path, self.operation(operation, handler), methods=[method])

    # ------------------------------------------------------------ the mailbox as such

    async def _profile(self, request: Request) -> Response:
        mailbox = self._opened(request)
        return as_json(
            {
                "emailAddress": mailbox.address,
                "messagesTotal": len(mailbox.messages),
                "threadsTotal": len({mail.thread_id for mail in mailbox.messages.values()}),
                "historyId": str(mailbox.history_id),
            }
        )

    async def _watch(self, request: Request) -> Response:
        mailbox, asked = self._opened(request), await _body(request)
        topic = str(asked.get("topicName") or "")
        if not topic.startswith("projects/"):
            raise ApiError(400, "Invalid topicName does not match projects/*/topics/*", reason="badRequest")
        behaviour = str(asked.get("labelFilterBehavior") or asked.get("labelFilterAction") or "include")
        mailbox.watch = Watch(
            topic,
            frozenset(asked.get("labelIds") or ()),
            behaviour.lower() == "exclude",
            time.time() + self.watch_life,
        )
        expiration = str(int(mailbox.watch.expires_at * 1000))
        return as_json({"historyId": str(mailbox.history_id), "expiration": expiration})

    async def _stop(self, request: Request) -> Response:
        self._opened(request).watch = None
        return Response(status_code=204)

    async def _history(self, request: Request) -> Response:
        mailbox, asked = self._opened(request), request.query_params
        start = asked.get("startHistoryId", "")
        if not start.isdecimal():
            raise ApiError(400, "Missing or invalid startHistoryId", reason="invalidArgument")
        if int(start) < mailbox.oldest_history:
            raise _not_found()
        kinds = {_LABEL_KINDS.get(kind, "") for kind in asked.getlist("historyTypes")}
        records = list(mailbox.changes(int(start), kinds, asked.get("labelId")))
        page, following = self._page(request, records)
        answer = {"history": [record.shown() for record in page], "historyId": str(mailbox.history_id)}
        return as_json(_filled(answer | following))

    # ------------------------------------------------------------ mails and threads

    async def _messages(self, request: Request) -> Response:
        mailbox, asked = self._opened(request), request.query_params
        try:
            query = Query(asked.get("q", ""))
        except Rejected as error:
            raise ApiError(400, error.message, reason="invalidArgument") from None
        hidden_too = asked.get("includeSpamTrash", "false") == "true"
        found = mailbox.found(query, asked.getlist("labelIds"), hidden_too)
        page, following = self._page(request, found)
        answer = {"messages": [mail.reference() for mail in page], "resultSizeEstimate": len(found)}
        return as_json(_filled(answer | following))

    async def _message(self, request: Request) -> Response:
        return as_json(_shown(_known(self._opened(request), request), request))

    async def _modify(self, request: Request) -> Response:
        mailbox, asked = self._opened(request), await _body(request)
        mail = _known(mailbox, request)
        mailbox.relabel(mail.id, asked.get("addLabelIds") or (), asked.get("removeLabelIds") or ())
        self._changed(mailbox, mail)
        return as_json(mail.reference() | {"labelIds": sorted(mail.labels)})

    async def _attachment(self, request: Request) -> Response:
        mail = _known(self._opened(request), request)
        part = request.path_params["part"].rpartition("_")[2].replace("-", ".")
        content = mail.reading.attachment(part)
        if content is None:
            raise ApiError(400, "Invalid attachment token", reason="invalidArgument")
        return as_json({"size": len(content), "data": encoded(content)})

    async def _thread(self, request: Request) -> Response:
        mailbox = self._opened(request)
        mails = mailbox.thread(request.path_params["id"])
        if not mails:
            raise _not_found()
        newest = max(mail.history_id for mail in mails)
        return as_json(
            {
                "id": request.path_params["id"],
                "historyId": str(newest),
                "messages": [_shown(mail, request) for mail in mails],
            }
        )

    # ------------------------------------------------------------ sending

    async def _send_message(self, request: Request) -> Response:
        mailbox, asked = self._opened(request), await _body(request)
        raw, thread_id = self._taken(mailbox, asked)
        sent = self._send(mailbox, raw, thread_id, "messages.send")
        return as_json(sent.reference() | {"labelIds": sorted(sent.labels)})

    async def _create_draft(self, request: Request) -> Response:
        mailbox, asked = self._opened(request), await _body(request)
        raw, thread_id = self._taken(mailbox, asked.get("message") or {})
        mail = mailbox.add(raw, {"DRAFT"}, thread_id)
        draft_id = f"r{secrets.randbelow(2**62):019d}"
        mailbox.drafts[draft_id] = mail.id
        self._accept("drafts.create", draft_id, mail.reading)
        self._changed(mailbox, mail)
        return as_json({"id": draft_id, "message": mail.reference() | {"labelIds": ["DRAFT"]}})

    async def _drafts(self, request: Request) -> Response:
        mailbox = self._opened(request)
        page, following = self._page(request, list(reversed(mailbox.drafts.items())))
        drafts = [{"id": id_, "message": mailbox.messages[mail].reference()} for id_, mail in page]
        return as_json(_filled({"drafts": drafts, "resultSizeEstimate": len(mailbox.drafts)} | following))

    async def _draft(self, request: Request) -> Response:
        mailbox, draft_id = self._opened(request), request.path_params["id"]
        return as_json({"id": draft_id, "message": _shown(_drafted(mailbox, draft_id), request)})

    async def _send_draft(self, request: Request) -> Response:
        """A draft is used up by sending: its message is gone, and what was sent is a new one."""
        mailbox, asked = self._opened(request), await _body(request)
        draft_id = str(asked.get("id") or "")
        draft = _drafted(mailbox, draft_id)
        _check_recipients(draft.reading)
        del mailbox.drafts[draft_id]
        mailbox.remove(draft.id)
        sent = self._send(mailbox, draft.raw, draft.thread_id, "drafts.send")
        return as_json(sent.reference() | {"labelIds": sorted(sent.labels)})

    async def _delete_draft(self, request: Request) -> Response:
        mailbox, draft_id = self._opened(request), request.path_params["id"]
        mail = _drafted(mailbox, draft_id)
        del mailbox.drafts[draft_id]
        mailbox.remove(mail.id)
        self._changed(mailbox, mail)
        return Response(status_code=204)

    def _taken(self, mailbox: Mailbox, message: Mapping[str, Any]) -> tuple[bytes, str | None]:
        """The mail of a request as it will be sent, and the thread it is to be in."""
        try:
            raw = base64.urlsafe_b64decode(str(message.get("raw") or "") + "==")
        except (binascii.Error, ValueError):
            raw = b""
        if not raw:
            raise ApiError(400, "'raw' RFC822 payload message string required", reason="invalidArgument")
        thread_id = message.get("threadId") or None
        if thread_id and not mailbox.thread(thread_id):
            raise _not_found()
        return raw, thread_id

    def _send(self, mailbox: Mailbox, raw: bytes, thread_id: str | None, operation: str) -> StoredMail:
        raw = self._completed(mailbox, raw)
        reading = Reading(raw)
        _check_recipients(reading)
        recipients = reading.addresses("To", "Cc", "Bcc")
        labels = {"SENT"} | ({"INBOX", "UNREAD"} if mailbox.address in recipients else set())
        mail = mailbox.add(raw, labels, thread_id)
        self._accept(operation, mail.id, reading)
        self.outbox.append(_sent(mailbox, mail, recipients))
        self._changed(mailbox, mail)
        self._deliver_here(mailbox, raw, recipients)
        return mail

    def _completed(self, mailbox: Mailbox, raw: bytes) -> bytes:
        """The mail with what Gmail adds or changes when it sends."""
        reading = Reading(raw)
        added: dict[str, str] = {}
        if reading.addresses("From") != [mailbox.address]:
            raw = without_header(raw, "From")
            added["From"] = mailbox.address
        if not reading.header("Date"):
            added["Date"] = format_datetime(datetime.now(UTC))
        if not reading.message_id or not self.keeps_message_ids:
            raw = without_header(raw, "Message-ID")
            added["Message-ID"] = f"<CA{secrets.token_urlsafe(32)}@mail.gmail.com>"
            if reading.message_id:
                added["X-Google-Original-Message-ID"] = reading.message_id
        return with_headers(raw, added)

    def _deliver_here(self, sender: Mailbox, raw: bytes, recipients: Collection[str]) -> None:
        for address in recipients:
            other = self._mailboxes.get(address)
            if other is not None and other is not sender:
                bare = without_header(raw, "Bcc")
                self._arrive(other, bare, "pass", ("INBOX", "UNREAD"), sender.address)

    def _arrive(
        self, mailbox: Mailbox, raw: bytes, dmarc: Dmarc, labels: Collection[str], return_path: str | None
    ) -> StoredMail:
        mail = mailbox.add(with_headers(raw, _trace(mailbox.address, raw, dmarc, return_path)), labels)
        self._changed(mailbox, mail)
        return mail

    def _accept(self, operation: str, provider_id: str, reading: Reading) -> None:
        reply_id = reading.header(REPLY_HEADER) or None
        recipients = ", ".join(reading.addresses("To", "Cc", "Bcc"))
        self.accepted.add(operation, provider_id, reply_id, recipients)

    def _changed(self, mailbox: Mailbox, mail: StoredMail) -> None:
        if mailbox.watch and mailbox.watch.covers(mail.labels):
            self.announce(mailbox.address)

    # ------------------------------------------------------------ who asks

    def _opened(self, request: Request) -> Mailbox:
        address = self.tokens.mailbox(request.headers.get("Authorization", ""))
        if address is None:
            raise ApiError(401, "Request had invalid authentication credentials.", reason="authError")
        if request.path_params["user"].lower() not in ("me", address):
            raise ApiError(403, f"Delegation denied for {address}", reason="forbidden")
        return self._mailboxes[address]

    async def _token(self, request: Request) -> Response:
        async with request.form() as form:
            asked = {name: str(value) for name, value in form.items()}
        if asked.get("client_id") != self.tokens.client_id:
            return _oauth_error("invalid_client", "The OAuth client was not found.", 401)
        if asked.get("client_secret") != self.tokens.client_secret:
            return _oauth_error("invalid_client", "Unauthorized", 401)
        if asked.get("grant_type") == "refresh_token":
            address = self.tokens.refreshed(asked.get("refresh_token", ""))
            return self._granted(address, "Token has been expired or revoked.")
        if asked.get("grant_type") == "authorization_code":
            address = self.tokens.exchanged(asked.get("code", ""))
            return self._granted(address, "Malformed auth code.", lasting=True)
        return _oauth_error("unsupported_grant_type", "Invalid grant_type", 400)

    def _granted(self, address: str | None, refusal: str, *, lasting: bool = False) -> Response:
        if address is None:
            return _oauth_error("invalid_grant", refusal, 400)
        answer: dict[str, Any] = {
            "access_token": self.tokens.access_token(address),
            "expires_in": LIFE,
            "scope": SCOPE,
            "token_type": "Bearer",
        }
        if lasting:
            answer["refresh_token"] = self.tokens.refresh_token(address)
        return as_json(answer)

    async def _certs(self, _: Request) -> Response:
        answer = as_json({"keys": [self.key.jwk()]})
        answer.headers["Cache-Control"] = "public, max-age=20000, must-revalidate, no-transform"
        return answer

    async def _consent(self, request: Request) -> Response:
        """Google's consent page, with a user who always agrees."""
        asked = request.query_params
        address = asked.get("login_hint") or next(iter(self._mailboxes))
        answer = {"code": self.tokens.authorize(address), "scope": asked.get("scope", SCOPE)}
        if "state" in asked:
            answer["state"] = asked["state"]
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 302)

    # ------------------------------------------------------------ the control route

    async def _order_delivery(self, request: Request) -> Response:
        order = _typed(await read_json(request), _Delivery)
        written = order.raw if order.raw is not None else order.mail
        if written is None:
            raise Rejected("Nothing to deliver.", fields={"mail": "a mail, or raw"})
        try:
            mail = await self.deliver(
                written, order.to, dmarc=order.dmarc, labels=order.labels, return_path=order.return_path
            )
        except NotFound as error:
            raise Rejected(error.message, fields={"to": "not a mailbox here"}) from None
        return as_json({"id": mail.id, "threadId": mail.thread_id, "messageId": mail.reading.message_id})

    async def _order_tokens(self, request: Request) -> Response:
        order = _typed(await read_json(request), _TokenOrder)
        if order.action == "expire":
            self.tokens.expire()
        else:
            address = order.address or next(iter(self._mailboxes))
            (self.tokens.revoke if order.action == "revoke" else self.tokens.restore)(address)
        return as_json({})

    def _page(self, request: Request, entries: list[T]) -> tuple[list[T], dict[str, Any]]:
        """One page of a list, and the token of the next one where there is one."""
        asked = request.query_params
        limit = asked.get("maxResults", "100")
        size = max(1, min(int(limit) if limit.isdecimal() else 100, self.page_size, PAGE_MAX))
        first = _offset(asked.get("pageToken"))
        following = {"nextPageToken": f"page-{first + size}"} if first + size < len(entries) else {}
        return entries[first : first + size], following


class _Delivery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    to: str | None = None
    mail: Mail | None = None
    raw: bytes | None = None
    dmarc: Dmarc = "pass"
    labels: tuple[str, ...] = ("INBOX", "UNREAD")
    return_path: str | None = None


class _TokenOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    action: Literal["expire", "revoke", "restore"]
    address: str | None = None


def _typed(value: Any, type_: type[T]) -> T:
    try:
        return value if isinstance(value, type_) else msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        raise Rejected(f"Not understood: {error}.") from None


async def _body(request: Request) -> dict[str, Any]:
    try:
        return await read_json(request)
    except Rejected:
        raise ApiError(400, "Invalid JSON payload received.", reason="parseError") from None


def _not_found() -> ApiError:
    return ApiError(404, "Requested entity was not found.", reason="notFound")


def _known(mailbox: Mailbox, request: Request) -> StoredMail:
    mail = mailbox.messages.get(request.path_params["id"])
    if mail is None:
        raise _not_found()
    return mail


def _drafted(mailbox: Mailbox, draft_id: str) -> StoredMail:
    if draft_id not in mailbox.drafts:
        raise _not_found()
    return mailbox.messages[mailbox.drafts[draft_id]]


def _shown(mail: StoredMail, request: Request) -> dict[str, Any]:
    asked = request.query_params
    format_: Format = asked.get("format", "full").lower()  # type: ignore[assignment]
    if format_ not in ("minimal", "full", "raw", "metadata"):
        raise ApiError(400, f"Invalid format {format_!r}", reason="invalidArgument")
    # Gmail names the same attachment differently on every reading; who keeps a name finds out here.
    return shown(mail, format_, f"ANGjdJ{secrets.token_hex(12)}", asked.getlist("metadataHeaders"))


def _check_recipients(reading: Reading) -> None:
    if not reading.addresses("To", "Cc", "Bcc"):
        raise ApiError(400, "Recipient address required", reason="invalidArgument")


def _sent(mailbox: Mailbox, mail: StoredMail, recipients: list[str]) -> SentMail:
    reading = mail.reading
    return SentMail(
        id=mail.id,
        thread_id=mail.thread_id,
        mailbox=mailbox.address,
        message_id=reading.message_id,
        in_reply_to=reading.header("In-Reply-To"),
        recipients=recipients,
        subject=reading.header("Subject"),
        text=reading.text(),
        reply_id=reading.header(REPLY_HEADER) or None,
        at=mail.received_at,
        raw=mail.raw,
    )


def _trace(address: str, raw: bytes, dmarc: Dmarc, return_path: str | None) -> dict[str, str]:
    """What Gmail writes above a mail that arrives. A domain without a policy has no dmarc result at all."""
    sender = next(iter(Reading(raw).addresses("From")), "")
    path = sender if return_path is None else return_path
    origin = domain(sender)
    good = "fail" if dmarc == "fail" else "pass"
    results = f"dkim={good} header.i=@{origin}; spf={good} (google.com: {path}) smtp.mailfrom={path}"
    if dmarc != "none":
        disposition = "QUARANTINE" if dmarc == "fail" else "NONE"
        results += f"; dmarc={dmarc} (p=QUARANTINE sp=QUARANTINE dis={disposition}) header.from={origin}"
    now = format_datetime(datetime.now(UTC))
    return {
        "Delivered-To": address,
        "Received": f"by 2002:a05:6000:0:0:0:0:0 with SMTP id {secrets.token_hex(8)}; {now}",
        "ARC-Authentication-Results": f"i=1; mx.google.com; {results}",
        "Return-Path": f"<{path}>",
        "Authentication-Results": f"mx.google.com; {results}",
    }


def _pubsub(notice: Mapping[str, Any]) -> bytes:
    """A Pub/Sub push: https://cloud.google.com/pubsub/docs/push#receive_push."""
    message_id, now = str(secrets.randbelow(10**16)), datetime.now(UTC).isoformat()
    message = {
        "data": base64.b64encode(json.dumps(notice).encode()).decode(),
        "messageId": message_id,
        "message_id": message_id,
        "publishTime": now,
        "publish_time": now,
    }
    return json.dumps({"message": message, "subscription": "projects/simulated/subscriptions/gmail"}).encode()


def _oauth_error(error: str, description: str, status: int) -> Response:
    return as_json({"error": error, "error_description": description}, status)


def _filled(answer: dict[str, Any]) -> dict[str, Any]:
    """Without empty lists: Gmail leaves those out."""
    return {name: value for name, value in answer.items() if value != []}


def _offset(token: str | None) -> int:
    number = (token or "page-0").removeprefix("page-")
    if not number.isdecimal():
        raise ApiError(400, "Invalid pageToken", reason="invalidArgument")
    return int(number)


def _private_file(path: Path, content: Mapping[str, Any]) -> Path:
    path.touch(mode=0o600)
    path.write_text(json.dumps(content))
    return path
