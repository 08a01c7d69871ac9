"""Drafts and modes over HTTP and from the command line: who may decide, what is asked for, what is answered."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from fte.cli import app as cli
from fte.daemon.sweeper import Sweeper
from fte.domain.ids import new_id
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store import operators
from fte.wire import DraftsPage, DraftView, ModesView, decode
from tests.daemon.support import Backend, backend
from tests.store.test_drafts import ANSWER, answered, held, hold_all
from tests.support import receive, until


@pytest.fixture
async def daemon(pool: Pool, hints: Hints) -> AsyncIterator[Backend]:
    async with backend(pool, hints, undo=60.0) as running:
        yield running


@pytest.fixture
async def sam(daemon: Backend) -> AsyncIterator[httpx.AsyncClient]:
    async with await daemon.client() as client:
        yield client


async def post(client: httpx.AsyncClient, path: str, **body: Any) -> httpx.Response:
    return await client.post(path, json=body, headers={"Idempotency-Key": str(new_id())})


async def test_the_way_of_a_draft(daemon: Backend, sam: httpx.AsyncClient) -> None:
    await hold_all(daemon.pool)
    received, draft = await held(daemon.pool)
    page = decode((await sam.get("/operator/drafts?limit=1")).content, DraftsPage)
    assert ([one.id for one in page.items], page.total) == ([draft.id], 1)
    assert (await sam.get(f"/operator/drafts?after={draft.id}")).json()["items"] == []
    path = f"/operator/drafts/{draft.id}"
    done = await post(sam, f"{path}/approve", hash=draft.hash, text="Other words.")
    assert done.status_code == 200
    assert decode((await sam.get(path)).content, DraftView).state == "approved"
    assert await daemon.pool.fetchval("select state from replies") == "queued"
    undone = await post(sam, f"/operator/conversations/{received.conversation}/undo_send", seen=0, epoch=0)
    assert undone.json()["message_id"] == done.json()["message_id"]
    assert decode((await sam.get(path)).content, DraftView).state == "pending"
    assert (await post(sam, f"{path}/regenerate", hint="shorter")).status_code == 200
    late = await post(sam, f"{path}/reject", reason="no")
    assert late.status_code == 409
    assert "written anew (Sam)" in late.json()["error"]


@pytest.mark.parametrize(
    ("decision", "body", "field"),
    [
        ("approve", {}, "hash"),
        ("approve", {"hash": "x", "text": "  "}, "text"),
        ("approve", {"hash": "x", "text": "x" * 10_001}, "text"),
        ("reject", {}, "reason"),
        ("reject", {"reason": "x" * 501}, "reason"),
        ("regenerate", {"hint": " "}, "hint"),
    ],
)
async def test_what_is_missing_or_too_long_is_named(
    daemon: Backend, sam: httpx.AsyncClient, decision: str, body: dict[str, str], field: str
) -> None:
    response = await post(sam, f"/operator/drafts/{new_id()}/{decision}", **body)
    assert response.status_code == 422
    assert field in response.json()["fields"]


@pytest.mark.parametrize(
    ("decision", "words"),
    [("approve", {"text": "a\0b"}), ("reject", {"reason": "a\0b"}), ("regenerate", {"hint": "a\0b"})],
)
async def test_what_no_database_stores_is_stored_without(
    daemon: Backend, sam: httpx.AsyncClient, decision: str, words: dict[str, str]
) -> None:
    await hold_all(daemon.pool)
    _, draft = await held(daemon.pool)
    hash_ = {"hash": draft.hash} if decision == "approve" else {}
    done = await post(sam, f"/operator/drafts/{draft.id}/{decision}", **words, **hash_)
    assert done.status_code == 200
    details = await daemon.pool.fetchval("select details from audit order by id desc limit 1")
    said = await daemon.pool.fetch("select content from messages where role = 'agent'")
    kept = [*details.values(), *(row["content"] for row in said)]
    assert "a\N{REPLACEMENT CHARACTER}b" in kept


async def test_who_may_only_read_decides_nothing(daemon: Backend) -> None:
    await hold_all(daemon.pool)
    _, draft = await held(daemon.pool)
    async with await daemon.client("Obi", "observer") as obi, await daemon.client("Al", "agent") as al:
        assert (await obi.get("/operator/drafts")).status_code == 200
        for decision in ("approve", "reject", "regenerate"):
            assert (await post(obi, f"/operator/drafts/{draft.id}/{decision}")).status_code == 403
        assert (await post(al, "/operator/modes", channel="email", mode="off")).status_code == 403
        assert (await al.get("/operator/modes")).status_code == 200
    async with httpx.AsyncClient(base_url=daemon.url) as nobody:
        for path in ("/operator/drafts", f"/operator/drafts/{draft.id}", "/operator/modes"):
            assert (await nobody.get(path)).status_code == 401


async def test_a_lead_sets_how_answers_are_treated(daemon: Backend) -> None:
    async with await daemon.client("Lee", "lead") as lee:
        done = await post(lee, "/operator/modes", channel="web_form", mode="auto", below=0.6)
        rules = decode(done.content, ModesView).rules
        assert [(r.mode, r.below) for r in rules if r.channel == "web_form"] == [("auto", 0.6)]
        for wrong in ({"below": 1.5}, {"mode": "draft", "below": 0.5}, {"mode": "maybe"}, {"category": "x"}):
            response = await post(lee, "/operator/modes", **({"channel": "email", "mode": "auto"} | wrong))
            assert response.status_code == 422, wrong
    await receive(daemon.pool)
    await answered(daemon.pool)
    assert await daemon.pool.fetchval("select held_because from drafts") == "low_confidence"


async def test_without_any_provider_the_sweeper_shows_an_operators_reply(
    daemon: Backend, sam: httpx.AsyncClient
) -> None:
    await hold_all(daemon.pool)
    _, draft = await held(daemon.pool)
    await post(sam, f"/operator/drafts/{draft.id}/approve", hash=draft.hash)
    sweeping = asyncio.create_task(Sweeper(daemon.pool, daemon.hints, log_retention_days=1).run())
    await daemon.pool.execute("update replies set due_at = now()")

    async def state() -> bool:
        return bool(
            await daemon.pool.fetchval("select delivery_status = 'sent' from messages where role = 'agent'")
        )

    await until(state)
    sweeping.cancel()
    await asyncio.gather(sweeping, return_exceptions=True)


# ---------------------------------------------------------------- the command line


async def fte(daemon: Backend, token: str, *arguments: str, given: str = "") -> Result:
    environ = {"FTE_URL": daemon.url, "FTE_TOKEN": token}
    return await asyncio.to_thread(CliRunner().invoke, cli, list(arguments), env=environ, input=given)


async def test_drafts_are_decided_from_the_command_line(daemon: Backend) -> None:
    await hold_all(daemon.pool)
    token = await operators.add(daemon.pool, "Kim", "agent")
    assert "every answer is held" not in (await fte(daemon, token, "drafts", "list")).stdout
    made = [(await held(daemon.pool, identifier=f"c{n}@example.com"))[1] for n in range(4)]
    listed = await fte(daemon, token, "drafts", "list", "--json")
    assert [one["id"] for one in json.loads(listed.stdout)] == [str(draft.id) for draft in made]
    shown = await fte(daemon, token, "drafts", "show", f"#{made[0].number}")
    assert ANSWER.reply in shown.stdout
    assert made[0].hash in shown.stdout
    refused = await fte(daemon, token, "drafts", "approve", str(made[0].id), given="n\n")
    assert refused.exit_code != 0
    wrong = await fte(daemon, token, "drafts", "approve", str(made[0].id), "--hash", "0" * 64)
    assert (wrong.exit_code, "not the text you saw" in wrong.stderr) == (1, True)
    assert (await fte(daemon, token, "drafts", "approve", str(made[0].id), given="y\n")).exit_code == 0
    edit = await fte(
        daemon, token, "drafts", "edit", str(made[1].number), "--text", "-", "--yes", given="Mine.\n"
    )
    assert edit.exit_code == 0, edit.output
    assert (await fte(daemon, token, "drafts", "reject", str(made[2].id), "--reason", "no")).exit_code == 0
    anew = await fte(daemon, token, "drafts", "regenerate", str(made[3].id), "--hint", "short", "--json")
    assert json.loads(anew.stdout)["owner"] == "ai"
    said = await daemon.pool.fetch("select content from messages where role = 'agent' order by created_at")
    assert [row["content"] for row in said] == [ANSWER.reply, "Mine."]
    gone = await fte(daemon, token, "drafts", "show", str(made[2].id))
    assert "Kim has rejected this draft: no." in gone.stdout
    unknown = await fte(daemon, token, "drafts", "show", "seven")
    assert (unknown.exit_code, "neither a draft's id" in unknown.stderr) == (1, True)


async def test_modes_are_set_from_the_command_line(daemon: Backend) -> None:
    token = await operators.add(daemon.pool, "Lee", "lead")
    done = await fte(daemon, token, "mode", "set", "email", "auto", "--below", "0.5", "--category", "billing")
    assert done.exit_code == 0, done.output
    shown = await fte(daemon, token, "mode", "show")
    assert "billing     auto, held below 0.50" in shown.stdout
    wrong = await fte(daemon, token, "mode", "set", "email", "off", "--below", "0.5")
    assert wrong.exit_code == 1
    taken = await fte(daemon, token, "mode", "set", "email", "none", "--category", "billing", "--json")
    assert len(json.loads(taken.stdout)["rules"]) == 3
    agent = await operators.add(daemon.pool, "Al", "agent")
    refused = await fte(daemon, agent, "mode", "set", "email", "off")
    assert (refused.exit_code, "may not configure" in refused.stderr) == (1, True)
