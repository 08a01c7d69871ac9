"""One Kafka broker as a local process that can be stopped, killed, frozen and started again."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self

from tests.kafka.certificates import issue
from tests.kafka.install import PASSWORD, USER, Program, installed
from tests.ports import reserve

START_MAX: Final = 60.0
"""Seconds until a started broker must be ready."""
STOP_MAX: Final = 20.0
"""Seconds a broker may take to stop before it is killed."""
SIGNAL_MAX: Final = 10.0
"""Seconds until the system must have killed, frozen or woken a process."""
LOG_TAIL: Final = 3000
"""Characters of the broker's log in an error."""
READY: Final = b"Kafka Server started"
"""The broker logs this once it serves requests and its controller lets it lead partitions."""
JAVA_OPTIONS: Final = (
    *("-Xms64m", "-Xmx300m", "-Xss512k", "-XX:ReservedCodeCacheSize=48m"),
    *("-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"),
)
ARCHIVE: Final = "-XX:SharedArchiveFile=classes.jsa"
"""Start from the archive of classes; a Java that did not make it ignores it."""

# After a SIGKILL the controller takes the broker back only when the session of the killed one has run out.
SETTINGS: Final = """\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=250
auto.create.topics.enable=false
min.insync.replicas=1
default.replication.factor=1
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""

MECHANISMS: Final = {
    "PLAIN": f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";',
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
}
SECURE: Final = ("SASL_PLAINTEXT", "SSL", "SASL_SSL")

# The system kills the broker when the thread that started it ends, so that a killed test leaves none behind. A
# program that becomes the broker asks for it: code between fork and exec is not safe beside other threads.
LAUNCHER: Final = """\
import ctypes, os, signal, sys
parent, *command = sys.argv[1:]
if sys.platform == "linux":
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit("the process that wanted this broker is gone")
os.execv(command[0], command)
"""
_starter = ThreadPoolExecutor(1, "kafka-starter")
"""The thread that starts every broker: it ends only with this process."""


class BrokerFailed(Exception):
    """The broker did not do in time what it was told; the message holds the end of its log."""


class Broker:
    """A broker with its data in `folder`, on ports that stay its own for the life of this object.

    `start` fetches the program the first time, and raises what `installed` raises. Only for Linux is it certain that
    the broker dies with the process that started it. As a context manager: started inside, stopped outside.

    With `secure` it also listens with SASL, with TLS, and with both, for the `user` and the holders of `ca`.
    """

    user = USER
    password = PASSWORD

    def __init__(
        self, folder: Path, program: Program | None = None, *, secure: bool = False, classes: str = ARCHIVE
    ) -> None:
        self.folder = folder
        self.log = folder / "broker.log"
        self._program = program
        self._classes = classes
        self._process: subprocess.Popen[bytes] | None = None
        protocols = ("CONTROLLER", "PLAINTEXT", *(SECURE if secure else ()))
        self._secure = secure
        self._addresses = {protocol: f"127.0.0.1:{reserve(self)}" for protocol in protocols}

    @property
    def bootstrap(self) -> str:
        return self._addresses["PLAINTEXT"]

    @property
    def sasl_bootstrap(self) -> str:
        """For SASL_PLAINTEXT with PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; only if `secure`, as the next ones."""
        return self._addresses["SASL_PLAINTEXT"]

    @property
    def ssl_bootstrap(self) -> str:
        return self._addresses["SSL"]

    @property
    def sasl_ssl_bootstrap(self) -> str:
        return self._addresses["SASL_SSL"]

    @property
    def ca(self) -> Path:
        """The certificates that a client is to trust, as a PEM file."""
        return self.folder / "ca.pem"

    @property
    def running(self) -> bool:
        """Whether there is a process, be it frozen."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the broker was never started"
        return self._process.pid

    def start(self) -> None:
        """Start, and return when it serves requests. Raises BrokerFailed, with nothing left running."""
        assert not self.running, "the broker runs already"
        program = self._program or installed()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_settings()
        if not (self.folder / "data").exists():
            shutil.copytree(program.folder / "formatted", self.folder / "data")
        seen = self.log.stat().st_size if self.log.exists() else 0
        self._process = _starter.submit(self._spawn, program).result()
        try:
            self._wait(lambda: not self.running or self._logged(READY, seen), START_MAX, "start")
            if not self.running:
                raise self._failed(f"ended with exit code {self._process.returncode} instead of starting")
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that does not end it within STOP_MAX. Nothing happens if it does not run."""
        if not self.running:
            return
        os.kill(self.pid, signal.SIGTERM)
        os.kill(self.pid, signal.SIGCONT)
        with contextlib.suppress(BrokerFailed):
            self._wait(lambda: not self.running, STOP_MAX, "stop")
        self.kill()

    def kill(self) -> None:
        """SIGKILL: no chance to write anything down. Nothing happens if it does not run."""
        if self.running:
            os.kill(self.pid, signal.SIGKILL)
            self._wait(lambda: not self.running, SIGNAL_MAX, "die")

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing is answered. Returns when all its threads are frozen."""
        self._signal(signal.SIGSTOP)
        self._wait(lambda: self._changed(os.WSTOPPED), SIGNAL_MAX, "freeze")

    def resume(self) -> None:
        """SIGCONT: go on where `pause` froze it."""
        self._signal(signal.SIGCONT)
        self._wait(lambda: self._changed(os.WCONTINUED), SIGNAL_MAX, "wake")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _write_settings(self) -> None:
        names = [name for name in self._addresses if name != "CONTROLLER"]
        lines = [
            f"log.dirs={self.folder / 'data'}",
            f"controller.quorum.voters=1@{self._addresses['CONTROLLER']}",
            "listeners=" + ",".join(f"{name}://{address}" for name, address in self._addresses.items()),
            "listener.security.protocol.map="
            + ",".join(["CONTROLLER:PLAINTEXT", *map("{0}:{0}".format, names)]),
        ]
        if self._secure:
            lines += self._secure_settings()
        (self.folder / "server.properties").write_text("\n".join([SETTINGS, *lines, ""]))

    def _secure_settings(self) -> list[str]:
        if not self.ca.exists():
            issue(self.folder)
        return [
            "ssl.keystore.type=PEM",
            f"ssl.keystore.location={self.folder / 'server.pem'}",
            "sasl.enabled.mechanisms=" + ",".join(MECHANISMS),
            *(
                f"listener.name.{listener}.{mechanism.lower()}.sasl.jaas.config={login}"
                for listener in ("sasl_plaintext", "sasl_ssl")
                for mechanism, login in MECHANISMS.items()
            ),
        ]

    def _spawn(self, program: Program) -> "subprocess.Popen[bytes]":
        options = (*JAVA_OPTIONS, self._classes, f"-XX:ErrorFile={self.folder / 'crash.log'}")
        command = program.command(*options, "kafka.Kafka", str(self.folder / "server.properties"))
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid()), *command],
                cwd=program.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _logged(self, line: bytes, after: int) -> bool:
        with self.log.open("rb") as log:
            log.seek(after)
            return line in log.read()

    def _signal(self, number: signal.Signals) -> None:
        if not self.running:
            raise self._failed(f"does not run, so there is nothing to send {number.name} to")
        os.kill(self.pid, number)

    def _changed(self, kind: int) -> bool:
        """Whether the system has reported that change of the process since the last such report was taken."""
        if not self.running:
            raise self._failed("ended")
        return os.waitid(os.P_PID, self.pid, kind | os.WNOHANG) is not None

    def _wait(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise self._failed(f"did not {what} within {seconds:g} s")
            time.sleep(0.01)

    def _failed(self, what: str) -> BrokerFailed:
        log = self.log.read_text(errors="replace")[-LOG_TAIL:] if self.log.exists() else "(none)"
        return BrokerFailed(f"The Kafka broker in {self.folder} {what}. The end of its log:\n{log}")
