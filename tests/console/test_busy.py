"""The queue when there is much of it: what is built, what is repainted, and that a paused list does not move."""

import asyncio
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fte.console import present
from fte.console.present import Row
from fte.console.widgets.queue_table import QueueTable
from tests.console.session import Session, session
from tests.console.support import START, Desk, number

HEIGHT = 24


def filled(desk: Desk, rows: int) -> None:
    for serial in range(1, rows + 1):
        desk.now = START - timedelta(seconds=serial)
        add = desk.escalated if serial % 40 == 0 else desk.add
        add(serial, f"Customer {serial}", subject=f"Question {serial} about exports")
    desk.now = START


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the rows that were put into words."""
    words: list[int] = []
    row = present.row

    def counted(item: Any, *rest: Any) -> Row:
        words.append(item.number)
        return row(item, *rest)

    monkeypatch.setattr(present, "row", counted)
    return words


async def test_ten_thousand_conversations_are_all_there_and_only_what_is_seen_is_put_into_words(
    desk: Desk, state_dir: Path, built: list[int]
) -> None:
    filled(desk, 10_000)
    async with session(desk, state_dir) as here:
        await here.shows("open: 10,000 ")
        assert len(here.queue.table.rows) == 10_000
        for key in ("j", "k", "pagedown", "pageup", "G", "k", "g", "n"):
            built.clear()
            await here.press(key)
            assert len(built) <= 2 * HEIGHT, key
        built.clear()
        desk.announce(number(1000 + 9_000), "message.received")
        await here.until(lambda: not here.app.queue._stale)
        assert len(built) <= 2 * HEIGHT
        await here.press("G")
        await here.shows("#9999")
        await here.press("slash")
        await here.write("#7777")
        await here.until(lambda: [row.number for row in here.queue.table.rows] == ["#7777"])


async def test_an_event_out_of_sight_repaints_no_row(
    desk: Desk, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(desk, 400)
    async with session(desk, state_dir) as here:
        await here.until(lambda: len(here.queue.table.rows) == 400)
        lines: list[int] = []
        show = QueueTable.show

        def counted(*arguments: Any) -> int:
            lines.append(show(*arguments))
            return lines[-1]

        monkeypatch.setattr(QueueTable, "show", counted)
        desk.change(number(1000 + 399), preview="changed")
        desk.announce(number(1000 + 399), "message.received")
        await here.until(lambda: here.app.queue.items[number(1000 + 399)].preview == "changed")
        await here.until(lambda: lines)
        assert lines == [0] * len(lines)


def viewport(here: Session) -> list[str]:
    """The lines of the list as the screen shows them; what stands around it may change."""
    table = here.queue.table
    strips = here.app.screen._compositor.render_strips()
    return [strip.text for strip in strips[table.region.y : table.region.bottom]]


@pytest.mark.parametrize("seed", range(6))
async def test_a_paused_list_does_not_move_whatever_arrives(desk: Desk, state_dir: Path, seed: int) -> None:
    chance = random.Random(seed)
    filled(desk, 60)
    async with session(desk, state_dir) as here:
        await here.until(lambda: len(here.queue.table.rows) == 60)
        for _ in range(chance.randrange(12)):
            await here.press(chance.choice(["j", "k", "pagedown", "n", "G"]))
        await here.press("p")
        await here.shows("‖ PAUSED")
        before = viewport(here), here.queue.table.cursor_key, here.queue.table.scroll_offset
        keys = list(desk.talks)
        for serial in range(200, 230):
            happens = chance.choice(["say", "escalate", "resolve", "new", "cut", "reset", "claim"])
            key = chance.choice(keys)
            if happens == "say":
                desk.say(key, f"line {serial}")
            elif happens == "escalate":
                desk.escalate(key)
            elif happens == "resolve":
                desk.change(key, status="resolved")
                desk.announce(key, "conversation.resolved")
            elif happens == "claim":
                desk.change(key, owner="human", operator="Dana", status="open")
                desk.announce(key, "conversation.taken_over")
            elif happens == "new":
                desk.announce(desk.add(serial), "message.received")
            else:
                if happens == "reset":
                    desk.forget()
                desk.cut()
            await asyncio.sleep(0)
        shown = {key: talk.item for key, talk in desk.talks.items() if talk.item.status != "resolved"}
        await here.until(lambda: here.app.queue.items == shown, "the model is up to date")
        await here.live()
        await here.hides("Not connected")
        here.queue.changed()
        await here.pilot.pause()
        assert (viewport(here), here.queue.table.cursor_key, here.queue.table.scroll_offset) == before
        await here.shows("PAUSED")
        await here.press("p")
        await here.until(lambda: len(here.queue.table.rows) == len(shown))


async def test_many_events_leave_nothing_behind(desk: Desk, state_dir: Path) -> None:
    """What is kept is bounded by the limits, however many events were met."""
    key = desk.add(1)
    async with session(desk, state_dir) as here:
        await here.until(lambda: len(here.queue.table.rows) == 1)
        queue, event = here.app.queue, desk.announce(key, "message.received")
        from fte.console.model import EVENTS_MAX
        from fte.domain.ids import new_id
        from tests.console.support import msgspec

        for _ in range(100_000):
            queue.apply(msgspec.structs.replace(event, id=new_id()))
        assert len(queue._events) == EVENTS_MAX
        assert len(queue._stale) <= 1
        assert len(queue.items) == 1
