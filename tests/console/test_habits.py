"""Habits: marks and what is done to many at once, jumping, kept views, copying, an editor of one's own, silence."""

import base64
import stat
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fte import wire
from fte.console import editor
from fte.console.app import Console
from fte.console.clipboard import COPY_MAX, words_of
from fte.console.saved import SavedView, SavedViews
from fte.console.screens.bulk import BulkScreen
from fte.console.screens.conversation import ConversationScreen
from fte.console.screens.queue import QueueScreen
from fte.domain.errors import Rejected, Unavailable
from tests.console.session import Session, session
from tests.console.support import Desk, number


def mine(desk: Desk, *serials: int) -> None:
    for serial in serials:
        desk.add(serial, f"Customer {serial}", owner="human", operator="Dana")


async def there(here: Session, rows: int) -> None:
    await here.until(lambda: len(here.queue.table.rows) == rows)


# ---------------------------------------------------------------- many at once


async def test_a_long_filter_does_not_touch_the_state_of_the_connection(desk: Desk, state_dir: Path) -> None:
    mine(desk, 1)
    async with session(desk, state_dir) as here:
        await here.press("slash")
        await here.write("words " * 20)
        await here.shows("… ● LIVE")


async def test_where_one_is_is_read_whatever_the_queue_shows(desk: Desk, state_dir: Path) -> None:
    mine(desk, 1042)
    async with session(desk, state_dir, read_only=True) as here:
        await here.press("slash")
        await here.write("customer")
        await here.shows("filter: customer")
        await here.press("enter", "enter", "enter")
        await here.until(lambda: isinstance(here.app.screen, ConversationScreen))
        await here.shows("● 1 mine  › #1042 ")


@pytest.mark.parametrize("key", ["o", "x", "e", "N"])
async def test_who_may_only_read_is_not_told_to_mark_rows(desk: Desk, state_dir: Path, key: str) -> None:
    desk.add(1)
    desk.operator = wire.OperatorView(id=desk.operator.id, name="Dana", role="observer")
    async with session(desk, state_dir) as here:
        await here.press(key)
        await here.says("may only read")


async def test_marked_rows_are_resolved_and_each_ones_outcome_is_told(desk: Desk, state_dir: Path) -> None:
    mine(desk, 1, 2)
    desk.add(3, "Customer 3", owner="human", operator="Sam")
    async with session(desk, state_dir) as here:
        await there(here, 3)
        await here.press("e")
        await here.says("No row is marked; space marks one.")
        await here.press("asterisk")
        await here.shows("* 3 marked")
        await here.press("e")
        await here.shows("Resolve 3 conversations: #")
        await here.write("spam")
        await here.press("f2")
        await here.press("ctrl+j")
        await here.shows("Resolving: 2 done, 1 not done")
        await here.shows("✗ not done  #3 Customer 3: Sam holds it")
        await here.shows("✓ done      #1 Customer 1")
        assert [(action, asked.reason, asked.resolution) for action, asked in desk.performed] == [
            ("resolve", "spam", "no_answer_needed")
        ] * 2
        await here.press("escape")
        await here.hides("marked")
        await there(here, 1)


async def test_a_cancelled_question_does_nothing_and_keeps_the_marks(desk: Desk, state_dir: Path) -> None:
    mine(desk, 1, 2)
    async with session(desk, state_dir) as here:
        await there(here, 2)
        await here.press("space", "space")
        await here.shows("* 2 marked")
        await here.press("x")
        await here.shows("Hand back to the AI 2 conversations")
        await here.press("escape")
        await here.shows("* 2 marked")
        assert desk.performed == []
        await here.press("g", "space")
        await here.shows("* 1 marked")
        await here.press("escape")
        await here.hides("marked")


async def test_marked_rows_that_a_filter_hides_are_left_alone_and_said_so(
    desk: Desk, state_dir: Path
) -> None:
    mine(desk, 1, 2)
    async with session(desk, state_dir) as here:
        await there(here, 2)
        await here.press("asterisk", "slash")
        await here.write("#2")
        await there(here, 1)
        await here.press("down", "N")
        await here.until(lambda: not isinstance(here.app.screen, QueueScreen))
        await here.shows("1 conversation: #2.")
        await here.shows("1 marked ones are not in the")


async def test_what_arrived_since_keeps_one_of_many_from_being_done(desk: Desk, state_dir: Path) -> None:
    mine(desk, 1, 2)
    async with session(desk, state_dir) as here:
        await there(here, 2)
        await here.press("p", "asterisk", "x")
        await here.shows("Hand back to the AI 2")
        desk.say(number(1001), "Wait, one more thing")
        await here.press("ctrl+j")
        await here.shows("done")
        asked = {request.seen for _, request in desk.performed}
        assert asked == {1}, "what the row showed when it was decided, not what came since"


async def test_an_outcome_that_is_not_known_is_asked_again_with_the_same_key(
    desk: Desk, state_dir: Path
) -> None:
    mine(desk, 1)
    async with session(desk, state_dir) as here:
        await there(here, 1)
        desk.lose_answers = 3
        await here.press("space", "N")
        await here.shows("The note, for colleagues only")
        await here.write("called them")
        await here.press("ctrl+j")
        await here.shows("? not known")
        assert isinstance(here.app.screen, BulkScreen)
        await here.press("r")
        await here.shows("✓ done")
        notes = [m for m in desk.talks[number(1001)].messages if m.direction == "note"]
        assert len(notes) == 1


async def test_taking_over_many_asks_first_and_names_the_number(desk: Desk, state_dir: Path) -> None:
    desk.escalated(1)
    desk.escalated(2)
    async with session(desk, state_dir) as here:
        await there(here, 2)
        await here.press("asterisk", "o")
        await here.shows("Take over 2 conversations?")
        await here.press("enter")
        assert desk.performed == []
        await here.press("o", "ctrl+j")
        await here.shows("Taking over: 2 done")
        assert [action for action, _ in desk.performed] == ["take_over"] * 2


async def test_an_observer_and_a_read_only_console_are_told_why(desk: Desk, state_dir: Path) -> None:
    desk.add(1)
    async with session(desk, state_dir, read_only=True) as here:
        await there(here, 1)
        await here.press("space", "o")
        await here.says("read-only")


# ---------------------------------------------------------------- jumping


async def test_a_number_leads_to_its_conversation_wherever_one_is(desk: Desk, state_dir: Path) -> None:
    desk.add(1)
    desk.add(77, "Far Away", status="resolved")
    async with session(desk, state_dir) as here:
        await here.press("number_sign")
        await here.write("#77")
        await here.press("enter")
        await here.shows("#77 Far Away")
        await here.shows("› #77")
        await here.press("number_sign")
        await here.write("x")
        await here.press("enter")
        await here.shows("A number, please")
        await here.press("escape", "number_sign")
        await here.write("5")
        await here.press("enter")
        await here.says("There is no conversation #5.")
        await here.press("escape", "colon")
        await here.write("1")
        await here.until(lambda: "Go to conversation #1" in here.text())
        await here.press("enter")
        await here.until(lambda: isinstance(here.app.screen, ConversationScreen))


# ---------------------------------------------------------------- kept views


async def test_a_view_is_kept_under_a_number_and_comes_back(desk: Desk, state_dir: Path) -> None:
    desk.add(1, "Ada")
    desk.escalated(2, "Bo")
    desk.escalated(3, "Ada again")
    async with session(desk, state_dir) as here:
        await there(here, 3)
        await here.press("4")
        await here.says("No view is kept under 4")
        await here.press("v", "slash")
        await here.write("!bo")
        await here.press("enter", "w")
        await here.shows("needs a person, filter: !bo")
        await here.press("4")
        await here.says("Kept: 4 goes to")
        await here.press("escape", "V")
        await there(here, 3)
    async with session(desk, state_dir) as here:
        await there(here, 3)
        await here.press("4")
        await here.until(lambda: [row.number for row in here.queue.table.rows] == ["#3"])
        await here.shows("needs a person: 1")
        await here.shows("filter: !bo")


def test_kept_views_are_the_owners_only_and_a_damaged_file_is_not_written_over(tmp_path: Path) -> None:
    views = SavedViews(tmp_path / "c" / "views.json")
    assert views.load() == {}
    views.save(1, SavedView("mine"))
    views.save(9, SavedView("open", "x", "y"))
    assert views.load() == {1: SavedView("mine"), 9: SavedView("open", "x", "y")}
    file = tmp_path / "c" / "views.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text('{"1": {"view": "nonsense"}}')
    with pytest.raises(Rejected, match="damaged"):
        views.save(2, SavedView("mine"))
    assert "nonsense" in file.read_text()


# ---------------------------------------------------------------- copying


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    texts: list[str] = []
    monkeypatch.setattr(Console, "copy_to_clipboard", lambda self, text: texts.append(text))
    return texts


async def test_what_was_copied_is_said(desk: Desk, state_dir: Path, copied: list[str]) -> None:
    key = desk.add(1, text="Where is\nmy invoice?\x1b]0;x\x07")
    async with session(desk, state_dir) as here:
        await there(here, 1)
        await here.press("y")
        await here.says("Copied the number #1.")
        await here.open(key)
        await here.shows("Where is")
        await here.press("y")
        await here.shows("the message of Ada Lovelace")
        await here.press("enter")
        await here.says("Copied the message of Ada Lovelace")
        await here.press("y", "j", "j", "enter")
        await here.says("Copied the address of #1 in the API")
        assert copied[0] == "#1"
        assert copied[1].startswith("Where is\nmy invoice?")
        assert copied[2] == f"{here.app.url}/operator/conversations/{key}"
        assert "\x1b" not in "".join(copied)
        assert "\x07" not in "".join(copied)


def test_no_more_is_copied_than_terminals_take(desk: Desk) -> None:
    message = desk.say(desk.add(1), "é" * 100_000)
    assert len(words_of(message, "02:00").text) <= COPY_MAX
    assert len(base64.b64encode(words_of(message, "02:00").text.encode())) < 100_000


# ---------------------------------------------------------------- the editor


def program(folder: Path, code: str) -> list[str]:
    script = folder / "editor.py"
    script.write_text(f"import sys, os, pathlib\nfile = pathlib.Path(sys.argv[1])\n{code}\n")
    return [sys.executable, str(script)]


def test_what_the_editor_leaves_is_taken_and_its_file_is_private_and_gone(tmp_path: Path) -> None:
    code = (
        "assert os.stat(file).st_mode & 0o077 == 0\n"
        "pathlib.Path(__file__).with_name('seen').write_text(str(file))\n"
        "file.write_text(file.read_text() + ', and more\\n')"
    )
    assert editor.edit("Dear Ada", program(tmp_path, code)) == "Dear Ada, and more"
    assert not Path((tmp_path / "seen").read_text()).exists()


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("sys.exit(3)", "ended with code 3"),
        ("file.write_bytes(b'\\xff\\xfe')", "not text"),
        ("file.write_text('x' * 2_000_000)", "too long"),
        ("file.unlink()", "did not start|No such"),
    ],
)
def test_an_editor_that_fails_changes_nothing(tmp_path: Path, code: str, why: str) -> None:
    with pytest.raises(Unavailable, match=why):
        editor.edit("Dear Ada", program(tmp_path, code))


def test_which_editor() -> None:
    assert editor.command({"EDITOR": f"{sys.executable} -c pass"}) == [sys.executable, "-c", "pass"]
    assert editor.command({"VISUAL": sys.executable, "EDITOR": "nowhere"}) == [sys.executable]
    for wrong in ("nowhere-to-be-found", "'unclosed"):
        with pytest.raises(Rejected, match="is not there"):
            editor.command({"EDITOR": wrong})


async def test_where_no_editor_can_be_used_the_text_stays(
    desk: Desk, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "nowhere-to-be-found")
    monkeypatch.delenv("VISUAL", raising=False)
    key = desk.add(1, owner="human", operator="Dana")
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("r")
        await here.write("Dear Ada")
        await here.press("f4")
        await here.shows("✗ Nothing has changed: The editor 'nowhere-to-be-found' is not there.")
        assert here.talk.composer.text == "Dear Ada"


# ---------------------------------------------------------------- silence


@pytest.mark.parametrize("silent", [False, True])
async def test_the_bell_can_be_switched_off(
    desk: Desk, state_dir: Path, monkeypatch: pytest.MonkeyPatch, silent: bool
) -> None:
    rung: list[Any] = []
    monkeypatch.setattr(Console, "bell", lambda self: rung.append(1))
    key = desk.add(1)
    async with session(desk, state_dir, silent=silent) as here:
        desk.escalate(key)
        await here.says("#1 needs a person")
        assert bool(rung) is not silent


async def test_a_notice_that_stands_there_is_not_said_again(desk: Desk, state_dir: Path) -> None:
    desk.operator = msgspec.structs.replace(desk.operator, role="observer")
    key = desk.add(1)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("r", "r", "n", "r")
        await here.says("may only read")
        assert sum("may only read" in words for words in here.notices()) == 1


async def test_marks_are_told_in_the_queue_alone_so_that_the_way_back_fits(
    desk: Desk, state_dir: Path
) -> None:
    mine(desk, 1, 2)
    key = desk.add(3)
    async with session(desk, state_dir) as here:
        await there(here, 3)
        await here.press("asterisk")
        await here.shows("* 3 marked")
        await here.open(key)
        await here.shows("nobody waits  ● 2 mine  › #3")
        assert "marked" not in here.text()
