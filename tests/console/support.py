"""A small desk that speaks the operator API over real HTTP, for the console's tests to play with.

It holds conversations in memory, applies the API's rules to actions, keeps the log of events the stream is
read from, and can be told to misbehave: cut streams, lose answers, refuse tokens, go away. `python -m
tests.console.support` serves it on port 8765 for a look by hand.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fte import wire
from fte.domain.drafts import fingerprint
from fte.domain.events import CONVERSATIONS, ESCALATIONS
from fte.domain.ids import new_id
from fte.wire import Brief, ConversationView, MessageView, PassageView, QueueItem, RunView, ToolCallView

TOKEN = "a-token-that-opens-the-desk"
START = datetime(2026, 3, 14, 2, 0, tzinfo=UTC)
PAGE = 50


def number(value: int) -> UUID:
    return UUID(int=value)


@dataclass
class Talk:
    """One conversation of the desk."""

    item: QueueItem
    epoch: int = 1
    brief: Brief | None = None
    messages: list[MessageView] = field(default_factory=list)
    runs: list[RunView] = field(default_factory=list)
    email: str | None = "ada@example.org"
    clocks: list[wire.ClockView] = field(default_factory=list)
    ended: wire.Ended | None = None


class Desk:
    """The daemon's side: state, rules, log, and faults to switch on."""

    def __init__(self) -> None:
        self.now = START
        self.operator = wire.OperatorView(id=number(1), name="Dana", role="agent")
        self.talks: dict[UUID, Talk] = {}
        self.log: list[wire.Envelope] = []
        self.floor = 0
        self.news = asyncio.Condition()
        self.requests: list[tuple[str, str]] = []
        self.performed: list[tuple[str, wire.ActionRequest]] = []
        self.keys: dict[str, bytes] = {}
        self.streams = 0
        self.customers: dict[UUID, wire.CustomerPage] = {}
        self.files: dict[UUID, bytes] = {}
        self.drafts: dict[UUID, wire.DraftView] = {}
        self.decided: list[tuple[str, int, wire.DraftDecision]] = []
        self.asked: list[wire.LinkRequest] = []
        self.deeds: list[tuple[str, str]] = []
        self.attended: list[str] = []
        self.team: list[wire.MemberView] = []
        self.colleagues = [self.operator, wire.OperatorView(id=number(2), name="Sam", role="agent")]
        self.canned: list[wire.CannedReply] = []
        self.verified = True
        self.company = "Acme"
        self.tickets: dict[UUID, wire.TicketView] = {}
        self.metrics = some_metrics()
        self.letters: list[wire.LetterView] = []
        self.decisions: list[tuple[str, wire.LettersRequest]] = []
        self.hits = wire.KnowledgeHits(floor=0.26, hits=[])
        self.suggestions: list[wire.SuggestionView] = []
        self.taught: list[wire.TeachRequest | None] = []
        self.taught_with: list[str] = []
        self.token = TOKEN
        self.lose_answers = 0
        self.answer_with: Response | None = None
        self._cut = asyncio.Event()

    # -- life at the desk

    def add(self, serial: int, customer: str = "Ada Lovelace", **facts: Any) -> UUID:
        """A conversation with one message of the customer."""
        key, text = number(1000 + serial), facts.pop("text", "Where is my invoice?")
        base: dict[str, Any] = {
            "conversation_id": key,
            "number": serial,
            "customer": customer,
            "channel": "email",
            "subject": "Invoice",
            "category": "billing",
            "priority": "medium",
            "ticket_status": "open",
            "status": "open",
            "owner": "ai",
            "operator": None,
            "reason": None,
            "urgency": None,
            "sentiment": 0.5,
            "last_seq": 0,
            "last_role": "customer",
            "unanswered": True,
            "started_at": self.now,
            "last_message_at": self.now,
            "escalated_at": None,
            "preview": "",
        }
        brief = facts.pop("brief", None)
        self.talks[key] = Talk(QueueItem(**(base | facts)), brief=brief)
        self.say(key, text, quietly=True)
        return key

    def escalated(self, serial: int, customer: str = "Ada Lovelace", **facts: Any) -> UUID:
        """A conversation that was handed over and waits for somebody."""
        facts = {
            "status": "escalated",
            "ticket_status": "escalated",
            "owner": "human",
            "reason": "refund_request",
            "urgency": "normal",
            "escalated_at": self.now,
            "sentiment": 0.21,
            "brief": brief(),
        } | facts
        return self.add(serial, customer, **facts)

    def change(self, key: UUID, **facts: Any) -> None:
        talk = self.talks[key]
        talk.item = msgspec.structs.replace(talk.item, **facts)

    def clock(self, key: UUID, kind: Any, minutes: float, warned: bool = False) -> None:
        """Something is due in so many minutes from the desk's start."""
        talk, at = self.talks[key], START + timedelta(minutes=minutes)
        late = at <= START
        talk.clocks.append(wire.ClockView(kind=kind, due_at=at, warned=warned or late, breached=late))
        talk.clocks.sort(key=lambda clock: clock.due_at)
        soonest = talk.clocks[0]
        self.change(
            key,
            due_at=soonest.due_at,
            due_kind=soonest.kind,
            warned=soonest.warned,
            breached=soonest.breached,
        )

    def say(
        self, key: UUID, text: str, role: Any = "customer", author: str = "", quietly: bool = False
    ) -> MessageView:
        """A message is added, and announced."""
        talk = self.talks[key]
        direction: Any = {"customer": "inbound", "note": "note"}.get(role, "outbound")
        seq = talk.item.last_seq + 1
        message = MessageView(
            id=number(5_000_000 + talk.item.number * 10_000 + seq),
            seq=seq,
            channel=talk.item.channel,
            direction=direction,
            role="operator" if role == "note" else role,
            author=author or (talk.item.customer if role == "customer" else "AI"),
            content=text,
            sentiment=0.5 if role == "customer" else None,
            delivery_status="sent" if direction == "outbound" else None,
            outcome=None,
            run_id=None,
            created_at=self.now,
        )
        if role == "agent":
            run = a_run(seq)
            talk.runs.append(run)
            message = msgspec.structs.replace(message, run_id=run.id)
        talk.messages.append(message)
        unanswered = True if role == "customer" else (talk.item.unanswered if role == "note" else False)
        self.change(
            key,
            last_seq=seq,
            last_role=message.role,
            last_message_at=self.now,
            unanswered=unanswered,
            preview=text[:200],
        )
        if not quietly:
            kind = {"customer": "message.received", "note": "note.added"}.get(role, "reply.sent")
            self.announce(key, kind)
        return message

    def attach(self, key: UUID, name: str, content: bytes | None = None, **facts: Any) -> wire.AttachmentView:
        """A file comes with the newest message: a stored one with this content, or another as `facts` say."""
        serial = sum(len(m.attachments) for talk in self.talks.values() for m in talk.messages)
        base: dict[str, Any] = {
            "id": number(7_000_000 + serial),
            "name": name,
            "media_type": "application/pdf",
            "size": None if content is None else len(content),
            "state": "stored",
        }
        file = wire.AttachmentView(**(base | facts))
        if content is not None:
            self.files[file.id] = content
        messages = self.talks[key].messages
        messages[-1] = msgspec.structs.replace(messages[-1], attachments=[*messages[-1].attachments, file])
        return file

    def fetched(self, key: UUID, file: wire.AttachmentView, content: bytes) -> None:
        """A pending file is there now."""
        there = msgspec.structs.replace(file, state="stored", size=len(content))
        messages = self.talks[key].messages
        for place, message in enumerate(messages):
            files = [there if one.id == file.id else one for one in message.attachments]
            messages[place] = msgspec.structs.replace(message, attachments=files)
        self.files[file.id] = content
        self.announce(key, "attachment.changed")

    def escalate(self, key: UUID, reason: str = "refund_request", urgency: str = "high") -> None:
        self.change(
            key,
            status="escalated",
            owner="human",
            operator=None,
            reason=reason,
            urgency=urgency,
            escalated_at=self.now,
        )
        self.talks[key].brief = brief()
        self.talks[key].epoch += 1
        self.announce(key, "conversation.escalated")
        self.announce(key, "escalation.raised", ESCALATIONS)

    def announce(self, key: UUID, kind: str, topic: str = CONVERSATIONS, **more: Any) -> wire.Envelope:
        talk = self.talks[key]
        item = talk.item
        payload = {
            "conversation_id": str(key),
            "seq": item.last_seq,
            "channel": item.channel,
            "owner": item.owner,
            "epoch": talk.epoch,
            "status": item.status,
            "number": item.number,
            "reason": item.reason,
            "urgency": item.urgency,
        } | more
        event = wire.Envelope(id=new_id(), topic=topic, key=str(key), type=kind, at=self.now, payload=payload)
        self.publish(event)
        return event

    def publish(self, event: wire.Envelope) -> None:
        self.log.append(event)
        self._wake()

    def _wake(self) -> None:
        async def wake() -> None:
            async with self.news:
                self.news.notify_all()

        with contextlib.suppress(RuntimeError):
            task = asyncio.get_running_loop().create_task(wake())
            task.add_done_callback(lambda done: done.exception())

    def cut(self) -> None:
        """End every open stream."""
        self._cut.set()
        self._cut = asyncio.Event()
        self._wake()

    def forget(self) -> None:
        """Events are no longer kept: older cursors get a reset."""
        self.floor = len(self.log)

    def draft(self, serial: int, body: str = "You find it under Settings, Data.", **facts: Any) -> UUID:
        """A conversation whose answer waits for approval. Returns the draft's id."""
        given = {
            name: facts.pop(name) for name in ("customer", "text", "channel", "subject") if name in facts
        }
        key = self.add(serial, given.pop("customer", "Ada Lovelace"), draft_since=self.now, **given)
        talk, id_ = self.talks[key], number(8_000_000 + serial)
        messages = [msgspec.structs.replace(m, outcome="drafted") for m in talk.messages]
        base: dict[str, Any] = {
            "id": id_,
            "conversation_id": key,
            "number": serial,
            "customer": talk.item.customer,
            "channel": talk.item.channel,
            "subject": talk.item.subject,
            "category": talk.item.category,
            "priority": talk.item.priority,
            "body": body,
            "hash": fingerprint(body),
            "held_because": "low_confidence",
            "confidence": 0.41,
            "threshold": 0.6,
            "hint": None,
            "state": "pending",
            "operator": None,
            "reason": None,
            "created_at": self.now,
            "decided_at": None,
            "waiting_since": self.now,
            "epoch": talk.epoch,
            "answers_seq": talk.item.last_seq,
            "last_seq": talk.item.last_seq,
            "messages": messages,
            "run": a_run(serial),
        }
        self.drafts[id_] = wire.DraftView(**(base | facts))
        return id_

    def retire(
        self, draft: UUID, reason: str = "newer_message", state: Any = "retired", by: str | None = None
    ) -> None:
        """A draft is decided, or void, and that is announced."""
        self.drafts[draft] = msgspec.structs.replace(
            self.drafts[draft], state=state, reason=reason, operator=by, decided_at=self.now
        )
        key = self.drafts[draft].conversation_id
        self.change(key, draft_since=None)
        self.announce(key, "draft.retired" if state == "retired" else "draft.decided")

    # -- the API

    def app(self) -> Starlette:
        conversation = "/operator/conversations/{id:uuid}"
        return Starlette(
            routes=[
                Route("/operator/me", self._me),
                Route("/operator/queue", self._queue),
                Route("/operator/stream", self._stream),
                Route("/operator/team", self._team),
                Route("/operator/duty", self._duty, methods=["POST"]),
                Route("/operator/presence", self._attend, methods=["POST"]),
                Route("/operator/colleagues", self._colleagues),
                Route("/operator/canned", self._canned),
                Route("/operator/tickets/{id:uuid}", self._ticket),
                Route("/operator/metrics", self._metrics),
                Route("/operator/channels", self._channels),
                Route("/operator/dead_letters", self._letters),
                Route("/operator/dead_letters/{what}", self._decide_letters, methods=["POST"]),
                Route("/operator/customers", self._find),
                Route("/operator/knowledge/search", self._knowledge),
                Route("/operator/suggestions", self._suggestions),
                Route("/operator/suggestions/{id:uuid}", self._teach, methods=["PUT", "DELETE"]),
                Route(conversation, self._conversation),
                Route(conversation + "/link", self._link, methods=["POST"]),
                Route("/operator/customers/{id:uuid}", self._customer),
                Route("/operator/attachments/{id:uuid}", self._attachment),
                Route("/operator/customers/{id:uuid}/merge", self._merge, methods=["POST"]),
                Route("/operator/drafts", self._drafts),
                Route("/operator/drafts/{id:uuid}", self._one_draft),
                Route("/operator/drafts/{id:uuid}/{decision}", self._decide, methods=["POST"]),
                Route("/operator/merges/{id:uuid}/undo", self._unmerge, methods=["POST"]),
                Route(conversation + "/{action}", self._act, methods=["POST"]),
            ]
        )

    def _refused(self, request: Request) -> Response | None:
        self.requests.append((request.method, request.url.path))
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return problem(401, "This token is not known.", remedy="Ask an admin for a new one.")
        return self.answer_with

    async def _me(self, request: Request) -> Response:
        return self._refused(request) or answer(self.operator)

    async def _team(self, request: Request) -> Response:
        on_duty = any(member.on_duty for member in self.team)
        return self._refused(request) or answer(wire.TeamView(members=self.team, somebody_on_duty=on_duty))

    async def _duty(self, request: Request) -> Any:
        asked = wire.decode(await request.body(), wire.DutyRequest)

        def change() -> wire.OperatorView:
            self.operator = msgspec.structs.replace(self.operator, duty=asked.duty)
            return self.operator

        return self._refused(request) or self._once(request, change)

    async def _attend(self, request: Request) -> Response:
        asked = wire.decode(await request.body(), wire.PresenceRequest)
        self.attended.append(asked.doing)
        return answer({})

    async def _queue(self, request: Request) -> Response:
        refused = self._refused(request)
        if refused:
            return refused
        query = request.query_params
        items = [talk.item for talk in self.talks.values()]
        waiting = sum(waits(item) for item in items)
        cursor = str(len(self.log))
        if "ids" in query:
            wanted = set(query["ids"].split(","))
            items = [item for item in items if str(item.conversation_id) in wanted]
        else:
            items = [item for item in items if in_view(item, query.get("view", "open"), self.operator.name)]
            items = [item for item in items if self._found(item, query.get("q", ""))]
            if "before" in query:
                below = [item for item in items if item.number < int(query["before"])]
                items = sorted(below, key=lambda item: -item.number)
        page = wire.QueuePage(
            items=items[: int(query.get("limit", 200))],
            needs_person=waiting,
            cursor=cursor,
            drafts=sum(draft.state == "pending" for draft in self.drafts.values()),
        )
        return answer(page)

    async def _drafts(self, request: Request) -> Response:
        there = [draft for draft in self.drafts.values() if draft.state == "pending"]
        there.sort(key=lambda draft: (draft.created_at, draft.id))
        limit = int(request.query_params.get("limit", 50))
        return self._refused(request) or answer(wire.DraftsPage(items=there[:limit], total=len(there)))

    async def _one_draft(self, request: Request) -> Response:
        draft = self.drafts.get(request.path_params["id"])
        return self._refused(request) or (answer(draft) if draft else problem(404, "No such draft."))

    async def _decide(self, request: Request) -> Any:
        refused = self._refused(request)
        draft = self.drafts.get(request.path_params["id"])
        if refused or draft is None:
            return refused or problem(404, "There is no such draft.")
        asked = wire.decode(await request.body(), wire.DraftDecision)
        decision = request.path_params["decision"]
        if request.headers["Idempotency-Key"] not in self.keys:
            if draft.state != "pending":
                return problem(409, f"{draft.operator or 'Somebody'} has decided this draft.")
            if decision == "approve" and asked.hash != draft.hash:
                return problem(409, "This is not the text you saw.")

        def do() -> wire.ActionDone:
            self.decided.append((decision, draft.number, asked))
            state = {"approve": "approved", "reject": "rejected"}.get(decision, "retired")
            self.retire(draft.id, asked.reason or "regenerated", state, self.operator.name)
            return self._did(draft.conversation_id)

        return self._once(request, do)

    def _did(self, key: UUID) -> wire.ActionDone:
        item = self.talks[key].item
        return wire.ActionDone(
            conversation_id=key,
            epoch=self.talks[key].epoch,
            last_seq=item.last_seq,
            owner=item.owner,
            status=item.status,
        )

    def _take_back(self, talk: Talk) -> wire.ActionDone | Response:
        key, me = talk.item.conversation_id, self.operator.name
        draft = next((one for one in self.drafts.values() if one.conversation_id == key), None)
        if draft is not None and draft.state == "approved" and draft.operator == me:
            self.drafts[draft.id] = msgspec.structs.replace(
                draft, state="pending", operator=None, reason=None
            )
            self.change(key, draft_since=draft.created_at)
            self.announce(key, "reply.withdrawn")
            return self._did(key)
        said = next(
            (m for m in reversed(talk.messages) if m.author == me and m.delivery_status == "queued"), None
        )
        if said is None:
            return problem(409, "Too late: it has left already.")
        talk.messages = [
            msgspec.structs.replace(m, delivery_status="cancelled") if m is said else m for m in talk.messages
        ]
        self.announce(key, "reply.withdrawn")
        return msgspec.structs.replace(self._did(key), message_id=said.id)

    def _found(self, item: QueueItem, text: str) -> bool:
        words = [item.customer, item.subject, *(m.content for m in self.talks[item.conversation_id].messages)]
        return text.removeprefix("#") == str(item.number) or text.casefold() in " ".join(words).casefold()

    async def _conversation(self, request: Request) -> Response:
        refused = self._refused(request)
        talk = self.talks.get(request.path_params["id"])
        if refused or talk is None:
            return refused or problem(404, "There is no such conversation.")
        before = int(request.query_params.get("before", 1 << 40))
        there = [message for message in talk.messages if message.seq < before]
        page = there[-PAGE:]
        view = ConversationView(
            item=talk.item,
            epoch=talk.epoch,
            verified=self.verified,
            customer_id=number(1),
            customer_email=talk.email,
            customer_phone=None,
            brief=talk.brief,
            messages=page,
            earlier=len(there) - len(page),
            runs=[run for run in talk.runs if any(m.run_id == run.id for m in page)],
            cursor=str(len(self.log)),
            clocks=talk.clocks,
            window_until=talk.item.window_until,
            ended=talk.ended,
            merged=[
                wire.Merged(conversation_id=key, number=other.item.number)
                for key, other in self.talks.items()
                if other.item.merged_into == talk.item.number
            ],
        )
        return answer(view)

    async def _colleagues(self, request: Request) -> Response:
        return self._refused(request) or answer(self.colleagues)

    async def _canned(self, request: Request) -> Response:
        return self._refused(request) or answer(wire.CannedPage(items=self.canned, company=self.company))

    async def _ticket(self, request: Request) -> Response:
        ticket = self.tickets.get(request.path_params["id"])
        return self._refused(request) or (answer(ticket) if ticket else problem(404, "No such ticket."))

    async def _customer(self, request: Request) -> Response:
        page = self.customers.get(request.path_params["id"])
        return self._refused(request) or (answer(page) if page else problem(404, "No such customer."))

    async def _metrics(self, request: Request) -> Response:
        span: Any = request.query_params["span"]
        view = msgspec.structs.replace(self.metrics, span=span, step=60 if span == "1h" else 1800)
        return self._refused(request) or answer(view)

    async def _channels(self, request: Request) -> Response:
        channels = [
            wire.ChannelState(
                channel="email",
                account="help@example.com",
                state="unhealthy",
                detail="Google refuses the token; run fte gmail auth.",
                changed_at=self.now - timedelta(hours=1),
                until=self.now + timedelta(hours=5),
            ),
            wire.ChannelState(channel="whatsapp", account="", state="inactive"),
            wire.ChannelState(channel="web_form", account="", state="active"),
        ]
        view = wire.ChannelsView(channels=channels, backlog=self.metrics.backlog, relay_delay=None)
        return self._refused(request) or answer(view)

    async def _letters(self, request: Request) -> Response:
        wanted = request.query_params["state"]
        letters = [letter for letter in self.letters if wanted in ("all", letter.state)]
        return self._refused(request) or answer(wire.LetterPage(letters=letters))

    async def _decide_letters(self, request: Request) -> Any:
        refused = self._refused(request)
        if refused:
            return refused
        what, asked = request.path_params["what"], wire.decode(await request.body(), wire.LettersRequest)

        def decide() -> wire.LettersDone:
            self.decisions.append((what, asked))
            state: Any = "replayed" if what == "retry" else "dropped"
            self.letters = [
                msgspec.structs.replace(letter, state=state, reason=asked.reason or None)
                if letter.id in asked.letters
                else letter
                for letter in self.letters
            ]
            return wire.LettersDone(done=asked.letters, refused={})

        return self._once(request, decide)

    async def _find(self, request: Request) -> Response:
        text = request.query_params["q"].casefold()
        hits = [
            wire.CustomerHit(
                id=page.id,
                name=page.name,
                email=page.email,
                phone=page.phone,
                proven=page.proven,
                conversations=len(page.conversations),
                newest=page.conversations[0].conversation_id if page.conversations else None,
                last_message_at=self.now,
            )
            for page in self.customers.values()
            if text in f"{page.name} {page.email}".casefold()
        ]
        return self._refused(request) or answer(wire.CustomerHits(customers=hits, more=False))

    async def _knowledge(self, request: Request) -> Response:
        return self._refused(request) or answer(self.hits)

    async def _suggestions(self, request: Request) -> Response:
        return self._refused(request) or answer(wire.SuggestionsPage(items=self.suggestions))

    async def _teach(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        found = [one for one in self.suggestions if one.id == request.path_params["id"]]
        if not found:
            return problem(409, "Kim approved this suggestion already: it is the page learned/7-parking.md.")
        page = wire.decode(await request.body(), wire.TeachRequest) if request.method == "PUT" else None
        if page is not None and "[name]" in page.body:
            return problem(422, "The page is not ready.", fields={"body": "still has [name]: say it without"})
        self.suggestions.remove(found[0])
        self.taught.append(page)
        self.taught_with.append(request.query_params.get("also", ""))
        return (
            Response(status_code=204)
            if page is None
            else answer(wire.TaughtPage(source="learned/7-parking.md"))
        )

    async def _attachment(self, request: Request) -> Any:
        refused = self._refused(request)
        content = self.files.get(request.path_params["id"])
        if refused or content is None:
            return refused or problem(409, "The file was not kept: it is gone.")
        return Response(content, media_type="application/octet-stream")

    async def _link(self, request: Request) -> Any:
        refused = self._refused(request)
        if refused:
            return refused
        asked = wire.decode(await request.body(), wire.LinkRequest)
        if "@" not in asked.address and not asked.address.startswith("+"):
            return problem(422, "This is not a phone number.", remedy="Write it with its country code.")

        def ask() -> Any:
            self.asked.append(asked)
            return wire.ActionDone(
                conversation_id=request.path_params["id"], epoch=1, last_seq=2, owner="ai", status="open"
            )

        return self._once(request, ask)

    async def _merge(self, request: Request) -> Any:
        refused = self._refused(request)
        asked = wire.decode(await request.body(), wire.MergeRequest)
        return refused or self._once(request, lambda: self._join(request.path_params["id"], asked.other))

    async def _unmerge(self, request: Request) -> Any:
        return self._refused(request) or self._once(request, lambda: self._part(request.path_params["id"]))

    def _once(self, request: Request, do: Any) -> Any:
        key = request.headers["Idempotency-Key"]
        if key not in self.keys:
            self.keys[key] = wire.encode(do())
        if self.lose_answers:
            self.lose_answers -= 1
            return Broken()
        return Response(self.keys[key], media_type="application/json")

    def _join(self, kept: UUID, other: UUID) -> wire.MergeDone:
        page = self.customers[kept]
        hint = next(one for one in page.duplicates if one.id == other)
        merge = wire.MergeView(
            id=number(900 + len(self.deeds)),
            kept=kept,
            kept_name=page.name or "",
            merged=other,
            merged_name=hint.name,
            proof="operator",
            operator=self.operator.name,
            merged_at=self.now,
            undone_at=None,
        )
        self.deeds.append(("merge", hint.name))
        self.customers[kept] = msgspec.structs.replace(
            page,
            identifiers=[*page.identifiers, *hint.identifiers],
            duplicates=[one for one in page.duplicates if one is not hint],
            merges=[merge, *page.merges],
        )
        return _moved(merge)

    def _part(self, merge: UUID) -> wire.MergeDone:
        page = next(p for p in self.customers.values() if any(m.id == merge for m in p.merges))
        gone = next(m for m in page.merges if m.id == merge)
        self.deeds.append(("undo", gone.merged_name))
        undone = [msgspec.structs.replace(m, undone_at=self.now) if m is gone else m for m in page.merges]
        self.customers[page.id] = msgspec.structs.replace(page, merges=undone)
        return _moved(gone)

    async def _act(self, request: Request) -> Any:
        refused = self._refused(request)
        talk = self.talks.get(request.path_params["id"])
        if refused or talk is None:
            return refused or problem(404, "There is no such conversation.")
        key = request.headers["Idempotency-Key"]
        body = wire.decode(await request.body(), wire.ActionRequest)
        if key not in self.keys:
            done = self._perform(talk, request.path_params["action"], body)
            if isinstance(done, Response):
                return done
            self.keys[key] = wire.encode(done)
        if self.lose_answers:
            self.lose_answers -= 1
            return Broken()
        return Response(self.keys[key], media_type="application/json")

    def _perform(self, talk: Talk, action: str, body: wire.ActionRequest) -> wire.ActionDone | Response:
        item, key, me = talk.item, talk.item.conversation_id, self.operator.name
        if body.epoch != talk.epoch and action != "undo_send":
            who = f"It was taken over by {item.operator}." if item.operator else "It changed hands."
            return problem(409, who)
        in_flight: list[UUID] = []
        if action == "undo_send":
            return self._take_back(talk)
        if action == "take_over" and item.operator not in (None, me):
            return problem(409, f"{item.operator} has taken over this conversation.")
        if action == "take_over":
            talk.epoch += 1
            self.change(key, owner="human", operator=me, status="open")
            in_flight = [m.id for m in talk.messages if m.delivery_status == "sending"]
            kind = "conversation.taken_over"
        elif action == "note":
            self.say(key, body.text or "", "note", me)
            kind = ""
        elif action == "snooze":
            self.change(key, snoozed_until=body.until)
            kind = "conversation.snoozed" if body.until else "conversation.woken"
        elif action == "set_priority":
            self.change(key, priority=body.priority)
            kind = "ticket.changed"
        elif action == "set_category":
            self.change(key, category=body.category)
            kind = "ticket.changed"
        elif action == "tag":
            self.change(key, tags=sorted((set(item.tags) - set(body.remove)) | set(body.add)))
            kind = "ticket.changed"
        elif action == "assign":
            talk.epoch += 1
            self.change(key, owner="human", operator=body.to, status="open" if body.to else "escalated")
            kind = "conversation.assigned"
        elif action == "merge_in":
            assert body.other is not None
            self.talks[body.other].epoch += 1
            self.change(body.other, status="resolved", merged_into=item.number)
            self.announce(body.other, "conversation.merged")
            kind = "conversation.merged"
        elif action == "part":
            talk.epoch += 1
            self.change(key, status="open", merged_into=None)
            kind = "conversation.parted"
        elif item.operator != me and not (
            action == "release" and self.operator.role in ("lead", "admin") and item.operator
        ):
            return problem(409, "You do not hold this conversation.", remedy="Take it over first.")
        elif action == "reply":
            newest = max((m.seq for m in talk.messages if m.role == "customer"), default=0)
            if newest > body.seen:
                return problem(409, "The customer wrote something you have not seen.")
            self.say(key, body.text or "", "operator", me)
            kind = ""
        elif action == "release":
            talk.epoch += 1
            self.change(key, owner="ai", operator=None, status="open")
            kind = "conversation.released"
        else:
            talk.epoch += 1
            self.change(key, status="resolved", ticket_status="resolved", unanswered=False)
            how = body.resolution or "solved"
            talk.ended = wire.Ended(at=self.now, operator=me, resolution=how, reason=body.reason)
            kind = "conversation.resolved"
        self.performed.append((action, body))
        if kind:
            self.announce(key, kind)
        now = talk.item
        return wire.ActionDone(
            conversation_id=key,
            epoch=talk.epoch,
            last_seq=now.last_seq,
            owner=now.owner,
            status=now.status,
            in_flight=in_flight,
        )

    async def _stream(self, request: Request) -> Response:
        refused = self._refused(request)
        if refused:
            return refused
        topics = set(request.query_params["topics"].split(","))
        position = int(request.query_params.get("cursor") or len(self.log))
        return StreamingResponse(self._events(position, topics), media_type="text/event-stream")

    async def _events(self, position: int, topics: set[str]) -> AsyncIterator[bytes]:
        cut = self._cut
        self.streams += 1
        try:
            kind = "reset" if position < self.floor else "ready"
            position = max(position, self.floor)
            yield sse("notice", "", wire.encode({"kind": kind, "cursor": str(position)}))
            if kind == "reset":
                return
            while not cut.is_set():
                while position < len(self.log):
                    event = self.log[position]
                    position += 1
                    if event.topic in topics:
                        yield sse("event", str(position), wire.encode(event))
                async with self.news:
                    if position >= len(self.log) and not cut.is_set():
                        await self.news.wait()
        finally:
            self.streams -= 1


def _moved(merge: wire.MergeView) -> wire.MergeDone:
    return wire.MergeDone(
        merge_id=merge.id, kept=merge.kept, merged=merge.merged, identifiers=1, conversations=1, tickets=1
    )


class Broken(Response):
    """An answer that breaks off: what a connection lost after the commit looks like."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        raise ConnectionAbortedError


def sse(kind: str, id_: str, data: bytes) -> bytes:
    identity = f"id: {id_}\n" if id_ else ""
    return f"event: {kind}\n{identity}data: ".encode() + data + b"\n\n"


def answer(value: Any) -> Response:
    return Response(wire.encode(value), media_type="application/json")


def problem(status: int, error: str, **more: Any) -> Response:
    return Response(wire.encode(wire.Problem(error=error, **more)), status, media_type="application/json")


def waits(item: QueueItem) -> bool:
    return item.status == "escalated" and item.operator is None


def in_view(item: QueueItem, view: str, me: str) -> bool:
    here = item.status != "resolved" and item.snoozed_until is None
    return {
        "open": here,
        "needs_person": here and waits(item),
        "mine": here and item.operator == me,
        "mentions": me in item.mentions,
        "snoozed": item.status != "resolved" and item.snoozed_until is not None,
        "resolved": item.status == "resolved",
        "all": True,
    }[view]


def brief() -> Brief:
    return Brief(
        asked="Charged twice for March; wants the second payment back today.",
        tried=["Looked up the invoice", "Searched the refund policy"],
        sources=["Refunds and chargebacks", "Billing calendar"],
        mood="angry, mentions a chargeback",
        reason="refund_request",
        urgency="high",
    )


def a_run(seq: int) -> RunView:
    return RunView(
        id=number(9_000_000 + seq),
        attempt=1,
        outcome="accepted",
        model="offline",
        instructions_version="1",
        passages=[
            PassageView(
                title="Billing calendar",
                source="billing.md",
                score=0.82,
                excerpt="Invoices are sent on the 1st.",
            )
        ],
        tools=[ToolCallView(name="search_knowledge_base", arguments={"query": "invoice"}, result="1 hit")],
        verdicts=["within limits"],
        input_tokens=812,
        output_tokens=96,
        latency_ms=740,
        error=None,
        created_at=START,
    )


def some_metrics() -> wire.MetricsView:
    """An hour with something of everything."""

    def series(channel: str, scale: int) -> wire.Series:
        received = [(minute * 7 % 5) * scale for minute in range(60)]
        turns = [max(0, one - minute % 2) for minute, one in enumerate(received)]
        over = [min(one, int(minute % 11 == 0)) for minute, one in enumerate(turns)]
        quiet = scale == 0
        waits = [None if not one else 1.0 + minute % 4 for minute, one in enumerate(turns)]
        return wire.Series(
            channel=channel,
            received=received,
            turns=turns,
            escalations=over,
            p50=waits,
            p95=[None if one is None else one * 4 for one in waits],
            sentiment=[None if not one else 0.3 + minute % 5 / 10 for minute, one in enumerate(received)],
            reasons={} if quiet else {"refund_request": 4 * scale, "asked_for_a_person": scale, "anger": 1},
            p50_all=None if quiet else 2.5,
            p95_all=None if quiet else 14.0,
            sentiment_all=None if quiet else 0.52,
        )

    return wire.MetricsView(
        span="1h",
        start=START - timedelta(hours=1),
        step=60,
        series=[series("all", 3), series("email", 2), series("whatsapp", 1), series("web_form", 0)],
        backlog=wire.Backlog(
            owed=2,
            owed_since=START - timedelta(minutes=3),
            replies=[
                wire.ReplyCount(channel="email", state="queued", count=3),
                wire.ReplyCount(channel="whatsapp", state="unknown", count=1),
            ],
            dead_letters=1,
        ),
    )


def a_letter(serial: int, **facts: Any) -> wire.LetterView:
    base: dict[str, Any] = {
        "id": serial,
        "event_id": number(8_000_000 + serial),
        "group": "fte-metrics-collector",
        "topic": "fte.metrics",
        "key": str(number(1)),
        "type": "turn.finished",
        "at": START,
        "payload": {"channel": "email"},
        "error": "Malformed",
        "attempts": 5,
        "state": "waiting",
        "replays": 0,
        "reason": None,
        "created_at": START,
        "changed_at": START,
    }
    return wire.LetterView(**(base | facts))


def some_hits() -> wire.KnowledgeHits:
    scores = (0.71, 0.44, 0.21, 0.08)
    hits = [
        wire.KnowledgeHit(
            title=f"Exporting data, part {place}",
            source=f"export-{place}.md",
            category="reporting",
            score=score,
            excerpt="Open Settings, choose Data, and press Export. A mail with the file follows within minutes.",
        )
        for place, score in enumerate(scores, 1)
    ]
    return wire.KnowledgeHits(floor=0.26, hits=hits)


def a_suggestion(serial: int, **facts: Any) -> wire.SuggestionView:
    base: dict[str, Any] = {
        "id": number(serial),
        "conversation_id": number(1000 + serial),
        "number": serial,
        "kind": "answered",
        "operator": "Dana",
        "at": START,
        "question": "I visit you on Monday.\nWhere can I park near your office?",
        "draft": "",
        "answer": "Hello Ada,\n\nVisitors park behind the house, in the places marked V.\n\nKind regards,\nDana",
        "title": "Where can I park near your office?",
        "body": "Visitors park behind the house, in the places marked V.",
    }
    return wire.SuggestionView(**(base | facts))


def busy(desk: Desk) -> None:
    """A night with something of everything."""

    def ago(minutes: int) -> datetime:
        return START - timedelta(minutes=minutes)

    desk.now = ago(42)
    key = desk.escalated(1042, "Ada Lovelace", urgency="high", subject="Charged twice", channel="whatsapp")
    desk.say(
        key, "I can see the payment of 1 March, and a second one of the same amount.", "agent", quietly=True
    )
    desk.say(key, "Then give it back. Today, or I call my bank.", quietly=True)
    desk.change(key, window_until=START + timedelta(hours=23, minutes=18))
    desk.clock(key, "first_response", -12)
    desk.clock(key, "resolution", 7 * 60)
    desk.now = ago(7)
    key = desk.escalated(
        1051, "Bo Diddley", subject="Wants a person", reason="asked_for_a_person", text="human please"
    )
    desk.clock(key, "first_response", 25, warned=True)
    desk.now = ago(90)
    key = desk.escalated(
        1037, "Chloé Nguyễn", subject="Data request", reason="legal_privacy_request", channel="web_form"
    )
    desk.clock(key, "first_response", 390)
    desk.now = ago(15)
    desk.add(
        1044, "Dmitri Шостакович", owner="human", operator="Dana", subject="Cannot log in since the update"
    )
    desk.now = ago(20)
    desk.add(1045, "李雷", owner="human", operator="Sam", subject="退款 refund", unanswered=False)
    for serial in range(1060, 1082):
        desk.now = ago(serial - 1058)
        key = desk.add(
            serial, f"Customer {serial}", subject=f"Question {serial} about exports", channel="email"
        )
        if serial % 3:
            desk.say(key, "You find the export under Settings, Data.", "agent", quietly=True)
    desk.now = START


def a_life(desk: Desk, key: UUID) -> wire.TicketView:
    """The ticket of an escalated conversation, from the first message to a person's hold."""
    talk = desk.talks[key]
    first, second, third = talk.messages[:3]
    base = {"conversation_id": str(key), "channel": talk.item.channel}
    steps: list[tuple[str, int, dict[str, Any]]] = [
        ("message.received", 42, {"seq": 1, "message_id": str(first.id), "owner": "ai"}),
        ("turn.started", 41, {"turn_id": str(number(77))}),
        (
            "reply.queued",
            40,
            {"seq": 2, "message_id": str(second.id), "role": "agent", "owner": "ai", "epoch": 0},
        ),
        (
            "delivery.changed",
            40,
            {"seq": 2, "message_id": str(second.id), "kind": "answer", "state": "sending"},
        ),
        (
            "delivery.changed",
            39,
            {
                "seq": 2,
                "message_id": str(second.id),
                "kind": "answer",
                "state": "read",
                "message_state": "read",
            },
        ),
        ("message.received", 30, {"seq": 3, "message_id": str(third.id), "owner": "ai"}),
        (
            "conversation.taken_over",
            20,
            {
                "seq": 3,
                "owner": "human",
                "holder": str(number(1)),
                "operator": "Dana",
                "epoch": 1,
                "status": "open",
            },
        ),
        (
            "ticket.changed",
            19,
            {
                "priority": "high",
                "category": "billing",
                "tags": ["vip"],
                "was": {"priority": "medium", "category": "billing", "tags": []},
            },
        ),
    ]
    desk.change(key, owner="human", operator="Dana", status="open", priority="high", tags=["vip"])
    ticket = wire.TicketView(
        item=desk.talks[key].item,
        ticket_id=number(88),
        ticket_number=talk.item.number,
        epoch=1,
        holder=number(1),
        created_at=START - timedelta(minutes=42),
        updated_at=START - timedelta(minutes=19),
        resolved_at=None,
        resolution=None,
        resolution_notes=None,
        complete=True,
        operators={number(1): "Dana"},
        messages=talk.messages[:3],
        deliveries=[
            wire.DeliveryView(
                id=number(99),
                message_id=second.id,
                kind="answer",
                part=0,
                channel=talk.item.channel,
                state="read",
                attempts=1,
                error=None,
                queued_at=START,
                updated_at=START - timedelta(minutes=39),
            )
        ],
        events=[
            wire.HistoryEvent(
                position=index,
                id=number(index),
                type=type_,
                at=START - timedelta(minutes=ago),
                payload=base | facts,
            )
            for index, (type_, ago, facts) in enumerate(steps, 1)
        ],
        audit=[
            wire.AuditView(action="take_over", operator="Dana", details={}, at=START - timedelta(minutes=20)),
            wire.AuditView(action="tag", operator="Dana", details={"add": ["vip"], "remove": []}, at=START),
        ],
        runs=talk.runs,
    )
    desk.tickets[key] = ticket
    return ticket


def known(desk: Desk, *talks: UUID) -> wire.CustomerPage:
    """The customer of all conversations at the desk, with somebody who may be the same person."""
    identifiers = [
        wire.IdentifierView(identifier_type="email", identifier_value="ada@example.org", verified=True),
        wire.IdentifierView(identifier_type="email", identifier_value="ada@work.example", verified=False),
    ]
    number_ = wire.IdentifierView(identifier_type="whatsapp", identifier_value="+447700900123", verified=True)
    page = wire.CustomerPage(
        id=number(1),
        name="Ada Lovelace",
        email="ada@example.org",
        phone=None,
        created_at=START,
        proven=True,
        identifiers=identifiers,
        conversations=[
            wire.ConversationSummary(
                conversation_id=key,
                number=desk.talks[key].item.number,
                status=desk.talks[key].item.status,
                owner=desk.talks[key].item.owner,
                initial_channel=desk.talks[key].item.channel,
                verified=not index,
                subject=desk.talks[key].item.subject,
                started_at=START,
                last_message_at=START,
            )
            for index, key in enumerate(talks)
        ],
        merges=[],
        duplicates=[
            wire.DuplicateView(id=number(2), name="ada lovelace", why="same name", identifiers=[number_])
        ],
    )
    desk.customers[page.id] = page
    return page


@contextlib.asynccontextmanager
async def serving(desk: Desk, port: int = 0) -> AsyncIterator[str]:
    """Serve the desk in this loop; yields its URL."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    config = uvicorn.Config(
        desk.app(), log_level="critical", lifespan="off", timeout_graceful_shutdown=1, ws="none"
    )
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        desk.cut()
        await server.end()
        await task
        listening.close()


class Server(uvicorn.Server):
    """Ends as soon as it is told to and its answers are complete, not at the next tick of a clock."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()

    async def main_loop(self) -> None:
        await self._told.wait()

    async def end(self) -> None:
        async with asyncio.timeout(10):
            while self.server_state.tasks:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        self._told.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in self.servers:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


def some_drafts(desk: Desk) -> None:
    """Answers that wait for approval, for each reason one."""
    desk.now = START - timedelta(minutes=26)
    desk.draft(
        1101,
        "Hello Ada,\n\nTo export your data, open Settings, then Data, and choose Export.\n\n"
        "The file is sent to you by e-mail within an hour.\n\nThis is an automated answer.",
        text="Hi, how do I get all my data out? I need it as a file my accountant can read, today if possible.",
        subject="Export for the accountant",
    )
    desk.now = START - timedelta(minutes=9)
    desk.draft(1102, customer="Bo Diddley", held_because="mode", threshold=None, subject="Invoice address")
    desk.now = START - timedelta(minutes=2)
    desk.draft(
        1103,
        customer="李雷",
        held_because="regenerated",
        threshold=None,
        hint="shorter, and mention CSV",
        channel="whatsapp",
    )
    desk.now = START


async def _by_hand() -> None:
    desk = Desk()
    busy(desk)
    some_drafts(desk)
    known(desk, number(1000 + 1042), number(1000 + 1037))
    delta = datetime.now(UTC) - START
    for talk in desk.talks.values():
        item = talk.item
        at = item.escalated_at + delta if item.escalated_at else None
        talk.item = msgspec.structs.replace(
            item, last_message_at=item.last_message_at + delta, escalated_at=at
        )
        talk.messages = [msgspec.structs.replace(m, created_at=m.created_at + delta) for m in talk.messages]
    async with serving(desk, 8765) as url:
        print(url, flush=True)
        serial = 2000
        while True:
            await asyncio.sleep(6)
            desk.now, serial = datetime.now(UTC), serial + 1
            desk.say(number(1000 + 1042), f"Are you there? ({serial})")
            key = desk.add(serial, f"New customer {serial}")
            desk.announce(key, "message.received")
            if serial % 3 == 0:
                desk.escalate(key)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_by_hand())
