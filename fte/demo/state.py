"""Where a running demonstration can be reached: a small file in the user's data folder, for `fte simulate`."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

FILE: Final = "demo.json"


class DemoState(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of a demonstration, and the process that runs it."""

    pid: int
    daemon: str
    gmail: str
    twilio: str


@contextlib.contextmanager
def announced(data_dir: Path, state: DemoState) -> Iterator[None]:
    """Leave the addresses in the data folder while the block runs. A folder that cannot be written is let be."""
    file = data_dir / FILE
    with contextlib.suppress(OSError):
        data_dir.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.encode(state))
    try:
        yield
    finally:
        if running(data_dir) == state:
            with contextlib.suppress(OSError):
                file.unlink()


def running(data_dir: Path) -> DemoState | None:
    """The demonstration that runs now; None when there is none, or only what one left behind."""
    try:
        state = msgspec.json.decode((data_dir / FILE).read_bytes(), type=DemoState)
        os.kill(state.pid, 0)
    except (OSError, OverflowError, msgspec.MsgspecError):
        return None
    return state
