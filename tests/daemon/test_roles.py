"""Roles × actions, over every route the daemon has; and every action written down.

A route or an action that is not in the tables below fails here: whoever adds one says who may use it.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from starlette.routing import Route

from fte.daemon.app import Daemon
from fte.daemon.http import bind, serve
from fte.daemon.roles import ROLES as PROCESS_ROLES
from fte.domain.ids import new_id
from fte.domain.operators import ACTIONS, ROLES, Action, OperatorRole, allowed
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.settings import Settings
from fte.store import operators
from tests.store.test_drafts import held
from tests.store.test_suggestions import taught
from tests.support import SECRET, receive

MATRIX: Final[dict[Action, str]] = {
    "read": "observer agent lead admin",
    "take_over": "agent lead admin",
    "escalate": "agent lead admin",
    "reply": "agent lead admin",
    "note": "agent lead admin",
    "release": "agent lead admin",
    "resolve": "agent lead admin",
    "send_again": "agent lead admin",
    "undo_send": "agent lead admin",
    "snooze": "agent lead admin",
    "set_priority": "agent lead admin",
    "set_category": "agent lead admin",
    "tag": "agent lead admin",
    "assign": "agent lead admin",
    "merge_in": "agent lead admin",
    "part": "agent lead admin",
    "approve": "agent lead admin",
    "reject": "agent lead admin",
    "regenerate": "agent lead admin",
    "link": "agent lead admin",
    "duty": "agent lead admin",
    "merge": "lead admin",
    "canned": "lead admin",
    "teach": "lead admin",
    "configure": "lead admin",
    "dead_letters": "lead admin",
    "export": "lead admin",
    "erase": "admin",
}
"""Who may do what."""

PUBLIC, SIGNED, METRICS = "public", "signed by the provider", "metrics"
_IN_A_CONVERSATION: Final = (
    "take_over",
    "escalate",
    "reply",
    "note",
    "release",
    "resolve",
    "send_again",
    "undo_send",
    "snooze",
    "set_priority",
    "set_category",
    "tag",
    "assign",
    "merge_in",
    "part",
)
_TALK: Final = "/operator/conversations/{id}"
ROUTES: Final[dict[tuple[str, str], str]] = {
    ("GET", "/operator/me"): "read",
    ("GET", "/operator/team"): "read",
    ("POST", "/operator/presence"): "read",
    ("POST", "/operator/duty"): "duty",
    ("GET", "/operator/queue"): "read",
    ("GET", "/operator/drafts"): "read",
    ("GET", "/operator/drafts/{id}"): "read",
    **{
        ("POST", f"/operator/drafts/{{id}}/{action}"): action
        for action in ("approve", "reject", "regenerate")
    },
    ("GET", "/operator/colleagues"): "read",
    ("GET", "/operator/tickets/{id}"): "read",
    ("GET", "/operator/canned"): "read",
    ("PUT", "/operator/canned/{id}"): "canned",
    ("DELETE", "/operator/canned/{id}"): "canned",
    ("GET", "/operator/metrics"): "read",
    ("GET", "/operator/channels"): "read",
    ("GET", "/operator/dead_letters"): "read",
    ("GET", "/operator/dead_letters/{id}"): "read",
    ("POST", "/operator/dead_letters/retry"): "dead_letters",
    ("POST", "/operator/dead_letters/drop"): "dead_letters",
    ("GET", "/operator/customers"): "read",
    ("GET", "/operator/knowledge/search"): "read",
    ("GET", "/operator/suggestions"): "read",
    ("PUT", "/operator/suggestions/{id}"): "teach",
    ("DELETE", "/operator/suggestions/{id}"): "teach",
    ("GET", "/operator/modes"): "read",
    ("POST", "/operator/modes"): "configure",
    ("GET", "/operator/stream"): "read",
    ("GET", _TALK): "read",
    ("GET", "/conversations/{id}"): "read",
    ("GET", "/customers/lookup"): "read",
    ("GET", "/operator/customers/{id}"): "read",
    ("GET", "/operator/attachments/{id}"): "read",
    ("POST", f"{_TALK}/link"): "link",
    ("POST", "/operator/customers/{id}/merge"): "merge",
    ("GET", "/operator/customers/{id}/export"): "export",
    ("GET", "/operator/customers/{id}/erasure"): "erase",
    ("POST", "/operator/customers/{id}/erasure"): "erase",
    ("POST", "/operator/merges/{id}/undo"): "merge",
    **{("POST", f"{_TALK}/{action}"): action for action in _IN_A_CONVERSATION},
    ("GET", "/health"): PUBLIC,
    ("GET", "/health/live"): PUBLIC,
    ("GET", "/health/ready"): PUBLIC,
    ("GET", "/metrics"): METRICS,
    ("GET", "/metrics/channels"): METRICS,
    ("GET", "/openapi.json"): PUBLIC,
    ("GET", "/docs"): PUBLIC,
    ("GET", "/docs/{file}"): PUBLIC,
    ("GET", "/redoc"): PUBLIC,
    ("GET", "/support"): PUBLIC,
    ("GET", "/support/embed.js"): PUBLIC,
    ("GET", "/support/form.css"): PUBLIC,
    ("GET", "/support/form.js"): PUBLIC,
    ("POST", "/support/submit"): PUBLIC,
    ("OPTIONS", "/support/submit"): PUBLIC,
    ("GET", "/support/ticket"): PUBLIC,
    ("GET", "/support/ticket/{ticket_id:path}"): PUBLIC,
    ("GET", "/support/ticket/{ticket_id}/messages"): PUBLIC,
    ("POST", "/support/ticket/{ticket_id}/messages"): PUBLIC,
    ("POST", "/webhooks/gmail"): SIGNED,
    ("POST", "/webhooks/whatsapp"): SIGNED,
    ("POST", "/webhooks/whatsapp/status"): SIGNED,
}
"""What each route asks of an operator's role, or who else it is for."""


@pytest.fixture
async def daemon(pool: Pool, database_url: str, hints: Hints, tmp_path: Path) -> AsyncIterator["House"]:
    stop = asyncio.Event()
    settings = Settings(
        data_dir=tmp_path,
        database_url=database_url,
        secret_key="s" * 32,
        gmail_account="help@example.com",
        gmail_push_account="push@example.com",
        twilio_account_sid="AC" + "0" * 32,
        twilio_auth_token="token",
        twilio_whatsapp_number="whatsapp:+14155238886",
        metrics_token="m" * 20,
        public_url="http://127.0.0.1:1",
    )
    running = Daemon(settings, database_url, pool, hints, SECRET, stop)
    app = running.application(PROCESS_ROLES, running.webhooks())
    listening = bind("127.0.0.1", 0)
    serving = asyncio.create_task(serve(app, listening, stop))
    routes = [
        (method, route.path)
        for route in app.routes
        if isinstance(route, Route)
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]
    yield House(f"http://127.0.0.1:{listening.getsockname()[1]}", pool, routes)
    stop.set()
    await serving
    listening.close()


class House:
    def __init__(self, url: str, pool: Pool, routes: list[tuple[str, str]]) -> None:
        self.url, self.pool, self.routes = url, pool, routes

    async def client(self, name: str, role: str) -> httpx.AsyncClient:
        token = await operators.add(self.pool, name, role)
        return httpx.AsyncClient(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=10)


async def ask(client: httpx.AsyncClient, method: str, path: str) -> int:
    """The status of a request that is well-formed, about something that is not there."""
    path = path.replace("{id}", str(new_id()))
    body: dict[str, Any] = {"seen": 0, "epoch": 0, "text": "x"}
    if path.endswith("/presence"):
        body = {"conversation": str(new_id()), "doing": "viewing"}
    elif path.endswith("/duty"):
        body = {"duty": "auto"}
    elif path.endswith("/lookup"):
        path += "?email=nobody@example.com"
    headers = {"Idempotency-Key": str(new_id())}
    if "/canned/" in path and method == "PUT":
        body = {"key": "hello", "title": "Hello", "body": "Hello."}
    elif "/suggestions/" in path:
        body = {"title": "Parking", "body": "Visitors park behind the house."}
    json = body if method in ("POST", "PUT") else None
    async with client.stream(method, path, json=json, headers=headers) as response:
        return response.status_code


def test_the_matrix_is_what_the_roles_allow() -> None:
    assert set(MATRIX) == set(ACTIONS)
    found = {a: " ".join(role for role in ROLES if allowed(role, a)) for a in ACTIONS}
    assert found == MATRIX


async def test_every_route_asks_for_the_role_it_should(daemon: House) -> None:
    assert set(daemon.routes) - set(ROUTES) == set(), "say in ROUTES who may use these"
    assert set(ROUTES) - set(daemon.routes) == set()
    guarded = {route: action for route, action in ROUTES.items() if action in ACTIONS}
    async with httpx.AsyncClient(base_url=daemon.url, timeout=10) as nobody:
        for method, path in guarded:
            assert await ask(nobody, method, path) == 401, path
        assert await ask(nobody, "GET", "/metrics") == 401
        for method, path in (route for route, who in ROUTES.items() if who == SIGNED):
            assert await ask(nobody, method, path) in (401, 403), path
    for role in ROLES:
        async with await daemon.client(role, role) as client:
            for (method, path), action in guarded.items():
                refused = await ask(client, method, path) == 403
                assert refused is (role not in MATRIX[action].split()), (role, method, path)  # type: ignore[index]


async def test_an_observer_may_look_but_does_not_write(daemon: House) -> None:
    received = await receive(daemon.pool)
    async with await daemon.client("Olga", "observer") as olga:
        for doing, status in (("viewing", 200), ("writing", 403), ("left", 200), ("dancing", 422)):
            body = {"conversation": str(received.conversation), "doing": doing}
            assert (await olga.post("/operator/presence", json=body)).status_code == status


async def test_every_action_is_written_down(daemon: House) -> None:
    """Each action that is done, by whom; a new one has to be added here."""
    done: set[str] = set()
    mail = {"channel": "email", "account": "us", "verified": True}
    first = await receive(daemon.pool, **mail)
    other = await receive(daemon.pool, identifier="bob@example.com", **mail)
    talk = f"/operator/conversations/{first.conversation}"
    customers = [
        await daemon.pool.fetchval("select customer_id from conversations where id = $1", r.conversation)
        for r in (first, other)
    ]
    async with await daemon.client("Lee", "admin") as lee:

        async def do(action: Action, path: str, **body: Any) -> None:
            before = await daemon.pool.fetchval("select count(*) from audit")
            if action in _IN_A_CONVERSATION:
                select = "select epoch from conversations where id = $1::uuid"
                epoch = await daemon.pool.fetchval(select, path.split("/")[3])
                body = {"seen": 99, "epoch": epoch, **(body or {"text": "words"})}
            headers = {"Idempotency-Key": str(new_id())}
            method = {"canned": "PUT", "teach": "PUT", "export": "GET"}.get(action, "POST")
            response = await lee.request(method, path, json=body, headers=headers)
            assert response.status_code == 200, (action, response.text)
            row = await daemon.pool.fetchrow(
                "select a.action, o.name from audit a join operators o on o.id = a.operator_id order by a.id desc limit 1"
            )
            assert row is not None
            assert (row["action"].removeprefix("drop_"), row["name"]) == (action, "Lee")
            assert await daemon.pool.fetchval("select count(*) from audit") == before + 1
            done.add(action)

        await do("duty", "/operator/duty", duty="on")
        await do("escalate", f"{talk}/escalate", reason="legal", urgency="high", text="A word.")
        await do("take_over", f"{talk}/take_over")
        await do("reply", f"{talk}/reply")
        await do("note", f"{talk}/note")
        await daemon.pool.execute("update replies set state = 'failed'")
        await daemon.pool.execute(
            "update messages set delivery_status = 'failed' where direction = 'outbound'"
        )
        await do("send_again", f"{talk}/send_again")
        await do("undo_send", f"{talk}/undo_send")
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        await do("snooze", f"{talk}/snooze", until=tomorrow.isoformat())
        await do("set_priority", f"{talk}/set_priority", priority="high")
        await do("set_category", f"{talk}/set_category", category="billing")
        await do("tag", f"{talk}/tag", add=["vip"])
        await do("assign", f"{talk}/assign", to=None)
        await do("take_over", f"{talk}/take_over")
        await do("release", f"{talk}/release")
        await do("resolve", f"{talk}/resolve")
        await do("link", f"{talk}/link", channel="email", address="new@example.com")
        await do("merge", f"/operator/customers/{customers[0]}/merge", other=str(customers[1]))
        await do("take_over", f"{talk}/take_over")
        await do("merge_in", f"{talk}/merge_in", other=str(other.conversation))
        await do("part", f"/operator/conversations/{other.conversation}/part")
        await do("canned", "/operator/canned/hello", key="hello", title="Hello", body="Hello.")
        lesson = await taught(daemon.pool)
        await do("teach", f"/operator/suggestions/{lesson}", title="Parking", body="Visitors park behind.")
        letter = await daemon.pool.fetchval(
            """insert into dead_letters (event_id, group_name, topic, key, event, error, attempts)
               values (gen_random_uuid(), 'g', 't', 'k', '{}', 'broke', 3) returning id"""
        )
        await do("dead_letters", "/operator/dead_letters/drop", letters=[letter], reason="broken for good")
        await do("configure", "/operator/modes", channel="email", mode="draft")
        for action, field in (("approve", "hash"), ("reject", "reason"), ("regenerate", "hint")):
            await daemon.pool.execute("update turns set state = 'cancelled' where state = 'due'")
            _, draft = await held(daemon.pool, identifier=f"{action}@example.com", **mail)
            said = draft.hash if field == "hash" else "words"
            await do(action, f"/operator/drafts/{draft.id}/{action}", **{field: said})  # type: ignore[arg-type]
        await do("export", f"/operator/customers/{customers[0]}/export")
        await do("erase", f"/operator/customers/{customers[0]}/erasure")
    assert done == set(ACTIONS) - {"read"}


@pytest.mark.parametrize("role", ROLES)
async def test_what_is_done_from_the_command_line_is_written_down_too(pool: Pool, role: OperatorRole) -> None:
    await operators.add(pool, "Ben", role)
    await operators.rotate(pool, "Ben")
    await operators.set_duty(pool, "Ben", "off")
    await operators.set_role(pool, "Ben", "agent")
    await operators.revoke(pool, "Ben")
    rows = await pool.fetch("select action, details from audit order by id")
    actions = ["operator_add", "operator_rotate", "operator_duty", "operator_role", "operator_revoke"]
    assert [row["action"] for row in rows] == actions
    assert {(row["details"]["by"], row["details"]["name"]) for row in rows} == {("command line", "Ben")}
    assert "fte_" not in str([row["details"] for row in rows])
