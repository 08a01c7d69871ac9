"""The operators' routes around identity."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest

from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store import identity
from tests.daemon.support import Backend, backend
from tests.identity.support import chat, code_sent, form, mail, owner

NUMBER, ADDRESS = "+447700900123", "vera@gmail.com"


@pytest.fixture
async def daemon(pool: Pool, hints: Hints) -> AsyncIterator[Backend]:
    async with backend(pool, hints) as running:
        yield running


async def _post(
    client: httpx.AsyncClient, path: str, body: object = None, key: str | None = None
) -> httpx.Response:
    return await client.post(path, json=body, headers={"Idempotency-Key": key or str(uuid4())})


async def test_a_customer_is_shown_merged_and_parted(daemon: Backend, pool: Pool) -> None:
    by_mail, by_chat = await mail(pool, ADDRESS, name="Vera Real"), await chat(pool, NUMBER, name="Vera Real")
    await form(pool, ADDRESS, name="Mallory")
    kept, merged = await owner(pool, by_mail), await owner(pool, by_chat)
    async with await daemon.client("Lea", "lead") as lea:
        page = (await lea.get(f"/operator/customers/{kept}")).json()
        assert (page["name"], page["proven"]) == ("Vera Real", True)
        assert [c["verified"] for c in page["conversations"]] == [False, True]
        assert [(d["id"], d["why"]) for d in page["duplicates"]] == [(str(merged), "same name")]
        done = (await _post(lea, f"/operator/customers/{kept}/merge", {"other": str(merged)}, "k")).json()
        again = (await _post(lea, f"/operator/customers/{kept}/merge", {"other": str(merged)}, "k")).json()
        assert done == again and done["conversations"] == 1
        page = (await lea.get(f"/operator/customers/{kept}")).json()
        assert len(page["identifiers"]) == 2 and page["merges"][0]["operator"] == "Lea"
        undone = await _post(lea, f"/operator/merges/{done['merge_id']}/undo")
        assert undone.status_code == 200 and undone.json()["identifiers"] == 1
        assert (await _post(lea, f"/operator/merges/{done['merge_id']}/undo")).status_code == 409


async def test_a_code_is_asked_for(daemon: Backend, pool: Pool) -> None:
    where = await chat(pool, NUMBER)
    async with await daemon.client("Sam", "agent") as sam:
        path = f"/operator/conversations/{where.conversation}/link"
        body = {"channel": "email", "address": "Vera <vera@gmail.com>"}
        asked = await _post(sam, path, body, "k")
        code = await code_sent(pool)
        assert asked.status_code == 200 and code not in asked.text
        assert (await _post(sam, path, body, "k")).json() == asked.json()
        assert await pool.fetchval("select count(*) from link_codes") == 1
        assert (await _post(sam, path, {"channel": "email", "address": "x"})).status_code == 422
        assert (await _post(sam, path, {"channel": "fax", "address": "x"})).status_code == 422
        assert (
            await _post(sam, path, {"channel": "whatsapp", "address": "+4915112345678"})
        ).status_code == 409
    await chat(pool, NUMBER, code)
    assert await identity.read_code(pool, where.conversation) is False


@pytest.mark.parametrize(
    ("role", "link", "merge"),
    [("observer", 403, 403), ("agent", 404, 403), ("lead", 404, 404), ("admin", 404, 404)],
)
async def test_who_may(daemon: Backend, role: str, link: int, merge: int) -> None:
    nobody = UUID(int=0)
    async with await daemon.client("X", role) as x:
        body = {"channel": "email", "address": ADDRESS}
        assert (await _post(x, f"/operator/conversations/{nobody}/link", body)).status_code == link
        other = {"other": str(uuid4())}
        assert (await _post(x, f"/operator/customers/{nobody}/merge", other)).status_code == merge
        assert (await _post(x, f"/operator/merges/{nobody}/undo")).status_code == merge
        assert (await x.get(f"/operator/customers/{nobody}")).status_code == 404
        assert (await x.get("/operator/customers/nobody")).status_code == 404
    async with httpx.AsyncClient(base_url=daemon.url) as stranger:
        assert (await stranger.get(f"/operator/customers/{nobody}")).status_code == 401
        assert (await stranger.post(f"/operator/merges/{nobody}/undo")).status_code == 401
