"""`fte report` and `fte kb gaps` as those who run the desk use them."""

import asyncio
import json
from datetime import datetime
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fte.cli import app
from fte.demo.providers import SimulatedGmail
from fte.pg.pool import Pool
from tests.gmail.support import US
from tests.store.test_reports import LOST, said


@pytest.fixture
def desk(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("FTE_DATABASE_URL", database_url)
    monkeypatch.setenv("FTE_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


async def run(*arguments: str) -> tuple[int, str, str]:
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert "Traceback" not in result.output
    return result.exit_code, result.stdout, result.stderr


DAY = "2026-11-20"


async def asked(pool: Pool, *questions: str) -> None:
    """Customers asked on the day what nothing was found for."""
    for number, question in enumerate(questions):
        await said(pool, f"C{number}", question, LOST)
    for table in ("messages", "runs"):
        await pool.execute(f"update {table} set created_at = $1", datetime.fromisoformat(f"{DAY}T12:00:00Z"))


async def test_a_day_is_told_in_words_and_for_programs(desk: Path, pool: Pool) -> None:
    await asked(
        pool,
        "Where can I park near your office?",
        "is there parking at your office, my mail is di@example.com",
    )
    code, out, _ = await run("report", "daily", "--day", DAY)
    assert code == 0
    assert out.startswith("# Support on ")
    assert "| All | 2 | 2 | 2 |" in out
    assert "(2 times: #1, #2)" in out
    assert "di@example.com" not in out
    facts = json.loads((await run("report", "daily", "--day", DAY, "--json"))[1])
    assert [day["messages"] for day in facts["channels"]] == [0, 0, 2, 2]
    assert facts["gaps"][0]["gap"]["asked"] == 2
    assert "No customer wrote." in (await run("report", "daily"))[1]


async def test_it_is_written_to_a_file(desk: Path, pool: Pool) -> None:
    path = desk / "report.md"
    assert await run("report", "daily", "--day", DAY, "--output", str(path)) == (0, "", "")
    assert path.read_text().startswith("# Support on ")
    for never in ("2026-99-99", "0001-01-01", "9999-12-31"):
        code, _, err = await run("report", "daily", "--day", never)
        assert code == 1
        assert "no date" in err
    code, _, err = await run("report", "daily", "--output", str(desk / "none" / "report.md"))
    assert (code, "Name a file in a folder you may write to." in err) == (1, True)


async def test_it_is_mailed_to_the_team_and_no_customer_is_made_of_it(
    desk: Path, pool: Pool, gmail: SimulatedGmail, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in gmail.environment(desk).items():
        monkeypatch.setenv(name, value)
    await asked(pool, "Where can I park near your office?")
    sent = ("report", "daily", "--day", DAY, "--mail", "lead@example.net", "--mail", "boss@example.net")
    assert (await run(*sent))[0] == 0
    mails = [
        message_from_bytes(mail.raw, policy=policy.default) for mail in gmail.mailbox(US).messages.values()
    ]
    assert [mail["To"] for mail in mails] == ["lead@example.net", "boss@example.net"]
    assert all("park near your office" in mail.get_content() for mail in mails)
    assert [mail["Reply-To"] for mail in mails] == [mail["To"] for mail in mails]
    assert all((mail["Auto-Submitted"], mail["X-FTE-Loop"]) == ("auto-generated", "1") for mail in mails)
    for address, remedy in ((US, "Name a colleague's address."), ("no address", "no mail can be sent")):
        code, _, err = await run("report", "daily", "--mail", address)
        assert (code, remedy.lower() in err.lower()) == (1, True)


async def test_what_is_wrong_is_said_with_its_remedy(desk: Path) -> None:
    for words, said_ in (
        (("--day", "yesterday"), "Write it as year, month and day"),
        (("--day", "9999-12-31"), "Write it as year, month and day"),
        (("--mail", "lead@example.net"), "FTE_GMAIL_ACCOUNT"),
    ):
        code, _, err = await run("report", "daily", *words)
        assert (code, said_ in err) == (1, True), err


async def test_gaps_are_listed_with_the_page_that_is_nearest(desk: Path, pool: Pool) -> None:
    assert "Nothing: every question" in (await run("kb", "gaps"))[1]
    (desk / "kb").mkdir()
    (desk / "kb" / "office.md").write_text(
        "# Visiting us\n\nThe office is open for visitors from nine to five."
    )
    assert (await run("kb", "import", str(desk / "kb")))[0] == 0
    await said(pool, "Cy", "Where can I park near your office?", LOST)
    out = (await run("kb", "gaps", "--days", "2"))[1]
    assert "   1  Where can I park near your office?  (#1)" in out
    assert "nearest: Visiting us  office.md  0." in out
    [found] = json.loads((await run("kb", "gaps", "--json"))[1])
    assert found["gap"]["conversations"] == [1]
    (desk / "kb" / "parking.md").write_text("# Parking near our office\n\nVisitors park behind our office.")
    assert (await run("kb", "import", str(desk / "kb")))[0] == 0
    assert "Nothing: every question" in (await run("kb", "gaps"))[1]
