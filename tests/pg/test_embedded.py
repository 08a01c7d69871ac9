"""The embedded server: started, shared, found again after a kill, stopped by the last who leaves."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fte.domain.errors import Unavailable
from fte.pg.embedded import EmbeddedServer
from tests.support import until

HOLD = """
import sys
from pathlib import Path
from fte.pg.embedded import EmbeddedServer
with EmbeddedServer(Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="fte-embedded-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def holder(folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("postgresql://")
    return process


def leave(process: "subprocess.Popen[str]") -> None:
    process.communicate("\n", timeout=30)
    assert process.returncode == 0


def postmaster(folder: Path) -> int | None:
    """The pid of the folder's running server."""
    try:
        pid = int((folder / "pg" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return pid


async def test_the_last_who_leaves_stops_the_server(folder: Path) -> None:
    one, two = holder(folder), holder(folder)
    pid = postmaster(folder)
    assert pid is not None
    leave(one)
    assert postmaster(folder) == pid
    leave(two)
    await until(lambda: postmaster(folder) is None)


async def test_a_killed_user_neither_stops_the_server_nor_keeps_it_alive(folder: Path) -> None:
    victim = holder(folder)
    pid = postmaster(folder)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    assert postmaster(folder) == pid
    successor = holder(folder)
    assert postmaster(folder) == pid
    leave(successor)
    await until(lambda: postmaster(folder) is None)


async def test_a_killed_server_is_started_again_with_its_data(folder: Path) -> None:
    import asyncpg

    with EmbeddedServer(folder) as server:
        connection = await asyncpg.connect(server.url)
        await connection.execute("create table kept (n int); insert into kept values (42)")
        await connection.close()
        pid = postmaster(folder)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: postmaster(folder) is None)
    with EmbeddedServer(folder) as server:
        connection = await asyncpg.connect(server.url)
        assert await connection.fetchval("select n from kept") == 42
        await connection.close()


async def test_a_server_that_was_killed_under_its_users_is_started_again_once(folder: Path) -> None:
    with EmbeddedServer(folder) as server, EmbeddedServer(folder) as other:
        assert not server.start_again()
        pid = postmaster(folder)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: postmaster(folder) is None)
        assert server.start_again()
        second = postmaster(folder)
        other.start_again()
        assert second is not None
        assert postmaster(folder) == second != pid
    assert postmaster(folder) is None, "whoever leaves last stops it all the same"


async def test_a_server_that_vanishes_while_it_is_stopped_breaks_nobody(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedServer(folder)
    with server:
        ended = server._server

        def stop() -> None:
            type(ended).stop(ended)
            raise psutil.NoSuchProcess(1)

        monkeypatch.setattr(ended, "stop", stop)
    assert postmaster(folder) is None


async def test_the_servers_own_log_holds_no_customers_words(folder: Path) -> None:
    import asyncpg

    with EmbeddedServer(folder) as server:
        connection = await asyncpg.connect(server.url)
        await connection.execute("create table said (words text check (words <> 'canary and more'))")
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("insert into said values ($1)", "canary and more")
        await connection.close()
    log = (folder / "pg" / "log").read_text()
    assert "said_words_check" in log
    assert "canary and more" not in log


def test_two_may_start_it_at_once(folder: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("postgresql://")
    for process in processes:
        leave(process)


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(Unavailable, match=str(blocked)):
        EmbeddedServer(blocked).__enter__()


def test_settings_that_keep_promises_are_on(server: str) -> None:
    """Acknowledged means durable only while these are what they are by default."""
    import asyncio

    import asyncpg

    async def shown() -> list[str]:
        connection = await asyncpg.connect(server)
        values = [
            await connection.fetchval(f"show {name}")
            for name in ("fsync", "synchronous_commit", "full_page_writes")
        ]
        await connection.close()
        return values

    assert asyncio.run(shown()) == ["on", "on", "on"]
