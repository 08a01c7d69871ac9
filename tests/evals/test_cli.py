"""`fte eval` as its user meets it: results, exit codes, plain errors."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fte.cli import app
from fte.evals.case import shipped
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from tests.daemon.support import Backend, backend
from tests.daemon.test_desk_cli import shell
from tests.support import receive

SUITE = """
version = 1
about = "Mine"
knowledge = "own"

[[case]]
name = "person"
channel = "whatsapp"
message = "human please"
escalate = ["human_request"]

[[case]]
name = "nothing-known"
message = "How do I tame a \\u001B[31mdragon?"
escalate = ["no_answer_found"]
"""
WRONG = '\n[[case]]\nname = "thanks"\nmessage = "Hello"\nescalate = ["legal"]\n'


@pytest.fixture
def mine(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("FTE_DATABASE_URL", database_url)
    monkeypatch.setenv("FTE_DATA_DIR", str(tmp_path / "data"))
    path = tmp_path / "mine.toml"
    path.write_text(SUITE)
    return path


def run(*words: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["eval", *map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert "Traceback" not in result.output and "\x1b" not in result.stdout
    return result.exit_code, result.output


def test_a_result_is_told_written_and_compared(mine: Path, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    code, out = run(mine, "--json", result)
    assert code == 0, out
    assert "all                        2  1.00" in out and "escalation recall: 1.000" in out
    found = json.loads(result.read_bytes())
    assert (found["model"], found["repeat"], len(found["cases"])) == ("offline", 4, 2)
    assert run(mine, "--baseline", result, "--repeat", "1")[0] == 0

    code, out = run("--model", "worst-case", mine)
    assert code == 1 and "None of these cases says what an attacker wants" in out


def test_what_turned_is_named_and_a_regression_ends_with_four(mine: Path, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    mine.write_text(SUITE + WRONG)
    code, out = run("run", mine, "--json", result, "--repeat", "1")
    assert code == 3 and "LOW escalation recall" in out and "mine/thanks: passed 0 of 1" in out
    found = json.loads(result.read_bytes())
    for case in found["cases"]:
        case["passes"] = 1  # as if the run before had passed it
    result.write_text(json.dumps(found))
    code, out = run(mine, "--baseline", result, "--repeat", "1")
    assert code == 4
    assert "REGRESSION mine/thanks: passed 1 of 1 times, now 0 of 1" in out and "worse: mine/thanks" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "answerabel"), "There is no suite 'answerabel'"),
        (("--baseline", "missing.json"), "There is no file missing.json"),
        (("--baseline", "{mine}"), "is not a result"),
        (("run", "{mine}", "--model", "gpt-x"), "needs a provider"),
        (("run", "{mine}", "--json", "/nowhere/x.json", "--repeat", "1"), "cannot be written"),
    ],
)
def test_errors_are_plain(mine: Path, words: tuple[str, ...], said: str) -> None:
    code, out = run(*(word.format(mine=mine) for word in words))
    assert code == 1 and said in out


def test_the_suites_are_listed(mine: Path) -> None:
    code, out = run("list")
    assert code == 0 and all(name in out for name in shipped())


@pytest.fixture
async def daemon(pool: Pool, hints: Hints) -> AsyncIterator[Backend]:
    async with backend(pool, hints) as running:
        yield running


async def test_a_case_of_a_real_conversation(
    daemon: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await receive(daemon.pool, "Where is invoice 2025-4711? Write to ada@corp.example", subject="Invoice")
    sam = await shell(daemon, tmp_path)
    assert "Nothing came of this message yet" in await sam.refuses("eval", "add", "1")
    await sam.does("conversations", "take", "1")
    await sam.does("conversations", "reply", "1", "Dear Ada, here it is.")
    assert "case-1.toml holds the case" in await sam.does("eval", "add", "1")
    text = (tmp_path / "case-1.toml").read_text()
    assert 'escalate = ["any"]' in text and "4711" not in text and "corp.example" not in text
    assert "exists already" in await sam.refuses("eval", "add", "1")
    assert "no such message" in await sam.refuses("eval", "add", "1", "--message", "9", "--out", "b.toml")
