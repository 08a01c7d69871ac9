"""Pages suggested by people's answers, for operators to approve or reject."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fte import wire
from fte.agent.format import bare
from fte.daemon.bodies import read_body
from fte.daemon.openapi import operation
from fte.daemon.operator_api import OperatorApi
from fte.daemon.responses import json_response
from fte.domain.errors import NotFound
from fte.domain.suggestions import (
    BODY_MAX,
    BODY_MIN,
    TITLE_MAX,
    TITLE_MIN,
    Source,
    checked,
    source,
    suggested,
)
from fte.knowledge.embed import WordLlamaEmbedder
from fte.knowledge.thesaurus import asked
from fte.ports import Embedder
from fte.store import suggestions
from fte.wire import SuggestionsPage, SuggestionView, TaughtPage, TeachRequest


@dataclass(frozen=True, slots=True)
class Suggestions:
    """`embedder` loads its model at the first use, in a thread: most processes never need it."""

    api: OperatorApi
    embedder: Embedder = field(default_factory=WordLlamaEmbedder)

    def routes(self) -> list[Route]:
        return [
            Route("/operator/suggestions", self._waiting),
            Route("/operator/suggestions/{id}", self._approve, methods=["PUT"]),
            Route("/operator/suggestions/{id}", self._reject, methods=["DELETE"]),
        ]

    @operation("Pages that people's answers could become", gives=SuggestionsPage, may="read")
    async def _waiting(self, request: Request) -> Response:
        await self.api.operator(request, "read")
        found = await suggestions.waiting(self.api.pool, datetime.now(UTC))
        return json_response(SuggestionsPage(items=[_view(one) for one in found]))

    @operation(
        "Make a suggestion a page of the knowledge base",
        takes=TeachRequest,
        fields={
            "title": Annotated[str, Meta(min_length=TITLE_MIN, max_length=TITLE_MAX)],
            "body": Annotated[str, Meta(min_length=BODY_MIN, max_length=BODY_MAX)],
        },
        rule="No [name], [address] or [number] may be left in it. Blanks at both ends do not count.",
        gives=TaughtPage,
        may="teach",
        errors=(409,),
    )
    async def _approve(self, request: Request) -> Response:
        from fte.knowledge import documents

        operator = await self.api.operator(request, "teach")
        wanted = wire.decode(await read_body(request.scope, request.receive), TeachRequest)
        page = checked(wanted.title, wanted.body)
        pool = self.api.pool
        found = await suggestions.one(pool, _id(request), datetime.now(UTC))
        name = source(found.number, page.title)
        text = f"---\ntitle: {page.title}\ncategory: {wanted.category}\n---\n\n{page.body}\n"
        document = await documents.prepare(name, text.encode(), self.embedder)
        async with pool.transaction() as connection:
            await suggestions.decide(connection, found, operator.id, name)
            await documents.write(connection, document)
        return json_response(TaughtPage(source=name))

    @operation("Do not suggest it again", status=204, may="teach", errors=(409,))
    async def _reject(self, request: Request) -> Response:
        operator = await self.api.operator(request, "teach")
        found = await suggestions.one(self.api.pool, _id(request), datetime.now(UTC))
        async with self.api.pool.transaction() as connection:
            await suggestions.decide(connection, found, operator.id)
        return Response(status_code=204)


def _id(request: Request) -> UUID:
    try:
        return UUID(request.path_params["id"])
    except ValueError:
        raise NotFound("There is no such suggestion.") from None


def _view(found: Source) -> SuggestionView:
    page = suggested(asked(found.question), bare(found.answer, "email"), found.names)
    return SuggestionView(
        id=found.id,
        conversation_id=found.conversation_id,
        number=found.number,
        kind=found.kind,
        operator=found.operator,
        at=found.at,
        question=found.question,
        draft=found.draft,
        answer=found.answer,
        title=page.title,
        body=page.body,
    )
