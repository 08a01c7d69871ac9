"""Past turns come back as they stood, and nothing can come of looking at them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from fte.domain.conversations import Actor
from fte.domain.shadow import Past
from fte.pg.pool import Pool
from fte.store import control, shadow
from fte.store.drafts import approve
from tests.gmail.test_report import run
from tests.store.test_drafts import ANSWER as DRAFT
from tests.store.test_drafts import held, hold_all, key
from tests.store.test_reports import ANSWER, PERSON, said
from tests.support import hire, seeing


async def past(pool: Pool) -> list[Past]:
    now = datetime.now(UTC)
    return await shadow.past(pool, now - timedelta(hours=1), now + timedelta(minutes=5), 100)


async def test_a_turn_comes_back_as_it_stood(pool: Pool) -> None:
    mail: dict[str, Any] = {"channel": "email", "account": "support@example.com", "verified": True}
    await said(pool, "Ada", "How do I export?", ANSWER, **mail)
    await said(pool, "Ada", "A person, please", PERSON, **mail)
    second, first = await past(pool)
    assert [line.content for line in first.assignment.lines] == ["How do I export?"]
    assert [line.new for line in first.assignment.lines] == [True]
    assert (first.was.text, first.was.reason, first.was.sources) == (ANSWER.reply, "", ("export.md",))
    assert first.assignment.first_answer
    assert [(line.role, line.new) for line in second.assignment.lines] == [
        ("customer", False),
        ("agent", False),
        ("customer", True),
    ]
    assert (second.assignment.question, second.was.reason) == ("A person, please", "human_request")
    assert not second.assignment.first_answer


async def test_after_a_release_the_model_knows_again_what_a_person_left_behind(pool: Pool) -> None:
    mail: dict[str, Any] = {"channel": "email", "account": "support@example.com", "verified": True}
    await said(pool, "Ada", "A person, please", PERSON, **mail)
    talk = await pool.fetchval("select id from conversations")
    sam = await hire(pool, "Sam")
    await control.take_over(pool, key(), talk, seeing(sam, 2, 1))
    await control.reply(pool, key(), talk, seeing(sam, 2, 2), "Sam here: it is paid back.")
    await control.release(pool, key(), talk, seeing(sam, 3, 2), "")
    await said(pool, "Ada", "Thanks. And how do I export?", ANSWER, **mail)
    await said(pool, "Ada", "A person again, please", PERSON, **mail)
    again, answered, first = await past(pool)
    assert first.assignment.handover == ()
    for one in (answered, again):
        assert any("it is paid back" in line for line in one.assignment.handover)


async def test_what_a_person_made_of_a_draft_is_not_what_the_ai_said(pool: Pool) -> None:
    lead: Actor = await hold_all(pool)
    _, draft = await held(pool)
    [waits] = await past(pool)
    await approve(pool, key(), draft.id, seeing(lead, 9, draft.epoch), draft.hash, "Quite another text.")
    [decided] = await past(pool)
    for one in (waits, decided):
        assert (one.was.text, one.assignment.question) == (DRAFT.reply, "How do I export?")


async def contents(pool: Pool) -> dict[str, str]:
    """All that is stored, as a hash by table."""
    tables = await pool.fetch("select tablename from pg_tables where schemaname = 'public'")
    return {
        row["tablename"]: await pool.fetchval(
            f"select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from {row['tablename']} t"
        )
        for row in tables
    }


async def test_the_command_shows_differences_and_changes_nothing(
    pool: Pool, database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FTE_DATABASE_URL", database_url)
    monkeypatch.setenv("FTE_DATA_DIR", str(tmp_path))
    page = tmp_path / "kb" / "export.md"
    page.parent.mkdir()
    page.write_text("# Export your data\n\nTo export your data, open Settings, choose Data and press Export.")
    assert (await run("kb", "import", str(page.parent)))[0] == 0
    await said(pool, "Ada", "How do I export my data?", ANSWER)
    await said(pool, "Bo", "I want to talk to a person", PERSON)
    before = await contents(pool)
    code, out, _ = await run("shadow", "--since", "2h", "--model", "offline")
    assert code == 0
    assert "# 2 past turns with offline" in out
    assert "- The same answer: 1" in out
    assert "- Another answer: 1" in out
    assert "press Export" in out
    found = json.loads((await run("shadow", "--json"))[1])
    assert {one["change"] for one in found} == {"same", "reworded"}
    assert await contents(pool) == before


async def test_whoever_looks_could_not_write(database_url: str) -> None:
    pool = await Pool.open(database_url, read_only=True)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await pool.execute("delete from replies")
    await pool.close()


async def test_what_is_wrong_is_said(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FTE_DATABASE_URL", database_url)
    (tmp_path / "own.md").write_text("Answer like a pirate.")
    for words, remedy in (
        (("--since", "yesterday"), "90m, 24h, 7d"),
        (("--since", "0h"), "90m, 24h, 7d"),
        (("--instructions", str(tmp_path / "none.md")), "Name a text file"),
        (("--instructions", str(tmp_path / "own.md")), "{canary}"),
    ):
        code, _, err = await run("shadow", *words)
        assert (code, remedy in err) == (1, True), err
