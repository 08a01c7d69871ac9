"""Nothing anybody writes can drive the operator's terminal; no widget takes text past the one boundary."""

import ast
import unicodedata
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fte.console
from fte.console import keys
from fte.console.safe import block, content, line

HOME = Path(fte.console.__file__).parent
PAINTERS = {"Static", "Label", "Text", "from_markup", "RichLog", "Markdown", "OptionList", "DataTable", "Log"}


def harmless(text: str) -> bool:
    return all(
        character in "\n\u200c\u200d" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")
        for character in text
    )


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=200))
def test_no_character_survives_that_could_command_a_terminal(text: str) -> None:
    assert harmless(line(text))
    assert "\n" not in line(text)
    assert harmless(block(text))
    assert harmless(content(text, (text, "bold")).plain)


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=200))
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert line(line(text)) == line(text)
    assert block(block(text)) == block(text)


def test_brackets_stay_brackets() -> None:
    text = "[@click=app.quit]x[/] [/oops] [red"
    painted = content(text)
    assert painted.plain == text
    assert painted.spans == []


def modules() -> list[Path]:
    return sorted([*HOME.glob("widgets/*.py"), *HOME.glob("screens/*.py")])


@pytest.mark.parametrize("module", modules(), ids=lambda module: f"{module.parent.name}/{module.stem}")
def test_widgets_paint_only_what_passed_the_boundary(module: Path) -> None:
    offenders = []
    for node in ast.walk(ast.parse(module.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in PAINTERS:
            offenders.append(f"{called} in line {node.lineno}")
        if (
            called in ("update", "__init__")
            and node.args
            and isinstance(node.args[0], ast.JoinedStr | ast.Constant)
        ):
            offenders.append(f"{called} with plain text in line {node.lineno}")
    assert offenders == []


CONTEXTS = [context for context in get_args(keys.Context) if context not in ("dialog", "everywhere")]


def test_every_key_of_a_context_does_one_thing() -> None:
    for context in CONTEXTS:
        actions = [*keys.of(context), *keys.of("everywhere")]
        used = [key for action in actions for key in action.keys]
        assert len(used) == len(set(used)), context


def test_no_action_depends_on_a_key_that_terminals_swallow() -> None:
    swallowed = {
        "ctrl+c",
        "ctrl+z",
        "ctrl+s",
        "ctrl+q",
        "ctrl+enter",
        "ctrl+a",
        "ctrl+b",
        "shift+enter",
        "alt+enter",
    }
    for action in keys.ACTIONS:
        assert set(action.keys) - swallowed, action.id
        assert action.keys[0] not in swallowed, action.id


def test_the_key_bar_fits_a_narrow_terminal() -> None:
    for context in CONTEXTS:
        entries = [f"{action.key} {action.label}" for action in keys.bar(context)]
        assert len("  ".join(entries)) <= 78, entries
        assert len(entries) <= 8
