"""Wherever something is done, an action of unknown outcome is asked for again, and never done twice."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import OptionList

from fte import wire
from fte.console.screens.asking import ASK_AGAIN_MAX
from fte.console.screens.bulk import BulkScreen
from fte.console.screens.channels import ChannelsScreen
from fte.console.screens.customer import CustomerScreen
from fte.console.screens.dialogs import ConfirmScreen
from fte.console.screens.drafts import DraftsScreen
from tests.console.session import Session, session
from tests.console.support import Desk, a_letter, known, number, some_drafts

KEPT_SECRET = 1_000
"""More answers than are asked for."""


async def merge(here: Session) -> None:
    key = here.desk.add(1)
    known(here.desk, key)
    await here.open(key)
    await here.press("c")
    await here.until(lambda: isinstance(here.app.screen, CustomerScreen), "the customer")
    await here.until(lambda: here.app.screen.query_one(OptionList).option_count, "loaded")
    listed = here.app.screen.query_one(OptionList)
    listed.highlighted = next(n for n, one in enumerate(listed.options) if "merge:" in (one.id or ""))
    await here.press("enter")
    await here.until(lambda: isinstance(here.app.screen, ConfirmScreen), "a question")
    here.desk.lose_answers = KEPT_SECRET
    await here.press("ctrl+j")
    await here.shows("It is not known whether the merge took effect. It is asked again by")


async def note_many(here: Session) -> None:
    for serial in (1, 2):
        here.desk.announce(here.desk.add(serial, owner="human", operator="Dana"), "message.received")
    await here.until(lambda: len(here.queue.table.rows) == 2)
    await here.press("space", "space", "N")
    await here.shows("The note, for colleagues only")
    await here.write("called them")
    here.desk.lose_answers = KEPT_SECRET
    await here.press("ctrl+j")
    await here.shows("Noting: 0 done, 2 not known. It is asked again by itself")


async def drop_a_letter(here: Session) -> None:
    here.desk.letters = [a_letter(8), a_letter(7)]
    await here.press("H")
    await here.shows("Dead letters that wait for a person (2)")
    await here.press("r")
    await here.shows("Announce the event of dead letter 8 again?")
    here.desk.lose_answers = KEPT_SECRET
    await here.press("ctrl+j")
    await here.says("It is not known whether the decision on dead letter 8 took effect. It is asked again by")
    await here.until(lambda: here.app.screen.situation().unknown, "not known")  # type: ignore[attr-defined]
    await here.press("r")
    await here.says("It is not known whether the decision on dead letter 8 took effect; ctrl+r asks again.")


async def take_back(here: Session) -> None:
    some_drafts(here.desk)
    await here.press("d")
    await here.shows("Draft 1 of 3")
    await here.press("a")
    await here.says("#1101 approved")
    here.desk.lose_answers = KEPT_SECRET
    await here.press("u")
    await here.says("It is not known whether #1101 was taken back. It is asked again by itself")


Screen = tuple[Callable[[Session], Awaitable[None]], type, str, Callable[[Desk], Any]]
SCREENS: dict[str, Screen] = {
    "customer": (merge, CustomerScreen, "is part of Ada", lambda desk: len(desk.deeds)),
    "many at once": (note_many, BulkScreen, "2 done", lambda desk: len(desk.performed) / 2),
    "dead letters": (drop_a_letter, ChannelsScreen, "Announced again: 8.", lambda desk: len(desk.decisions)),
    "drafts": (take_back, DraftsScreen, "#1101 taken back, it waits again", lambda desk: len(desk.keys) - 1),
}


@pytest.mark.parametrize("name", SCREENS)
@pytest.mark.parametrize("how", ["by itself", "with ctrl+r", "long ago"])
async def test_what_nobody_knows_is_asked_again_on_every_screen(
    desk: Desk, state_dir: Path, name: str, how: str
) -> None:
    act, screen, words, times_done = SCREENS[name]
    desk.operator = wire.OperatorView(id=number(1), name="Dana", role="lead")
    async with session(desk, state_dir) as here:
        await act(here)
        asking = here.app.screen
        assert isinstance(asking, screen)
        await here.until(asking.unknown, "unknown")  # type: ignore[attr-defined]
        desk.lose_answers = 0
        if how == "long ago":
            desk.now += ASK_AGAIN_MAX + timedelta(seconds=1)
            here.app._ask_again()
            assert asking.unknown(), "nothing was asked for by itself"  # type: ignore[attr-defined]
        if how == "by itself":
            here.app._ask_again()
        else:
            await here.press("ctrl+r")
        await here.until(lambda: any(words in told for told in (here.text(), *here.notices())), words)
        assert not asking.unknown()  # type: ignore[attr-defined]
        assert times_done(desk) == 1
