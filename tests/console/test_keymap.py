"""Keys of the user's own: taken from a file, refused with the line, shown wherever keys are shown."""

from pathlib import Path

import pytest

from fte.cli.console import own_keys
from fte.console import keys
from fte.console.keymap import load
from fte.console.screens.help import HelpScreen
from fte.console.screens.queue import QueueScreen
from fte.domain.errors import Rejected
from tests.console.session import session
from tests.console.support import Desk


def write(folder: Path, text: str) -> Path:
    file = folder / "keys.toml"
    file.write_text(text)
    return file


def test_the_users_own_keys_are_found_where_every_console_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert own_keys() == {}
    (tmp_path / "fte").mkdir()
    write(tmp_path / "fte", 'trace = "f6"')
    assert own_keys() == {"trace": ("f6",)}
    assert own_keys(write(tmp_path, 'trace = "B"')) == {"trace": ("B",)}


def test_keys_are_read(tmp_path: Path) -> None:
    text = '# mine\ntake_over = "t"\ntrace = ["B", "f6"]\nfilter = "ctrl+f"\nhelp = "!"\nback = "esc"\n'
    assert load(write(tmp_path, text)) == {
        "take_over": ("t",),
        "trace": ("B", "f6"),
        "filter": ("ctrl+f",),
        "help": ("exclamation_mark",),
        "back": ("escape",),
    }


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('quit = "Q"\nnonsense = "x"\n', 2, "no action 'nonsense'"),
        ('\n\nquit = "v"\n', 3, "already the key of view"),
        ('mark = "q"\nquit = "Q"\n', None, ""),
        ('take_over = "r"\n', 1, "already the key of reply"),
        ('take_over = "r"\nreply = "r"\n', 2, "already the key of"),
        ('help = "M"\n', 1, "already the key of"),
        ('quit = "j"\n', 1, "moves in lists"),
        ('quit = "ctrl+c"\n', 1, "belongs to the terminal"),
        ('quit = "nokey"\n', 1, "no key 'nokey'"),
        ('quit = "ctrl+nokey"\n', 1, "no key"),
        ('quit = ""\n', 1, "no key"),
        ("quit = 3\n", 1, "needs a key"),
        ("quit = []\n", 1, "needs a key"),
        ("quit = [3]\n", 1, "no key"),
        ('send = "x"\n', 1, "typed while writing"),
        ('saved = "x"\n', 1, "1 to 9"),
        ('quit = "q\n', None, "not TOML"),
        ('[queue]\nquit = "x"\n', 1, "no action 'queue'"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(
    tmp_path: Path, text: str, line: int | None, words: str
) -> None:
    file = write(tmp_path, text)
    if not words:
        assert load(file)
        return
    with pytest.raises(Rejected, match=words) as caught:
        load(file)
    assert line is None or f"line {line}:" in caught.value.message
    assert caught.value.remedy


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="cannot be read"):
        load(tmp_path / "nowhere")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(Rejected, match="cannot be read"):
        load(tmp_path / "binary")


def test_the_keys_of_the_table_are_no_clash_themselves(tmp_path: Path) -> None:
    for action in keys.ACTIONS:
        if not action.numbered:
            listed = ", ".join(f'"{key}"' for key in action.defaults)
            assert load(write(tmp_path, f"{action.id} = [{listed}]\n")) == {action.id: action.defaults}


async def test_chosen_keys_work_and_are_shown_and_the_old_ones_do_not(desk: Desk, state_dir: Path) -> None:
    key = desk.escalated(1)
    async with session(desk, state_dir, keymap={"take_over": ("B",), "help": ("f1",)}) as here:
        await here.open(key)
        await here.shows("B take over")
        await here.shows("f1 help")
        await here.press("o")
        assert here.performed() == []
        await here.press("f1")
        await here.until(lambda: isinstance(here.app.screen, HelpScreen))
        await here.shows("B                       Take over")
        await here.press("escape", "B")
        await here.shows("● YOU hold it")
        assert here.performed() == ["take_over"]
    assert keys.action("take_over").defaults == ("o",)
    async with session(desk, state_dir) as here:
        await here.press("question_mark")
        await here.until(lambda: isinstance(here.app.screen, HelpScreen))
        await here.press("question_mark")
        await here.until(lambda: isinstance(here.app.screen, QueueScreen))


def test_an_action_that_is_misspelt_is_guessed(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="no action 'takeover'") as refused:
        load(write(tmp_path, 'takeover = "t"'))
    assert (refused.value.remedy or "").startswith("Is it take_over")


async def test_the_way_back_and_the_help_stay_on_the_bar_however_long_the_keys(
    desk: Desk, state_dir: Path
) -> None:
    keymap = {"take_over": ("ctrl+o",), "reply": ("space",), "note": ("ctrl+n",), "release": ("ctrl+x",)}
    async with session(desk, state_dir, keymap=keymap) as here:
        await here.open(desk.add(1))
        bar = here.text().splitlines()[-1].rstrip()
        assert bar.startswith(" ctrl+o take over  space reply")
        assert bar.endswith("  esc back  ? help"), bar
        await here.pilot.resize_terminal(120, 24)
        await here.shows("t trace  esc back  ? help")
