"""The console in front of a real server: every action, every error, at 80 by 24."""

import asyncio
import contextlib
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from textual import events

from fte import wire
from fte.console import app, keys
from fte.console.app import Console
from fte.console.drafts import Draft, Drafts, Sending
from fte.console.keys import Situation
from fte.console.model import NOTICED_AFTER, Link, Phase
from fte.console.screens.asking import ASK_AGAIN_MAX
from fte.console.screens.conversation import ConversationScreen
from fte.console.screens.dialogs import TraceScreen
from fte.console.screens.help import HelpScreen
from fte.console.screens.queue import SETTLED_AFTER, QueueScreen
from fte.console.widgets.queue_table import QueueTable
from fte.console.widgets.transcript import MessageBox
from fte.domain.events import ESCALATIONS
from tests.console.session import Session, make, session
from tests.console.support import Desk, busy, number, problem, serving


def order_of(here: Session) -> list[str]:
    return [row.number for row in here.queue.table.rows]


# ---------------------------------------------------------------- the queue


async def test_the_queue_shows_what_is_due_first(desk: Desk, state_dir: Path) -> None:
    busy(desk)
    async with session(desk, state_dir) as here:
        await here.shows("▲ URGENT")
        assert order_of(here)[:5] == ["#1042", "#1051", "#1037", "#1044", "#1045"]
        await here.shows("▲ 3 need a person")
        await here.shows("● LIVE")


async def test_what_happens_shows_without_refreshing_and_the_cursor_stays(
    desk: Desk, state_dir: Path
) -> None:
    first, second = desk.add(1, "Ada"), desk.add(2, "Bo")
    async with session(desk, state_dir) as here:
        await here.until(lambda: len(here.queue.table.rows) == 2)
        here.queue.table.select(second)
        desk.escalate(first)
        await here.shows("▲ URGENT")
        assert order_of(here) == ["#1", "#2"]
        assert here.queue.table.cursor_key == second
        desk.announce(desk.add(3, "Chloé"), "message.received")
        await here.shows("Chloé")
        assert here.queue.table.cursor_key == second


async def test_the_queue_opens_at_the_top_and_stays_there_until_a_row_is_chosen(
    desk: Desk, state_dir: Path
) -> None:
    for serial in range(1, 41):
        desk.add(serial, f"Customer {serial}")
    async with session(desk, state_dir) as here:
        await here.until(lambda: len(here.queue.table.rows) == 40)
        for serial in range(31, 41):
            desk.escalate(number(1000 + serial))
        await here.shows("▲ 10 need a person")
        await here.until(lambda: here.queue.table.rows[9].mark == "urgent")
        assert here.queue.table.cursor_key == here.queue.table.rows[0].key
        assert here.queue.table.scroll_offset.y == 0


async def _replaced(here: Session) -> tuple[UUID, UUID]:
    """The first row of two gives way to the other one."""
    await here.until(lambda: len(here.queue.table.rows) == 2)
    first, second = here.queue.table.rows.keys
    here.desk.escalate(second)
    await here.until(lambda: here.queue.table.cursor_key == second, "another row is the first one")
    return first, second


@pytest.mark.parametrize("way", ["key", "mouse"])
async def test_what_has_just_come_under_the_cursor_is_named_before_it_is_opened(
    desk: Desk, state_dir: Path, way: str
) -> None:
    async def open_it(here: Session) -> None:
        if way == "key":
            await here.press("enter")
        else:
            row = here.queue.table.rows.places[second]
            await here.pilot.click(QueueTable, offset=(20, 2 * row))

    desk.add(1, "Ada"), desk.add(9, "Bo")
    async with session(desk, state_dir) as here:
        _, second = await _replaced(here)
        await open_it(here)
        await here.says("The list has just moved: #9 Bo is here now. The same again opens it.")
        assert isinstance(here.app.screen, QueueScreen)
        desk.escalate(desk.add(3, "Chloé"))
        await here.until(lambda: len(here.queue.table.rows) == 3)
        assert here.queue.table.rows.places[second] == 1
        assert here.queue.table.cursor_key == second, "it stays there"
        await open_it(here)
        await here.until(lambda: isinstance(here.app.screen, ConversationScreen), "opened")
        assert here.talk.conversation == second


async def test_what_has_been_under_the_cursor_for_a_moment_is_opened_at_once(
    desk: Desk, state_dir: Path
) -> None:
    desk.add(1, "Ada"), desk.add(9, "Bo")
    async with session(desk, state_dir) as here:
        _, second = await _replaced(here)
        desk.now += SETTLED_AFTER
        await here.press("enter")
        await here.until(lambda: isinstance(here.app.screen, ConversationScreen), "opened")
        assert here.talk.conversation == second


async def test_rows_one_asked_for_or_went_to_are_opened_at_once(desk: Desk, state_dir: Path) -> None:
    desk.add(1, "Ada"), desk.add(9, "Bo")
    async with session(desk, state_dir) as here:
        first, _ = await _replaced(here)
        await here.press("j", "enter")
        await here.until(lambda: isinstance(here.app.screen, ConversationScreen), "opened")
        assert here.talk.conversation == first
        await here.press("escape")
        mine = desk.add(4, "Dee", owner="human", operator="Dana")
        await here.press("v", "v")
        await here.until(lambda: here.queue.table.rows.keys == [mine], "my view")
        await here.press("enter")
        await here.until(lambda: isinstance(here.app.screen, ConversationScreen), "opened")
        assert here.talk.conversation == mine


async def test_who_waits_above_the_rows_on_the_screen_is_announced(desk: Desk, state_dir: Path) -> None:
    keys_ = [desk.add(serial, f"Customer {serial}") for serial in range(1, 41)]
    async with session(desk, state_dir) as here:
        await here.until(lambda: len(here.queue.table.rows) == 40)
        await here.press("G")
        there = here.queue.table.cursor_key
        desk.escalate(next(key for key in keys_ if key != there))
        await here.shows("↑ 1 needs a person")
        assert here.queue.table.cursor_key == there
        await here.pilot.click("#titles", offset=(70, 0))
        await here.hides("↑ 1 needs a person")
        assert here.queue.table.rows[0].key == here.queue.table.cursor_key


async def test_another_view_opens_at_its_top(desk: Desk, state_dir: Path) -> None:
    for serial in range(1, 41):
        desk.add(serial, f"Customer {serial}")
    async with session(desk, state_dir) as here:
        await here.until(lambda: len(here.queue.table.rows) == 40)
        await here.press("G", "V")
        await here.shows("all: 40")
        assert here.queue.table.cursor_key == here.queue.table.rows[0].key
        assert here.queue.table.scroll_offset.y == 0


async def test_an_escalation_rings_once(desk: Desk, state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[int] = []
    monkeypatch.setattr(Console, "bell", lambda self: rung.append(1))
    key = desk.add(1)
    async with session(desk, state_dir) as here:
        desk.escalate(key)
        await here.says("#1 needs a person: refund request")
        desk.publish(desk.log[-1])
        desk.announce(key, "message.received")
        count = len(desk.log)
        await here.until(lambda: len(here.app.queue._events) == count - 1, "all events heard")
        assert rung == [1]
        assert sum("needs a person" in words for words in here.notices()) == 1
        assert desk.log[-2].topic == ESCALATIONS


async def test_a_storm_of_events_is_painted_a_few_times_only(
    desk: Desk, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = desk.add(1)
    async with session(desk, state_dir) as here:
        paints: list[float] = []
        show, clock = QueueTable.show, asyncio.get_running_loop().time

        def counted(*arguments: Any) -> int:
            paints.append(clock())
            return show(*arguments)

        monkeypatch.setattr(QueueTable, "show", counted)
        for index in range(300):
            desk.say(key, f"line {index}")
            if index % 20 == 0:
                await asyncio.sleep(0)
        await here.shows("line 299")
        assert all(later - sooner > 0.2 for sooner, later in pairwise(paints))


async def test_filter_search_and_views(desk: Desk, state_dir: Path) -> None:
    desk.add(1, "Ada")
    hidden = desk.add(2, "Bo")
    desk.say(hidden, "my parrot is broken", quietly=True)
    desk.say(hidden, "hello?", quietly=True)
    desk.add(3, "Chloé", status="resolved")
    async with session(desk, state_dir) as here:
        await here.until(lambda: sorted(order_of(here)) == ["#1", "#2"])
        await here.press("slash")
        await here.write("!ada")
        await here.until(lambda: order_of(here) == ["#2"])
        desk.announce(desk.add(4, "Ada again"), "message.received")
        await here.until(lambda: len(here.app.queue.items) == 3)
        assert order_of(here) == ["#2"], "a filter survives what happens"
        await here.press("escape")
        await here.until(lambda: len(order_of(here)) == 3)
        await here.press("slash")
        await here.write("parrot")
        await here.shows("Nothing matches")
        await here.press("enter")
        await here.until(lambda: order_of(here) == ["#2"], "found by the daemon")
        await here.press("slash")
        await here.write(" !bo")
        await here.shows("found: parrot !bo")
        await here.until(lambda: order_of(here) == [])
        await here.press("escape", "V")
        await here.until(lambda: len(order_of(here)) == 4)
        await here.press("V")
        await here.until(lambda: order_of(here) == ["#3"])
        await here.shows("✓ DONE")


async def test_paused_holds_the_list_still_and_says_how_much_waits(desk: Desk, state_dir: Path) -> None:
    desk.add(1, "Ada")
    async with session(desk, state_dir) as here:
        await here.until(lambda: order_of(here) == ["#1"])
        await here.press("p")
        await here.shows("‖ PAUSED")
        desk.announce(desk.add(2, "Bo"), "message.received")
        await here.shows("PAUSED, 1 new")
        await here.until(lambda: len(here.app.queue.items) == 2)
        assert order_of(here) == ["#1"]
        await here.press("p")
        await here.until(lambda: len(order_of(here)) == 2)
        await here.shows("● LIVE")


async def test_keys_and_mouse_lead_to_the_same_conversation(desk: Desk, state_dir: Path) -> None:
    busy(desk)
    async with session(desk, state_dir) as here:
        await here.shows("Chloé")
        await here.press("n")
        assert here.queue.table.cursor_key == number(1000 + 1051)
        await here.pilot.click(QueueTable, offset=(20, 4))
        assert here.queue.table.cursor_key == number(1000 + 1037)
        await here.pilot.click(QueueTable, offset=(20, 4))
        await here.shows("#1037 Chloé")
        await here.press("escape")
        await here.until(lambda: isinstance(here.app.screen, QueueScreen))
        await here.press("g", "enter")
        await here.shows("#1042 Ada Lovelace")


# ---------------------------------------------------------------- reading


async def test_a_conversation_shows_brief_messages_and_goes_on_live(desk: Desk, state_dir: Path) -> None:
    busy(desk)
    key = number(1000 + 1042)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.shows("Hand-over brief")
        await here.shows("Charged twice for March")
        await here.shows("○ AI")
        desk.say(key, "Hello?? Anybody?")
        await here.shows("Hello?? Anybody?")


async def test_the_trace_of_an_answer(desk: Desk, state_dir: Path) -> None:
    busy(desk)
    async with session(desk, state_dir) as here:
        await here.open(number(1000 + 1042))
        await here.press("t")
        await here.until(lambda: isinstance(here.app.screen, TraceScreen))
        await here.shows("Billing calendar")
        await here.shows("search_knowledge_base(query='invoice')")
        await here.press("escape")
        await here.until(lambda: not isinstance(here.app.screen, TraceScreen))


async def test_a_long_conversation_is_mounted_in_part_and_read_whole(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1)
    for index in range(199):
        desk.say(key, f"message {index}", quietly=True)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.shows("message 198")
        await here.shows("150 earlier messages")
        for _ in range(12):
            top = here.talk.talk.above
            if not top:
                break
            await here.press("u")
            await here.until(lambda top=top: here.talk.talk.above < top)  # type: ignore[misc]
            assert len(here.talk.query(MessageBox)) <= 60
        await here.until(lambda: any(box.entry.seq == 1 for box in here.talk.query(MessageBox)))
        desk.say(key, "and one more")
        await here.shows("↓")
        await here.hides("and one more")
        await here.press("G")
        await here.shows("and one more")
        await here.hides("↓")


async def test_a_reader_who_scrolled_up_is_left_alone(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1)
    for index in range(30):
        desk.say(key, f"message {index}", quietly=True)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.shows("message 29")
        await here.press("pageup", "pageup")
        await here.until(lambda: not here.talk.talk.following)
        place = here.talk.transcript.scroll_y
        desk.say(key, "news")
        await here.shows("↓ 1 new message")
        assert here.talk.transcript.scroll_y == place
        await here.press("end")
        await here.shows("news")
        await here.hides("↓ 1 new message")


# ---------------------------------------------------------------- acting


async def test_take_over_reply_note_release(desk: Desk, state_dir: Path) -> None:
    key = desk.escalated(1)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("o")
        await here.shows("● YOU hold it")
        await here.press("r")
        await here.write("Dear Ada")
        await here.press("enter")
        await here.write("it is done.")
        await here.press("ctrl+j")
        await here.shows("● Dana")
        await here.press("n")
        await here.write("called her")
        await here.press("f5")
        await here.shows("✎ NOTE by Dana")
        await here.press("x")
        await here.shows("Hand the conversation back to the AI?")
        await here.press("enter", "enter")
        await here.shows("○ The AI answers")
        assert here.performed() == ["take_over", "reply", "note", "release"]
        assert desk.performed[1][1].text == "Dear Ada\nit is done."
        assert not list((state_dir / "drafts").iterdir()), "drafts are gone once they are sent"


async def test_resolving_asks_for_a_reason_and_a_yes(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, owner="human", operator="Dana")
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("e")
        await here.shows("Resolve the conversation?")
        await here.press("enter", "enter")
        await here.shows("A word on why")
        assert here.performed() == []
        await here.write("refunded")
        await here.press("ctrl+j")
        await here.shows("✓ DONE")
        assert desk.performed[0][1].reason == "refunded"
        await here.press("e")
        await here.says("resolved already")


async def test_answers_of_the_ai_that_had_left_are_named(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1)
    message = desk.say(key, "on its way", "agent", quietly=True)
    desk.talks[key].messages[-1] = wire.decode(
        wire.encode(message).replace(b'"sent"', b'"sending"'), wire.MessageView
    )
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("o")
        await here.says("1 answer of the AI had left")


async def test_every_action_is_on_the_key_bar_in_the_palette_and_in_the_help(
    desk: Desk, state_dir: Path
) -> None:
    key = desk.escalated(1)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("question_mark")
        await here.until(lambda: isinstance(here.app.screen, HelpScreen))
        await here.shows("not now: You do not hold it")
        await here.press("escape", "ctrl+p")
        await here.write("take over")
        await here.shows("Take over  (o)")
        await here.press("enter", "enter")
        await here.until(lambda: here.performed() == ["take_over"])
        await here.shows("● YOU hold it")
        await here.pilot.click("KeyBar", offset=(15, 0))
        await here.until(lambda: here.talk.composer.is_open)


@pytest.mark.parametrize(
    ("role", "read_only", "pressed", "why"),
    [
        ("agent", False, "x", "You do not hold it; o takes it over first."),
        ("agent", False, "r", "You do not hold it; o takes it over first."),
        ("agent", False, "e", "You do not hold it"),
        ("observer", False, "o", "Your role (observer) may only read"),
        ("agent", True, "o", "read-only"),
    ],
)
async def test_what_is_not_possible_says_why(
    desk: Desk, state_dir: Path, role: str, read_only: bool, pressed: str, why: str
) -> None:
    desk.operator = wire.OperatorView(id=number(1), name="Dana", role=role)  # type: ignore[arg-type]
    key = desk.escalated(1)
    async with session(desk, state_dir, read_only=read_only) as here:
        await here.open(key)
        await here.press(pressed)
        await here.says(why)
        assert not [path for method, path in desk.requests if method == "POST"]


@pytest.mark.parametrize("key", ["o", "r", "e", "x"])
@pytest.mark.parametrize(
    ("role", "ends"), [("agent", "or a lead or an admin releases it."), ("lead", "with x.")]
)
def test_what_a_colleague_holds_says_who_and_who_may_release_it(
    desk: Desk, key: str, role: str, ends: str
) -> None:
    desk.operator = wire.OperatorView(id=number(1), name="Dana", role=role)  # type: ignore[arg-type]
    item = desk.talks[desk.add(1, owner="human", operator="Sam")].item
    why = keys.action({"o": "take_over", "r": "reply", "e": "resolve", "x": "release"}[key]).why_not(
        Situation(role=desk.operator.role, me="Dana", item=item, live=True)
    )
    if (role, key) == ("lead", "x"):
        assert why is None
    else:
        assert why is not None
        assert why.startswith("Sam holds it; ask them, ")
        assert why.endswith(ends)


async def test_a_lead_releases_for_a_colleague_after_a_question_that_names_them(
    desk: Desk, state_dir: Path
) -> None:
    desk.operator = wire.OperatorView(id=number(1), name="Dana", role="lead")
    key = desk.add(1, owner="human", operator="Sam")
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("x")
        await here.shows("Take it from Sam")
        assert here.performed() == []
        await here.write("Sam is off duty")
        await here.press("ctrl+j")
        await here.shows("○ The AI answers")
        assert here.performed() == ["release"]
        assert desk.performed[0][1].reason == "Sam is off duty"


async def test_a_release_is_not_carried_out_on_somebody_the_question_did_not_name(
    desk: Desk, state_dir: Path
) -> None:
    desk.operator = wire.OperatorView(id=number(1), name="Dana", role="lead")
    key = desk.add(1, owner="human", operator="Sam")
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("x")
        await here.shows("Take it from Sam")
        desk.talks[key].epoch += 1
        desk.change(key, operator="Bo")
        desk.announce(key, "conversation.taken_over")
        await here.until(lambda: here.talk._holder() == "Bo")
        await here.press("ctrl+j")
        await here.says("It has changed hands since")
        assert here.performed() == []


# ---------------------------------------------------------------- what goes wrong while acting


async def holding(here: Session, key: UUID) -> None:
    await here.open(key)
    await here.press("o")
    await here.shows("● YOU hold it")


async def test_a_reply_is_refused_when_something_unseen_arrived_and_the_text_is_kept(
    desk: Desk, state_dir: Path
) -> None:
    key = desk.escalated(1)
    async with session(desk, state_dir) as here:
        await holding(here, key)
        await here.press("r")
        await here.write("All done.")
        desk.say(key, "Wait, stop! Wrong account!")
        await here.shows("While you write")
        await here.press("ctrl+j")
        await here.shows("Not sent.")
        await here.shows("Wait, stop! Wrong account!")
        assert here.talk.composer.text == "All done."
        assert "reply" not in here.performed()
        await here.press("ctrl+j")
        await here.until(lambda: here.performed()[-1] == "reply")


async def test_a_message_that_was_there_to_be_read_does_not_stop_the_reply(
    desk: Desk, state_dir: Path
) -> None:
    key = desk.escalated(1)
    async with session(desk, state_dir) as here:
        await holding(here, key)
        await here.press("r")
        desk.say(key, "and the invoice number is 7")
        await here.shows("While you write")
        desk.now += NOTICED_AFTER
        await here.write("Thanks")
        await here.press("ctrl+j")
        await here.until(lambda: here.performed()[-1] == "reply")


async def test_somebody_else_was_faster(desk: Desk, state_dir: Path) -> None:
    key = desk.escalated(1)
    async with session(desk, state_dir) as here:
        await here.open(key)
        desk.talks[key].epoch += 1
        desk.change(key, operator="Sam")
        await here.press("o")
        await here.says("taken over by Sam")
        await here.shows("◆ Sam holds it")


async def sent_into_silence(here: Session, key: UUID) -> None:
    """A reply was sent that the daemon carries out, and all its answers are lost until `lose_answers` is 0."""
    await holding(here, key)
    here.desk.lose_answers = 1_000
    await here.press("r")
    await here.write("once")
    await here.press("ctrl+j")
    await here.says("It is not known whether your reply took effect")


async def test_a_lost_answer_is_asked_for_again_and_the_reply_goes_out_once(
    desk: Desk, state_dir: Path
) -> None:
    key = desk.escalated(1)
    async with session(desk, state_dir) as here:
        await holding(here, key)
        desk.lose_answers = 2
        await here.press("r")
        await here.write("once")
        await here.press("ctrl+j")
        await here.says("Reply handed over")
        assert here.performed().count("reply") == 1


async def test_an_unknown_outcome_is_said_and_asked_for_with_the_same_key(
    desk: Desk, state_dir: Path
) -> None:
    key = desk.escalated(1)
    async with session(desk, state_dir) as here:
        await sent_into_silence(here, key)
        await here.shows("? Not known whether your reply took effect")
        assert here.talk.composer.text == "once"
        await here.press("x")
        assert here.talk.composer.text == "once", "an unknown reply may not be changed"
        desk.lose_answers = 0
        await here.press("ctrl+r")
        await here.says("Reply handed over")
        assert here.performed().count("reply") == 1
        assert not here.talk.composer.is_open


async def test_an_unknown_outcome_is_asked_for_by_itself_after_a_cut(desk: Desk, state_dir: Path) -> None:
    key = desk.escalated(1)
    async with session(desk, state_dir) as here:
        await sent_into_silence(here, key)
        await here.says("It is asked again by itself, ctrl+r asks now; it never acts twice.")
        desk.lose_answers = 0
        desk.cut()
        await here.says("Reply handed over")
        assert here.performed().count("reply") == 1
        assert not here.talk.composer.is_open


async def test_an_unknown_outcome_is_asked_for_by_itself_while_the_console_is_live(
    desk: Desk, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "ASK_AGAIN_PAUSE", 0.05)
    key = desk.escalated(1)
    async with session(desk, state_dir) as here:
        await sent_into_silence(here, key)
        desk.lose_answers = 0
        await here.says("Reply handed over")
        assert here.performed().count("reply") == 1
        assert not here.talk.composer.is_open


async def test_what_was_asked_for_long_ago_waits_for_the_operator(desk: Desk, state_dir: Path) -> None:
    """A takeover that comes minutes after its key is not what anybody wants."""
    key = desk.escalated(1)
    async with session(desk, state_dir) as here:
        await here.open(key)
        desk.lose_answers = 1_000
        await here.press("o")
        await here.says("It is not known whether the takeover took effect")
        desk.lose_answers = 0
        desk.now += ASK_AGAIN_MAX + timedelta(seconds=1)
        here.app._ask_again()
        here.app._link_changed(Link(Phase.RECONNECTING, 1, "away"))
        here.app._link_changed(Link(Phase.LIVE))
        assert here.talk.situation().unknown, "nothing was asked for by itself"
        await here.press("ctrl+r")
        await here.says("You hold it now")


async def test_a_console_that_died_while_sending_asks_with_the_same_key(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, owner="human", operator="Dana")
    done = wire.ActionDone(conversation_id=key, epoch=1, last_seq=1, owner="human", status="open")
    desk.keys[str(number(77))] = wire.encode(done)
    Drafts(state_dir / "drafts").save(key, Draft("reply", "was it sent?", Sending(number(77), 1, 1)))
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.shows("was it sent?")
        await here.shows("It is not known whether your reply")
        await here.press("ctrl+j")
        await here.says("Reply handed over")
        assert here.performed() == [], "the daemon had done it already"
        assert Drafts(state_dir / "drafts").load(key, "reply") is None


async def test_a_draft_survives_escape_leaving_and_a_new_console(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, owner="human", operator="Dana")
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("r")
        await here.write("half a thought")
        await here.press("escape", "escape")
        await here.until(lambda: isinstance(here.app.screen, QueueScreen))
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("r")
        await here.shows("half a thought")
        await here.press("f8")
        await here.shows("Throw this text away?")
        await here.press("f8")
        await here.until(lambda: not here.talk.composer.is_open)
        assert Drafts(state_dir / "drafts").load(key, "reply") is None


@pytest.mark.parametrize("status", [403, 422, 429, 404])
async def test_a_refusal_is_a_sentence_and_the_text_is_kept(desk: Desk, state_dir: Path, status: int) -> None:
    key = desk.add(1, owner="human", operator="Dana")
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("r")
        await here.write("hello")
        desk.answer_with = problem(status, "The desk says no.", remedy="Try later.")
        await here.press("ctrl+j")
        await here.shows("The desk says no.")
        assert here.talk.composer.text == "hello"
        assert not here.talk.composer.area.read_only


async def test_what_was_typed_just_before_sending_is_sent(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, owner="human", operator="Dana")
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("r")
        for typed in ("h", "e", "y", "ctrl+j"):
            here.app.post_message(events.Key(typed, typed if len(typed) == 1 else None))
        await here.until(lambda: desk.performed)
        assert desk.performed[0][1].text == "hey"


async def test_an_empty_or_endless_reply_is_not_sent(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, owner="human", operator="Dana")
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("r", "ctrl+j")
        await here.shows("Write something first.")
        here.talk.composer.area.load_text("x" * 10_001)
        await here.press("ctrl+j")
        await here.shows("At most 10,000 characters")
        assert here.performed() == []


# ---------------------------------------------------------------- the connection


async def test_a_cut_stream_comes_back_and_nothing_is_missed(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, "Ada")
    async with session(desk, state_dir) as here:
        desk.answer_with = problem(503, "Not now.")
        desk.cut()
        await here.shows("✗ RECONNECTING, try")
        await here.shows("Not connected to")
        desk.escalate(key)
        desk.answer_with = None
        await here.press("ctrl+r")
        await here.shows("● LIVE")
        await here.shows("▲ URGENT")


async def test_what_could_not_be_sent_says_when_it_can(desk: Desk, state_dir: Path) -> None:
    key = desk.escalated(1)
    async with contextlib.AsyncExitStack() as daemon:
        url = await daemon.enter_async_context(serving(desk))
        app = make(desk, url, state_dir)
        async with app.run_test(size=(80, 24)) as pilot:
            here = Session(app, pilot, desk)
            await here.live()
            await holding(here, key)
            await here.press("r")
            await here.write("All done.")
            await daemon.aclose()
            await here.press("ctrl+j")
            await here.shows("✗ Not sent.")
            async with serving(desk, int(url.rpartition(":")[2])):
                await here.shows("○ Not sent yet.")
                await here.shows("The daemon answers again: ctrl+j sends it.")
                assert "reply" not in here.performed()
                await here.press("ctrl+j")
                await here.until(lambda: here.performed()[-1] == "reply")


async def test_events_that_are_no_longer_kept_lead_to_a_reload(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, "Ada")
    async with session(desk, state_dir) as here:
        desk.answer_with = problem(503, "Not now.")
        desk.cut()
        await here.shows("RECONNECTING")
        desk.escalate(key)
        desk.forget()
        desk.answer_with = None
        await here.shows("▲ URGENT")


async def test_a_daemon_that_is_away_at_the_start_is_waited_for(desk: Desk, state_dir: Path) -> None:
    desk.add(1, "Ada")
    async with serving(desk) as url:
        port = int(url.rpartition(":")[2])
    app = make(desk, url, state_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        here = Session(app, pilot, desk)
        await here.shows("RECONNECTING, try 2")
        await here.shows("nothing answers there")
        async with serving(desk, port):
            await here.live()
            await here.shows("Ada")


async def test_a_token_that_is_not_accepted_ends_the_console_with_a_sentence(
    desk: Desk, state_dir: Path
) -> None:
    async with serving(desk) as url:
        app = make(desk, url, state_dir, token="wrong")
        async with app.run_test() as pilot:
            here = Session(app, pilot, desk)
            await here.until(lambda: app.return_code is not None)
    assert app.return_code == 1
    assert app.return_value == "This token is not known. Ask an admin for a new one."


async def test_a_token_revoked_later_is_said_and_can_be_tried_again(desk: Desk, state_dir: Path) -> None:
    desk.add(1, "Ada")
    async with session(desk, state_dir) as here:
        good, desk.token = desk.token, "another"
        desk.cut()
        await here.shows("✗ SIGNED OUT")
        await here.shows("You are signed out. This token is not known")
        await here.shows("your drafts are kept")
        await here.hides("by itself")
        await here.press("T")
        await here.says("The console is not connected; ctrl+r tries now.")
        await here.press("ctrl+r")
        await here.says("The token is still not accepted.")
        desk.token = good
        await here.press("ctrl+r")
        await here.shows("● LIVE")
        assert here.app.link.phase is Phase.LIVE


async def test_something_else_at_the_address_is_named_as_such(desk: Desk, state_dir: Path) -> None:
    from starlette.responses import HTMLResponse

    desk.answer_with = HTMLResponse("<h1>It works!</h1>")
    async with serving(desk) as url:
        app = make(desk, url, state_dir)
        async with app.run_test(size=(120, 24)) as pilot:
            await Session(app, pilot, desk).shows("is not the daemon")


# ---------------------------------------------------------------- hostile text

HOSTILE = "\x1b]52;c;cHduZWQ=\x07[@click=app.quit]x[/] [/oops] \u202egnp.exe\x00\x9b31m\r\n\x1b[2J[red"


async def test_hostile_text_in_every_field_changes_nothing(desk: Desk, state_dir: Path) -> None:
    bad = wire.Brief(
        asked=HOSTILE, tried=[HOSTILE], sources=[HOSTILE], mood=HOSTILE, reason=HOSTILE, urgency=HOSTILE
    )
    key = desk.escalated(1, HOSTILE, subject=HOSTILE, reason=HOSTILE, text=HOSTILE, brief=bad)
    desk.say(key, HOSTILE, "agent", author=HOSTILE, quietly=True)
    desk.talks[key].email = HOSTILE
    async with session(desk, state_dir) as here:
        await here.shows("URGENT" if desk.talks[key].item.urgency == "high" else "PERSON")
        await here.pilot.click(QueueTable, offset=(40, 1))
        await here.shows("Hand-over brief")
        for box in here.talk.query(MessageBox):
            for x in range(4, 60, 9):
                await here.pilot.click(box, offset=(x, 1))
                if isinstance(here.app.screen, TraceScreen):
                    await here.press("escape")
        desk.escalate(key, reason=HOSTILE)
        await here.says("needs a person")
        assert here.app.is_running
        assert not any(notice.markup for notice in here.app._notifications)
        for shown in (*here.notices(), here.text()):
            assert not set(shown) & set("\x1b\x07\u202e\x00\x9b\r"), shown
