"""Who was erased is known outside the database, and erased again in one that was restored from before."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner

from fte.cli import app
from fte.domain.errors import NotFound
from fte.domain.ids import new_id
from fte.pg.pool import Pool
from fte.store import conversation_merges, erasure, erasure_list, merges, replies
from fte.store.intake import set_aside
from tests.databases import created_database
from tests.identity.support import chat, later, mail, owner
from tests.support import SECRET, hire, seeing
from tests.support_delivery import answer

ADDRESS, NUMBER, OTHER = "vera@gmail.com", "+4915112345678", "bob@gmail.com"
DESK = "desk@example.org"


def key() -> str:
    return str(new_id())


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncIterator[Pool]:
    pool = await Pool.open(url)
    try:
        yield pool
    finally:
        await pool.close()


@pytest.fixture
async def backup(server: str, database_url: str) -> AsyncIterator[str]:
    """A database as the fixture `database_url` is when `back_up` copies it over this one."""
    async with created_database(server) as url:
        yield url


async def back_up(database_url: str, backup: str) -> None:
    """Nobody may be connected to either."""
    there, here = (url.rpartition("/")[2].partition("?")[0] for url in (database_url, backup))
    admin = await asyncpg.connect(database_url.replace(f"/{there}?", "/postgres?"))
    try:
        await admin.execute(f"drop database {here} with (force)")
        await admin.execute(f"create database {here} template {there}")
    finally:
        await admin.close()


async def listed(pool: Pool) -> list[str]:
    return [line async for line in erasure_list.lines(pool)]


async def test_in_a_restored_database_they_are_erased_again_and_what_came_since_is_not_taken_in(
    database_url: str, backup: str
) -> None:
    async with opened(database_url) as present:
        early = await owner(present, await mail(present, ADDRESS, provider_id="mail-1"))
        bob = await owner(present, await mail(present, OTHER, provider_id="mail-2"))
    await back_up(database_url, backup)
    async with opened(database_url) as present:
        late = await owner(present, await chat(present, NUMBER, provider_id="SM1"))
        await mail(present, ADDRESS, provider_id="mail-3")
        admin = await hire(present, "Ann", "admin")
        for customer in (early, late):
            assert (await erasure.erase(present, key(), customer, admin)).erased
        lines = await listed(present)
    assert not [line for line in lines if any(word in line for word in ("vera", "gmail", NUMBER, "mail-"))]
    async with opened(backup) as restored:
        done = await erasure_list.again(restored, erasure_list.read(lines))
        assert (done.gone, done.absent, done.left) == ([early], 1, {})
        for again in (
            await chat(restored, NUMBER, provider_id="SM1"),
            await mail(restored, ADDRESS, provider_id="mail-1"),
            await mail(restored, ADDRESS, provider_id="mail-3"),
        ):
            assert again.gone
        assert await restored.fetchval("select array_agg(id) from customers") == [bob]
        assert set(await listed(restored)) >= {line for line in lines if "hash" in line}, "for the next time"
        assert (await erasure_list.again(restored, erasure_list.read(lines))).absent == 2
        assert not (await mail(restored, ADDRESS, provider_id="mail-4")).gone, (
            "who writes anew is a new customer"
        )


@contextlib.asynccontextmanager
async def read_again(database_url: str, backup: str) -> AsyncIterator[tuple[Pool, erasure_list.Erased]]:
    """A restored database whose daemon has read again what came of two customers, who wrote and were erased since."""
    await back_up(database_url, backup)
    async with opened(database_url) as present:
        admin = await hire(present, "Ann", "admin")
        await set_aside(present, "email", DESK, "odd-1", "unreadable", f"from {ADDRESS}")
        for received in (
            await mail(present, ADDRESS, provider_id="mail-1"),
            await chat(present, NUMBER, provider_id="SM1"),
        ):
            assert (await erasure.erase(present, key(), await owner(present, received), admin)).erased
        lines = await listed(present)
    async with opened(backup) as restored:
        await set_aside(restored, "email", DESK, "odd-1", "unreadable", f"from {ADDRESS}")
        assert not (await mail(restored, ADDRESS, provider_id="mail-1")).gone
        assert not (await chat(restored, NUMBER, provider_id="SM1")).gone
        await mail(restored, OTHER, provider_id="mail-2")
        yield restored, erasure_list.read(lines)


async def test_what_a_daemon_read_again_before_is_erased_too(database_url: str, backup: str) -> None:
    async with read_again(database_url, backup) as (restored, erased):
        await answer(restored, "An answer that waits.")
        done = await erasure_list.again(restored, erased)
        assert (len(done.gone), done.absent, done.left, done.came_back) == (2, 2, {}, 2)
        known = await restored.fetch("select identifier_value as one from customer_identifiers")
        assert [row["one"] for row in known] == [OTHER]
        assert await restored.fetchval("select array_agg(content) from messages where role = 'customer'") == [
            "By mail."
        ]
        assert await restored.fetchval("select array_agg(provider_id) from inbound") == ["mail-2"]
        assert {line.split()[2] for line in await listed(restored)} >= {
            str(customer) for customer in done.gone
        }
        again = await erasure_list.again(restored, erased)
        assert (again.gone, again.absent, again.came_back) == ([], 2, 0)


async def test_what_they_wrote_anew_is_not_erased_but_named(database_url: str, backup: str) -> None:
    async with read_again(database_url, backup) as (restored, erased):
        beside = await mail(restored, ADDRESS, "Anew.", provider_id="mail-3")
        vera = await owner(restored, beside)
        number = await restored.fetchval(
            "select number from conversations where id = $1", beside.conversation
        )
        await later(restored, "2 days")
        apart = await chat(restored, NUMBER, "Anew.", provider_id="SM2")
        chatting = await owner(restored, apart)
        done = await erasure_list.again(restored, erased)
        assert (done.gone, done.came_back) == ([], 1)
        assert list(done.left) == [vera]
        assert f"anew, in #{number}." in done.left[vera]
        kept = await restored.fetch(
            "select c.id, c.customer_id from conversations c join messages m on m.conversation_id = c.id"
            " where m.content = 'Anew.'"
        )
        assert {(row["id"], row["customer_id"]) for row in kept} == {
            (beside.conversation, vera),
            (apart.conversation, chatting),
        }
        assert await restored.fetchval("select count(*) from inbound where provider_id = 'SM1'") == 0


async def test_a_conversation_goes_with_what_it_was_merged_with_or_not_at_all(
    database_url: str, backup: str
) -> None:
    async with read_again(database_url, backup) as (restored, erased):
        came_back = await restored.fetchval("select conversation_id from messages where channel = 'whatsapp'")
        await answer(restored, "An answer.")
        await later(restored, "2 days")
        anew = await chat(restored, NUMBER, "Anew.", provider_id="SM2")
        lead = seeing(await hire(restored, "Lee", "lead"), 99)
        await conversation_merges.merge_in(restored, key(), anew.conversation, lead, came_back)
        done = await erasure_list.again(restored, erased)
        assert list(done.left) == [await owner(restored, anew)]
        assert await restored.fetchval("select count(*) from conversations where id = $1", came_back) == 1


async def test_while_a_reply_to_who_came_back_is_sent_they_are_named(database_url: str, backup: str) -> None:
    async with read_again(database_url, backup) as (restored, erased):
        await restored.execute("update turns set due_at = now() + interval '1 hour' where channel <> 'email'")
        await answer(restored, "On its way.")
        assert await replies.claim(restored, SECRET, new_id(), ["email"], 1, 60)
        done = await erasure_list.again(restored, erased)
        assert [why for why in done.left.values() if "being sent" in why]
        await restored.execute(
            "update replies set lease_until = now() - interval '1 second' where state = 'sending'"
        )
        assert (await erasure_list.again(restored, erased)).left == {}


async def test_whoever_was_made_one_with_them_later_is_erased_too(database_url: str, backup: str) -> None:
    async with opened(database_url) as present:
        kept = await owner(present, await mail(present, ADDRESS))
        merged = await owner(present, await chat(present, NUMBER))
    await back_up(database_url, backup)
    async with opened(database_url) as present:
        admin = await hire(present, "Ann", "admin")
        await merges.merge(present, key(), kept, merged, admin)
        await erasure.erase(present, key(), kept, admin)
        erased = erasure_list.read(await listed(present))
    assert set(erased.customers) == {
        kept,
        merged,
    }  # a form's messages have no hashes, they would not be found by them
    async with opened(backup) as restored:
        done = await erasure_list.again(restored, erased)
        assert set(done.gone) == {kept, merged}
        assert await restored.fetchval("select count(*) from customers") == 0


async def test_who_cannot_be_erased_is_named_with_the_reason(pool: Pool) -> None:
    admin = await hire(pool, "Ann", "admin")
    kept, merged = await owner(pool, await mail(pool, ADDRESS)), await owner(pool, await chat(pool, NUMBER))
    await merges.merge(pool, key(), kept, merged, admin)
    done = await erasure_list.again(pool, erasure_list.Erased([merged], []))
    assert done.gone == []
    assert "part of another" in done.left[merged]
    assert str(kept) in done.left[merged]
    with pytest.raises(NotFound):
        await erasure.plan(pool, new_id())


def test_only_what_says_that_somebody_was_erased_names_them() -> None:
    one, two, three = (new_id() for _ in range(3))
    told = [
        f"erased customer {one} 2026-11-25T10:00:00Z\n",
        f"Erased: messages 3. Customer {two} is not known any more.\n",
        f"Customer {three}: Vera\n",  # what is shown before the question
        f"erased customer {three}0\n",
        f"erased hash {'ab' * 32}\n",
        f"erased hash {'ab' * 31}\n",
    ]
    read = erasure_list.read(told)
    assert read == erasure_list.Erased([one, two], [bytes.fromhex("ab" * 32)])


async def test_the_commands(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url) as pool:
        vera, bob = await owner(pool, await mail(pool, ADDRESS)), await owner(pool, await mail(pool, OTHER))
        await erasure.erase(pool, key(), vera, await hire(pool, "Ann", "admin"))
    environment = {
        "FTE_DATABASE_URL": database_url,
        "FTE_SECRET_KEY": SECRET.decode(),
        "FTE_DATA_DIR": str(tmp_path),
    }

    async def fte(*words: str) -> tuple[int, str]:
        done = await asyncio.to_thread(CliRunner().invoke, app, ["erase", *words], env=environment)
        return done.exit_code, done.output

    code, said = await fte("list")
    assert (code, len(said.splitlines())) == (0, 2)
    assert said.startswith(f"erased customer {vera} 20")
    file = tmp_path / "erased.txt"
    file.write_text(said + f"Customer {bob} is not known any more.\n")
    code, said = await fte("again", str(file))
    assert code == 0
    assert said.splitlines() == [
        f"Erased again. Customer {bob} is not known any more.",
        "1 erased again, 1 were not here, 0 are here still; 1 deliveries are not taken in again.",
    ]
    for wrong, why in (("", "names nobody"), (None, "cannot be read"), (b"\xff", "cannot be read")):
        file.unlink(missing_ok=True)
        if wrong is not None:
            file.write_bytes(wrong if isinstance(wrong, bytes) else wrong.encode())
        code, said = await fte("again", str(file))
        assert code == 1
        assert why in " ".join(said.split())
