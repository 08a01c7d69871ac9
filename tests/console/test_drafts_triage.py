"""Triage: one draft after the other, few keys, nothing approved that was not on the screen, at 80 by 24."""

from datetime import timedelta
from pathlib import Path
from unittest.mock import AsyncMock
from uuid import UUID

import msgspec
import pytest

from fte import wire
from fte.console import app
from fte.console.drafts import Draft, Drafts
from fte.console.screens.conversation import ConversationScreen
from fte.console.screens.drafts import DraftsScreen
from fte.console.triage import Triage
from fte.domain.drafts import fingerprint
from fte.domain.errors import Unavailable
from tests.console.session import Session, session
from tests.console.support import START, Desk, some_drafts

HOSTILE = "\x1b]52;c;cHduZWQ=\x07[@click=app.quit]x[/] \u202egnp.exe\x00\x9b31m[red"


async def triage(here: Session) -> DraftsScreen:
    await here.press("d")
    await here.until(
        lambda: isinstance(here.app.screen, DraftsScreen) and here.app.screen.triage.loaded, "triage"
    )
    screen = here.app.screen
    assert isinstance(screen, DraftsScreen)
    return screen


def decisions(desk: Desk) -> list[tuple[str, int]]:
    return [(what, number) for what, number, _ in desk.decided]


async def test_a_draft_is_shown_with_what_was_asked_why_it_is_held_and_its_sources(
    desk: Desk, state_dir: Path
) -> None:
    some_drafts(desk)
    async with session(desk, state_dir) as here:
        await here.shows("◇ 3 drafts")
        await here.shows("◇ DRAFT")
        await triage(here)
        for words in (
            "Draft 1 of 3",
            "late, waits 26m",
            "confidence 0.41 is below 0.60",
            "my accountant can read",
            "choose Export.",
            "Billing calendar",
            "a approve",
        ):
            await here.shows(words)
        await here.press("n")
        await here.shows("Draft 2 of 3")
        await here.shows("every answer here is")
        await here.press("n")
        await here.shows("shorter, and mention CSV")
        await here.press("n")
        await here.says("the newest draft")
        await here.press("p", "p")
        await here.shows("Draft 1 of 3")


async def test_approving_sends_the_fingerprint_of_what_is_shown_and_goes_on(
    desk: Desk, state_dir: Path
) -> None:
    some_drafts(desk)
    async with session(desk, state_dir) as here:
        await triage(here)
        await here.press("a")
        await here.shows("Draft 1 of 2")
        await here.says("#1101 approved")
        _, number, asked = desk.decided[0]
        body = next(draft.body for draft in desk.drafts.values() if draft.number == number)
        assert (number, asked.hash, asked.text) == (1101, fingerprint(body), None)


async def test_triage_of_fifty_drafts_takes_two_keys_each_at_most(desk: Desk, state_dir: Path) -> None:
    """A scripted operator: approves three of four, rejects, has anew or edits the rest. Typed words are not counted."""
    for serial in range(50):
        desk.now = START + timedelta(seconds=serial)
        desk.draft(1200 + serial, f"Answer {serial}.", customer=f"Customer {serial}")
    pressed: list[int] = []
    async with session(desk, state_dir) as here:
        screen = await triage(here)
        for serial in range(50):
            number = 1200 + serial
            await here.until(
                lambda n=number: screen.triage.current and screen.triage.current.number == n,  # type: ignore[misc]
                f"draft {number}",
            )
            match serial % 8:
                case 3:
                    used = ("r", "ctrl+j")
                    await here.press("r")
                    await here.write("not our product")
                    await here.press("ctrl+j")
                case 5:
                    used = ("g", "ctrl+j")
                    await here.press("g")
                    await here.write("shorter")
                    await here.press("ctrl+j")
                case 7:
                    used = ("e", "ctrl+j")
                    await here.press("e")
                    await here.write("Better. ")
                    await here.press("ctrl+j")
                case _:
                    used = ("a",)
                    await here.press("a")
            pressed.append(len(used))
        await here.shows("No draft waits for approval.")
        await here.until(lambda: len(desk.decided) == 50, "all decided")
    assert sorted(number for _, number in decisions(desk)) == list(range(1200, 1250))
    assert max(pressed) <= 2
    edited = [asked.text for _, _, asked in desk.decided if asked.text]
    assert len(edited) == 6
    assert all("Better. " in text for text in edited)


async def test_a_rejection_needs_a_reason_and_a_hint_some_words(desk: Desk, state_dir: Path) -> None:
    some_drafts(desk)
    async with session(desk, state_dir) as here:
        await triage(here)
        await here.press("r", "ctrl+j")
        await here.shows("A word on why")
        await here.press("escape")
        assert desk.decided == []
        await here.press("g")
        await here.write("mention CSV")
        await here.press("ctrl+j")
        await here.says("#1101 is being written anew")
        assert desk.decided[0][2].hint == "mention CSV"


async def test_a_draft_that_became_void_is_shown_as_such_and_cannot_be_approved(
    desk: Desk, state_dir: Path
) -> None:
    some_drafts(desk)
    first = next(iter(desk.drafts))
    async with session(desk, state_dir) as here:
        await triage(here)
        desk.retire(first)
        await here.shows("✗ It is void: a newer message came")
        await here.press("a")
        await here.says("It is void: a newer message came")
        assert desk.decided == []
        await here.press("n")
        await here.shows("Draft 1 of 2")


async def test_who_was_faster_is_said(desk: Desk, state_dir: Path) -> None:
    some_drafts(desk)
    first = next(iter(desk.drafts))
    async with session(desk, state_dir) as here:
        await triage(here)
        desk.drafts[first] = msgspec.structs.replace(desk.drafts[first], state="approved", operator="Sam")
        await here.press("a")
        await here.says("Sam has decided this draft.")
        await here.shows("Draft 1 of 2")


async def test_the_last_approval_is_taken_back_and_looked_at_again(desk: Desk, state_dir: Path) -> None:
    some_drafts(desk)
    async with session(desk, state_dir) as here:
        screen = await triage(here)
        await here.press("u")
        await here.says("You have approved nothing here")
        await here.press("e")
        await here.write("Dear customer. ")
        await here.press("ctrl+j")
        await here.says("#1101 approved")
        await here.press("u")
        await here.says("#1101 taken back")
        await here.until(lambda: screen.triage.current and screen.triage.current.number == 1101, "back")
        await here.press("e")
        await here.shows("Dear customer.")


async def test_an_edit_is_kept_when_the_draft_becomes_void_meanwhile(desk: Desk, state_dir: Path) -> None:
    some_drafts(desk)
    first = next(iter(desk.drafts))
    async with session(desk, state_dir) as here:
        screen = await triage(here)
        await here.press("e")
        await here.write("My words. ")
        desk.retire(first)
        await here.shows("It cannot be sent any more.")
        await here.press("ctrl+j")
        assert desk.decided == []
        assert "My words." in screen.composer.text


async def test_an_edit_is_written_outside_or_stays_as_it_was(
    desk: Desk, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_drafts(desk)
    async with session(desk, state_dir) as here:
        screen = await triage(here)
        await here.press("e")
        monkeypatch.setattr(here.app, "write_outside", AsyncMock(return_value="Written outside."))
        await here.press("f4")
        await here.shows("Written outside.")
        fails = AsyncMock(side_effect=Unavailable("The editor failed."))
        monkeypatch.setattr(here.app, "write_outside", fails)
        await here.press("f4")
        await here.shows("Nothing has changed: The editor failed.")
        await here.press("f3")
        await here.says("Canned replies are for replies")
        assert screen.composer.text == "Written outside."
        await here.press("escape")
        await here.says("Your words are kept.")


async def test_two_consoles_of_one_person_keep_their_edits_apart(desk: Desk, state_dir: Path) -> None:
    some_drafts(desk)
    first = next(iter(desk.drafts))
    other = Drafts(state_dir / "drafts")
    assert other.hold(first, "edit")
    other.save(first, Draft("edit", "Theirs."))
    async with session(desk, state_dir) as here:
        await triage(here)
        await here.press("e")
        await here.write("Mine. ")
        assert other.load(first, "edit") == Draft("edit", "Theirs.")


@pytest.mark.parametrize("asked", ["with ctrl+r", "by itself after a cut", "by itself while live"])
async def test_an_unknown_outcome_is_asked_for_with_the_same_key(
    desk: Desk, state_dir: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    if asked == "by itself while live":
        monkeypatch.setattr(app, "ASK_AGAIN_PAUSE", 0.05)
    some_drafts(desk)
    async with session(desk, state_dir) as here:
        await triage(here)
        desk.lose_answers = 1_000
        await here.press("a")
        await here.says("It is not known whether #1101 was decided. It is asked again by itself")
        desk.lose_answers = 0
        if asked == "with ctrl+r":
            await here.press("ctrl+r")
        elif asked == "by itself after a cut":
            desk.cut()
        await here.says("#1101 approved")
        assert decisions(desk) == [("approve", 1101)]


@pytest.mark.parametrize("key", ["a", "e", "r", "g", "u"])
@pytest.mark.parametrize("role", ["observer", "agent"])
async def test_who_may_only_read_decides_nothing_and_is_told_why(
    desk: Desk, state_dir: Path, key: str, role: str
) -> None:
    some_drafts(desk)
    desk.operator = wire.OperatorView(id=desk.operator.id, name="Dana", role=role)  # type: ignore[arg-type]
    async with session(desk, state_dir, read_only=role == "agent") as here:
        await triage(here)
        await here.press(key)
        await here.says("may only read" if role == "observer" else "read-only")
        assert desk.decided == []


async def test_an_answer_that_goes_on_below_the_screen_says_so(desk: Desk, state_dir: Path) -> None:
    desk.draft(1, "\n".join(f"Step {step}." for step in range(40)))
    async with session(desk, state_dir) as here:
        await triage(here)
        await here.shows("↓ The answer goes on")
        await here.press("pagedown", "pagedown", "pagedown", "pagedown")
        await here.hides("↓ The answer goes on")
        await here.shows("Step 39.")


async def test_the_conversation_opens_and_one_comes_back(desk: Desk, state_dir: Path) -> None:
    some_drafts(desk)
    async with session(desk, state_dir) as here:
        await triage(here)
        await here.press("o")
        await here.until(lambda: isinstance(here.app.screen, ConversationScreen), "the conversation")
        await here.shows("An answer of the AI waits for approval")
        await here.press("escape")
        await here.shows("Draft 1 of 3")
        await here.press("escape")
        await here.shows("CUSTOMER")


async def test_new_drafts_appear_by_themselves_and_nobody_is_moved(desk: Desk, state_dir: Path) -> None:
    async with session(desk, state_dir) as here:
        await triage(here)
        await here.shows("No draft waits for approval.")
        desk.draft(1)
        desk.announce(next(iter(desk.talks)), "draft.held")
        await here.shows("Draft 1 of 1")


async def test_hostile_text_changes_nothing(desk: Desk, state_dir: Path) -> None:
    desk.draft(
        1, HOSTILE, customer=HOSTILE, text=HOSTILE, subject=HOSTILE, hint=HOSTILE, held_because="regenerated"
    )
    async with session(desk, state_dir, size=(200, 30)) as here:
        screen = await triage(here)
        await here.shows("Draft 1 of 1")
        draft = screen.triage.current
        assert draft is not None
        desk.retire(draft.id, HOSTILE, "rejected", HOSTILE)
        await here.shows("has rejected this draft")
        assert not set(here.text()) & set("\x1b\x07\u202e\x00\x9b\r")


async def test_what_was_sent_is_taken_back_into_the_composer(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, owner="human", operator="Dana")
    said = desk.say(key, "Hello Bo", "operator", "Dana", quietly=True)
    talk = desk.talks[key]
    talk.messages[-1] = msgspec.structs.replace(said, delivery_status="queued")
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("U")
        await here.says("Taken back")
        await here.until(lambda: here.talk.composer.is_open, "the composer")
        assert here.talk.composer.text == "Hello Bo"
        await here.shows("cancelled, not sent")


async def test_what_was_sent_is_taken_back_from_the_queue_too(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, owner="human", operator="Dana")
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("r")
        await here.write("Hello Bo")
        await here.press("ctrl+j")
        await here.until(lambda: here.performed() == ["reply"], "the reply")
        talk = desk.talks[key]
        talk.messages[-1] = msgspec.structs.replace(talk.messages[-1], delivery_status="queued")
        await here.until(lambda: not here.talk.composer.is_open, "the composer's end")
        await here.press("escape", "U")
        await here.says("Taken back")
        await here.until(lambda: here.talk.composer.is_open, "the composer")
        assert here.talk.composer.text == "Hello Bo"
        await here.press("escape", "escape", "U")
        await here.says("You have sent nothing here that could be taken back.")


async def test_what_has_left_is_not_taken_back(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1, owner="human", operator="Dana")
    desk.say(key, "Hello", "operator", "Dana", quietly=True)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("U")
        await here.says("Too late: it has left already.")


# ---------------------------------------------------------------- the model


def page(desk: Desk) -> wire.DraftsPage:
    there = [draft for draft in desk.drafts.values() if draft.state == "pending"]
    return wire.DraftsPage(items=there, total=len(there))


def shown(model: Triage) -> UUID | None:
    return model.current.id if model.current else None


def test_the_model_stays_where_it_is_until_it_is_told_to_go_on() -> None:
    desk = Desk()
    some_drafts(desk)
    first, second, third = desk.drafts
    model = Triage()
    assert model.fetched(page(desk)) is None
    assert (shown(model), model.place, model.total) == (first, 1, 3)
    desk.retire(first)
    assert model.fetched(page(desk)) == first, "what became of it has to be fetched"
    model.became(desk.drafts[first])
    assert (shown(model), model.place) == (first, None)
    model.leave(second)
    assert shown(model) == first
    assert model.move(1)
    assert (shown(model), model.place, model.total) == (third, 1, 1)
    model.come_back(second)
    assert shown(model) == second
    model.leave(second)
    model.settled(second)
    model.leave(third)
    assert (shown(model), model.total) == (None, 0)
