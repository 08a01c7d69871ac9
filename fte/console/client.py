"""The operator API over HTTP: requests with deadlines, and the stream that comes back by itself."""

import asyncio
import random
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit
from uuid import UUID

import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError, aconnect_sse

from fte.console.errors import BadToken, OutcomeUnknown
from fte.console.model import IDS_MAX, PAGE_MAX, WALK_MAX, Link, Phase, View
from fte.domain.drafts import Decision
from fte.domain.errors import Conflict, FteError, NotFound, Refused, Rejected, TooMany, Unavailable
from fte.domain.events import OPERATOR_TOPICS
from fte.domain.operators import Action
from fte.domain.presence import Doing, Duty
from fte.domain.recent import Recent
from fte.wire import (
    PRESENT,
    ActionDone,
    ActionRequest,
    CannedPage,
    CannedReply,
    ChannelsView,
    ConversationView,
    CustomerHits,
    CustomerPage,
    CustomerView,
    DraftDecision,
    DraftsPage,
    DraftView,
    DutyRequest,
    Envelope,
    ErasureDone,
    ErasurePlan,
    KnowledgeHits,
    LetterPage,
    LettersDone,
    LettersRequest,
    LinkRequest,
    MergeDone,
    MergeRequest,
    MetricsSpan,
    MetricsView,
    ModeRequest,
    ModesView,
    OperatorView,
    PresenceRequest,
    Problem,
    QueuePage,
    StreamNotice,
    SuggestionsPage,
    SuggestionView,
    TaughtPage,
    TeachRequest,
    TeamView,
    TicketView,
    decode,
    encode,
)

CONNECT_DEADLINE: Final = 3.0
READ_DEADLINE: Final = 10.0
ACT_DEADLINE: Final = 8.0
"""Seconds one try of a request may take."""
FILE_DEADLINE: Final = 60.0
"""Seconds a customer's file may take."""
FILE_MAX: Final = 64 * 1024 * 1024
"""Bytes of a file that are taken; the daemon keeps less."""
ACT_TRIES: Final = 3
DRAFTS_MAX: Final = 100
"""Drafts of one page."""
SILENCE_MAX: Final = 15.0
"""Seconds without a byte after which the stream counts as cut."""
PAUSE_FIRST: Final = 0.5
PAUSE_MAX: Final = 15.0
"""Seconds between tries to come back: doubled each time, with jitter."""
RETRY_AFTER_MAX: Final = 60.0
KNOWN_MAX: Final = 5_000
"""Events known again when they come twice: more than a failure behind the daemon repeats."""

T = TypeVar("T")
Jitter = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Heard:
    """An event of the stream."""

    cursor: str
    event: Envelope


@dataclass(frozen=True, slots=True)
class Reset:
    """Events are missing from the stream: load everything anew."""


def back_off(attempt: int, jitter: Jitter = random.random) -> float:
    """Seconds before try number `attempt` (from 1): between half of the doubled pause and all of it."""
    whole = min(PAUSE_MAX, PAUSE_FIRST * 2.0 ** min(attempt - 1, 10))
    return whole / 2 + whole / 2 * jitter()


class Client:
    """Talks to one daemon as one operator. Close it with `aclose`.

    Every method raises a subclass of FteError with a message fit for people: BadToken and Refused, NotFound,
    Conflict, Rejected, TooMany, Unavailable.
    """

    def __init__(self, url: str, token: str, *, jitter: Jitter = random.random, person: bool = True) -> None:
        """`person` is false for a program that asks with an operator's token: nobody is present for that."""
        local = (urlsplit(url).hostname or "") in ("127.0.0.1", "localhost", "::1")
        self.url = url.rstrip("/")
        self._jitter = jitter
        self._hurry = asyncio.Event()
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"} | ({} if person else {PRESENT: "no"}),
            timeout=httpx.Timeout(READ_DEADLINE, connect=CONNECT_DEADLINE),
            trust_env=not local,
            verify=_certificates(self.url),
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    def retry_now(self) -> None:
        """End the pause before the next try."""
        self._hurry.set()

    async def pause(self, attempt: int) -> None:
        """Wait before try number `attempt`, at most until `retry_now`."""
        self._hurry.clear()
        try:
            async with asyncio.timeout(back_off(attempt, self._jitter)):
                await self._hurry.wait()
        except TimeoutError:
            pass

    # -- reading

    async def me(self) -> OperatorView:
        return await self._get("/operator/me", OperatorView)

    async def colleagues(self) -> list[OperatorView]:
        """Who may hold a conversation, by name."""
        return await self._get("/operator/colleagues", list[OperatorView])

    async def queue(
        self, view: View, search: str = "", ids: Sequence[UUID] | None = None, before: int | None = None
    ) -> QueuePage:
        """The first page of the view, its rows with a number below `before`, or those of `ids` (at most 100)."""
        query: dict[str, Any] = {"view": view, "limit": PAGE_MAX}
        if before is not None:
            query |= {"before": before, "limit": WALK_MAX}
        elif ids is not None:
            query["ids"] = ",".join(map(str, ids[:IDS_MAX]))
        elif search:
            query["q"] = search
        return await self._get("/operator/queue", QueuePage, query)

    async def conversation(self, conversation: UUID, before: int | None = None) -> ConversationView:
        """The newest messages, or those before a sequence number."""
        query = {} if before is None else {"before": before}
        return await self._get(f"/operator/conversations/{conversation}", ConversationView, query)

    async def ticket(self, name: str) -> TicketView:
        """A ticket whole, by the number operators see or by an id. Raises NotFound."""
        return await self._get(f"/operator/tickets/{quote(name.removeprefix('#'), safe='')}", TicketView)

    async def canned(self) -> CannedPage:
        return await self._get("/operator/canned", CannedPage)

    async def save_canned(self, reply: CannedReply) -> CannedReply:
        """Add a canned reply, or replace that of the same key: doing it again changes nothing."""
        content = encode(reply)
        response = await self._send("PUT", f"/operator/canned/{quote(reply.key, safe='')}", content)
        return _answer(response, CannedReply)

    async def remove_canned(self, key: str) -> None:
        await self._remove(f"/operator/canned/{quote(key, safe='')}")

    async def _remove(self, path: str) -> None:
        response = await self._send("DELETE", path, b"")
        if response.status_code != 204:
            raise _problem(response)

    async def _send(self, method: str, path: str, content: bytes) -> httpx.Response:
        headers = {"Content-Type": "application/json"}
        try:
            async with asyncio.timeout(ACT_DEADLINE):
                return await self._http.request(method, path, content=content, headers=headers)
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unavailable(_reason(error)) from None

    async def customer(self, customer: UUID) -> CustomerPage:
        return await self._get(f"/operator/customers/{customer}", CustomerPage)

    async def drafts(self, after: UUID | None = None) -> DraftsPage:
        """What waits for approval, the longest waiting first, at most 100; `after` gives the next page."""
        query = {"limit": DRAFTS_MAX} | ({} if after is None else {"after": str(after)})
        return await self._get("/operator/drafts", DraftsPage, query)

    async def draft(self, draft: UUID) -> DraftView:
        """A draft, whatever became of it."""
        return await self._get(f"/operator/drafts/{draft}", DraftView)

    async def modes(self) -> ModesView:
        return await self._get("/operator/modes", ModesView)

    async def team(self) -> TeamView:
        return await self._get("/operator/team", TeamView)

    async def metrics(self, span: MetricsSpan) -> MetricsView:
        return await self._get("/operator/metrics", MetricsView, {"span": span})

    async def channels(self) -> ChannelsView:
        return await self._get("/operator/channels", ChannelsView)

    async def letters(self, state: str) -> LetterPage:
        """The newest dead letters in that state; "all": in any."""
        return await self._get("/operator/dead_letters", LetterPage, {"state": state})

    async def customers(self, text: str) -> CustomerHits:
        """Those with the text in a name, an address or a number."""
        return await self._get("/operator/customers", CustomerHits, {"q": text})

    async def knowledge(self, question: str) -> KnowledgeHits:
        """What the knowledge base has on a question. The first one takes seconds: the daemon loads a model."""
        return await self._get("/operator/knowledge/search", KnowledgeHits, {"q": question})

    async def suggestions(self) -> SuggestionsPage:
        """Pages that answers of people could become, the newest first."""
        return await self._get("/operator/suggestions", SuggestionsPage)

    async def approve_suggestion(self, one: SuggestionView, page: TeachRequest) -> TaughtPage:
        """It becomes this page of the knowledge base. Raises Conflict when somebody has decided on it."""
        return _answer(await self._send("PUT", _suggestion(one), encode(page)), TaughtPage)

    async def reject_suggestion(self, one: SuggestionView) -> None:
        """It is not suggested again. Raises like `approve_suggestion`."""
        await self._remove(_suggestion(one))

    async def attachment(self, attachment: UUID) -> bytes:
        """What a customer attached. Raises Conflict, with the reason, when it is not there."""
        path = f"/operator/attachments/{attachment}"
        try:
            async with asyncio.timeout(FILE_DEADLINE), self._http.stream("GET", path) as response:
                if response.status_code != 200:
                    await response.aread()
                    raise _problem(response)
                return await _whole(response, FILE_MAX)
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unavailable(_reason(error)) from None

    async def _get(self, path: str, type_: type[T], query: dict[str, Any] | None = None) -> T:
        try:
            async with asyncio.timeout(READ_DEADLINE):
                response = await self._http.get(path, params=query or None)
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unavailable(_reason(error)) from None
        return _answer(response, type_)

    # -- acting

    async def act(self, conversation: UUID, action: Action, request: ActionRequest, key: UUID) -> ActionDone:
        """Do it once: tries again over a lost connection, always with the same idempotency key.

        Raises OutcomeUnknown when the daemon may have done it but no answer came; Unavailable when it surely
        has not. Asking again with the same key is always safe.
        """
        path = f"/operator/conversations/{conversation}/{action}"
        return await self._once(path, request, ActionDone, key)

    async def decide(self, draft: UUID, decision: Decision, request: DraftDecision, key: UUID) -> ActionDone:
        """Approve, reject or have a draft written anew. Does it once, and raises, like `act`."""
        return await self._once(f"/operator/drafts/{draft}/{decision}", request, ActionDone, key)

    async def configure(self, request: ModeRequest, key: UUID) -> ModesView:
        """Set how answers are treated. Does it once, and raises, like `act`."""
        return await self._once("/operator/modes", request, ModesView, key)

    async def link(self, conversation: UUID, request: LinkRequest, key: UUID) -> ActionDone:
        """Send a code that proves an address. Does it once, and raises, like `act`."""
        return await self._once(f"/operator/conversations/{conversation}/link", request, ActionDone, key)

    async def decide_letters(self, what: str, request: LettersRequest, key: UUID) -> LettersDone:
        """Send dead letters again ("retry") or give them up ("drop"). Does it once, and raises, like `act`."""
        return await self._once(f"/operator/dead_letters/{what}", request, LettersDone, key)

    async def merge(self, customer: UUID, other: UUID, key: UUID) -> MergeDone:
        """`other` becomes part of `customer`. Does it once, and raises, like `act`."""
        return await self._once(
            f"/operator/customers/{customer}/merge", MergeRequest(other=other), MergeDone, key
        )

    async def unmerge(self, merge: UUID, key: UUID) -> MergeDone:
        """Undo a merge. Does it once, and raises, like `act`."""
        return await self._once(f"/operator/merges/{merge}/undo", None, MergeDone, key)

    async def erasure_plan(self, customer: UUID) -> ErasurePlan:
        """What an erasure of the customer would take."""
        return await self._get(f"/operator/customers/{customer}/erasure", ErasurePlan)

    async def erase(self, customer: UUID, key: UUID) -> ErasureDone:
        """Erase a customer, or withdraw what is unsent while something is being sent. Raises like `act`."""
        return await self._once(f"/operator/customers/{customer}/erasure", None, ErasureDone, key)

    async def export(self, customer: UUID) -> AsyncGenerator[bytes, None]:
        """Everything held about a customer, in pieces. Raises Unavailable when it is cut off."""
        path, silence = f"/operator/customers/{customer}/export", httpx.Timeout(FILE_DEADLINE)
        try:
            async with self._http.stream("GET", path, timeout=silence) as response:
                if response.status_code != 200:
                    await response.aread()
                    raise _problem(response)
                async for piece in response.aiter_bytes():
                    yield piece
        except httpx.HTTPError as error:
            raise Unavailable(_reason(error)) from None

    async def lookup(self, *, email: str = "", phone: str = "") -> CustomerView:
        """The customer with this address or number, in any spelling."""
        query = {"email": email} if email else {"phone": phone}
        return await self._get("/customers/lookup", CustomerView, query)

    async def set_duty(self, duty: Duty, key: UUID) -> OperatorView:
        """Say whether customers may count on us. Does it once, and raises, like `act`."""
        return await self._once("/operator/duty", DutyRequest(duty=duty), OperatorView, key)

    async def attend(self, conversation: UUID, doing: Doing) -> None:
        """Say what we do in a conversation: one try, as it is said again before long."""
        request = PresenceRequest(conversation=conversation, doing=doing)
        try:
            await self._post("/operator/presence", request, dict, conversation)
        except (httpx.HTTPError, TimeoutError) as error:
            raise Unavailable(_reason(error)) from None

    async def _once(self, path: str, request: Any, type_: type[T], key: UUID) -> T:
        reached, last = False, "no answer"
        for attempt in range(1, ACT_TRIES + 1):
            if attempt > 1:
                await self.pause(attempt - 1)
            try:
                return await self._post(path, request, type_, key)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                last = _reason(error)
            except (httpx.HTTPError, TimeoutError) as error:
                reached, last = True, _reason(error)
            except Unavailable as error:
                reached, last = True, error.message
        if reached:
            raise OutcomeUnknown(f"{OutcomeUnknown.__doc__} ({last})")
        raise Unavailable(f"Nothing was sent: {last}")

    async def _post(self, path: str, request: Any, type_: type[T], key: UUID) -> T:
        async with asyncio.timeout(ACT_DEADLINE):
            response = await self._http.post(
                path,
                content=encode(request),
                headers={"Idempotency-Key": str(key), "Content-Type": "application/json"},
            )
        return _answer(response, type_)

    # -- following

    async def follow(self, cursor: str) -> AsyncGenerator[Link | Heard | Reset, None]:
        """The events after `cursor`, for ever; comes back after every cut where it stopped.

        An event that comes again, as one may after a failure behind the daemon, is passed over. A Link says how the
        connection is. Raises BadToken when the token is refused.
        """
        attempt = 0
        recent: Recent[UUID] = Recent(KNOWN_MAX)
        while True:
            try:
                async with aclosing(self._connection(cursor)) as connection:
                    async for heard, position in connection:
                        attempt, cursor = 0, position
                        if not isinstance(heard, Heard) or recent.is_new(heard.event.id):
                            yield heard
                why = "the daemon ended the stream."
            except BadToken:
                raise
            except FteError as error:
                why = error.message
            except (httpx.HTTPError, SSEError) as error:
                why = _reason(error)
            attempt += 1
            yield Link(Phase.RECONNECTING, attempt, why)
            await self.pause(attempt)

    async def _connection(self, cursor: str) -> AsyncGenerator[tuple[Link | Heard | Reset, str], None]:
        query = {"topics": ",".join(OPERATOR_TOPICS), "cursor": cursor}
        timeout = httpx.Timeout(SILENCE_MAX, connect=CONNECT_DEADLINE)
        path = "/operator/stream"
        async with aconnect_sse(self._http, "GET", path, params=query, timeout=timeout) as source:
            await _check_stream(source)
            live = False
            async with aclosing(source.aiter_sse()) as events:
                async for event in events:
                    for heard, position in _understood(event):
                        if isinstance(heard, Heard) and not live:
                            yield Link(Phase.LIVE), cursor
                        live = live or not isinstance(heard, Reset)
                        yield heard, position


async def _whole(response: httpx.Response, most: int) -> bytes:
    """The body, all of it. Raises Unavailable when it is larger than `most` bytes."""
    taken = bytearray()
    async for piece in response.aiter_bytes():
        taken += piece
        if len(taken) > most:
            raise Unavailable(f"It is larger than {most // 1024**2} MB.")
    return bytes(taken)


async def _check_stream(source: EventSource) -> None:
    if source.response.status_code != 200:
        await source.response.aread()
        raise _problem(source.response)


def _certificates(url: str) -> ssl.SSLContext | bool:
    """What to check certificates with. Reading the world's takes long, so it is left out where none is used."""
    return True if url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _understood(event: ServerSentEvent) -> list[tuple[Link | Heard | Reset, str]]:
    """What the console must know; an event it cannot read is taken as something missed, not as the end."""
    try:
        if event.event == "event":
            return [(Heard(event.id, decode(event.data, Envelope)), event.id)]
        if event.event == "notice":
            notice = decode(event.data, StreamNotice)
            return [(Reset() if notice.kind == "reset" else Link(Phase.LIVE), notice.cursor)]
    except Rejected:
        return [(Reset(), event.id)] if event.id else []
    return []


# ---------------------------------------------------------------- answers


def _suggestion(one: SuggestionView) -> str:
    also = ",".join(str(other.id) for other in one.others)
    return f"/operator/suggestions/{one.id}{f'?also={also}' if also else ''}"


def _answer(response: httpx.Response, type_: type[T]) -> T:
    if response.status_code != 200:
        raise _problem(response)
    try:
        return decode(response.content, type_)
    except Rejected:
        raise Unavailable(_STRANGER, remedy="Check the address given with --url or FTE_URL.") from None


_STRANGER: Final = "What answers at this address is not the daemon, or another version of it."
_BY_STATUS: Final[dict[int, type[FteError]]] = {401: BadToken, 403: Refused, 404: NotFound, 409: Conflict}


def _problem(response: httpx.Response) -> FteError:
    status = response.status_code
    try:
        problem = decode(response.content, Problem)
    except Rejected:
        problem = Problem(error=f"{_STRANGER} (HTTP {status})")
    if status == 422 or status == 400:
        return Rejected(problem.error, fields=problem.fields, remedy=problem.remedy)
    if status == 429:
        return TooMany(problem.error, retry_after=_retry_after(response))
    kind = _BY_STATUS.get(status, Unavailable)
    return kind(problem.error, remedy=problem.remedy)


def _retry_after(response: httpx.Response) -> float:
    try:
        return min(RETRY_AFTER_MAX, max(0.0, float(response.headers.get("Retry-After", "1"))))
    except ValueError:
        return 1.0


def _reason(error: Exception) -> str:
    """A network failure in words people can act on."""
    match error:
        case httpx.ConnectTimeout():
            return f"no connection within {CONNECT_DEADLINE:.0f} s."
        case httpx.ConnectError():
            return "nothing answers there; is the daemon running, and is the address right?"
        case httpx.TimeoutException() | TimeoutError():
            return "the daemon did not answer in time."
        case httpx.InvalidURL() | httpx.UnsupportedProtocol():
            return "the address is not a web address; it should look like http://127.0.0.1:8000."
        case _:
            return "the connection broke."
