"""The OpenAPI document: every route and no other, valid, and served to everybody."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
from starlette.routing import Route

from fte.daemon.openapi import document, operation, operations
from fte.pg.pool import Pool
from fte.wire import OperatorView, Problem
from tests.api.support import application, routes


@pytest.fixture
async def anybody(pool: Pool, database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=application(pool, database_url))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        yield client


async def test_every_route_is_described_and_no_other(anybody: httpx.AsyncClient) -> None:
    described = (await anybody.get("/openapi.json")).json()["paths"]
    served = {
        (re.sub(r":\w+}", "}", route.path), method.lower())
        for route in routes()
        if isinstance(route, Route)
        for method in (route.methods or {"GET"}) - {"HEAD"}
    }
    assert {(path, method) for path, methods in described.items() for method in methods} == served


def test_a_route_that_says_nothing_is_named() -> None:
    async def silent() -> None: ...

    with pytest.raises(LookupError, match="GET /silent does not say"):
        document([*routes(), Route("/silent", silent)])


def test_what_a_route_says_becomes_its_description() -> None:
    @operation("A thing", gives=OperatorView, may="merge", query={"q": int}, key=True, errors=(409,))
    async def thing() -> None: ...

    said = document([Route("/operator/things/{id}", thing)])["paths"]["/operator/things/{id}"]["get"]
    assert said["summary"] == "A thing"
    assert said["description"] == "For the roles lead, admin."
    assert said["responses"].keys() == {"200", "401", "403", "404", "409", "422", "503"}
    assert [(p["name"], p["in"], p["required"]) for p in said["parameters"]] == [
        ("id", "path", True),
        ("q", "query", False),
        ("Idempotency-Key", "header", True),
    ]


def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    made = document(routes())
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(made)):
        there: Any = made
        for step in reference.split("/"):
            there = there[step]
    for schema in made["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema | {"$schema": "https://json-schema.org/draft/2020-12/schema"})
    ids = [one["operationId"] for methods in made["paths"].values() for one in methods.values()]
    assert len(set(ids)) == len(ids) == len(operations(routes()))


def test_descriptions_are_no_code_blocks_and_times_are_times() -> None:
    """Markdown shows what is indented as code; the docstrings that descriptions are made of are indented."""
    schemas = document(routes())["components"]["schemas"]
    assert not [name for name, schema in schemas.items() if "\n   " in schema.get("description", "")]
    assert schemas["QueueItem"]["properties"]["started_at"]["format"] == "date-time"
    due_at = schemas["QueueItem"]["properties"]["due_at"]
    assert {"type": "string", "format": "date-time"} in due_at["anyOf"]
    assert schemas[Problem.__name__]["required"] == ["error"]


async def test_it_is_sent_once_to_whoever_asks_again(anybody: httpx.AsyncClient) -> None:
    first = await anybody.get("/openapi.json")
    assert (first.status_code, first.headers["content-type"]) == (200, "application/json")
    again = await anybody.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_the_pages_let_nothing_but_our_own_files_in(anybody: httpx.AsyncClient, page: str) -> None:
    shown = await anybody.get(page)
    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; " in policy
    assert "unsafe" not in policy
    files = re.findall(r'(?:src|href)="(/[^"]+)"', shown.text)
    assert files
    for file in files:
        answer = await anybody.get(file)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        unchanged = await anybody.get(file, headers={"If-None-Match": answer.headers["etag"]})
        assert unchanged.status_code == 304


@pytest.mark.parametrize("file", ["none.js", "..%2freference.py", "README.md", "redoc.LICENSE", "%00"])
async def test_no_other_file_is_served(anybody: httpx.AsyncClient, file: str) -> None:
    assert (await anybody.get(f"/docs/{file}")).status_code == 404


async def test_a_refused_method_is_told_which_there_are(anybody: httpx.AsyncClient) -> None:
    for path, methods in {
        "/operator/canned/hello": "DELETE, PUT",
        "/operator/modes": "GET, HEAD, POST",
        "/operator/dead_letters/retry": "POST",
        "/health": "GET, HEAD",
    }.items():
        answer = await anybody.patch(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)
        assert answer.json() == {"error": "Method Not Allowed."}
