"""Real processes by role and a real PostgreSQL, to be killed, stopped and started again; none outlives the test."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from fte.pg import schema
from fte.pg.embedded import _get_server
from tests.acceptance.support import PAGES
from tests.databases import in_memory
from tests.ports import reserve
from tests.support import until

SECRET: Final = "c" * 32
START_TIMEOUT: Final = 180.0
STOP_TIMEOUT: Final = 30.0
"""Seconds a process may take to end after SIGTERM, whatever hangs."""
CONNECTIONS: Final = 400
ALL: Final = ("http", "worker", "sender", "relay", "mailbox", "metrics", "sweeper")

_GUARD: Final = """
cat >/dev/null
for pid in "$1"/pids/*; do [ -e "$pid" ] && kill -9 "$(basename "$pid")" 2>/dev/null; done
for file in "$1"/*/postmaster.pid; do [ -e "$file" ] && kill -QUIT "$(head -n 1 "$file")" 2>/dev/null; done
sleep 0.3
rm -rf "$1"
"""


class Ground:
    """A folder for a run, and a guard beside it that ends what was begun there, however the run itself ends."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fte-chaos-", dir=in_memory()))
        self.folder.chmod(0o755)  # the database server may run as another user
        self._pids = self.folder / "pids"
        self._pids.mkdir()
        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD, "guard", str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def guard(self, pid: int) -> None:
        (self._pids / str(pid)).touch()

    def release(self, pid: int) -> None:
        (self._pids / str(pid)).unlink(missing_ok=True)

    @classmethod
    @contextlib.contextmanager
    def laid(cls) -> Iterator["Ground"]:
        ground = cls()
        try:
            yield ground
        finally:
            ground.clear()

    def clear(self) -> None:
        """End everything, and remove the folder."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        self._guard.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


# ---------------------------------------------------------------- PostgreSQL


class Postgres:
    """A server of our own on a TCP port, so that a proxy can stand in front of it."""

    def __init__(self, folder: Path) -> None:
        self._server = _get_server()(folder / "pg", cleanup_mode=None, start=False)
        self._data = folder / "pg"
        self.port = reserve(self)
        self.url = self.url_at(self.port)

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    def url_at(self, port: int) -> str:
        return f"postgresql://postgres@127.0.0.1:{port}/fte"

    @classmethod
    @contextlib.asynccontextmanager
    async def installed(cls, ground: Ground) -> AsyncIterator["Postgres"]:
        """A fresh server with a migrated database, for as long as the block runs."""
        postgres = cls(ground.folder)
        await asyncio.to_thread(postgres.install)
        yield postgres
        await asyncio.to_thread(postgres.stop)

    def install(self) -> None:
        self._server.ensure_pgdata_inited()
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "fte")
        schema.migrate(self.url)

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k {self._data} -c max_connections={CONNECTIONS}"
        log = self._data / "log"
        self._run("pg_ctl", "-w", "-t", "60", "-D", str(self._data), "-l", str(log), "-o", options, "start")

    def stop(self) -> None:
        """As in a crash: nothing is written, nobody is told; the log is replayed at the next start."""
        self._run("pg_ctl", "-w", "-D", str(self._data), "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._server.bin_path / program), *arguments],
            user=self._server.system_user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
            cwd="/",
            timeout=90,
        )


# ---------------------------------------------------------------- our processes


@dataclass(slots=True)
class Member:
    """One process of the fleet. `command` is what `fte` is called with, roles and port included."""

    name: str
    roles: tuple[str, ...]
    command: list[str]
    port: int
    log: Path
    ground: Ground
    environment: dict[str, str]
    process: "subprocess.Popen[bytes] | None" = None
    wanted: bool = False
    """Whether it is to run."""
    was_ready: bool = False
    """Whether it was, since it was begun: one that ends by itself after that is noticed."""
    memory: list[tuple[float, int]] = field(default_factory=list)
    """Resident bytes over time (seconds since 1970)."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def begin(self) -> None:
        """Start the process, and do not wait for it."""
        assert not self.alive, f"{self.name} runs already"
        self.wanted, self.was_ready = True, False
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fte", *self.command],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.ground.guard(self.process.pid)

    async def start(self) -> None:
        """Start the process and wait until it is ready."""
        self.begin()
        await self.ready()

    async def ready(self, deadline: float = START_TIMEOUT) -> None:
        try:
            await until(self._is_ready, deadline=deadline)
        except AssertionError:
            raise AssertionError(f"{self.name} is not ready:\n{self.tail()}") from None
        self.was_ready = True

    async def _is_ready(self) -> bool:
        """One that ends before it is ready, as without a database, is begun again: whoever runs it does that, too."""
        ready = self.alive and await self.health("/health/ready") == 200
        if not ready:
            await asyncio.sleep(0.2)
            if self.wanted and not self.alive:
                self.begin()
        return ready

    async def health(self, path: str) -> int | None:
        """What a health route answers; None for nothing within two seconds."""
        with contextlib.suppress(httpx.HTTPError):
            async with httpx.AsyncClient(trust_env=False, verify=False) as web:
                return (await web.get(self.url + path, timeout=2)).status_code
        return None

    def kill(self) -> None:
        """SIGKILL: no chance to say goodbye. Also when it is stopped."""
        self.wanted = False
        self.signal(signal.SIGKILL)
        self._reap(10)

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    async def terminate(self, timeout: float = STOP_TIMEOUT + 5) -> tuple[int, float]:
        """SIGTERM. Returns the exit code and the seconds it took. Raises TimeoutExpired."""
        self.wanted = False
        begun = time.monotonic()
        self.signal(signal.SIGTERM)
        await asyncio.to_thread(self._reap, timeout)
        assert self.process is not None
        return self.process.returncode, time.monotonic() - begun

    def _reap(self, timeout: float) -> None:
        if self.process is not None:
            self.process.wait(timeout)
            self.ground.release(self.process.pid)

    def sample(self) -> None:
        if self.alive and self.process is not None:
            with contextlib.suppress(OSError, IndexError, ValueError):
                pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
                self.memory.append((time.time(), pages * os.sysconf("SC_PAGE_SIZE")))

    def tail(self, size: int = 3000) -> str:
        with contextlib.suppress(OSError):
            return self.log.read_text(errors="replace")[-size:]
        return ""


@dataclass(slots=True)
class Ended:
    """A process that ended by itself, which none should."""

    name: str
    code: int
    at: float
    last_words: str


class Fleet:
    """The processes of one installation. `layout` names each with its roles; None stands for `fte up`."""

    def __init__(
        self,
        ground: Ground,
        layout: Mapping[str, Sequence[str] | None],
        environment: Mapping[str, str],
    ) -> None:
        self.ground = ground
        self.environment = clean_environment() | {
            "FTE_DATA_DIR": str(ground.folder),
            "FTE_SECRET_KEY": SECRET,
            "FTE_FORM_RATE_PER_IP": "100000",
            "FTE_FORM_RATE_PER_ADDRESS": "1000",
            "FTE_COMPANY": "Acme",
            **environment,
        }
        self.ended: list[Ended] = []
        self.members = {name: self._member(name, roles) for name, roles in layout.items()}

    def _member(self, name: str, roles: Sequence[str] | None) -> Member:
        port = reserve(self)
        command = ["up"] if roles is None else ["daemon", "--roles", ",".join(roles)]
        return Member(
            name,
            tuple(ALL if roles is None else roles),
            [*command, "--port", str(port)],
            port,
            self.ground.folder / f"{name}.log",
            self.ground,
            self.environment,
        )

    def last_words(self) -> str:
        """What each process said that ended by itself, and each that is not ready."""
        silent = [member for member in self.members.values() if not (member.alive and member.was_ready)]
        words = [f"{one.name} ended with {one.code}:\n{one.last_words}" for one in self.ended]
        return "\n".join([*words, *(f"{member.name} is not ready:\n{member.tail()}" for member in silent)])

    def of(self, role: str) -> list[Member]:
        """The members with a role."""
        return [member for member in self.members.values() if role in member.roles]

    async def start(self) -> None:
        """Start all, and wait until each is ready."""
        for member in self.members.values():
            member.begin()
        await asyncio.gather(*(member.ready() for member in self.members.values()))

    async def run(self, *arguments: str) -> str:
        """One `fte` command, to its end. Returns what it printed; raises AssertionError when it failed."""
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "fte", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    async def import_pages(self) -> None:
        """Give the agent something to answer from."""
        pages = self.ground.folder / "pages"
        pages.mkdir()
        for name, text in PAGES.items():
            (pages / name).write_text(text)
        await self.run("kb", "import", str(pages))

    @contextlib.asynccontextmanager
    async def supervised(self, every: float = 0.5) -> AsyncIterator[None]:
        """While the block runs, note what ends by itself and start it again; sample everybody's memory."""
        task = asyncio.create_task(self._supervise(every))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _supervise(self, every: float) -> None:
        while True:
            for member in self.members.values():
                member.sample()
                if member.wanted and member.process is not None and not member.alive:
                    if member.was_ready:
                        self.ended.append(
                            Ended(member.name, member.process.returncode, time.time(), member.tail(1500))
                        )
                    self.ground.release(member.process.pid)
                    member.begin()
            await asyncio.sleep(every)

    def resume_all(self) -> None:
        for member in self.members.values():
            member.resume()

    def kill_all(self) -> None:
        for member in self.members.values():
            if member.alive:
                member.kill()

    async def stop(self) -> dict[str, tuple[int, float]]:
        """SIGTERM for all at once. Returns exit codes and seconds by name."""
        living = [member for member in self.members.values() if member.alive]
        ends = await asyncio.gather(*(member.terminate() for member in living))
        return {member.name: end for member, end in zip(living, ends, strict=True)}

    def broken(self) -> list[str]:
        """What the logs say is broken: tracebacks outside our form, and errors in it."""
        return [
            f"{member.name}: {line[:3000]}"
            for member in self.members.values()
            for line in member.tail(10**9).splitlines()
            if line.startswith("Traceback") or (line.startswith("{") and _is_error(line))
        ]


def _is_error(line: str) -> bool:
    """Whether we call it an error. Libraries do when a broker or a database is away, which is no error of ours; nor is a
    deadline that passed, or a request that was cut off at the end, while something was frozen or away."""
    try:
        said = json.loads(line)
    except ValueError:
        return False  # cut off by a kill
    logger, event = str(said.get("logger", "")), str(said.get("event", ""))
    library = logger.startswith(("aiokafka", "asyncpg"))
    cut_off = logger == "uvicorn.error" and (
        event.startswith("Cancel ") or str(said.get("exception", "")).endswith("CancelledError")
    )
    late = said.get("error") == "TimeoutError" or cut_off
    return said.get("level") in ("error", "critical") and not library and not late


def clean_environment() -> dict[str, str]:
    """Ours without any setting of the product."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FTE_", "OPENAI_", "TWILIO_"))
    }
