"""Pages suggested by people's answers, for operators to approve or reject."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fte import wire
from fte.agent.format import bare
from fte.daemon.bodies import read_body
from fte.daemon.openapi import operation
from fte.daemon.operator_api import OperatorApi, ids, ids_of
from fte.daemon.responses import json_response
from fte.domain.errors import NotFound
from fte.domain.suggestions import (
    BODY_MAX,
    BODY_MIN,
    TITLE_MAX,
    TITLE_MIN,
    Source,
    checked,
    gathered,
    source,
    suggested,
)
from fte.knowledge.embed import WordLlamaEmbedder
from fte.knowledge.thesaurus import asked
from fte.ports import Embedder
from fte.store import suggestions
from fte.wire import SuggestionSource, SuggestionsPage, SuggestionView, TaughtPage, TeachRequest

_ALSO_MAX: Final = suggestions.SOURCES_MAX - 1
_ALSO: Final = {"also": ids_of("The others'", _ALSO_MAX)}
"""Which others are decided on with it: those that were seen, and none that came since."""


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
        about = [asked(one.question) or one.answer for one in found]
        vectors = await self.embedder.embed(about) if about else []
        return json_response(SuggestionsPage(items=[_view(*of_one) for of_one in gathered(found, vectors)]))

    @operation(
        "Make a suggestion a page of the knowledge base",
        takes=TeachRequest,
        fields={
            "title": Annotated[str, Meta(min_length=TITLE_MIN, max_length=TITLE_MAX)],
            "body": Annotated[str, Meta(min_length=BODY_MIN, max_length=BODY_MAX)],
        },
        query=_ALSO,
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
        found = await self._found(request)
        name = source(found[0].number, page.title)
        text = f"---\ntitle: {page.title}\ncategory: {wanted.category}\n---\n\n{page.body}\n"
        document = await documents.prepare(name, text.encode(), self.embedder)
        async with pool.transaction() as connection:
            await suggestions.decide(connection, found, operator.id, name)
            await documents.write(connection, document)
        return json_response(TaughtPage(source=name))

    @operation("Do not suggest it again", status=204, may="teach", query=_ALSO, errors=(409, 422))
    async def _reject(self, request: Request) -> Response:
        operator = await self.api.operator(request, "teach")
        found = await self._found(request)
        async with self.api.pool.transaction() as connection:
            await suggestions.decide(connection, found, operator.id)
        return Response(status_code=204)

    async def _found(self, request: Request) -> list[Source]:
        also = ids(request.query_params.get("also", ""), "also", _ALSO_MAX)
        wanted = dict.fromkeys([_id(request), *also])
        return await suggestions.some(self.api.pool, list(wanted), datetime.now(UTC))


def _id(request: Request) -> UUID:
    try:
        return UUID(request.path_params["id"])
    except ValueError:
        raise NotFound("There is no such suggestion.") from None


def _view(found: Source, *others: Source) -> SuggestionView:
    page = suggested(asked(found.question), bare(found.answer, "email"), found.names)
    return SuggestionView(
        **_facts(found),
        title=page.title,
        body=page.body,
        others=[SuggestionSource(**_facts(one)) for one in others],
    )


def _facts(found: Source) -> dict[str, Any]:
    return {name: getattr(found, name) for name in SuggestionSource.__struct_fields__}
