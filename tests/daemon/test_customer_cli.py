"""`fte export customer` and `fte erase customer` against a running daemon."""

import asyncio
import json
import os
import re
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store import replies
from tests.daemon.support import Backend, backend
from tests.daemon.test_desk_cli import Shell, shell
from tests.identity.support import chat, mail, owner
from tests.store.test_suggestions import taught
from tests.support import SECRET, until
from tests.support_delivery import answer

ADDRESS, NUMBER = "vera@gmail.com", "+4915112345678"


@pytest.fixture
async def daemon(pool: Pool, hints: Hints) -> AsyncIterator[Backend]:
    async with backend(pool, hints) as running:
        yield running


@pytest.fixture
async def ann(daemon: Backend, tmp_path: Path) -> Shell:
    return await shell(daemon, tmp_path, "Ann", "admin")


async def test_an_export_is_one_private_file(daemon: Backend, tmp_path: Path) -> None:
    customer = await owner(daemon.pool, await mail(daemon.pool, ADDRESS, "\x1b[31mred"))
    lea, sam = await shell(daemon, tmp_path, "Lea", "lead"), await shell(daemon, tmp_path)
    file = tmp_path / "vera.json"
    said = await lea.does("export", "customer", "VERA@gmail.com", "--output", str(file))
    assert str(file) in said.replace("\n", "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    document = json.loads(file.read_text())
    assert document["customer_id"] == str(customer)
    assert document["complete"] is True
    assert b"\x1b" not in file.read_bytes()
    assert "there already" in await lea.refuses("export", "customer", ADDRESS, "-o", str(file))
    assert "cannot be written" in await lea.refuses(
        "export", "customer", ADDRESS, "-o", str(tmp_path / "no/x")
    )
    assert "no customer" in await lea.refuses("export", "customer", "nobody@example.org")
    assert "may not export" in await sam.refuses("export", "customer", ADDRESS, "-o", str(tmp_path / "y"))
    assert [name for name in os.listdir(tmp_path) if "vera" in name]  # noqa: PTH208 == ["vera.json"]


async def test_an_erasure_shows_what_goes_and_asks(daemon: Backend, ann: Shell, tmp_path: Path) -> None:
    customer = await owner(daemon.pool, await mail(daemon.pool, ADDRESS))
    lea = await shell(daemon, tmp_path, "Lea", "lead")
    assert "may not erase" in await lea.refuses("erase", "customer", ADDRESS)
    refused = await ann.run("erase", "customer", ADDRESS, text="yes\n")
    assert refused.exit_code == 1
    assert "nothing is erased" in refused.output
    assert await daemon.pool.fetchval("select count(*) from customers") == 1
    shown = await ann.does("erase", "customer", ADDRESS, text=f"{ADDRESS.upper()}\n")
    assert f"Customer {customer}: Ada" in shown
    assert "Conversations: #1" in shown
    assert "messages and notes 1, tickets 1," in shown
    assert "Erased: conversations 1, customer identifiers 1, messages 1, tickets 1." in shown
    assert await daemon.pool.fetchval("select count(*) from customers") == 0
    assert "no customer" in await ann.refuses("erase", "customer", ADDRESS)


async def test_pages_made_of_a_customers_words_are_named(daemon: Backend, ann: Shell) -> None:
    message = await taught(daemon.pool, question="Where can I park my wheelchair?")
    talk = await daemon.pool.fetchval("select conversation_id from messages where id = $1", message)
    said = await ann.does(
        "suggestions",
        "approve",
        str(message),
        "--title",
        "Parking with a wheelchair",
        "--body",
        "Visitors park in the places that are marked with a V.",
    )
    page = re.search(r"learned/\S+\.md", said)
    assert page, said
    address = await daemon.pool.fetchval(
        "select identifier_value from customer_identifiers i join conversations c on c.customer_id = i.customer_id"
        " where c.id = $1",
        talk,
    )
    shown = await ann.does("erase", "customer", address, text=f"{address}\n")
    before, after = shown.split("Erased: ")
    assert page[0] in before
    assert page[0] in after
    assert await daemon.pool.fetchval("select source from documents") == page[0]


async def test_an_erasure_in_a_script_names_the_exact_id(daemon: Backend, ann: Shell) -> None:
    customer = await owner(daemon.pool, await chat(daemon.pool, NUMBER))
    assert "another customer" in await ann.refuses("erase", "customer", NUMBER, "--yes", ADDRESS)
    done = json.loads(await ann.does("erase", "customer", NUMBER, "--yes", str(customer), "--json"))
    assert done["erased"] is True
    assert "no such customer" in await ann.refuses("erase", "customer", str(customer), "--yes", str(customer))


async def test_an_erasure_waits_for_what_is_being_sent(daemon: Backend, ann: Shell) -> None:
    customer = await owner(daemon.pool, await mail(daemon.pool, ADDRESS))
    await answer(daemon.pool, "Hello.")
    claim = (await replies.claim(daemon.pool, SECRET, customer, ["email"], 1, 60))[0]

    async def arrives() -> None:
        await until(lambda: daemon.pool.fetchval("select count(*) from conversations where epoch = 1"))
        await replies.accepted(daemon.pool, claim.reply, "m-1")

    arriving = asyncio.create_task(arrives())
    shown = await ann.does("erase", "customer", ADDRESS, "--yes", str(customer))
    await arriving
    assert "Waiting for what is being sent: 1." in shown
    assert "Erased" in shown
