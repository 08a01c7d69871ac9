"""How things are, for operators: metrics, channels, dead letters, customers, knowledge."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fte import wire
from fte.bus import cursors, dead_letters
from fte.bus.dead_letters import Asked, Letter, Report
from fte.daemon.bodies import read_body
from fte.daemon.openapi import operation, words
from fte.daemon.operator_api import OperatorApi, required_key, whole
from fte.daemon.responses import json_response
from fte.domain.channels import CHANNELS, Channel
from fte.domain.dead_letters import REASON_MAX, STATES, State
from fte.domain.errors import NotFound, Rejected, Unavailable
from fte.pg import log
from fte.pg.hints import Hints
from fte.ports import Embedder
from fte.store import channel_health, customers, mailboxes, overview
from fte.wire import (
    ChannelState,
    ChannelsView,
    ConsumerLag,
    CustomerHits,
    KnowledgeHit,
    KnowledgeHits,
    LetterPage,
    LettersDone,
    LettersRequest,
    LetterView,
    MetricsSpan,
    MetricsView,
)

RETRY: Final = "/operator/dead_letters/retry"
DROP: Final = "/operator/dead_letters/drop"
LETTERS_PAGE: Final = 200
HITS: Final = 10
EXCERPT_MAX: Final = 600
"""Characters of a passage that are shown."""
LAG_PATIENCE: Final = 3.0
"""Seconds the cluster has to say how far its consumers are behind; after that it is not known."""
LETTER_MAX: Final = 10**11
"""More than any dead letter's id."""

LetterId = Annotated[int, Meta(ge=1, le=LETTER_MAX)]
Letters = Annotated[list[LetterId], Meta(min_length=1, max_length=dead_letters.BATCH_MAX)]
LetterFilter = State | Literal["all"]


@dataclass(slots=True)
class Overview:
    """`configured`, `problems` and `relay` are those of `Health`; `lag` asks the cluster, None where there is none."""

    api: OperatorApi
    hints: Hints | None = None
    configured: Mapping[Channel, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    relay: str | None = None
    lag: "Callable[[], Awaitable[Mapping[tuple[str, str], int]]] | None" = None
    embedder: Embedder | None = None

    def routes(self) -> list[Route]:
        return [
            Route("/operator/metrics", self._metrics),
            Route("/operator/channels", self._channels),
            Route("/operator/dead_letters", self._letters),
            Route(RETRY, self._retry, methods=["POST"]),
            Route(DROP, self._drop, methods=["POST"]),
            Route("/operator/dead_letters/{id}", self._letter),
            Route("/operator/customers", self._customers),
            Route("/operator/knowledge/search", self._knowledge),
        ]

    @operation(
        "What happened, step by step",
        gives=MetricsView,
        may="read",
        query={"span": MetricsSpan},
        errors=(422,),
    )
    async def _metrics(self, request: Request) -> Response:
        await self.api.operator(request, "read")
        span: Any = request.query_params.get("span", "1h")
        if span not in get_args(MetricsSpan):
            raise Rejected(f"There is no span {span!r}.", fields={"span": "1h or 24h"})
        view = await overview.metrics(self.api.pool, span, datetime.now(UTC))
        bus: Any = "log" if self.lag is None else "kafka"
        return json_response(msgspec.structs.replace(view, bus=bus, lag=await self._lag()))

    async def _lag(self) -> list[ConsumerLag] | None:
        if self.lag is None:
            return None
        try:
            async with asyncio.timeout(LAG_PATIENCE):
                found = await self.lag()
        except (Unavailable, TimeoutError):
            return None
        behind = [ConsumerLag(group=group, topic=topic, events=n) for (group, topic), n in found.items()]
        return sorted(behind, key=lambda one: (one.group, one.topic))

    # -- channels

    @operation("How each channel is, and what waits", gives=ChannelsView, may="read")
    async def _channels(self, request: Request) -> Response:
        await self.api.operator(request, "read")
        pool = self.api.pool
        known = await channel_health.of_accounts(pool, self.configured)
        ends = await mailboxes.watch_ends(pool, self.configured.get("email", ""))
        delay: float | None = None
        if self.relay is not None:
            since = await log.waiting_since(pool, await cursors.current(pool, self.relay))
            delay = (datetime.now(UTC) - since).total_seconds() if since else 0.0
        view = ChannelsView(
            channels=[
                self._channel(channel, known.get(channel), ends if channel == "email" else None)
                for channel in CHANNELS
            ],
            backlog=await overview.backlog(pool),
            relay_delay=delay,
            problems=dict(self.problems),
        )
        return json_response(view)

    def _channel(
        self, channel: Channel, line: channel_health.ChannelHealth | None, until: datetime | None
    ) -> ChannelState:
        if channel != "web_form" and channel not in self.configured:
            return ChannelState(channel=channel, account="", state="inactive")
        if line is None:
            return ChannelState(channel=channel, account="", state="active", until=until)
        return ChannelState(
            channel=channel,
            account=line.account,
            state="active" if line.healthy else "unhealthy",
            detail=line.detail,
            changed_at=line.changed_at,
            checked_at=line.checked_at,
            until=until,
        )

    # -- dead letters

    @operation(
        "Dead letters, the newest first",
        gives=LetterPage,
        may="read",
        query={
            "state": LetterFilter,
            "limit": Annotated[int, Meta(ge=1, le=dead_letters.LIST_MAX)],
            "before": LetterId,
        },
        errors=(422,),
    )
    async def _letters(self, request: Request) -> Response:
        await self.api.operator(request, "read")
        query = request.query_params
        state = query.get("state", "waiting")
        if state not in (*STATES, "all"):
            raise Rejected(f"There is no state {state!r}.", fields={"state": f"{', '.join(STATES)} or all"})
        found = await dead_letters.listed(
            self.api.pool,
            None if state == "all" else state,  # type: ignore[arg-type]
            limit=whole(query.get("limit", str(LETTERS_PAGE)), "limit", dead_letters.LIST_MAX),
            before=whole(query["before"], "before", LETTER_MAX) if "before" in query else None,
        )
        return json_response(LetterPage(letters=[_view(letter) for letter in found]))

    @operation("A dead letter", gives=LetterView, may="read", id=LetterId)
    async def _letter(self, request: Request) -> Response:
        await self.api.operator(request, "read")
        try:
            letter = whole(request.path_params["id"], "id", LETTER_MAX)
        except Rejected:
            if request.url.path in (RETRY, DROP):
                raise HTTPException(405) from None
            raise NotFound("There is no such dead letter.") from None
        return json_response(_view(await dead_letters.shown(self.api.pool, letter)))

    @operation(
        "Try dead letters again",
        takes=LettersRequest,
        fields={"letters": Letters},
        gives=LettersDone,
        may="dead_letters",
        key=True,
        errors=(404, 409),
    )
    async def _retry(self, request: Request) -> Response:
        asked, body = await self._decision(request)
        report = await dead_letters.retry(
            self.api.pool, body.letters, dropped_too=body.dropped_too, hints=self.hints, asked=asked
        )
        return json_response(_done(report))

    @operation(
        "Give dead letters up",
        takes=LettersRequest,
        fields={"letters": Letters, "reason": words(REASON_MAX)},
        gives=LettersDone,
        may="dead_letters",
        key=True,
        errors=(404, 409),
    )
    async def _drop(self, request: Request) -> Response:
        asked, body = await self._decision(request)
        report = await dead_letters.drop(self.api.pool, body.letters, body.reason, asked=asked)
        return json_response(_done(report))

    async def _decision(self, request: Request) -> tuple[Asked, LettersRequest]:
        operator = await self.api.operator(request, "dead_letters")
        key = required_key(request)
        body = wire.decode(await read_body(request.scope, request.receive), LettersRequest)
        if not body.letters or not all(0 < letter < 2**63 for letter in body.letters):
            raise Rejected(fields={"letters": "ids of dead letters, one at least"})
        return Asked(operator.id, key), body

    # -- searching

    @operation(
        "Customers by a part of a name, address or number", gives=CustomerHits, may="read", query={"q": str}
    )
    async def _customers(self, request: Request) -> Response:
        await self.api.operator(request, "read")
        return json_response(await customers.search(self.api.pool, request.query_params.get("q", "")))

    @operation(
        "What the knowledge base has on a question",
        gives=KnowledgeHits,
        may="read",
        query={"q": str, "category": str},
    )
    async def _knowledge(self, request: Request) -> Response:
        await self.api.operator(request, "read")
        from fte.knowledge.search import SCORE_FLOOR, ranked

        if self.embedder is None:
            from fte.knowledge.embed import WordLlamaEmbedder

            # It loads its model at the first use, in a thread: most processes never need it.
            self.embedder = WordLlamaEmbedder()
        query = request.query_params
        found = await ranked(
            self.api.pool, self.embedder, query.get("q", ""), HITS, query.get("category") or None
        )
        hits = [
            KnowledgeHit(
                title=passage.title,
                source=passage.source,
                category=passage.category,
                score=passage.score,
                excerpt=passage.content[:EXCERPT_MAX],
            )
            for passage in found
        ]
        return json_response(KnowledgeHits(floor=SCORE_FLOOR, hits=hits))


def _view(letter: Letter) -> LetterView:
    return LetterView(**{name: getattr(letter, name) for name in LetterView.__struct_fields__})


def _done(report: Report) -> LettersDone:
    refused = {str(letter): why for letter, why in report.refused.items()}
    return LettersDone(done=list(report.done), refused=refused)
