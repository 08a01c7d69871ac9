"""Who else is there: colleagues who look or write, the team, duty; and what the AI is told at a release."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fte import wire
from fte.console.keys import Situation, action
from fte.console.model import ATTENTION
from tests.console.session import session
from tests.console.support import START, Desk, number


def ben(doing: Any = "writing", seconds: float = 25) -> list[wire.Attending]:
    return [wire.Attending(operator="Ben\x1b[2J", doing=doing, until=START + timedelta(seconds=seconds))]


async def test_who_writes_is_shown_in_the_head_and_in_the_queue_until_it_runs_out(
    desk: Desk, state_dir: Path
) -> None:
    key = desk.add(1)
    async with session(desk, state_dir) as here:
        await here.live()
        desk.change(key, attending=ben())
        desk.announce(key, ATTENTION)
        await here.shows("✎ Ben")
        await here.open(key)
        await here.shows("is writing")
        assert "\x1b" not in here.text()
        desk.now += timedelta(seconds=26)
        here.talk._tick()
        await here.hides("is writing")
        desk.change(key, attending=ben("viewing", 60))
        desk.announce(key, ATTENTION)
        await here.shows("is looking")


async def test_colleagues_are_told_what_we_do_here(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, owner="human", operator="Dana")
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.until(lambda: desk.attended == ["viewing"])
        await here.press("r")
        await here.write("Dear Ada")
        await here.until(lambda: desk.attended[-1] == "writing")
        await here.press("escape")
        await here.until(lambda: desk.attended[-1] == "viewing")
        await here.press("escape")
        await here.until(lambda: desk.attended[-1] == "left")
        assert len(desk.attended) == 4


async def test_presence_is_no_news(desk: Desk, state_dir: Path) -> None:
    """A held list counts what happened in conversations, not who looks at them; what we do is no news at all."""
    key = desk.add(1)
    async with session(desk, state_dir) as here:
        await here.live()
        await here.press("p")
        desk.announce(key, ATTENTION)
        desk.say(key, "a message")
        await here.until(lambda: here.app.held_back == 1)
        before = len(desk.requests)
        event = desk.announce(key, ATTENTION)
        own = wire.Envelope(
            id=number(99),
            topic=event.topic,
            key=event.key,
            type=event.type,
            at=event.at,
            payload=event.payload | {"operator": "Dana"},
        )
        assert not here.app.queue.apply(own)
        assert len(desk.requests) >= before


async def test_going_off_duty_is_shown_and_said(desk: Desk, state_dir: Path) -> None:
    async with session(desk, state_dir) as here:
        await here.live()
        await here.press("D")
        await here.shows("(off duty)")
        await here.says("You are off duty")
        await here.press("D")
        await here.hides("(off duty)")
        assert desk.operator.duty == "on"


async def test_a_duty_of_unknown_outcome_is_told_so_and_asked_for_again_by_its_key(
    desk: Desk, state_dir: Path
) -> None:
    async with session(desk, state_dir) as here:
        await here.live()
        desk.lose_answers = 1_000
        await here.press("D")
        await here.says("It is not known whether you are off duty now. Press D again to make sure")
        assert desk.operator.duty == "off"
        desk.lose_answers = 0
        await here.press("D")
        await here.says("You are off duty")
        assert desk.operator.duty == "off"


async def test_the_team_screen_shows_who_is_there_and_what_they_hold(desk: Desk, state_dir: Path) -> None:
    usual: dict[str, Any] = {"role": "agent", "duty": "auto", "seen_at": START, "held": 0, "numbers": []}
    desk.team = [
        wire.MemberView(id=number(2), name="Away", on_duty=False, present=False, **usual),
        wire.MemberView(
            id=number(3), name="Ben", on_duty=True, present=True, **(usual | {"held": 2, "numbers": [4, 7]})
        ),
    ]
    async with session(desk, state_dir) as here:
        await here.live()
        await here.press("T")
        await here.shows("● on duty  Ben")
        await here.shows("holds #4, #7")
        await here.shows("○ off duty Away")
        await here.press("escape")
        await here.hides("The team")


@pytest.mark.parametrize(("role", "may"), [("observer", False), ("agent", True)])
def test_who_may_not_answer_has_no_duty(role: Any, may: bool) -> None:
    assert (action("duty").why_not(Situation(role=role, live=True)) is None) is may


async def test_a_release_shows_what_the_ai_is_told_and_takes_a_line_more(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, owner="human", operator="Dana")
    desk.say(key, "I will refund it by Monday.", "operator", "Dana", quietly=True)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("x")
        await here.shows("Our colleague promised: I will refund it by Monday.")
        await here.press("tab")
        await here.write("No discounts.")
        await here.press("ctrl+j")
        await here.until(lambda: here.performed() == ["release"])
        assert (desk.performed[0][1].reason, desk.performed[0][1].text) == (None, "No discounts.")
