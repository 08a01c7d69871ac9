"""The customer behind a conversation: seen, merged, parted, and asked for a proof, at 80 by 24."""

from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from textual.widgets import Input, OptionList

from fte import wire
from fte.console.screens.conversation import ConversationScreen
from fte.console.screens.customer import CustomerScreen
from fte.console.screens.dialogs import AddressScreen, ConfirmScreen
from tests.console.session import Session, session
from tests.console.support import Desk, known, number


async def _look(here: Session, key: UUID) -> CustomerScreen:
    await here.open(key)
    await here.press("c")
    await here.until(lambda: isinstance(here.app.screen, CustomerScreen), "the customer")
    await here.until(lambda: here.app.screen.query_one(OptionList).option_count, "loaded")
    screen = here.app.screen
    assert isinstance(screen, CustomerScreen)
    return screen


async def _choose(here: Session, start: str) -> None:
    listed = here.app.screen.query_one(OptionList)
    index = next(n for n, one in enumerate(listed.options) if (one.id or "").startswith(start))
    listed.highlighted = index
    await here.press("enter")


def _lead(desk: Desk) -> None:
    desk.operator = wire.OperatorView(id=number(1), name="Dana", role="lead")


async def test_it_shows_what_identifies_them_and_what_else_they_wrote(desk: Desk, state_dir: Path) -> None:
    first, second = desk.add(1), desk.add(2, subject="An older question", channel="whatsapp")
    known(desk, first, second)
    async with session(desk, state_dir) as here:
        await _look(here, first)
        text = here.text()
        for words in (
            "Ada Lovelace, ada@example.org",
            "✓ verified  email     ada@example.org",
            "? claimed   email     ada@work.example",
            "#1  email",
            "(this one)",
            "#2  WhatsApp",
            "= same name: ada lovelace  +447700900123",
            "a ask for a code",
        ):
            assert words in text, text
        await _choose(here, f"open:{second}")
        await here.until(lambda: isinstance(here.app.screen, ConversationScreen), "the other one")
        assert here.app.screen.conversation == second


async def test_an_unproven_name_is_marked(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1)
    page = known(desk, key)
    desk.customers[page.id] = msgspec.structs.replace(page, proven=False, identifiers=page.identifiers[1:])
    async with session(desk, state_dir) as here:
        await _look(here, key)
        assert "Ada Lovelace (?), ada@example.org" in here.text()


async def test_merging_asks_with_both_names_and_can_be_undone(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1)
    known(desk, key)
    _lead(desk)
    async with session(desk, state_dir) as here:
        await _look(here, key)
        await _choose(here, "merge:")
        await here.until(lambda: isinstance(here.app.screen, ConfirmScreen), "a question")
        words = " ".join(here.text().replace("│", " ").split())
        assert "Merge ada lovelace (+447700900123) into Ada Lovelace, ada@example.org?" in words
        await here.press("enter")
        await here.until(lambda: isinstance(here.app.screen, CustomerScreen), "enter alone says no")
        assert desk.deeds == []
        await _choose(here, "merge:")
        await here.until(lambda: isinstance(here.app.screen, ConfirmScreen), "a question")
        await here.press("ctrl+j")
        await here.says("ada lovelace is part of Ada Lovelace, ada@example.org now.")
        await here.shows("ada lovelace → Ada Lovelace")
        await here.shows("+447700900123")
        await _choose(here, "undo:")
        await here.until(lambda: isinstance(here.app.screen, ConfirmScreen), "a question")
        assert "Make ada lovelace and Ada Lovelace two customers again?" in here.text()
        await here.press("ctrl+j")
        await here.shows("undone")
        assert desk.deeds == [("merge", "ada lovelace"), ("undo", "ada lovelace")]
        await _choose(here, "undo:")
        await here.shows("It is undone already.")


async def test_an_agent_is_told_who_may_merge(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1)
    known(desk, key)
    async with session(desk, state_dir) as here:
        await _look(here, key)
        await _choose(here, "merge:")
        await here.shows("Merging is for a lead or an admin")
        assert isinstance(here.app.screen, CustomerScreen)


async def test_nothing_is_asked_from_a_console_that_only_reads(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1)
    known(desk, key)
    async with session(desk, state_dir, read_only=True) as here:
        await _look(here, key)
        await here.press("a")
        await here.shows("read-only")
        assert isinstance(here.app.screen, CustomerScreen)


@pytest.mark.parametrize(
    ("typed", "channel"), [("ada@work.example", "email"), ("+44 7700 900123", "whatsapp")]
)
async def test_a_code_is_asked_for(desk: Desk, state_dir: Path, typed: str, channel: str) -> None:
    key = desk.add(1)
    known(desk, key)
    async with session(desk, state_dir) as here:
        await _look(here, key)
        await here.press("a")
        await here.until(lambda: isinstance(here.app.screen, AddressScreen), "asks where")
        await here.write(typed)
        await here.press("enter", "enter")
        await here.says("The code is on its way")
        assert [(asked.channel, asked.address) for asked in desk.asked] == [(channel, typed)]


async def test_what_is_no_address_is_asked_for_again_with_the_reason(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1)
    known(desk, key)
    async with session(desk, state_dir) as here:
        await _look(here, key)
        await here.press("a")
        await here.until(lambda: isinstance(here.app.screen, AddressScreen), "asks where")
        await here.write("0770 0900123")
        await here.press("ctrl+j")
        await here.shows("This is not a phone number. Write it with its country code.")
        assert here.app.screen.query_one(Input).value == "0770 0900123"


async def test_a_merge_whose_answer_was_lost_is_asked_again_with_the_same_key(
    desk: Desk, state_dir: Path
) -> None:
    key = desk.add(1)
    known(desk, key)
    _lead(desk)
    async with session(desk, state_dir) as here:
        await _look(here, key)
        desk.lose_answers = 3
        await _choose(here, "merge:")
        await here.until(lambda: isinstance(here.app.screen, ConfirmScreen), "a question")
        await here.press("ctrl+j")
        await here.shows("It is not known whether the merge took effect")
        await here.shows("ada lovelace → Ada Lovelace")
        assert desk.deeds == [("merge", "ada lovelace")]


async def test_a_customer_that_cannot_be_loaded_is_a_sentence(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("c")
        await here.shows("Not loaded: No such customer.")
        await here.press("escape")
        await here.until(lambda: isinstance(here.app.screen, ConversationScreen), "back")


async def test_hostile_text_is_only_text(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1)
    page = known(desk, key)
    bad = "\x1b]0;x\x07[red]Eve[/red]\u202e"
    hint = msgspec.structs.replace(page.duplicates[0], name=bad)
    desk.customers[page.id] = msgspec.structs.replace(page, name=bad, duplicates=[hint])
    _lead(desk)
    async with session(desk, state_dir) as here:
        await _look(here, key)
        await _choose(here, "merge:")
        await here.until(lambda: isinstance(here.app.screen, ConfirmScreen), "a question")
        assert "[red]Eve" in here.text()
        assert not {"\x1b", "\x07", "\u202e"} & set(here.text())
