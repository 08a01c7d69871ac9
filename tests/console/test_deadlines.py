"""Clocks on the screen: what is late, near or put aside, in words, and putting conversations aside."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fte import wire
from fte.console import present
from fte.console.app import Console
from fte.console.screens.dialogs import SnoozeScreen
from fte.domain.events import ESCALATIONS
from tests.console.session import Session, session
from tests.console.support import START, Desk


def soon(**ahead: float) -> Any:
    return START + timedelta(**ahead)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, ("", "")),
        ({"due_at": soon(minutes=-5), "breached": True, "warned": True}, ("late 5m", "late")),
        ({"due_at": soon(seconds=0)}, ("late <1m", "late")),
        ({"due_at": soon(minutes=5), "warned": True}, ("soon 5m", "soon")),
        ({"due_at": soon(minutes=99)}, ("in 99m", "")),
        ({"due_at": soon(hours=5), "window_until": soon(hours=1)}, ("in 5h", "")),
        ({"due_at": soon(days=5)}, ("in 5d", "")),
        ({"window_until": soon(hours=3)}, ("free 3h", "")),
        ({"window_until": soon(hours=-3)}, ("", "")),
        ({"snoozed_until": soon(hours=3), "due_at": soon(hours=1)}, ("back 3h", "")),
        ({"status": "resolved", "due_at": soon(hours=1)}, ("", "")),
    ],
)
def test_the_clock_that_matters_is_told_in_words(facts: dict[str, Any], words: tuple[str, str]) -> None:
    desk = Desk()
    assert present.due(desk.talks[desk.add(1, **facts)].item, START) == words
    assert len(words[0]) <= 9


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_the_queue_and_the_headline_show_the_clocks(
    desk: Desk, state_dir: Path, size: tuple[int, int]
) -> None:
    key = desk.escalated(1, channel="whatsapp", window_until=soon(hours=20))
    desk.clock(key, "first_response", -12)
    desk.clock(key, "resolution", 400)
    async with session(desk, state_dir, size=size) as here:
        await here.shows("late 12m")
        await here.open(key)
        await here.shows("▲ First response LATE by 12m")
        if size[0] > 100:
            await here.shows("◷ Resolution in 6h")
            await here.shows("WhatsApp window: 20 h 0 min left")


async def test_late_rows_above_the_screen_are_counted_while_time_goes_on(desk: Desk, state_dir: Path) -> None:
    for serial in range(1, 4):
        desk.clock(desk.escalated(serial), "first_response", -5 if serial == 1 else serial * 10)
    for serial in range(4, 60):
        desk.add(serial)
    async with session(desk, state_dir) as here:
        await here.shows("late 5m")
        await here.press("G")
        await here.shows("↑ 1 late, 3 need a person")
        here.app.now = lambda: soon(minutes=25)
        here.queue.paint(at_once=True)
        await here.shows("↑ 2 late, 3 need a person")
        await here.press("g")
        await here.shows("late 30m")


async def test_the_clock_goes_on_by_itself(desk: Desk, state_dir: Path) -> None:
    key = desk.escalated(1)
    desk.clock(key, "first_response", 30)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.shows("◷ First response in 30m")
        desk.now = START + timedelta(minutes=31)
        here.talk._tick()
        await here.shows("▲ First response LATE by 1m")


@pytest.mark.parametrize(
    ("unanswered", "due", "mark"),
    [
        (True, None, "turn"),
        (False, "first_response", "turn"),
        (False, "next_response", "turn"),
        (False, "window", "turn"),
        (False, "resolution", "mine"),
        (False, None, "mine"),
    ],
)
def test_whoever_holds_what_the_customer_is_owed_an_answer_in_has_the_turn(
    desk: Desk, unanswered: bool, due: Any, mark: str
) -> None:
    """After the AI's word that a person will answer nothing is unanswered, and the customer waits all the same."""
    key = desk.add(1, owner="human", operator="Dana", due_kind=due)
    desk.change(key, unanswered=unanswered)
    assert present.mark_of(desk.talks[key].item, "Dana") == mark


async def test_a_missed_deadline_rings_once(desk: Desk, state_dir: Path) -> None:
    key = desk.escalated(1042)
    async with session(desk, state_dir) as here:
        desk.announce(key, "deadline.breached", due_kind="first_response")
        desk.announce(key, "deadline.breached", ESCALATIONS, due_kind="first_response")
        await here.says("▲ #1042: first response is late.")
        assert len(here.notices()) == 1


# ---------------------------------------------------------------- putting aside


async def aside(here: Session, typed: str) -> None:
    await here.press("z")
    await here.until(lambda: isinstance(here.app.screen, SnoozeScreen), "the question")
    await here.write(typed)


async def test_z_puts_aside_and_says_until_when(desk: Desk, state_dir: Path) -> None:
    key = desk.escalated(1)
    desk.clock(key, "first_response", 30)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await aside(here, "2h")
        await here.shows("it is back before")
        local = soon(hours=2).astimezone()
        await here.shows(f"{local:%H:%M}, your time")
        await here.press("ctrl+j")
        await here.says("Put aside")
        [(action, request)] = desk.performed
        assert (action, request.until) == ("snooze", soon(hours=2))
        await here.shows("z Put aside until")
        await here.press("escape")
        await here.shows("Nothing is open.")
        for _ in range(4):
            await here.press("v")
        await here.shows("put aside: 1")
        await here.shows("back 2h")


async def test_it_is_brought_back_by_hand(desk: Desk, state_dir: Path) -> None:
    key = desk.escalated(1, snoozed_until=soon(hours=2))
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.shows("Z brings it back")
        await here.press("Z")
        await here.says("It is back in the queue.")
        assert desk.performed[0][1].until is None
        await here.hides("Put aside until")
        await here.press("Z")
        await here.says("It is not put aside")


async def test_what_is_no_time_is_explained_and_nothing_is_done(desk: Desk, state_dir: Path) -> None:
    key = desk.escalated(1)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await aside(here, "soonish")
        await here.press("ctrl+j")
        await here.shows("When is that? Please write for example 30m, 2h")
        await here.press("escape")
        assert desk.performed == []


@pytest.mark.parametrize(
    ("facts", "reason", "words"),
    [
        ({"operator": "Dana"}, "time", "◷ #1042 is back: its time has come."),
        ({"operator": "Dana"}, "customer", "◷ #1042 is back: the customer has written."),
        ({}, "time", "◷ #1042 is back: its time has come."),
        ({"operator": "Sam"}, "time", ""),
        ({"operator": "Dana"}, "operator", ""),
    ],
)
async def test_whoever_waits_for_it_is_told_that_it_is_back_whatever_the_queue_shows(
    desk: Desk,
    state_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    facts: dict[str, Any],
    reason: str,
    words: str,
) -> None:
    rung: list[int] = []
    monkeypatch.setattr(Console, "bell", lambda self: rung.append(1))
    key, other = desk.escalated(1042, snoozed_until=soon(hours=2), **facts), desk.escalated(7)
    async with session(desk, state_dir) as here:
        await here.press("slash")
        await here.write("#7")
        desk.change(key, snoozed_until=None)
        desk.announce(key, "conversation.woken", reason=reason)
        desk.announce(other, "deadline.breached", ESCALATIONS, due_kind="first_response")
        await here.says(words or "first response is late")
        waking = [worker for worker in here.app.workers if worker.group == "woken"]
        await here.until(lambda: all(worker.is_finished for worker in waking))
        assert [said for said in here.notices() if "is back" in said] == ([words] if words else [])
        assert len(rung) == (2 if words else 1)


async def test_a_row_comes_back_when_the_customer_writes(desk: Desk, state_dir: Path) -> None:
    key = desk.escalated(1, snoozed_until=soon(hours=2))
    async with session(desk, state_dir) as here:
        await here.shows("Nothing is open.")
        desk.change(key, snoozed_until=None)
        desk.announce(key, "conversation.woken")
        await here.shows("#1")


def test_observers_and_others_than_the_holder_are_told_why_not() -> None:
    from fte.console import keys

    desk = Desk()
    item = desk.talks[desk.add(1, owner="human", operator="Sam")].item
    situation = keys.Situation(role="agent", me="Dana", item=item)
    assert "Sam holds it" in (keys.action("snooze").why_not(situation) or "")
    situation = keys.Situation(role="observer", me="Dana", item=item)
    assert "may only read" in (keys.action("snooze").why_not(situation) or "")


# ---------------------------------------------------------------- the same as plain lines


def test_the_command_prints_the_queue_in_words(desk: Desk, state_dir: Path) -> None:
    from fte.cli.conversations import _conversation, _item

    key = desk.escalated(1042, channel="whatsapp", window_until=soon(hours=20), urgency="high")
    desk.clock(key, "first_response", -12)
    talk = desk.talks[key]
    printed = _item(talk.item, START)
    assert printed.startswith(
        "#1042 Ada Lovelace, WhatsApp. Needs a person, urgent: refund request. First response late by 12 minutes"
    )
    assert "WhatsApp takes free text until" in printed
    view = wire.ConversationView(
        item=talk.item,
        epoch=1,
        verified=True,
        customer_email=None,
        customer_phone=None,
        brief=talk.brief,
        messages=talk.messages,
        earlier=0,
        runs=[],
        cursor="",
        clocks=talk.clocks,
    )
    lines = list(_conversation(view, START))
    assert any(line.startswith("First response late by 12 minutes") for line in lines)
    assert all(character.isascii() or character.isalnum() for character in "".join(lines))
