"""The operators' API over HTTP: who may do what, what it answers, and the stream."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse

from fte.domain.errors import Conflict
from fte.domain.events import CONVERSATIONS
from fte.domain.ids import new_id
from fte.domain.operators import ACTIONS, ROLES, allowed
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store import operators
from fte.wire import ActionDone, ConversationView, CustomerView, OperatorView, QueuePage, decode
from tests.daemon.support import Backend, backend
from tests.support import DEADLINE, receive, until, until_waiting

ELSEWHERE = {
    "read",
    "approve",
    "reject",
    "regenerate",
    "duty",
    "canned",
    "teach",
    "export",
    "erase",
    "configure",
    "dead_letters",
    "merge",
}
IN_A_CONVERSATION = [action for action in ACTIONS if action not in ELSEWHERE]


@pytest.fixture
async def daemon(pool: Pool, hints: Hints) -> AsyncIterator[Backend]:
    async with backend(pool, hints) as running:
        yield running


@pytest.fixture
async def sam(daemon: Backend) -> AsyncIterator[httpx.AsyncClient]:
    async with await daemon.client() as client:
        yield client


async def act(client: httpx.AsyncClient, conversation: Any, action: str, **body: Any) -> httpx.Response:
    key = body.pop("key", str(new_id()))
    return await client.post(
        f"/operator/conversations/{conversation}/{action}",
        json={"seen": 99, "epoch": 0} | body,
        headers={"Idempotency-Key": key},
    )


async def test_me(sam: httpx.AsyncClient) -> None:
    me = decode((await sam.get("/operator/me")).content, OperatorView)
    assert (me.name, me.role) == ("Sam", "agent")


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}]
)
async def test_every_operator_route_is_closed_without_a_token(
    daemon: Backend, headers: dict[str, str]
) -> None:
    id_ = new_id()
    async with httpx.AsyncClient(base_url=daemon.url, headers=headers) as nobody:
        for path in (
            "/operator/me",
            "/operator/queue",
            f"/operator/conversations/{id_}",
            "/operator/stream",
            f"/conversations/{id_}",
            "/customers/lookup?email=ada@example.com",
            "/operator/tickets/1",
            "/operator/canned",
            "/operator/colleagues",
        ):
            response = await nobody.get(path)
            assert response.status_code == 401, path
            assert response.headers["www-authenticate"] == "Bearer"
        for action in IN_A_CONVERSATION:
            assert (await act(nobody, id_, action)).status_code == 401, action


@pytest.mark.parametrize("field", ["seen", "epoch"])
@pytest.mark.parametrize("number", [-1, 2**31, 2**63, 10**30])
async def test_a_number_that_is_none_of_ours_is_refused_by_its_name(
    daemon: Backend, sam: httpx.AsyncClient, field: str, number: int
) -> None:
    conversation = (await receive(daemon.pool)).conversation
    for action in set(IN_A_CONVERSATION) - {"link"}:
        response = await act(sam, conversation, action, text="hello", **{field: number})
        assert (response.status_code, list(response.json()["fields"])) == (422, [field]), action


async def test_a_name_is_one_operators(daemon: Backend, sam: httpx.AsyncClient) -> None:
    with pytest.raises(Conflict, match="There is an operator 'Sam' already"):
        await operators.add(daemon.pool, "Sam", "agent")


async def test_of_simultaneous_requests_under_one_key_one_is_done(
    daemon: Backend, sam: httpx.AsyncClient
) -> None:
    """They are about different conversations, so that no lock makes one wait for the other."""
    talks = [(await receive(daemon.pool, identifier=f"{n}@example.com")).conversation for n in range(6)]
    async with daemon.pool.transaction() as connection:
        # Each has seen that the key is unused when it comes to the audit.
        await connection.execute("lock table audit in share mode")
        asking = [asyncio.create_task(act(sam, talk, "note", text="x", key="one")) for talk in talks]
        await until_waiting(daemon.pool, 6)
    answers = await asyncio.gather(*asking)
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 5]
    assert await daemon.pool.fetchval("select count(*) from messages where direction = 'note'") == 1


@pytest.mark.parametrize("role", ROLES)
async def test_roles_and_actions(daemon: Backend, role: str) -> None:
    conversation = (await receive(daemon.pool)).conversation
    async with await daemon.client("X", role) as client:
        assert (await client.get("/operator/queue")).status_code == 200
        for action in IN_A_CONVERSATION:
            response = await act(client, conversation, action, text="hello", epoch=99)
            assert (response.status_code == 403) is not allowed(role, action), (role, action)


@pytest.mark.parametrize("role", ROLES)
async def test_who_keeps_canned_replies(daemon: Backend, role: str) -> None:
    async with await daemon.client("X", role) as client:
        body = {"key": "hi", "title": "Hi", "body": "Hello {first_name}"}
        saved = await client.put("/operator/canned/hi", json=body)
        assert saved.status_code == (200 if allowed(role, "canned") else 403)
        assert (await client.get("/operator/canned")).status_code == 200
        removed = await client.delete("/operator/canned/hi")
        assert removed.status_code == (204 if allowed(role, "canned") else 403)


@pytest.mark.parametrize(
    ("action", "body", "field"),
    [
        ("escalate", {}, "reason"),
        ("escalate", {"reason": "agent_failure"}, "reason"),
        ("escalate", {"reason": "legal", "urgency": "now"}, "urgency"),
        ("escalate", {"reason": "legal", "text": "x" * 1_001}, "text"),
        ("set_priority", {}, "priority"),
        ("set_priority", {"priority": "urgent"}, "priority"),
        ("set_category", {}, "category"),
        ("tag", {}, "add"),
        ("tag", {"add": ["a/b"]}, "tags"),
        ("tag", {"add": ["a"] * 11}, "add"),
        ("merge_in", {}, "other"),
        ("merge_in", {"other": "x"}, "other"),
        ("resolve", {"resolution": "magic"}, "resolution"),
    ],
)
async def test_a_bad_action_names_the_field(
    daemon: Backend, sam: httpx.AsyncClient, action: str, body: dict[str, Any], field: str
) -> None:
    conversation = (await receive(daemon.pool)).conversation
    response = await act(sam, conversation, action, **body)
    assert response.status_code == 422, response.text
    assert field in response.json()["fields"], response.text


async def test_a_canned_reply_that_cannot_be_used_is_refused(daemon: Backend) -> None:
    async with await daemon.client("Lea", "lead") as lea:
        body = {"key": "hi", "title": "Hi", "body": "Hello {nme}"}
        assert "{nme}" in (await lea.put("/operator/canned/hi", json=body)).json()["fields"]["body"]
        assert (await lea.put("/operator/canned/ho", json=body)).status_code == 422
        assert (await lea.delete("/operator/canned/hi")).status_code == 404


async def test_the_way_of_a_conversation(daemon: Backend, sam: httpx.AsyncClient) -> None:
    received = await receive(daemon.pool, "I want a person")
    page = decode((await sam.get("/operator/queue")).content, QueuePage)
    assert [item.conversation_id for item in page.items] == [received.conversation]
    done = decode((await act(sam, received.conversation, "take_over")).content, ActionDone)
    assert (done.owner, done.epoch) == ("human", 1)
    said = await act(sam, received.conversation, "reply", text="Here I am.", seen=1, epoch=1)
    assert said.status_code == 200
    view = decode(
        (await sam.get(f"/operator/conversations/{received.conversation}")).content, ConversationView
    )
    assert [(m.author, m.content) for m in view.messages] == [
        ("Ada", "I want a person"),
        ("Sam", "Here I am."),
    ]
    assert view.item.operator == "Sam"
    assert (
        await act(sam, received.conversation, "resolve", seen=2, epoch=1, reason="done")
    ).status_code == 200


async def test_a_walk_comes_to_every_row_of_a_view(daemon: Backend, sam: httpx.AsyncClient) -> None:
    talks = [
        (await receive(daemon.pool, identifier=f"c{serial}@example.com")).conversation for serial in range(7)
    ]
    await act(sam, talks[2], "take_over")
    await act(sam, talks[4], "take_over")
    await act(sam, talks[4], "resolve", reason="done", seen=1, epoch=1)
    async with await daemon.client("Dana") as dana:
        for talk in (talks[1], talks[4]):
            await act(dana, talk, "note", text="@Sam, please look")
    for view, wanted in (
        ("open", {0, 1, 2, 3, 5, 6}),
        ("mine", {2}),
        ("needs_person", set()),
        ("mentions", {1, 4}),
        ("resolved", {4}),
        ("all", set(range(7))),
    ):
        found, before = [], 10**11 - 1
        while True:
            query = {"view": view, "before": str(before), "limit": "2"}
            page = decode((await sam.get("/operator/queue", params=query)).content, QueuePage)
            found += [item.conversation_id for item in page.items]
            if len(page.items) < 2:
                break
            before = page.items[-1].number
        assert found == [talks[serial] for serial in sorted(wanted, reverse=True)], view
    assert (await sam.get("/operator/queue", params={"before": "x"})).status_code == 422


async def test_a_customer_is_found_by_address_or_number(daemon: Backend, sam: httpx.AsyncClient) -> None:
    first = await receive(daemon.pool)
    await receive(
        daemon.pool, identifier="+4912345", identifier_type="whatsapp", channel="whatsapp", verified=True
    )
    ada = decode((await sam.get("/customers/lookup?email=ADA@example.com")).content, CustomerView)
    assert (ada.name, ada.email) == ("Ada", "ada@example.com")
    assert [i.verified for i in ada.identifiers] == [False]
    assert [c.conversation_id for c in ada.conversations] == [first.conversation]
    by_number = decode((await sam.get("/customers/lookup?phone=%2B4912345")).content, CustomerView)
    assert by_number.id != ada.id
    assert by_number.identifiers[0].identifier_type == "whatsapp"


async def test_a_conversation_is_read_at_both_addresses(daemon: Backend, sam: httpx.AsyncClient) -> None:
    conversation = (await receive(daemon.pool)).conversation
    one = (await sam.get(f"/conversations/{conversation}")).json()
    two = (await sam.get(f"/operator/conversations/{conversation}")).json()
    assert one["messages"] == two["messages"]


async def test_conflicts_say_why(daemon: Backend, sam: httpx.AsyncClient) -> None:
    received = await receive(daemon.pool)
    await act(sam, received.conversation, "take_over")
    await receive(daemon.pool, "wait", into_ticket=received.ticket)
    refused = await act(sam, received.conversation, "reply", text="too early", seen=1, epoch=1)
    assert refused.status_code == 409
    assert "written again" in refused.json()["error"]
    async with await daemon.client("Kim") as kim:
        lost = await act(kim, received.conversation, "take_over")
        assert lost.status_code == 409
        assert "Sam" in lost.json()["error"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/operator/queue?view=nonsense", 422),
        ("/operator/queue?limit=0", 422),
        ("/operator/queue?limit=501", 422),
        ("/operator/queue?limit=²", 422),
        ("/operator/queue?ids=x", 422),
        ("/operator/queue?ids=" + ",".join(["00000000-0000-0000-0000-000000000000"] * 101), 422),
        ("/operator/conversations/x", 404),
        ("/operator/conversations/00000000-0000-0000-0000-000000000000", 404),
        ("/operator/stream?topics=fte.tickets.incoming", 422),
        ("/operator/stream?cursor=nonsense", 422),
        ("/operator/nonsense", 404),
        ("/conversations/x", 404),
        ("/customers/lookup", 400),
        ("/customers/lookup?email=%20", 400),
        ("/customers/lookup?email=nobody@example.com", 404),
        ("/customers/lookup?phone=%2B4912345", 404),
        ("/customers/lookup?email=%00", 404),
    ],
)
async def test_bad_reads(sam: httpx.AsyncClient, path: str, status: int) -> None:
    response = await sam.get(path)
    assert response.status_code == status
    assert response.json()["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"not json", 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"seen": "1", "epoch": 0}', 422),
        (b'{"seen": 1, "epoch": 0}', 422),
        (b'{"seen": 1, "epoch": 0, "text": "   "}', 422),
        (b'{"seen": 1, "epoch": 0, "text": "x", "extra": 1}', 422),
        (b'{"seen": 1, "epoch": 0, "text": "' + b"x" * 10_001 + b'"}', 422),
        (b'{"seen": 1, "epoch": 0, "text": "' + b"x" * 100_000 + b'"}', 413),
        (b"\xff\xfe", 400),
    ],
)
async def test_bad_writes(daemon: Backend, sam: httpx.AsyncClient, body: bytes, status: int) -> None:
    conversation = (await receive(daemon.pool)).conversation
    await act(sam, conversation, "take_over")
    response = await sam.post(
        f"/operator/conversations/{conversation}/reply", content=body, headers={"Idempotency-Key": "k"}
    )
    assert response.status_code == status
    assert response.json()["error"]
    assert await daemon.pool.fetchval("select count(*) from messages where role = 'operator'") == 0


async def test_a_write_needs_an_idempotency_key(daemon: Backend, sam: httpx.AsyncClient) -> None:
    conversation = (await receive(daemon.pool)).conversation
    response = await sam.post(
        f"/operator/conversations/{conversation}/take_over", json={"seen": 1, "epoch": 0}
    )
    assert response.status_code == 422
    assert "Idempotency-Key" in response.json()["fields"]


async def test_unstorable_words_of_an_operator_are_stored_cleanly(
    daemon: Backend, sam: httpx.AsyncClient
) -> None:
    conversation = (await receive(daemon.pool)).conversation
    await act(sam, conversation, "take_over")
    assert (await act(sam, conversation, "reply", text="a\x00b", seen=1, epoch=1)).status_code == 200


class Watcher:
    """Follows the stream as the console does, and remembers."""

    def __init__(self, client: httpx.AsyncClient, cursor: str) -> None:
        self._client = client
        self.cursor = cursor
        self.seen: list[str] = []
        self.notices: list[str] = []

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator["Watcher"]:
        task = asyncio.create_task(self._watch())
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        asked = {"cursor": self.cursor, "topics": CONVERSATIONS}
        async with aconnect_sse(self._client, "GET", "/operator/stream", params=asked) as source:
            async for event in source.aiter_sse():
                self._note(event)

    def _note(self, event: ServerSentEvent) -> None:
        if event.event == "notice":
            self.notices.append(event.json()["kind"])
        else:
            self.seen.append(event.json()["type"])
            self.cursor = event.id


async def test_the_stream_misses_nothing_between_the_page_and_after_a_cut(
    daemon: Backend, sam: httpx.AsyncClient
) -> None:
    first = await receive(daemon.pool)
    page = decode((await sam.get("/operator/queue")).content, QueuePage)
    await receive(daemon.pool, "between page and stream", into_ticket=first.ticket)
    watcher = Watcher(sam, page.cursor)
    async with watcher.watching():
        await until(lambda: len(watcher.seen) == 1)
        await act(sam, first.conversation, "take_over")
        await until(lambda: len(watcher.seen) == 2)
    await act(sam, first.conversation, "note", text="while nobody looked")
    async with watcher.watching():
        await until(lambda: len(watcher.seen) == 3)
    assert watcher.seen == ["message.received", "conversation.taken_over", "note.added"]


async def test_a_cursor_that_is_too_old_gets_a_reset(daemon: Backend, sam: httpx.AsyncClient) -> None:
    page = decode((await sam.get("/operator/queue")).content, QueuePage)
    await receive(daemon.pool)
    await daemon.pool.execute("update log_pruned set before_tx = pg_snapshot_xmax(pg_current_snapshot())")
    watcher = Watcher(sam, page.cursor)
    async with watcher.watching():
        await until(lambda: watcher.notices == ["reset"])


async def test_a_revoked_operator_loses_the_stream_within_moments(daemon: Backend) -> None:
    async with await daemon.client("Kim") as kim:
        page = decode((await kim.get("/operator/queue")).content, QueuePage)
        async with aconnect_sse(kim, "GET", "/operator/stream", params={"cursor": page.cursor}) as source:
            await operators.revoke(daemon.pool, "Kim")
            async with asyncio.timeout(DEADLINE):
                notices = [event.event async for event in source.aiter_sse()]
        assert notices == ["notice"]
        assert (await kim.get("/operator/me")).status_code == 401


async def test_health_says_which_part_is_ill(daemon: Backend, database_url: str) -> None:
    async with httpx.AsyncClient(base_url=daemon.url, timeout=15) as web:
        healthy = await web.get("/health")
        assert healthy.status_code == 200
        assert healthy.json()["channels"]["web_form"] == "active"
        await daemon.pool.execute("update alembic_version set version_num = '0000'")
        ill = await web.get("/health")
        assert ill.status_code == 503
        assert ill.json()["dependencies"]["database"] == "down"
        assert (await web.get("/health/live")).status_code == 200


async def test_what_is_put_aside_leaves_the_queue_and_shows_its_clocks(
    daemon: Backend, sam: httpx.AsyncClient
) -> None:
    conversation = (await receive(daemon.pool)).conversation
    until = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    naive = await act(sam, conversation, "snooze", until="2030-01-01T09:00:00")
    past = await act(sam, conversation, "snooze", until="2020-01-01T09:00:00Z")
    assert (naive.status_code, past.status_code) == (422, 422)
    assert "until" in past.json()["fields"]
    assert (await act(sam, conversation, "snooze", until=until)).status_code == 200
    for view, count in (("open", 0), ("snoozed", 1), ("all", 1)):
        page = decode((await sam.get(f"/operator/queue?view={view}")).content, QueuePage)
        assert len(page.items) == count, view
    view_ = decode((await sam.get(f"/operator/conversations/{conversation}")).content, ConversationView)
    assert view_.item.snoozed_until is not None
    assert [clock.kind for clock in view_.clocks] == ["first_response"]
    assert view_.item.due_at == view_.clocks[0].due_at
    assert (await act(sam, conversation, "snooze")).status_code == 200
    page = decode((await sam.get("/operator/queue")).content, QueuePage)
    assert len(page.items) == 1
