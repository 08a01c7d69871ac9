"""Where the operator's token comes from, and what the command costs before it runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from fte.cli.console import find_token
from fte.domain.errors import Rejected
from fte.settings import Settings


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_file_named_wins_over_the_environment_and_that_over_the_local_one(tmp_path: Path) -> None:
    named = write(tmp_path / "named", "named-token\n")
    write(tmp_path / "operator.token", "local-token\n")
    local = Settings(data_dir=tmp_path)
    both = Settings(data_dir=tmp_path, token="env-token")
    assert find_token(both, named) == "named-token"
    assert find_token(both, None) == "env-token"
    assert find_token(local, None) == "local-token"


def test_a_token_others_can_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    open_file = write(tmp_path / "open", "token", 0o644)
    with pytest.raises(Rejected) as caught:
        find_token(Settings(data_dir=tmp_path), open_file)
    assert caught.value.remedy == f"Run: chmod 600 {open_file}"


def test_without_a_token_the_remedy_is_right_for_every_database(tmp_path: Path) -> None:
    with pytest.raises(Rejected) as caught:
        find_token(Settings(data_dir=tmp_path), None)
    remedy = caught.value.remedy or ""
    assert "fte operator add" in remedy
    assert str(tmp_path / "operator.token") in remedy
    assert "with FTE_DATABASE_URL set, it leaves none" in remedy


@pytest.mark.parametrize("text", ["", "two words", "\x1b]0;x\x07", "töken"])
def test_what_cannot_be_a_token_is_refused_before_it_is_sent(tmp_path: Path, text: str) -> None:
    with pytest.raises(Rejected):
        find_token(Settings(data_dir=tmp_path), write(tmp_path / "t", text))


def test_the_command_and_the_model_load_neither_textual_nor_httpx() -> None:
    code = (
        "import sys, fte.cli.console, fte.console.model, fte.console.present, fte.console.drafts;"
        "print([module for module in ('textual', 'httpx') if module in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "[]", done.stderr


def test_options_that_are_not_given_load_no_converter() -> None:
    code = (
        "import sys, fte.cli\n"
        "try: fte.cli.app(['console'])\n"
        "except SystemExit as end: print(end.code, 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "1 False", done.stderr


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, fte.cli\n"
        "heavy = {'asyncio', 'asyncpg', 'httpx', 'msgspec', 'numpy', 'starlette', 'structlog', 'textual', 'agents'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_screens_load_no_httpx_before_the_first_paint() -> None:
    code = "import sys, fte.console.app; print('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "False", done.stderr
