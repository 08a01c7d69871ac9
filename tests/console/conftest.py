"""What the console's tests share."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fte.console import app, client, feed
from fte.console.screens import conversation
from tests.console.support import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same time zone and colours everywhere, and short pauses between tries and fetches."""
    monkeypatch.setattr(client, "PAUSE_FIRST", 0.02)
    monkeypatch.setattr(client, "PAUSE_MAX", 0.05)
    for module in (feed, conversation):
        monkeypatch.setattr(module, "REFRESH_PAUSE", 0.02)
    monkeypatch.setattr(app, "ASK_AGAIN_PAUSE", 3600.0)
    for name in ("NO_COLOR", "COLORTERM", "TEXTUAL_THEME", "FTE_TOKEN", "FTE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()
