"""What is kept outside the database, where there is no database."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from fte.cli import app


@pytest.mark.parametrize(
    "words",
    [
        ("backup", "save", "saved"),
        ("erase", "list"),
        ("kb", "list"),
        ("kb", "search", "exports"),
        ("dlq", "list"),
        ("operator", "list"),
        ("report", "daily"),
        ("shadow",),
    ],
    ids=" ".join,
)
def test_a_folder_without_a_database_is_not_taken_for_an_empty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """A cron job with another home would replace what is kept by nothing; a mistyped folder would have no dead letters."""
    monkeypatch.chdir(tmp_path)
    environment = {"FTE_DATA_DIR": str(tmp_path / "data"), "FTE_DATABASE_URL": ""}
    done = CliRunner().invoke(app, words, env=environment)
    assert done.exit_code == 1
    assert "There is no database in" in done.output
    assert "FTE_DATA_DIR" in done.output
    assert list(tmp_path.iterdir()) == []
