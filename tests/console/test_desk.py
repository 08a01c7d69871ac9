"""Tickets sorted, assigned and merged from the console; canned replies; the inspector."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from fte import wire
from fte.console import keys, present
from fte.console.app import Console
from fte.console.keys import Situation
from fte.console.model import Filter
from fte.console.past import Past
from fte.console.screens.conversation import ConversationScreen
from fte.console.screens.dialogs import ChoiceScreen, ConfirmScreen, ResolveScreen, TagsScreen
from fte.console.screens.ticket import TicketScreen
from fte.domain.operators import ACTIONS
from tests.console.session import Session, session
from tests.console.support import Desk, a_life, known, number

SORTING = ("set_priority", "set_category", "tag", "assign", "merge_in")


def asked(desk: Desk) -> list[tuple[str, Any]]:
    fields = ("priority", "category", "add", "remove", "to", "other", "resolution")
    return [
        (action, {name: getattr(body, name) for name in fields if getattr(body, name) not in (None, [])})
        for action, body in desk.performed
    ]


async def chosen(here: Session, screen: type, *pressed: str) -> None:
    await here.until(lambda: isinstance(here.app.screen, screen), screen.__name__)
    await here.press(*pressed)


async def test_priority_category_and_tags(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("P")
        await chosen(here, ChoiceScreen, "h")
        await here.until(lambda: len(desk.performed) == 1)
        await here.until(lambda: here.talk._busy is None)
        await here.press("C")
        await chosen(here, ChoiceScreen, "t")
        await here.until(lambda: len(desk.performed) == 2)
        await here.until(lambda: here.talk._busy is None)
        await here.press("T")
        await chosen(here, TagsScreen)
        await here.write("VIP  needs/docs")
        await here.press("enter")
        await here.shows("A tag has")
        await here.press(*["backspace"] * 5, "enter")
        await here.until(lambda: len(desk.performed) == 3)
        await here.shows("#needs #vip")
    assert asked(desk) == [
        ("set_priority", {"priority": "high"}),
        ("set_category", {"category": "technical"}),
        ("tag", {"add": ["needs", "vip"]}),
    ]


async def test_the_chosen_row_of_a_list_is_pointed_at_without_colours(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, category="billing")
    async with session(desk, state_dir, theme_name="plain") as here:
        await here.open(key)
        await here.press("C")
        await here.shows("▶ billing")
        await here.press("down")
        await here.shows("▶ feedback")
        assert here.text().count("▶") == 1


async def test_assigning_to_a_colleague_and_to_nobody(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("A")
        await chosen(here, ChoiceScreen)
        await here.write("sam")
        await here.press("enter")
        await here.shows("◆ Sam holds it")
    assert asked(desk) == [("assign", {"to": "Sam"})]


async def test_merging_is_asked_for_and_undone(desk: Desk, state_dir: Path) -> None:
    key, other = desk.add(1), desk.add(2, subject="The same again")
    known(desk, key, other)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("M")
        await chosen(here, ChoiceScreen, "enter")
        await chosen(here, ConfirmScreen, "ctrl+j")
        await here.shows("with #2")
        here.app.open_conversation(other)
        await here.until(
            lambda: isinstance(here.app.screen, ConversationScreen) and here.app.screen.conversation == other
        )
        await here.shows("part of #1")
        await here.press("r")
        await here.says("It is part of #1")
        await here.press("M")
        await chosen(here, ConfirmScreen, "ctrl+j")
        await here.hides("part of #1")
    assert asked(desk) == [("merge_in", {"other": other}), ("part", {})]


async def test_what_is_with_people_is_merged_into_what_one_holds_and_said_so_before_the_question(
    desk: Desk, state_dir: Path
) -> None:
    key, other = desk.escalated(1), desk.escalated(2)
    known(desk, key, other)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("M")
        await chosen(here, ChoiceScreen, "enter")
        await here.says("#2 is with people: o takes #1 over first, then merge.")
        assert not isinstance(here.app.screen, ConfirmScreen)
        await here.press("o")
        await here.shows("● YOU hold it")
        await here.press("M")
        await chosen(here, ChoiceScreen, "enter")
        await chosen(here, ConfirmScreen, "ctrl+j")
        await here.shows("with #2")
    assert asked(desk)[1:] == [("merge_in", {"other": other})]


async def test_merging_what_nothing_proves_says_who_reads_the_answers(desk: Desk, state_dir: Path) -> None:
    key, other = desk.add(1, owner="human", operator="Dana"), desk.add(2)
    known(desk, key, other)
    desk.verified = False
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("M")
        await chosen(here, ChoiceScreen, "enter")
        await here.shows("wait for your approval")
        await chosen(here, ConfirmScreen, "ctrl+j")
        await here.shows("with #2, unproven")
        await here.press("r")
        await here.shows("also on the page of #2")
    assert asked(desk) == [("merge_in", {"other": other})]


async def test_how_it_ended_is_said_when_resolving(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, owner="human", operator="Dana")
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("e")
        await chosen(here, ResolveScreen, "f2", "f2", "f2")
        await here.shows("How it ended: spam")
        await here.write("advertising")
        await here.press("ctrl+j")
        await here.until(lambda: desk.performed)
    [(_, body)] = desk.performed
    assert (body.resolution, body.reason) == ("spam", "advertising")


async def test_what_is_done_says_how_it_ended_by_whom_and_why(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, owner="human", operator="Dana")
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("e")
        await chosen(here, ResolveScreen, "f2", "f2", "f2")
        await here.write("advertising, again")
        await here.press("ctrl+j")
        await here.shows("✓ DONE: spam by Dana, 02:00")
        await here.shows("Why: advertising, again")
        desk.say(key, "But I did ask!")
        desk.change(key, status="open", owner="ai", unanswered=True)
        desk.talks[key].ended = None
        desk.announce(key, "conversation.reopened")
        await here.shows("The AI answers")
        await here.hides("Why: ")


async def test_an_end_an_older_daemon_says_nothing_of_is_an_end(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, status="resolved")
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.shows("✓ DONE: resolved")
        await here.hides("Why: ")


@pytest.mark.parametrize("role", ["observer", "agent", "lead"])
def test_who_may_not_is_told_why(role: Any) -> None:
    desk = Desk()
    held = desk.talks[desk.add(1, owner="human", operator="Sam")].item
    merged = desk.talks[desk.add(2, status="resolved", merged_into=1)].item
    for id_ in SORTING:
        refusal = keys.action(id_).why_not(Situation(role=role, me="Dana", item=held))
        assert (refusal is None) is (role == "lead" or (role == "agent" and id_ != "assign")), id_
        assert keys.action(id_).why_not(Situation(role=role, me="Dana", item=held, read_only=True))
        refusal = keys.action(id_).why_not(Situation(role=role, me="Dana", item=merged))
        assert (refusal is None) is (role != "observer" and id_ == "merge_in"), id_
    assert set(SORTING) <= set(ACTIONS)


async def test_an_observers_keys_do_nothing(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1)
    desk.operator = wire.OperatorView(id=number(1), name="Dana", role="observer")
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("P", "C", "T", "A", "M")
        await here.says("may only read")
        assert isinstance(here.app.screen, ConversationScreen)
    assert not desk.performed


# ---------------------------------------------------------------- finding


def test_the_filter_knows_tags_priorities_and_categories() -> None:
    desk = Desk()
    vip = desk.talks[desk.add(1, tags=["vip", "late"], priority="high")].item
    plain = desk.talks[desk.add(2, subject="about tag:vip", category="bug_report")].item
    for typed, found in (
        ("tag:vip", [vip]),
        ("!tag:vip", [plain]),
        ("tag:vi", []),
        ("#vip", [vip]),
        ("!#vip", [plain]),
        ("high !#vip", []),
        ("#1", [vip]),
        ("late high", [vip]),
        ("bug", [plain]),
    ):
        assert [item for item in (vip, plain) if Filter.parse(typed).keeps(item)] == found, typed


async def test_tags_and_mentions_show_in_the_queue(desk: Desk, state_dir: Path) -> None:
    desk.add(1, tags=["vip"], mentions=["Dana"])
    desk.add(2, "Bo")
    async with session(desk, state_dir) as here:
        await here.shows("@you #vip Invoice")
        await here.press("v", "v", "v")
        await here.shows("you are named: 1")


async def test_the_first_row_of_a_customer_says_how_many_more_of_theirs_wait(
    desk: Desk, state_dir: Path
) -> None:
    for serial in range(1, 4):
        desk.escalated(serial, "Flo", customer_id=number(7))
    desk.escalated(4, "Bo", customer_id=number(8), subject="Parcel")
    desk.add(5, "Flo", customer_id=number(7), subject="With the AI")
    async with session(desk, state_dir) as here:
        await here.shows("+2 more: Invoice")
        assert here.text().count(" more: ") == 1
        desk.announce(
            desk.escalated(6, "Bo", customer_id=number(8), subject="Parcel"), "conversation.escalated"
        )
        await here.shows("+1 more: Parcel")
        assert here.text().count(" more: ") == 2


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize(
    ("type_", "facts", "words"),
    [
        ("operator.mentioned", {"operators": [str(number(1))]}, "A note in #1 names you."),
        ("operator.mentioned", {"operators": [str(number(2))]}, None),
        ("conversation.assigned", {"holder": str(number(1)), "operator": "Sam"}, "Sam has given you #1."),
        ("conversation.assigned", {"holder": str(number(1)), "operator": "Dana"}, None),
        ("conversation.assigned", {"holder": None, "operator": "Sam"}, None),
    ],
)
async def test_the_bell_rings_for_whom_it_is_meant(
    desk: Desk,
    state_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    type_: str,
    facts: dict[str, Any],
    words: str | None,
    silent: bool,
) -> None:
    rung: list[int] = []
    monkeypatch.setattr(Console, "bell", lambda self: rung.append(1))
    key = desk.add(1)
    async with session(desk, state_dir, silent=silent) as here:
        event = wire.Envelope(
            id=number(55),
            topic="fte.conversations",
            key=str(key),
            type=type_,
            at=desk.now,
            payload=facts | {"conversation_id": str(key)},
        )
        desk.publish(event)
        await here.until(lambda: event.id in here.app.queue._events)
        await here.pilot.pause()
        assert [said for said in here.notices() if "you" in said] == (
            [f"✎ {words}" if "note" in words else f"● {words}"] if words else []
        )
        assert len(rung) == (words is not None and not silent)


# ---------------------------------------------------------------- canned replies


def a_canned(key: str, body: str, **facts: Any) -> wire.CannedReply:
    return wire.CannedReply(key=key, title=key.title(), body=body, **facts)


async def writing(here: Session) -> None:
    await here.press("r")
    await here.until(lambda: here.talk.composer.is_open and here.talk._canned)


async def test_a_canned_reply_is_typed_by_its_key_or_picked(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, owner="human", operator="Dana")
    desk.canned = [
        a_canned("hi", "Hello {first_name},\nabout {ticket}:"),
        a_canned("end", "Yours,\n{operator}, {company}"),
        a_canned("chat", "Only there", channel="whatsapp"),
    ]
    async with session(desk, state_dir) as here:
        await here.open(key)
        await writing(here)
        await here.press("semicolon", "h", "i", "space", "x", "semicolon", "h", "i", "space")
        assert here.talk.composer.text == "Hello Ada,\nabout #1:x;hi "
        await here.press("f3")
        await chosen(here, ChoiceScreen)
        assert "Only there" not in here.text()
        await here.write("yours")
        await here.press("enter")
        await here.until(lambda: here.talk.composer.text.endswith("Yours,\nDana, Acme"))


async def test_a_canned_reply_that_was_added_meanwhile_is_found(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, owner="human", operator="Dana")
    desk.canned = [a_canned("chat", "Only there", channel="whatsapp")]
    async with session(desk, state_dir) as here:
        await here.open(key)
        await writing(here)
        await here.press("f3")
        await here.says("There is none for this channel yet.")
        desk.canned = [*desk.canned, a_canned("hi", "Hello {first_name}")]
        await here.press("f3")
        await chosen(here, ChoiceScreen, "enter")
        await here.until(lambda: here.talk.composer.text == "Hello Ada")


async def test_what_nobody_knows_is_told_before_it_is_sent(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, "ada@example.org", owner="human", operator="Dana")
    desk.canned = [a_canned("hi", "Hello {first_name}")]
    async with session(desk, state_dir) as here:
        await here.open(key)
        await writing(here)
        await here.press("semicolon", "h", "i", "tab")
        await here.shows("Fill in yourself: {first_name}")
        await here.press("ctrl+j")
        await here.shows("Not sent")
        assert not desk.performed
        await here.press("ctrl+j")
        await here.until(lambda: desk.performed)


async def test_a_canned_reply_with_an_unknown_variable_is_not_put_in(desk: Desk, state_dir: Path) -> None:
    """One of a newer daemon, perhaps."""
    key = desk.add(1, owner="human", operator="Dana")
    desk.canned = [a_canned("hi", "Your {secret}")]
    async with session(desk, state_dir) as here:
        await here.open(key)
        await writing(here)
        await here.press("semicolon", "h", "i", "space")
        await here.shows("There is no variable {secret}")
        assert here.talk.composer.text == ";hi "


# ---------------------------------------------------------------- the inspector


async def test_one_steps_through_a_life(desk: Desk, state_dir: Path) -> None:
    key = desk.escalated(1042, channel="whatsapp")
    desk.say(key, "I see both payments.", "agent", quietly=True)
    desk.say(key, "Then give it back.", quietly=True)
    a_life(desk, key)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("I")
        await here.shows("it was sorted anew")
        await here.shows("now")
        await here.press("home")
        await here.shows("1 of 8")
        await here.shows("Messages so far (1)")
        await here.hides("Then give it back.")
        await here.press("left")
        await here.says("This is the first event.")
        await here.press("right", "right")
        await here.shows("What the AI knew: 1 message")
        await here.shows("Billing calendar")
        await here.press("v")
        await here.shows("taken over by Dana: escalated, with Dana")
        await here.press("v")
        await here.shows("Dana  take over")
        await here.press("v", "v")
        await here.shows("reply.queued")
        await here.press("escape")
        await here.until(lambda: isinstance(here.app.screen, ConversationScreen))


async def test_a_ticket_that_is_done_says_by_whom_and_why(desk: Desk, state_dir: Path) -> None:
    key = desk.escalated(1042)
    desk.say(key, "I see both payments.", "agent", quietly=True)
    desk.say(key, "Then give it back.", quietly=True)
    ticket = a_life(desk, key)
    done = wire.AuditView(action="resolve", operator="Kim", details={}, at=desk.now)
    desk.tickets[key] = msgspec.structs.replace(
        ticket,
        item=msgspec.structs.replace(ticket.item, status="resolved", ticket_status="resolved"),
        resolution="solved",
        resolution_notes="paid back",
        audit=[*ticket.audit, done],
    )
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("I")
        await here.shows("resolved as solved")
        await here.shows("by Kim  paid back")


async def test_one_sees_what_was_due_at_each_moment(desk: Desk, state_dir: Path) -> None:
    key = desk.escalated(1042, channel="web_form")
    desk.say(key, "I see both payments.", "agent", quietly=True)
    desk.say(key, "Then give it back.", quietly=True)
    ticket = a_life(desk, key)
    goals = "low first 30m next 1h; medium first 30m next 1h; high first 30m next 1h"
    desk.tickets[key] = msgspec.structs.replace(ticket, hours="", deadlines=goals)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("I", "home")
        await here.shows("Deadlines then  always open")
        await here.shows("◷ First response in 30m")
        await here.shows("◷ Resolution in")
        await here.press("right", "right", "right", "right")
        await here.shows("‖ the customer is to write, the resolution's clock stands still")
        await here.press("end")
        await here.shows("◷ Next response in 49m")
        await here.shows("it stood still for")


async def test_while_one_looks_back_nothing_moves(desk: Desk, state_dir: Path) -> None:
    key = desk.escalated(1042)
    desk.say(key, "I see both payments.", "agent", quietly=True)
    desk.say(key, "Then give it back.", quietly=True)
    ticket = a_life(desk, key)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("I")
        await here.shows("it was sorted anew")
        await here.press("left")
        await here.shows("7 of 8")
        more = wire.HistoryEvent(
            position=50, id=number(50), type="note.added", at=desk.now, payload={"seq": 4}
        )
        desk.tickets[key] = wire.TicketView(
            **{name: getattr(ticket, name) for name in ticket.__struct_fields__}
            | {"events": [*ticket.events, more]}
        )
        desk.announce(key, "note.added")
        await here.shows("7 of 9")
        await here.press("end")
        await here.shows("a note was added")


async def test_a_missing_beginning_is_said(desk: Desk, state_dir: Path) -> None:
    key = desk.escalated(1042)
    desk.say(key, "I see both payments.", "agent", quietly=True)
    desk.say(key, "Then give it back.", quietly=True)
    ticket = a_life(desk, key)
    facts = {name: getattr(ticket, name) for name in ticket.__struct_fields__}
    desk.tickets[key] = wire.TicketView(**facts | {"complete": False, "events": []})
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("I")
        await here.shows("Beginning no longer in the log.")
        await here.shows("no event of this ticket any more")
        await here.press("right")
        await here.says("This is the newest event.")
        assert isinstance(here.app.screen, TicketScreen)
    desk.tickets[key] = wire.TicketView(**facts | {"complete": False, "events": ticket.events[2:]})
    assert Past(desk.tickets[key]).at(0).before.owner is None


@pytest.mark.parametrize("theme", ["dark", "plain"])
@pytest.mark.parametrize(
    ("moods", "words"),
    [
        ([0.7, 0.6, 0.2], "angry 0.20 ↘ worse"),
        ([0.2, 0.3, 0.6], "friendly 0.60 ↗ better"),
    ],
)
async def test_where_the_mood_goes_is_said(
    desk: Desk, state_dir: Path, theme: str, moods: list[float], words: str
) -> None:
    key = desk.add(1, sentiment=moods[-1])
    for text in ("And now?", "Well?"):
        desk.say(key, "A moment, please.", "agent")
        desk.say(key, text)
    talk, left = desk.talks[key], iter(moods)
    talk.messages[:] = [
        msgspec.structs.replace(one, sentiment=next(left)) if one.role == "customer" else one
        for one in talk.messages
    ]
    async with session(desk, state_dir, size=(120, 40), theme_name=theme) as here:
        await here.open(key)
        await here.shows(words)


async def test_80_columns_hold_the_subject_and_the_mood(desk: Desk, state_dir: Path) -> None:
    key = desk.add(
        1, customer="Sandra Whitlock", owner="human", operator="Dana", sentiment=0.2, subject="A letter"
    )
    desk.say(key, "Well?")
    talk = desk.talks[key]
    talk.email = "sandra.whitlock@accounts.example.com"
    talk.item = msgspec.structs.replace(talk.item, tags=["vip"])
    moods = iter((0.7, 0.2))
    talk.messages[:] = [msgspec.structs.replace(one, sentiment=next(moods)) for one in talk.messages]
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.shows("\n #vip A letter")
        await here.shows("waits for you  angry 0.20 ↘ worse  medium")
        await here.pilot.resize_terminal(120, 40)
        await here.shows("✓ verified  #vip A letter")


async def test_a_notice_hides_neither_whom_one_talks_with_nor_what_is_due(
    desk: Desk, state_dir: Path
) -> None:
    key = desk.escalated(1042, subject="A subject that needs a line of its own on eighty columns")
    desk.clock(key, "first_response", 30)
    async with session(desk, state_dir, notifications=True) as here:
        await here.open(key)
        await here.shows("◷ First response")
        here.app.say("You hold it now.")
        await here.shows("You hold it now.")
        lines = here.text().splitlines()
        [said] = [place for place, line in enumerate(lines) if "You hold it now." in line]
        [due] = [place for place, line in enumerate(lines) if "◷ First response" in line]
        assert said > due


def test_a_mood_that_stays_is_not_called_a_change() -> None:
    desk = Desk()
    key = desk.add(1)
    assert present.trend(desk.talks[key].messages) == ""
    desk.say(key, "Hello?")
    assert present.trend(desk.talks[key].messages) == ""
