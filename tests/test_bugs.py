"""A command that meets a bug of ours: what its user is told, and what is not told to anybody."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.support import lines

pytestmark = pytest.mark.process

WORDS = "Quenlin quenlin@vostra.example +49 151 98765432"
MAIN = "import fte.cli\n{breaks}\nfte.cli.main()"
KINDS = {
    "an error": f"raise ValueError({WORDS!r})",
    "errors together, one of them expected": f"raise ExceptionGroup('x', [ValueError({WORDS!r}), Rejected('x')])",
    "a cancellation that got out": "raise CancelledError",
}
COMMAND = """
from asyncio import CancelledError
from fte.domain.errors import Rejected
import fte.cli._session
def breaks(**_): {raises}
import fte.cli.kb
fte.cli.kb.load_settings = breaks
"""
DAEMON = f"""
import fte.daemon.app
async def breaks(*_, **__): raise ValueError({WORDS!r})
fte.daemon.app.run = breaks
"""


def fte(breaks: str, folder: Path, *words: str, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", MAIN.format(breaks=breaks), *words],
        env=os.environ | {"XDG_STATE_HOME": str(folder / "state"), "FTE_DATA_DIR": str(folder)} | more,
        capture_output=True,
        text=True,
        timeout=60,
    )


def files(folder: Path) -> list[Path]:
    return sorted((folder / "state" / "fte" / "bugs").glob("*"))


def assert_nobodys(*texts: str) -> None:
    for word in ("Quenlin", "vostra", "98765432", "geheim", "Traceback"):
        assert not any(word in text for text in texts), word


@pytest.mark.parametrize("kind", KINDS)
def test_a_bug_is_a_sentence_and_a_file_that_quotes_nobody(kind: str, tmp_path: Path) -> None:
    ran = fte(COMMAND.format(raises=KINDS[kind]), tmp_path, "kb", "search", "geheim", "--max", "3")
    (file,) = files(tmp_path)
    said = ran.stderr.splitlines()
    assert (ran.returncode, ran.stdout, len(said)) == (70, "", 2)
    assert said[0] == "Error: `fte kb search` broke: this is a bug of fte's, and nothing you did wrong."
    assert str(file) in said[1]
    written = file.read_text()
    assert "fte kb search\n" in written
    assert re.search(r"<string>:\d+ breaks", written), "where it broke"
    assert "Error" in written
    assert_nobodys(written, ran.stderr)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_who_asks_is_shown_the_error_itself(tmp_path: Path) -> None:
    ran = fte(COMMAND.format(raises=KINDS["an error"]), tmp_path, "kb", "search", "x", FTE_DEBUG="on")
    assert ran.returncode == 70
    assert f"ValueError: {WORDS}" in ran.stderr
    assert_nobodys(files(tmp_path)[0].read_text())


def test_where_no_file_can_be_written_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    ran = fte(COMMAND.format(raises=KINDS["an error"]), tmp_path, "kb", "search", "geheim")
    assert ran.returncode == 70
    assert re.search(r"<string>:\d+ breaks\nbuiltins.ValueError", ran.stderr)
    assert_nobodys(ran.stderr)


def test_only_the_newest_files_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "fte" / "bugs"
    folder.mkdir(parents=True)
    for number in range(30):
        (folder / f"20200101T0000{number:02}.000000-1.txt").touch()
    fte(COMMAND.format(raises=KINDS["an error"]), tmp_path, "kb", "search", "x")
    left = files(tmp_path)
    assert len(left) == 20
    assert left[-1].stat().st_size > 0


def test_what_is_expected_stays_what_it_was(tmp_path: Path) -> None:
    ran = fte("", tmp_path, "kb", "search", "x", FTE_PORT="none")
    assert ran.returncode == 1
    assert fte("", tmp_path, "kb", "search").returncode == 2
    assert files(tmp_path) == []


def test_a_daemon_that_breaks_says_it_and_logs_it(tmp_path: Path) -> None:
    ran = fte(DAEMON, tmp_path, "up")
    assert ran.returncode == 70
    assert "`fte up` broke: this is a bug" in ran.stderr
    log = tmp_path / "log"
    log.write_text(ran.stderr)
    (line,) = lines(log)
    assert (line["event"], line["error"]) == ("program broke", "ValueError")
    assert "builtins.ValueError" in line["exception"]
    assert_nobodys(ran.stderr, files(tmp_path)[0].read_text())
