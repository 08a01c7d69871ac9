"""`fte tickets`, `fte conversations` and `fte canned` against a running daemon."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fte.cli import app
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store import operators
from tests.daemon.support import Backend, backend
from tests.identity.support import later, mail
from tests.store.test_suggestions import taught
from tests.support import receive


class Shell:
    """Runs commands as one operator."""

    def __init__(self, daemon: Backend, token: str, folder: Path) -> None:
        self._environment = {"FTE_URL": daemon.url, "FTE_TOKEN": token, "FTE_DATA_DIR": str(folder)}

    async def run(self, *words: str, text: str | None = None) -> Result:
        work = partial(CliRunner().invoke, app, list(words), env=self._environment, input=text)
        return await asyncio.to_thread(work)

    async def does(self, *words: str, text: str | None = None) -> str:
        done = await self.run(*words, text=text)
        assert done.exit_code == 0, done.output
        return done.stdout

    async def refuses(self, *words: str) -> str:
        done = await self.run(*words)
        assert done.exit_code == 1, done.output
        assert "Traceback" not in done.output
        return done.output


@pytest.fixture
async def daemon(pool: Pool, hints: Hints) -> AsyncIterator[Backend]:
    async with backend(pool, hints) as running:
        yield running


async def shell(daemon: Backend, folder: Path, name: str = "Sam", role: str = "agent") -> Shell:
    return Shell(daemon, await operators.add(daemon.pool, name, role), folder)


async def test_the_way_of_a_conversation_in_commands(daemon: Backend, tmp_path: Path) -> None:
    await receive(daemon.pool, "Where is my invoice?", subject="Invoice \x1b]0;x\x07")
    sam = await shell(daemon, tmp_path)
    assert "#1 open, with the AI, medium priority, general. Ada: Invoice" in await sam.does("tickets", "list")
    assert "#1 is yours now" in await sam.does("conversations", "take", "1")
    await sam.does("conversations", "reply", "#1", "-", text="Here it is.\n")
    await sam.does("conversations", "note", "1", "done?")
    line = await sam.does(
        "tickets", "set", "1", "--priority", "high", "--tag", "VIP", "--category", "billing"
    )
    assert "high priority, billing, tags vip" in line
    assert "resolved" in await sam.does(
        "conversations", "resolve", "1", "--as", "solved", "--reason", "sent it"
    )
    shown = await sam.does("tickets", "show", "1")
    assert "Resolved as solved: sent it" in shown
    whole = await sam.does("conversations", "show", "1")
    assert "How it ended: solved by Sam, " in whole
    assert "Why: sent it" in whole
    assert "taken over by Sam: escalated, with Sam" in shown
    assert "Sam (outbound, sent): Here it is." in shown
    assert "\x1b" not in shown
    events = await sam.does("tickets", "events", "1")
    assert "ticket.changed" in events
    assert "Here it is" not in events
    assert json.loads(await sam.does("tickets", "show", "1", "--json"))["complete"] is True
    assert json.loads(await sam.does("tickets", "list", "--view", "resolved", "--json"))[0]["tags"] == ["vip"]
    assert (await sam.does("tickets", "list")).strip() == "No ticket."


async def test_refusals_are_plain(daemon: Backend, tmp_path: Path) -> None:
    received = await receive(daemon.pool)
    sam = await shell(daemon, tmp_path)
    olga = await shell(daemon, tmp_path, "Olga", "observer")
    assert "no such ticket" in await sam.refuses("tickets", "show", "77")
    assert "may not take over" in await olga.refuses("conversations", "take", "1")
    assert "The AI holds" in await sam.refuses("conversations", "reply", "1", "hello")
    await sam.does("conversations", "take", "1")
    assert "no text in UTF-8" in await sam.refuses("conversations", "reply", "1", "hello \udcff")
    await receive(daemon.pool, "wait", into_ticket=received.ticket)
    assert "written again" in await sam.refuses("conversations", "reply", "1", "hello", "--seen", "1")
    assert "A tag has" in await sam.refuses("tickets", "set", "1", "--tag", "a/b")
    for words in (["tickets", "set", "1"], ["conversations", "assign", "1"], ["conversations", "merge", "1"]):
        assert (await sam.run(*words)).exit_code == 2


async def test_putting_aside_and_bringing_back(daemon: Backend, tmp_path: Path) -> None:
    await receive(daemon.pool)
    sam = await shell(daemon, tmp_path)
    await sam.does("conversations", "take", "1")
    assert "#1 is put aside until 20" in await sam.does("conversations", "snooze", "1", "tomorrow", "9:00")
    assert await sam.does("tickets", "list") == "No ticket.\n"
    assert "#1 " in await sam.does("tickets", "list", "--view", "snoozed")
    assert "Put aside until" in await sam.does("conversations", "list", "--view", "snoozed")
    assert "#1 is back in the queue." in await sam.does("conversations", "wake", "1")
    assert "not put aside" in await sam.refuses("conversations", "wake", "1")
    for never in ("when\x1b[31m ready", "2099-01-01", "2001-01-01"):
        refused = await sam.run("conversations", "snooze", "1", never)
        assert (refused.exit_code, "UNTIL" in refused.output, "\x1b[31m" in refused.output) == (
            2,
            True,
            False,
        )


async def test_assigning_and_merging(daemon: Backend, tmp_path: Path) -> None:
    await mail(daemon.pool, "vera@gmail.com")
    await later(daemon.pool, "25 hours")
    await mail(daemon.pool, "vera@gmail.com")
    lea = await shell(daemon, tmp_path, "Lea", "lead")
    await operators.add(daemon.pool, "Kim", "agent")
    assert "#1 is kim's now." in await lea.does("conversations", "assign", "1", "kim")
    assert "#1 needs a person" in await lea.does("conversations", "assign", "1", "--nobody")
    await lea.does("conversations", "take", "1")
    assert "#2 goes on in #1." in await lea.does("conversations", "merge", "1", "2")
    assert "part of #1" in await lea.does("tickets", "list", "--view", "resolved")
    assert "#2 is on its own again." in await lea.does("conversations", "merge", "2", "--undo")


async def test_canned_replies(daemon: Backend, tmp_path: Path) -> None:
    await receive(daemon.pool, name="Ada Lovelace")
    lea = await shell(daemon, tmp_path, "Lea", "lead")
    sam = await shell(daemon, tmp_path)
    assert "No canned reply" in await sam.does("canned", "list")
    assert "Ask a lead" in await sam.refuses("canned", "add", "hi", "Hi", "--title", "x")
    await lea.does(
        "canned", "add", "hi", "Hello {first_name}, {operator} here about {ticket}.", "--title", "Hello"
    )
    assert "already" in await lea.refuses("canned", "add", "hi", "x", "--title", "x")
    assert "{nme}" in await lea.refuses("canned", "edit", "hi", "Hello {nme}")
    await lea.does("canned", "edit", "hi", "--title", "A greeting")
    assert "hi: A greeting: Hello {first_name}" in await sam.does("canned", "list")
    await sam.does("conversations", "take", "1")
    await sam.does("conversations", "reply", "1", "--canned", "hi")
    said = await daemon.pool.fetchval("select content from messages where role = 'operator'")
    assert said == "Hello Ada, Sam here about #1."
    await lea.does("canned", "add", "us", "Yours, {company}", "--title", "End", "--channel", "email")
    assert "{company}" in await sam.refuses("conversations", "reply", "1", "--canned", "us")
    await lea.does("canned", "remove", "us")
    assert "no such canned reply" in await lea.refuses("canned", "remove", "us")


async def test_what_the_ai_may_learn(daemon: Backend, tmp_path: Path) -> None:
    lea = await shell(daemon, tmp_path, "Lea", "lead")
    sam = await shell(daemon, tmp_path)
    assert "Nothing to learn" in await sam.does("suggestions", "list")
    first = str(await taught(daemon.pool))
    second = str(await taught(daemon.pool, question="What is your fax number?"))
    assert f"{first} #1 " in await sam.does("suggestions", "list")
    shown = await sam.does("suggestions", "show", first)
    assert "Asked:\nWhere can I park?" in shown
    assert "# Where can I park?\n\nVisitors park behind the house" in shown
    assert json.loads(await sam.does("suggestions", "show", first, "--json"))["kind"] == "answered"
    assert "lead or an admin" in await sam.refuses("suggestions", "approve", first)
    page = ("--title", "Parking [name]", "--body", "-")
    done = await lea.run("suggestions", "approve", first, *page, text="Behind the house, left.")
    assert (done.exit_code, "still has [name]" in done.output) == (1, True)
    page = ("--title", "Parking", "--body", "-")
    assert "learned/1-parking.md" in await lea.does(
        "suggestions", "approve", first, *page, text="Behind the house, left."
    )
    assert await daemon.pool.fetchval("select content from knowledge_base") == "Behind the house, left."
    assert "No suggestion has this id" in await lea.refuses("suggestions", "reject", first)
    assert "Rejected." in await lea.does("suggestions", "reject", second)
    assert "Nothing to learn" in await sam.does("suggestions", "list")
    third, _ = str(await taught(daemon.pool, question="Do you have a podcast?")), await taught(daemon.pool)
    again = f"Hello, the podcast {'is out each Monday. ' * 5}"
    fourth = str(await taught(daemon.pool, again, question="is there a podcast of yours"))
    assert f"{fourth} #5, #3 Sam" in await sam.does("suggestions", "list")
    shown = await sam.does("suggestions", "show", fourth)
    assert shown.index("is there a podcast of yours") < shown.index("Do you have a podcast?")
    assert "Rejected." in await lea.does("suggestions", "reject", fourth)
    left = await sam.does("suggestions", "list")
    assert third not in left and fourth not in left and "#4 Sam" in left
