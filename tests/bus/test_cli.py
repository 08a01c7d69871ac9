"""`fte dlq` as somebody meets it who looks after failed events."""

import asyncio
import json
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from fte.bus import dead_letters
from fte.cli import dlq
from fte.domain.dead_letters import REPLAYS_MAX
from fte.pg.pool import Pool
from fte.wire import Envelope
from tests.bus.test_dead_letters import buried, failed_again, ids, only, replays


@pytest.fixture(autouse=True)
def configured(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FTE_DATABASE_URL", database_url)
    monkeypatch.setenv("FTE_DATA_DIR", str(tmp_path / "data"))


async def run(*arguments: str, answer: str | None = None) -> tuple[int, str, str]:
    result = await asyncio.to_thread(CliRunner().invoke, dlq.app, arguments, input=answer)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert "Traceback" not in result.output
    assert "\x1b" not in result.output
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def somebody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    class System:
        stdin = stdout = Terminal()

    monkeypatch.setattr(dlq, "sys", System())


async def test_nothing_to_see(pool: Pool) -> None:
    assert await run("list") == (0, "There are no dead letters.\n", "")
    assert json.loads((await run("list", "--json"))[1]) == []
    assert (await run("retry", "--all", "--yes"))[:2] == (0, "No dead letter is waiting.\n")
    assert (await run("drop", "--all", "--yes", "--reason", "x"))[:2] == (0, "No dead letter is waiting.\n")
    await buried(pool)
    assert (await run("list", "--topic", "fte.metrics"))[:2] == (0, "No dead letter is like that.\n")
    assert (await run("retry", "--all", "--yes", "--group", "other"))[:2] == (
        0,
        "No dead letter like that is waiting.\n",
    )


async def test_letters_are_listed_and_shown(pool: Pool) -> None:
    for number in range(3):
        await buried(pool, number)
    [last, middle, first] = [str(letter.id) for letter in await dead_letters.listed(pool)]
    code, out, err = await run("list", "--limit", "2")
    lines = out.splitlines()
    assert (code, len(lines)) == (0, 3)
    assert lines[0].split() == ["id", "since", "state", "topic", "group", "type", "error", "tries", "replays"]
    assert [line.split()[0] for line in lines[1:]] == [last, middle]
    assert lines[1].split()[3:] == ["waiting", "fte.conversations", "g", "step", "ValueError", "5", "0"]
    assert f"--before {middle}" in err
    [older] = json.loads((await run("list", "--before", middle, "--json"))[1])
    assert (older["id"], older["payload"], older["state"]) == (int(first), {"n": 0}, "waiting")

    code, out, _ = await run("show", first)
    assert code == 0
    assert "state    waiting" in out
    assert "error    ValueError" in out
    assert '"n": 0' in out
    assert json.loads((await run("show", first, "--json"))[1]) == older


async def test_letters_are_sent_again(pool: Pool) -> None:
    await buried(pool, 1)
    await buried(pool, 2)
    [one, two] = await ids(pool)
    assert await run("retry", str(one), str(one), "--dry-run") == (
        0,
        "1 dead letter would be sent again.\n",
        "",
    )
    assert await replays(pool) == 0
    assert await run("retry", str(one)) == (0, "1 dead letter sent again.\n", "")
    code, out, err = await run("retry", str(one), str(two))
    assert (code, out) == (1, "1 dead letter sent again.\n")
    assert f"Letter {one} was left as it is: it was sent to its group again already" in err
    assert await replays(pool) == 2
    assert "replayed" in (await run("list", "--state", "replayed"))[1]


async def test_all_of_a_kind_are_sent_again(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "BATCH_MAX", 3)
    for number in range(7):
        await buried(pool, number, group="one")
    await buried(pool, 8, group="two")
    assert await run("retry", "--all", "--group", "one", "--dry-run") == (
        0,
        "7 dead letters would be sent again.\n",
        "",
    )
    assert await run("retry", "--all", "--group", "one", "--yes") == (0, "7 dead letters sent again.\n", "")
    assert [letter.group for letter in await dead_letters.listed(pool)] == ["two"]


async def test_a_letter_that_failed_too_often_is_refused_with_the_remedy(pool: Pool) -> None:
    event = await buried(pool)
    await buried(pool, 2)
    [poison, _] = letters = await ids(pool)
    for _ in range(REPLAYS_MAX):
        await dead_letters.retry(pool, letters[:1])
        await failed_again(pool, event)
    code, out, err = await run("retry", "--all", "--yes")
    assert (code, out) == (1, "1 dead letter sent again.\n")
    assert f"Letter {poison} was left as it is" in err
    assert "find the cause" in err
    assert (await run("drop", str(poison), "--reason", "a bug of ours"))[0] == 0


async def test_letters_are_dropped_with_a_reason_and_may_come_back_by_name(pool: Pool) -> None:
    await buried(pool)
    [letter] = await ids(pool)
    assert await run("drop", str(letter), "--reason", "old \x1b[31mnews", "--dry-run") == (
        0,
        "1 dead letter would be dropped.\n",
        "",
    )
    assert await run("drop", str(letter), "--reason", "old \x1b[31mnews") == (
        0,
        "1 dead letter dropped.\n",
        "",
    )
    assert await ids(pool) == []
    assert "reason   old ␛[31mnews" in (await run("show", str(letter)))[1]
    code, out, err = await run("drop", str(letter), "--reason", "again")
    assert (code, out) == (1, "0 dead letters dropped.\n")
    assert "dropped already" in err
    assert (await run("retry", "--all", "--yes"))[1] == "No dead letter is waiting.\n"
    assert await run("retry", str(letter)) == (0, "1 dead letter sent again.\n", "")


async def test_hostile_facts_do_not_drive_the_terminal(pool: Pool) -> None:
    event = Envelope(
        id=uuid4(),
        topic="fte.\x1b[2Jconversations",
        key="[red]:smile:\n\x9b1A",
        type="\u202estep",
        at=(await pool.fetchval("select now()")),
        payload={"\x1b]0;title\x07": "\u202e\x1b[31m"},
    )
    await dead_letters.bury(pool, "g[bold]", event, ValueError(), 5)
    code, out, _ = await run("list")
    assert code == 0
    assert "g[bold]" in out
    assert len(out.splitlines()) == 2
    code, out, _ = await run("show", str((await ids(pool))[0]))
    assert code == 0
    assert not {"\x9b", "\u202e", "\x07"} & set(out)
    assert "[red]:smile: " in out


@pytest.mark.usefixtures("somebody_is_there")
async def test_all_needs_a_yes(pool: Pool) -> None:
    await buried(pool, 1)
    await buried(pool, 2)
    code, out, _ = await run("retry", "--all", answer="n\n")
    assert code == 1
    assert "Send 2 dead letters to their groups again?" in out
    assert await replays(pool) == 0
    code, out, _ = await run("drop", "--all", "--reason", "no use", answer="y\n")
    assert code == 0
    assert "Drop 2 dead letters?" in out
    assert "2 dead letters dropped." in out


async def test_without_anybody_there_all_needs_the_option(pool: Pool) -> None:
    await buried(pool)
    for command in (("retry",), ("drop", "--reason", "no use")):
        code, _, err = await run(*command, "--all")
        assert code == 2
        assert "--yes" in err
    assert (await only(pool)).state == "waiting"


async def test_what_is_not_there_is_named_and_nothing_is_done(pool: Pool) -> None:
    await buried(pool)
    [letter] = await ids(pool)
    for command in (
        ("show", "99"),
        ("retry", str(letter), "99"),
        ("drop", str(letter), "99", "--reason", "x"),
    ):
        code, out, err = await run(*command)
        assert (code, out) == (1, "")
        assert "no dead letter 99" in err
        assert "fte dlq list --state all" in err
    assert (await only(pool)).state == "waiting"


@pytest.mark.parametrize(
    "arguments",
    [
        ("show",),
        ("show", "x"),
        ("show", "0"),
        ("show", str(2**63)),
        ("list", "--limit", "501"),
        ("list", "--state", "sad"),
        ("retry",),
        ("retry", "1", "--all"),
        ("retry", "1", "--topic", "fte.metrics"),
        ("drop", "1"),
        ("nonsense",),
    ],
)
async def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    assert (await run(*arguments))[0] == 2


async def test_a_reason_of_blanks_is_refused_plainly(pool: Pool) -> None:
    await buried(pool)
    code, _, err = await run("drop", str((await ids(pool))[0]), "--reason", "  ")
    assert code == 1
    assert "The reason needs" in err


async def test_ids_in_json_are_those_of_the_event(pool: Pool) -> None:
    event = await buried(pool)
    [shown] = json.loads((await run("list", "--json"))[1])
    assert UUID(shown["event_id"]) == event.id
    assert shown["at"].startswith("2026-03-01T12:00:00")


@pytest.mark.parametrize("command", ["list", "show", "retry", "drop"])
async def test_help_explains_each_command(command: str) -> None:
    code, out, _ = await run(command, "--help")
    assert code == 0
    assert len(out) > 200
