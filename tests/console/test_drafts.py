"""Drafts: kept, private, dropped when done, and never a reason to crash."""

import os
import stat
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
