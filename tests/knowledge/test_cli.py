import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fte.cli.kb import app


@pytest.fixture
def kb(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("FTE_DATABASE_URL", database_url)
    monkeypatch.setenv("FTE_DATA_DIR", str(tmp_path / "data"))
    folder = tmp_path / "kb"
    folder.mkdir()
    (folder / "hours.md").write_text("# Opening hours\n\nThe shop opens at nine in the \x1b[31mmorning.")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4")
    return folder


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert "Traceback" not in result.output
    assert "\x1b" not in result.stdout
    return result.exit_code, result.stdout, result.stderr


def test_documents_are_imported_found_listed_and_deleted(kb: Path) -> None:
    code, out, err = run("import", str(kb))
    assert (code, "1 added, 0 updated, 0 unchanged, 1 skipped; 1 passages written." in out) == (0, True)
    assert "skipped broken.pdf: a PDF that cannot be read" in err
    assert "1 unchanged" in run("import", str(kb))[1]

    code, out, _ = run("search", "when does the shop open")
    assert code == 0
    assert "Opening hours  [general]  hours.md" in out
    [hit] = json.loads(run("search", "when does the shop open", "--json", "--max", "1")[1])
    assert hit["title"] == "Opening hours"
    assert 0 < hit["score"] <= 1

    assert "hours.md  Opening hours  [general]  1 passages" in run("list")[1]
    [document] = json.loads(run("list", "--json")[1])
    assert (document["source"], document["passages"]) == ("hours.md", 1)

    assert run("delete", "hours.md", "--yes")[:2] == (0, "Deleted hours.md with 1 passages.\n")
    assert json.loads(run("list", "--json")[1]) == []
    assert json.loads(run("search", "when does the shop open", "--json")[1]) == []
    assert "Nothing found" in run("search", "when does the shop open")[1]
    assert "is empty" in run("list")[1]


def test_errors_are_plain_with_a_remedy(kb: Path) -> None:
    for arguments, message, remedy in (
        (("import", str(kb / "nothing")), "There is no file or folder", "Check the path"),
        (("delete", "nothing", "--yes"), "No document has the source or title 'nothing'", "fte kb list"),
        (("import", str(kb / "broken.pdf")), "nothing in there could be imported", "Give a folder"),
    ):
        code, _, err = run(*arguments)
        assert code == 1
        assert message in err
        assert remedy in err


def test_an_unreachable_database_is_said_plainly(kb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTE_DATABASE_URL", "postgresql://127.0.0.1:1/none")
    code, _, err = run("list")
    assert code == 1
    assert "database cannot be reached" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("search",),
        ("search", "x", "--max", "0"),
        ("search", "x", "--max", "99"),
        ("nonsense",),
        ("delete", "x"),
    ],
)
def test_wrong_usage_exits_with_2(kb: Path, arguments: tuple[str, ...]) -> None:
    assert run(*arguments)[0] == 2


@pytest.mark.parametrize("command", ["import", "search", "list", "delete"])
def test_help_explains_each_command(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert len(result.stdout) > 200
