"""The operators' API: everything the console sees and does."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial, update_wrapper
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from fte import wire
from fte.agent import brief
from fte.agent.company import Company
from fte.daemon.bodies import read_body
from fte.daemon.downloads import download
from fte.daemon.openapi import KEY_MAX, FileBytes, operation, words
from fte.daemon.responses import UNSTORED, json_response
from fte.domain.conversations import REASON_MAX, REPLY_MAX, Actor
from fte.domain.drafts import HINT_MAX
from fte.domain.errors import Malformed, NotFound, Refused, Rejected, Unauthorized
from fte.domain.escalation import REASONS_TO_ASK, ReasonToAsk
from fte.domain.handover import WORD_MAX
from fte.domain.operators import Action, allowed
from fte.domain.presence import HEARTBEAT, LEASE
from fte.domain.text import one_line, storable
from fte.domain.tickets import CATEGORIES, PRIORITIES, Category, Priority
from fte.pg.pool import Pool
from fte.store import (
    attachments,
    canned,
    control,
    conversation_merges,
    conversations,
    customers,
    desk,
    drafts,
    erasure,
    escalations,
    exports,
    identity,
    inspection,
    merges,
    modes,
    operators,
    presence,
)
from fte.store.conversations import VIEWS, View
from fte.wire import (
    PRESENT,
    ActionDone,
    ActionRequest,
    CannedPage,
    CannedReply,
    ConversationView,
    CustomerPage,
    CustomerView,
    DraftDecision,
    DraftsPage,
    DraftView,
    DutyRequest,
    ErasureDone,
    ErasurePlan,
    LinkRequest,
    MergeDone,
    MergeRequest,
    ModeRequest,
    ModesView,
    Nothing,
    OperatorView,
    PresenceRequest,
    QueuePage,
    TeamView,
    TicketView,
)

HEARD_MAX: Final = 10_000
"""Operators remembered as just heard of."""
NUMBER_MAX: Final = 10**11
"""More than any conversation's number."""
SEQ_MAX: Final = 2**31 - 1

_ID: Final = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def ids_of(what: str, most: int) -> Any:
    """The type of a parameter that `ids` reads."""
    pattern = f"^({_ID}(,{_ID}){{0,{most - 1}}})?$"
    return Annotated[str, Meta(description=f"{what} ids, separated by commas.", pattern=pattern)]


HASH_MAX: Final = 64
"""Characters of a SHA-256, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class OperatorApi:
    """`on_change` is called after each committed action; what people send can be taken back for `undo` seconds. `lease`
    is in seconds, `company` whom we answer for, `company_name` what canned replies call
    us."""

    pool: Pool
    on_change: Callable[[], None]
    undo: float = 0.0
    lease: float = LEASE
    company: Company = Company("our company")  # noqa: RUF009 - frozen
    company_name: str = ""
    _heard: dict[UUID, float] = field(default_factory=dict)
    """When this process last noted of an operator that they are there."""

    def routes(self) -> list[Route]:
        acts = [
            Route(
                f"/operator/conversations/{{id}}/{action}",
                update_wrapper(partial(self._act, action), apply),
                methods=["POST"],
            )
            for action, apply in _ACTIONS.items()
        ]
        return [
            Route("/operator/me", self._me),
            Route("/operator/team", self._team),
            Route("/operator/presence", self._attend, methods=["POST"]),
            Route("/operator/duty", self._duty, methods=["POST"]),
            Route("/operator/colleagues", self._colleagues),
            Route("/operator/queue", self._queue),
            Route("/operator/conversations/{id}", self._conversation),
            Route("/conversations/{id}", self._conversation),
            Route("/customers/lookup", self._customer),
            Route("/operator/customers/{id}", self._customer_page),
            Route("/operator/attachments/{id}", self._attachment),
            Route("/operator/tickets/{id}", self._ticket),
            Route("/operator/canned", self._canned),
            Route("/operator/canned/{id}", self._save_canned, methods=["PUT"]),
            Route("/operator/canned/{id}", self._remove_canned, methods=["DELETE"]),
            Route("/operator/conversations/{id}/link", self._link, methods=["POST"]),
            Route("/operator/customers/{id}/merge", self._merge, methods=["POST"]),
            Route("/operator/customers/{id}/erasure", self._erasure_plan, methods=["GET"]),
            Route("/operator/customers/{id}/erasure", self._erase, methods=["POST"]),
            Route("/operator/customers/{id}/export", self._export),
            Route("/operator/merges/{id}/undo", self._unmerge, methods=["POST"]),
            Route("/operator/drafts", self._drafts),
            Route("/operator/drafts/{id}", self._draft),
            Route("/operator/drafts/{id}/approve", self._approve, methods=["POST"]),
            Route("/operator/drafts/{id}/reject", self._reject, methods=["POST"]),
            Route("/operator/drafts/{id}/regenerate", self._regenerate, methods=["POST"]),
            Route("/operator/modes", self._modes, methods=["GET"]),
            Route("/operator/modes", self._configure, methods=["POST"]),
            *acts,
        ]

    @operation("Who is asking", gives=OperatorView, may="read")
    async def _me(self, request: Request) -> Response:
        return json_response(await self.operator(request, "read"))

    @operation("Who has access, who is on duty, and what each holds", gives=TeamView, may="read")
    async def _team(self, request: Request) -> Response:
        await self.operator(request, "read")
        return json_response(await presence.team(self.pool, self.lease, self.company.hours))

    @operation(
        "Say what you do in a conversation",
        takes=PresenceRequest,
        gives=Nothing,
        may="read",
        errors=(403, 404),
    )
    async def _attend(self, request: Request) -> Response:
        operator = await self.operator(request, "read")
        asked = wire.decode(await read_body(request.scope, request.receive), PresenceRequest)
        if asked.doing == "writing":
            self.check(operator, "note")
        await presence.attend(self.pool, asked.conversation, _unseeing(operator), asked.doing)
        self.on_change()
        return json_response(Nothing())

    @operation(
        "Say whether you are on duty",
        takes=DutyRequest,
        gives=OperatorView,
        may="duty",
        key=True,
        errors=(409,),
    )
    async def _duty(self, request: Request) -> Response:
        operator = await self.operator(request, "duty")
        key = required_key(request)
        asked = wire.decode(await read_body(request.scope, request.receive), DutyRequest)
        await presence.set_duty(self.pool, key, _unseeing(operator), asked.duty)
        return json_response(msgspec.structs.replace(operator, duty=asked.duty))

    @operation("Who may answer customers", gives=list[OperatorView], may="read")
    async def _colleagues(self, request: Request) -> Response:
        await self.operator(request, "read")
        return json_response(await operators.colleagues(self.pool))

    @operation(
        "A page of the queue, or of a view of it",
        gives=QueuePage,
        may="read",
        query={
            "view": View,
            "q": str,
            "limit": Annotated[int, Meta(ge=1, le=conversations.QUEUE_MAX)],
            "ids": ids_of("Conversations'", conversations.IDS_MAX),
            "before": Annotated[int, Meta(ge=1, le=NUMBER_MAX)],
        },
        errors=(422,),
    )
    async def _queue(self, request: Request) -> Response:
        operator = await self.operator(request, "read")
        query = request.query_params
        view = query.get("view", "open")
        if view not in VIEWS:
            raise Rejected(f"There is no view {view!r}.", fields={"view": f"one of {', '.join(VIEWS)}"})
        wanted = ids(query["ids"], "ids", conversations.IDS_MAX) if "ids" in query else None
        limit = whole(query.get("limit", "200"), "limit", conversations.QUEUE_MAX)
        if "before" in query:
            before = whole(query["before"], "before", NUMBER_MAX)
            return json_response(await conversations.walk(self.pool, operator.id, view, before, limit))
        page = await conversations.queue(self.pool, operator.id, view, query.get("q", ""), limit, wanted)
        return json_response(page)

    @operation(
        "A conversation with its newest messages, or those before one",
        gives=ConversationView,
        may="read",
        query={"before": Annotated[int, Meta(ge=1, le=SEQ_MAX)]},
        errors=(422,),
    )
    async def _conversation(self, request: Request) -> Response:
        await self.operator(request, "read")
        before = request.query_params.get("before")
        return json_response(
            await conversations.one(
                self.pool,
                _conversation_id(request),
                None if before is None else whole(before, "before", SEQ_MAX),
            )
        )

    @operation(
        "A customer by email or phone, in any spelling",
        gives=CustomerView,
        may="read",
        query={"email": str, "phone": str},
        rule="One of the two must be there.",
        errors=(400, 404),
    )
    async def _customer(self, request: Request) -> Response:
        await self.operator(request, "read")
        email, phone = (request.query_params.get(name, "").strip() for name in ("email", "phone"))
        if not email and not phone:
            raise Malformed("Say whom to look for.", fields={"email": "or phone: one of them is needed"})
        return json_response(await customers.lookup(self.pool, email=email, phone=phone))

    @operation("A customer, with merges and possible duplicates", gives=CustomerPage, may="read")
    async def _customer_page(self, request: Request) -> Response:
        await self.operator(request, "read")
        return json_response(await customers.one(self.pool, _id(request, "customer")))

    @operation(
        "The bytes of an attached file, always as a download",
        gives=FileBytes,
        media="*/*",
        may="read",
        errors=(409,),
    )
    async def _attachment(self, request: Request) -> Response:
        await self.operator(request, "read")
        file = await attachments.one(self.pool, _id(request, "attachment"))
        return download(file.name, file.media_type, file.content)

    @operation("A ticket with its whole life, by its number or an id", gives=TicketView, may="read", id=str)
    async def _ticket(self, request: Request) -> Response:
        await self.operator(request, "read")
        found = await inspection.find(self.pool, request.path_params["id"])
        return json_response(await inspection.one(self.pool, found))

    @operation("All canned replies", gives=CannedPage, may="read")
    async def _canned(self, request: Request) -> Response:
        await self.operator(request, "read")
        return json_response(CannedPage(items=await canned.listed(self.pool), company=self.company_name))

    @operation(
        "Add or replace a canned reply",
        takes=CannedReply,
        gives=CannedReply,
        rule="`key` is the one in the address, and the text names no unknown variable.",
        may="canned",
        id=str,
        finds=False,
        errors=(409,),
    )
    async def _save_canned(self, request: Request) -> Response:
        operator = await self.operator(request, "canned")
        asked = wire.decode(await read_body(request.scope, request.receive), CannedReply)
        if asked.key != request.path_params["id"]:
            raise Rejected(fields={"key": "not the one in the address"})
        return json_response(await canned.save(self.pool, operator.id, asked))

    @operation("Remove a canned reply", status=204, may="canned", id=str)
    async def _remove_canned(self, request: Request) -> Response:
        operator = await self.operator(request, "canned")
        await canned.remove(self.pool, operator.id, request.path_params["id"])
        return Response(status_code=204)

    @operation(
        "Have a customer prove another address",
        takes=LinkRequest,
        rule="`address` is one of that channel.",
        gives=ActionDone,
        may="link",
        key=True,
        errors=(409,),
    )
    async def _link(self, request: Request) -> Response:
        operator = await self.operator(request, "link")
        key = required_key(request)
        asked = wire.decode(await read_body(request.scope, request.receive), LinkRequest)
        actor = _unseeing(operator)
        conversation = _conversation_id(request)
        done = await identity.request_link(self.pool, key, conversation, actor, asked.channel, asked.address)
        return self._done(done)

    @operation(
        "Make two customers one",
        takes=MergeRequest,
        rule="`other` is another one.",
        gives=MergeDone,
        may="merge",
        key=True,
        errors=(409,),
    )
    async def _merge(self, request: Request) -> Response:
        operator = await self.operator(request, "merge")
        key = required_key(request)
        asked = wire.decode(await read_body(request.scope, request.receive), MergeRequest)
        kept = _id(request, "customer")
        return self._done(await merges.merge(self.pool, key, kept, asked.other, _unseeing(operator)))

    @operation("What an erasure of a customer would take", gives=ErasurePlan, may="erase", errors=(409,))
    async def _erasure_plan(self, request: Request) -> Response:
        await self.operator(request, "erase")
        return json_response(await erasure.plan(self.pool, _id(request, "customer")))

    @operation("Erase a customer", gives=ErasureDone, may="erase", key=True, errors=(409,))
    async def _erase(self, request: Request) -> Response:
        operator = await self.operator(request, "erase")
        key, customer = required_key(request), _id(request, "customer")
        return self._done(await erasure.erase(self.pool, key, customer, _unseeing(operator)))

    @operation(
        "Everything held about a customer, as one document", gives=dict[str, Any], may="export", errors=(409,)
    )
    async def _export(self, request: Request) -> Response:
        operator = await self.operator(request, "export")
        customer = _id(request, "customer")
        export = await exports.begin(self.pool, customer, operator.id)
        return StreamingResponse(exports.document(self.pool, export), 200, UNSTORED, "application/json")

    @operation("Undo a merge of customers", gives=MergeDone, may="merge", key=True, errors=(409,))
    async def _unmerge(self, request: Request) -> Response:
        operator = await self.operator(request, "merge")
        done = await merges.unmerge(
            self.pool, required_key(request), _id(request, "merge"), _unseeing(operator)
        )
        return self._done(done)

    @operation(
        "Answers held for approval, the longest waiting first",
        gives=DraftsPage,
        may="read",
        query={"limit": Annotated[int, Meta(ge=1, le=drafts.PAGE_MAX)], "after": UUID},
        errors=(404, 422),
    )
    async def _drafts(self, request: Request) -> Response:
        await self.operator(request, "read")
        query = request.query_params
        limit = whole(query.get("limit", "50"), "limit", drafts.PAGE_MAX)
        after = _uuid(query["after"], "after") if "after" in query else None
        return json_response(await drafts.pending(self.pool, limit, after))

    @operation("A draft, whatever became of it", gives=DraftView, may="read")
    async def _draft(self, request: Request) -> Response:
        await self.operator(request, "read")
        return json_response(await drafts.one(self.pool, _id(request, "draft")))

    @operation(
        "Send a draft, edited or as it is",
        takes=DraftDecision,
        fields={"hash": words(HASH_MAX), "text": words(REPLY_MAX) | None},
        gives=ActionDone,
        may="approve",
        key=True,
        errors=(409,),
    )
    async def _approve(self, request: Request) -> Response:
        actor, key, asked = await self._decision(request, "approve")
        draft, seen, text = _id(request, "draft"), asked.required_hash(), asked.checked_text()
        return self._done(await drafts.approve(self.pool, key, draft, actor, seen, text, undo=self.undo))

    @operation(
        "Do not send a draft",
        takes=DraftDecision,
        fields={"reason": words(REASON_MAX)},
        gives=ActionDone,
        may="reject",
        key=True,
        errors=(409,),
    )
    async def _reject(self, request: Request) -> Response:
        actor, key, asked = await self._decision(request, "reject")
        draft, reason = _id(request, "draft"), asked.required_reason()
        return self._done(await drafts.reject(self.pool, key, draft, actor, reason))

    @operation(
        "Have a draft written anew",
        takes=DraftDecision,
        fields={"hint": words(HINT_MAX)},
        gives=ActionDone,
        may="regenerate",
        key=True,
        errors=(409,),
    )
    async def _regenerate(self, request: Request) -> Response:
        actor, key, asked = await self._decision(request, "regenerate")
        draft, hint = _id(request, "draft"), asked.required_hint()
        return self._done(await drafts.regenerate(self.pool, key, draft, actor, hint))

    async def _decision(self, request: Request, action: Action) -> tuple[Actor, str, DraftDecision]:
        operator = await self.operator(request, action)
        key = required_key(request)
        asked = wire.decode(await read_body(request.scope, request.receive), DraftDecision)
        return _unseeing(operator), key, asked

    @operation("Which answers the AI sends, holds, or does not give", gives=ModesView, may="read")
    async def _modes(self, request: Request) -> Response:
        await self.operator(request, "read")
        return json_response(await modes.listed(self.pool))

    @operation(
        "Set or take away a rule for the AI's answers",
        takes=ModeRequest,
        rule="`below`, from 0 to 1, goes with `auto` only.",
        gives=ModesView,
        may="configure",
        key=True,
        errors=(409,),
    )
    async def _configure(self, request: Request) -> Response:
        operator = await self.operator(request, "configure")
        key = required_key(request)
        asked = wire.decode(await read_body(request.scope, request.receive), ModeRequest)
        rule = asked.rule()
        return self._done(
            await modes.configure(self.pool, key, operator.id, asked.channel, asked.category, rule)
        )

    def _done(self, done: ActionDone | ErasureDone | MergeDone | ModesView) -> Response:
        self.on_change()
        return json_response(done)

    async def _act(self, action: Action, request: Request) -> Response:
        operator = await self.operator(request, action)
        key = required_key(request)
        asked = wire.decode(await read_body(request.scope, request.receive), ActionRequest)
        actor = Actor(operator.id, operator.name, operator.role, asked.seen, asked.epoch)
        done = await _ACTIONS[action](self, key, _conversation_id(request), actor, asked)
        return self._done(done)

    async def operator(self, request: Request, action: Action) -> OperatorView:
        """Who is asking. Raises Unauthorized without a valid token, Refused when their role may not do this."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        found = (
            await operators.by_token(self.pool, token.strip())
            if scheme.lower() == "bearer" and token
            else None
        )
        if found is None:
            raise Unauthorized
        self.check(found, action)
        if request.headers.get(PRESENT) != "no":
            await self._note(found)
        return found

    def check(self, operator: OperatorView, action: Action) -> None:
        """Raises Refused when their role may not do this."""
        if not allowed(operator.role, action):
            raise Refused(
                f"An {operator.role} may not {action.replace('_', ' ')}.", remedy="Ask a lead or an admin."
            )

    async def _note(self, operator: OperatorView) -> None:
        """They are there: write that down, but not for every request."""
        now = time.monotonic()
        if now - self._heard.get(operator.id, -HEARTBEAT) < HEARTBEAT:
            return
        if len(self._heard) >= HEARD_MAX:
            self._heard.clear()
        self._heard[operator.id] = now
        await presence.heard_of(self.pool, operator.id, self.lease)


Apply = Callable[[OperatorApi, str, UUID, Actor, ActionRequest], Awaitable[ActionDone]]


Reason = Annotated[str, Meta(max_length=REASON_MAX)] | None


def _acting(summary: str, action: Action, rule: str = "", **fields: Any) -> Callable[[Apply], Apply]:
    return operation(
        summary,
        takes=ActionRequest,
        fields=fields,
        rule=rule,
        gives=ActionDone,
        may=action,
        key=True,
        errors=(409,),
    )


@_acting("Take a conversation over from the AI", "take_over")
async def _take_over(api: OperatorApi, key: str, id_: UUID, actor: Actor, asked: ActionRequest) -> ActionDone:
    return await control.take_over(api.pool, key, id_, actor)


@_acting(
    "Hand a conversation over from the AI to people, and tell the customer",
    "escalate",
    reason=ReasonToAsk,
    text=Annotated[str, Meta(max_length=WORD_MAX)] | None,
)
async def _escalate(api: OperatorApi, key: str, id_: UUID, actor: Actor, asked: ActionRequest) -> ActionDone:
    reason = next((one for one in REASONS_TO_ASK if one == asked.reason), None)
    if reason is None:
        raise Rejected(fields={"reason": f"one of {', '.join(REASONS_TO_ASK)}"})
    note = storable(asked.word())
    somebody = await presence.on_duty(api.pool, api.lease)
    handed_on = partial(
        brief.handed_on, reason, asked.urgency, actor.name, note, company=api.company, on_duty=somebody.here
    )
    return await escalations.escalate(
        api.pool,
        key,
        id_,
        actor,
        reason,
        asked.urgency,
        note,
        lambda talk: handed_on(talk, now=datetime.now(UTC)),
    )


@_acting("Answer the customer", "reply", text=words(REPLY_MAX))
async def _reply(api: OperatorApi, key: str, id_: UUID, actor: Actor, asked: ActionRequest) -> ActionDone:
    return await control.reply(api.pool, key, id_, actor, asked.required_text(), undo=api.undo)


@_acting("Write a note for colleagues", "note", text=words(REPLY_MAX))
async def _note(api: OperatorApi, key: str, id_: UUID, actor: Actor, asked: ActionRequest) -> ActionDone:
    return await control.note(api.pool, key, id_, actor, asked.required_text())


@_acting(
    "Give a conversation back to the AI",
    "release",
    text=Annotated[str, Meta(max_length=WORD_MAX)] | None,
    reason=Reason,
)
async def _release(api: OperatorApi, key: str, id_: UUID, actor: Actor, asked: ActionRequest) -> ActionDone:
    return await control.release(api.pool, key, id_, actor, asked.checked_reason(), asked.word())


@_acting("Resolve the ticket", "resolve", reason=Reason)
async def _resolve(api: OperatorApi, key: str, id_: UUID, actor: Actor, asked: ActionRequest) -> ActionDone:
    resolution = asked.resolution or "solved"
    return await control.resolve(api.pool, key, id_, actor, asked.checked_reason(), resolution)


@_acting("Put a conversation aside until a time, or back", "snooze")
async def _snooze(api: OperatorApi, key: str, id_: UUID, actor: Actor, asked: ActionRequest) -> ActionDone:
    return await control.snooze(api.pool, key, id_, actor, asked.until)


@_acting("Send again what did not arrive", "send_again")
async def _send_again(
    api: OperatorApi, key: str, id_: UUID, actor: Actor, asked: ActionRequest
) -> ActionDone:
    return await control.send_again(api.pool, key, id_, actor)


@_acting("Take back what has not left yet", "undo_send")
async def _undo_send(api: OperatorApi, key: str, id_: UUID, actor: Actor, asked: ActionRequest) -> ActionDone:
    return await control.undo_send(api.pool, key, id_, actor)


@_acting("Set the priority", "set_priority", priority=Priority)
async def _set_priority(
    api: OperatorApi, key: str, id_: UUID, actor: Actor, asked: ActionRequest
) -> ActionDone:
    if asked.priority is None:
        raise Rejected(fields={"priority": f"one of {', '.join(PRIORITIES)}"})
    return await desk.set_priority(api.pool, key, id_, actor, asked.priority)


@_acting("Set the category", "set_category", category=Category)
async def _set_category(
    api: OperatorApi, key: str, id_: UUID, actor: Actor, asked: ActionRequest
) -> ActionDone:
    if asked.category is None:
        raise Rejected(fields={"category": f"one of {', '.join(CATEGORIES)}"})
    return await desk.set_category(api.pool, key, id_, actor, asked.category)


@_acting(
    "Add and remove tags",
    "tag",
    rule="At least one of `add` and `remove` must hold something, and a tag is a word.",
)
async def _tag(api: OperatorApi, key: str, id_: UUID, actor: Actor, asked: ActionRequest) -> ActionDone:
    if not asked.add and not asked.remove:
        raise Rejected(fields={"add": "tags to add, or in `remove` tags to take away"})
    return await desk.tag(api.pool, key, id_, actor, asked.add, asked.remove)


@_acting("Give a conversation to a colleague, or to nobody", "assign")
async def _assign(api: OperatorApi, key: str, id_: UUID, actor: Actor, asked: ActionRequest) -> ActionDone:
    return await desk.assign(api.pool, key, id_, actor, asked.to and one_line(asked.to)[: operators.NAME_MAX])


@_acting(
    "Let another conversation go on in this one",
    "merge_in",
    rule="Two conversations of one customer.",
    other=UUID,
)
async def _merge_in(api: OperatorApi, key: str, id_: UUID, actor: Actor, asked: ActionRequest) -> ActionDone:
    if asked.other is None:
        raise Rejected(fields={"other": "the conversation that is to go on here"})
    return await conversation_merges.merge_in(api.pool, key, id_, actor, asked.other)


@_acting("Part a conversation from the one it was merged into", "part")
async def _part(api: OperatorApi, key: str, id_: UUID, actor: Actor, asked: ActionRequest) -> ActionDone:
    return await conversation_merges.part(api.pool, key, id_, actor)


_ACTIONS: Final[dict[Action, Apply]] = {
    "take_over": _take_over,
    "escalate": _escalate,
    "reply": _reply,
    "note": _note,
    "release": _release,
    "resolve": _resolve,
    "send_again": _send_again,
    "undo_send": _undo_send,
    "snooze": _snooze,
    "set_priority": _set_priority,
    "set_category": _set_category,
    "tag": _tag,
    "assign": _assign,
    "merge_in": _merge_in,
    "part": _part,
}


def required_key(request: Request) -> str:
    """The idempotency key. Raises Rejected."""
    key = request.headers.get("idempotency-key", "")
    if not 1 <= len(key) <= KEY_MAX:
        raise Rejected(
            "The header Idempotency-Key is missing or too long.",
            fields={"Idempotency-Key": "1-100 characters"},
        )
    return key


def _unseeing(operator: OperatorView) -> Actor:
    """Somebody whose action does not depend on what their screen shows."""
    return Actor(operator.id, operator.name, operator.role, seen=0, epoch=0)


def _conversation_id(request: Request) -> UUID:
    return _id(request, "conversation")


def _id(request: Request, what: str) -> UUID:
    try:
        return _uuid(request.path_params["id"], "id")
    except Rejected:
        raise NotFound(f"There is no such {what}.") from None


def _uuid(text: Any, field: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Rejected(fields={field: "not an id"}) from None


def ids(text: str, field: str, most: int) -> list[UUID]:
    """The ids in a field, separated by commas. Raises Rejected, naming the field."""
    found = [id_ for id_ in text.split(",") if id_]
    if len(found) > most:
        raise Rejected(fields={field: f"at most {most}"})
    return [_uuid(id_, field) for id_ in found]


def whole(text: str, field: str, most: int) -> int:
    """The number in a field. Raises Rejected, naming the field."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= most):
        raise Rejected(fields={field: f"a whole number from 1 to {most}"})
    return int(text)
