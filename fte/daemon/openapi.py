"""What each route takes and gives, said at its handler, and the OpenAPI 3.1 document made of that."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar, get_args
from uuid import UUID

import msgspec
from msgspec import Meta
from starlette.routing import BaseRoute, Route

import fte
from fte.daemon.responses import JSON_TYPE
from fte.domain.operators import ROLES, Action, allowed
from fte.wire import Problem

HTML: Final = "text/html"
KEY_MAX: Final = 100
"""Characters of an idempotency key."""

_REF: Final = "#/components/schemas/{name}"
_OPEN: Final = {"GET", "HEAD"}
_RETRY: Final = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
_HEADERS: Final[Mapping[int, Mapping[str, Any]]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    429: _RETRY,
    503: _RETRY,
}
_ABOUT: Final = """\
Every error is a `Problem`. A method that an address does not take gets 405. Times are UTC. Fields of an answer that you
do not know are to be ignored: later releases add some. `docs/api.md` in the source tells more, with examples.

Whoever acts names each decision with an `Idempotency-Key` of their own: the same request under the same key acts once.
"""
_GROUPS: Final = (
    ("Form and tickets", r"/support"),
    ("Webhooks", r"/webhooks/"),
    ("Operators: team", r"/operator/(me|team|duty|presence|colleagues)"),
    ("Operators: conversations", r"(/operator)?/(queue|conversations|tickets|attachments|canned)"),
    ("Operators: drafts", r"/operator/(drafts|modes)"),
    ("Operators: customers", r"(/operator)?/(customers|merges)"),
    ("Operators: how things are", r"/operator/"),
    ("Health and metrics", r"/(health|metrics)"),
    ("This description", r"/"),
)
"""The groups of routes, and how an address begins; the first that fits counts."""

FileBytes = Annotated[str, Meta(description="The file's bytes.")]
Key = Annotated[str, Meta(min_length=1, max_length=KEY_MAX)]
Endpoint = TypeVar("Endpoint")


def words(most: int) -> Any:
    """The type of a text of at most so many characters that says something."""
    return Annotated[str, Meta(min_length=1, max_length=most, pattern=r"\S")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of a route. Types are msgspec's, so that what is described is what is decoded and encoded.

    `gives` is what the answer with `status` holds, of the type `media`; None: there is no body. `also` says the same of
    other statuses that are no errors. `page` says that browsers get errors as HTML, `shown` that they get the answer
    so, too.

    `takes` is the body, of one of the types `kinds`; `fields` are narrower types of some of its fields, which must be
    there unless that type allows null. `unread` is what is answered when a body cannot be taken. `rule` says in words
    what the types cannot. `id` is the type of the address's parameter, and `finds` says that what it names has to be
    there. `query` and `header` are the types of further parameters; none of these must be there. `key` says that an
    Idempotency-Key must.

    `may` is what the operator's role has to allow; None: nobody signs in. `token` says that the metrics' token may be
    asked for. `errors` are statuses beside those that follow from all this.
    """

    summary: str
    gives: Any = None
    status: int = 200
    media: str = JSON_TYPE
    also: Mapping[int, Any] = field(default_factory=dict)
    page: bool = False
    shown: bool = False
    takes: Any = None
    kinds: Sequence[str] = (JSON_TYPE,)
    unread: Sequence[int] = (400, 408, 413, 422)
    fields: Mapping[str, Any] = field(default_factory=dict)
    rule: str = ""
    may: Action | None = None
    token: bool = False
    id: Any = UUID
    query: Mapping[str, Any] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    key: bool = False
    finds: bool = True
    errors: Sequence[int] = ()

    def statuses(self, path: str) -> list[int]:
        """The error statuses this may be answered with."""
        found = set(self.errors)
        if self.may is not None:
            found |= {401, 503} | (set() if all(allowed(role, self.may) for role in ROLES) else {403})
        if self.token:
            found.add(401)
        if self.takes is not None:
            found |= set(self.unread)
        if self.key:
            found.add(422)
        if "{" in path and self.finds:
            found.add(404)
        return sorted(found)


def operation(summary: str, *, method: str = "", **said: Any) -> Callable[[Endpoint], Endpoint]:
    """Says at a handler what it takes and gives; `method` where the handler serves several."""

    def note(endpoint: Endpoint) -> Endpoint:
        known: dict[str, Operation] = endpoint.__dict__.get("operations", {})
        endpoint.operations = known | {method: Operation(summary=summary, **said)}  # type: ignore[attr-defined]
        return endpoint

    return note


def operations(routes: Iterable[BaseRoute]) -> dict[tuple[str, str], Operation]:
    """What the routes say of themselves, by path and method. Raises LookupError for a route that says nothing."""
    found: dict[tuple[str, str], Operation] = {}
    for route in routes:
        if not isinstance(route, Route):
            raise LookupError(f"{route} is no route of one address.")
        path = re.sub(r":\w+}", "}", route.path)
        said: Mapping[str, Operation] = getattr(route.endpoint, "operations", {})
        for method in sorted((route.methods or _OPEN) - {"HEAD"}):
            operation = said.get(method) or said.get("")
            if operation is None:
                raise LookupError(f"{method} {path} does not say what it takes and gives.")
            found[path, method] = operation
    return found


def document(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The OpenAPI document of these routes. Raises LookupError for a route that does not describe itself."""
    found = operations(routes)
    types = _Types(found.values())
    paths: dict[str, dict[str, Any]] = {}
    for (path, method), operation in found.items():
        paths.setdefault(path, {})[method.lower()] = _operation(path, method, operation, types)
    errors = sorted({status for (path, _), said in found.items() for status in said.statuses(path)})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Customer Success FTE", "version": fte.__version__, "description": _ABOUT},
        "tags": [{"name": name} for name, _ in _GROUPS],
        "paths": paths,
        "components": {
            "schemas": types.components,
            "responses": {_name(status): _problem(status, types) for status in errors},
            "securitySchemes": {
                "operator": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `fte operator add`.",
                },
                "metrics": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of `FTE_METRICS_TOKEN`, where that is set.",
                },
            },
        },
    }


class _Types:
    """JSON schemas of every type that the operations name."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        named: list[Any] = [Problem, Key]
        for said in operations:
            named += [said.gives, *said.also.values(), said.takes, said.id]
            named += [*said.fields.values(), *said.query.values(), *said.header.values()]
        self._types = [type_ for type_ in named if type_ is not None]
        self._schemas, self.components = msgspec.json.schema_components(self._types, ref_template=_REF)
        for component in self.components.values():
            if "description" in component:
                component["description"] = inspect.cleandoc(component["description"])
        self._mark_times()

    def __getitem__(self, type_: Any) -> dict[str, Any]:
        return self._schemas[self._types.index(type_)]

    def _mark_times(self) -> None:
        """Every time we send has its zone, so that it is one by RFC 3339, which msgspec says only where it checks it."""
        for known in _structs(msgspec.inspect.multi_type_info(self._types)):
            properties = self.components[known.cls.__name__]["properties"]
            for one in known.fields:
                for part in getattr(one.type, "types", (one.type,)):
                    if isinstance(part, msgspec.inspect.DateTimeType):
                        shown = properties[one.encode_name]
                        for schema in shown.get("anyOf", [shown]):
                            if schema.get("type") == "string":
                                schema["format"] = "date-time"


def _structs(found: Iterable[Any]) -> list[msgspec.inspect.StructType]:
    """Every struct in these types, and in their fields."""
    waiting, structs = list(found), dict[Any, msgspec.inspect.StructType]()
    while waiting:
        info = waiting.pop()
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls in structs:
                continue
            structs[info.cls] = info
            waiting += [one.type for one in info.fields]
        else:
            inner = [getattr(info, name, None) for name in ("type", "item_type", "key_type", "value_type")]
            waiting += [one for one in inner if isinstance(one, msgspec.inspect.Type)]
            waiting += getattr(info, "types", ())
            waiting += [one.type for one in getattr(info, "fields", ())]
    return list(structs.values())


def _operation(path: str, method: str, said: Operation, types: _Types) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": "_".join([method.lower(), *re.findall(r"\w+", path)]),
        "summary": said.summary,
        "tags": [next(name for name, begins in _GROUPS if re.match(begins, path))],
        "responses": _responses(path, said, types),
    }
    if parameters := _parameters(path, said, types):
        described["parameters"] = parameters
    notes = [said.rule] if said.rule else []
    if said.may is not None:
        described["security"] = [{"operator": []}]
        notes.append(f"For the roles {', '.join(role for role in ROLES if allowed(role, said.may))}.")
    elif said.token:
        described["security"] = [{}, {"metrics": []}]
    if said.takes is not None:
        content = {kind: {"schema": _body(said, types)} for kind in said.kinds}
        described["requestBody"] = {"required": True, "content": content}
    if notes:
        described["description"] = " ".join(notes)
    return described


def _body(said: Operation, types: _Types) -> dict[str, Any]:
    """The type's schema, with narrower fields where they are said: one schema, for ReDoc cannot join a null with a text."""
    if not said.fields:
        return types[said.takes]
    whole: dict[str, Any] = types.components[said.takes.__name__]
    narrower = {name: types[type_] for name, type_ in said.fields.items()}
    needed = [name for name, type_ in said.fields.items() if not _optional(type_)]
    required = list(dict.fromkeys([*whole.get("required", ()), *needed]))
    return whole | {"properties": whole["properties"] | narrower, "required": required}


def _optional(type_: Any) -> bool:
    return type(None) in get_args(type_)


def _parameters(path: str, said: Operation, types: _Types) -> list[dict[str, Any]]:
    def one(name: str, where: str, type_: Any, required: bool) -> dict[str, Any]:
        return {"name": name, "in": where, "required": required, "schema": types[type_]}

    return [
        *(one(name, "path", said.id, True) for name in re.findall(r"{(\w+)}", path)),
        *(one(name, "query", type_, False) for name, type_ in said.query.items()),
        *(one(name, "header", type_, False) for name, type_ in said.header.items()),
        *([one("Idempotency-Key", "header", Key, True)] if said.key else []),
    ]


def _responses(path: str, said: Operation, types: _Types) -> dict[str, Any]:
    responses: dict[str, dict[str, Any]] = {}
    for status, type_ in ({said.status: said.gives} | dict(said.also)).items():
        answer: dict[str, Any] = {"description": HTTPStatus(status).phrase}
        responses[str(status)] = answer
        if type_ is not None:
            answer["content"] = {said.media: {"schema": types[type_]}}
    if said.shown:
        responses[str(said.status)]["content"][HTML] = {"schema": {"type": "string"}}
    for status in said.statuses(path):
        responses[str(status)] = (
            _problem(status, types, page=True)
            if said.page
            else {"$ref": f"#/components/responses/{_name(status)}"}
        )
    return responses


def _problem(status: int, types: _Types, *, page: bool = False) -> dict[str, Any]:
    content = {JSON_TYPE: {"schema": types[Problem]}}
    if page:
        content[HTML] = {"schema": {"type": "string"}}
    described: dict[str, Any] = {"description": HTTPStatus(status).phrase, "content": content}
    if status in _HEADERS:
        described["headers"] = _HEADERS[status]
    return described


def _name(status: int) -> str:
    return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")
