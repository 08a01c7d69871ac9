"""Drafts: kept, private, dropped when done, and never a reason to crash."""

import os
import stat
import subprocess
import sys
from pathlib import Path

from fte.console import drafts
from fte.console.drafts import Draft, Drafts, Sending
from tests.console.support import number


def test_a_draft_comes_back_with_the_key_it_was_sent_with(tmp_path: Path) -> None:
    kept = Draft("reply", "Dear Ada\n[b]", Sending(number(7), 3, 4))
    Drafts(tmp_path / "d").save(number(1), kept)
    assert Drafts(tmp_path / "d").load(number(1), "reply") == kept
    assert Drafts(tmp_path / "d").load(number(1), "note") is None


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        Drafts(tmp_path / "d").save(number(1), Draft("reply", "secret"))
    finally:
        os.umask(old)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "d").iterdir()]
    assert modes == [0o600]
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o700


def test_an_emptied_draft_is_dropped(tmp_path: Path) -> None:
    kept = Drafts(tmp_path)
    kept.save(number(1), Draft("note", "x"))
    kept.save(number(1), Draft("note", "  \n"))
    assert list(tmp_path.iterdir()) == []


def test_a_broken_file_counts_as_no_draft(tmp_path: Path) -> None:
    (tmp_path / f"{number(1)}.reply.json").write_bytes(b"{\xff")
    assert Drafts(tmp_path).load(number(1), "reply") is None


def test_old_drafts_go(tmp_path: Path) -> None:
    kept = Drafts(tmp_path)
    kept.save(number(1), Draft("reply", "old"))
    kept.save(number(2), Draft("reply", "new"))
    os.utime(tmp_path / f"{number(1)}.reply.json", (1, 1))
    kept.tidy()
    assert kept.load(number(1), "reply") is None
    assert kept.load(number(2), "reply") is not None
    assert drafts.DRAFTS_MAX > 0
    Drafts(tmp_path / "nowhere").tidy()


def test_two_consoles_that_write_at_once_keep_both_texts(tmp_path: Path) -> None:
    one, other = Drafts(tmp_path), Drafts(tmp_path)
    assert one.hold(number(1), "reply")
    one.save(number(1), Draft("reply", "from one"))
    assert other.load(number(1), "reply") is None, "what another is writing is not taken over"
    assert other.hold(number(1), "reply")
    other.save(number(1), Draft("reply", "from the other"))
    one.save(number(1), Draft("reply", "from one, and more"))
    assert one.load(number(1), "reply") == Draft("reply", "from one, and more")
    assert other.load(number(1), "reply") == Draft("reply", "from the other")
    one.let_go(number(1), "reply")
    other.let_go(number(1), "reply")
    third = Drafts(tmp_path)
    found = []
    while (draft := third.load(number(1), "reply")) is not None:
        found.append(draft.text)
        third.drop(number(1), "reply")
    assert found == ["from one, and more", "from the other"], "each comes back, one after the other"


def test_what_is_being_sent_elsewhere_is_not_offered_as_unsent(tmp_path: Path) -> None:
    one, other = Drafts(tmp_path), Drafts(tmp_path)
    one.hold(number(1), "reply")
    one.save(number(1), Draft("reply", "x", Sending(number(7), 1, 1)))
    assert other.load(number(1), "reply") is None
    one.let_go(number(1), "reply")
    assert other.load(number(1), "reply") == Draft("reply", "x", Sending(number(7), 1, 1))


def test_a_console_without_a_free_slot_is_told(tmp_path: Path) -> None:
    consoles = [Drafts(tmp_path) for _ in range(drafts.SLOTS + 1)]
    assert [console.hold(number(1), "note") for console in consoles] == [True] * drafts.SLOTS + [False]
    consoles[0].let_go(number(1), "note")
    assert consoles[-1].hold(number(1), "note")


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys, os; from pathlib import Path; from uuid import UUID; from fte.console.drafts import *;"
        "d = Drafts(Path(sys.argv[1])); d.hold(UUID(int=1), 'reply'); d.save(UUID(int=1), Draft('reply', 'kept'));"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert Drafts(tmp_path).load(number(1), "reply") == Draft("reply", "kept")
