"""The broker's program: fetched once for all runs, and prepared so that a start takes about a second."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

POM: Final = Path(__file__).with_name("pom.xml")
HOME: Final = POM.parents[2] / ".kafka"
JAVA_MIN: Final = 17
"""The oldest Java that a broker of Kafka 4 runs on."""
FETCH_MAX: Final = 300.0
"""Seconds for fetching and preparing, or for waiting until another process has."""

USER: Final = "fte"
PASSWORD: Final = "kafka's password in tests"
"""For `Broker(..., secure=True)`; SCRAM's belong to the data, PLAIN's to the settings."""
FORMAT: Final = (
    *("--cluster-id", "MkU3OEVBNTcwNTJENDM2Qg"),
    *(
        word
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        for word in ("--add-scram", f"{mechanism}=[name={USER},password={PASSWORD}]")
    ),
)
FAST: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


class Missing(Exception):
    """The machine lacks what a broker needs; the message names it."""


class NotInstalled(Exception):
    """The program could not be fetched or prepared; the message shows the output of the step that failed."""


@dataclass(frozen=True)
class Program:
    """A Java and a folder with `jars`, `formatted` (an empty broker's data) and perhaps `classes.jsa`."""

    java: str
    folder: Path

    def command(self, *arguments: str) -> list[str]:
        """A call of Java, to be made in the folder: the archive of classes holds the jars' relative paths."""
        return [self.java, *FAST, "-cp", "jars/*", *arguments]


def installed() -> Program:
    """The program that `pom.xml` names, fetched if it is not here yet.

    Raises Missing, or NotInstalled, also when that takes longer than FETCH_MAX.
    """
    java = _java()
    folder = _folder()
    if not folder.is_dir():
        maven = shutil.which("mvn")
        missing = [name for name, path in ((f"Java {JAVA_MIN}", java), ("Maven", maven)) if path is None]
        if java is None or maven is None:
            raise Missing("no " + " and no ".join(missing))
        _install(java, maven, folder, time.monotonic() + FETCH_MAX)
    if java is None:
        raise Missing(f"no Java {JAVA_MIN}")
    return Program(java, folder)


def is_installed() -> bool:
    return _folder().is_dir()


def _folder() -> Path:
    version = ElementTree.parse(POM).findtext(".//{*}kafka.version")
    made_from = POM.read_bytes() + repr((FORMAT, FAST)).encode()
    return HOME / f"{version}-{hashlib.sha256(made_from).hexdigest()[:8]}"


def _java() -> str | None:
    """The machine's Java if it is new enough."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None)
    if found is None:
        return None
    said = subprocess.run([found, "-version"], capture_output=True, text=True, timeout=60).stderr
    version = re.search(r'version "(\d+)', said)
    return found if version and int(version[1]) >= JAVA_MIN else None


def _install(java: str, maven: str, folder: Path, deadline: float) -> None:
    """Make the folder unless another process does: it appears complete, or not at all."""
    HOME.mkdir(exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        _acquire(lock.fileno(), deadline)
        if folder.is_dir():
            return
        for left in HOME.glob("*.part"):
            shutil.rmtree(left, ignore_errors=True)
        # A name of its own: a Maven whose parent was killed may still be writing.
        staged = Path(tempfile.mkdtemp(suffix=".part", dir=HOME))
        fetch = [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
        _run([*fetch, f"-DoutputDirectory={staged / 'jars'}"], staged, deadline)
        _format(Program(java, staged), deadline)
        _archive_classes(Program(java, staged))
        staged.rename(folder)


def _acquire(lock: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise NotInstalled(f"another process has been fetching for {FETCH_MAX} s") from None
            time.sleep(0.1)


def _run(command: list[str], folder: Path, deadline: float) -> None:
    try:
        left = max(1.0, deadline - time.monotonic())
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=left)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        output = ((error.stdout or b"") + (error.stderr or b"")).decode(errors="replace")
        raise NotInstalled(f"{error}\n{output[-4000:]}") from None


def _format(program: Program, deadline: float) -> None:
    """Make the data of an empty broker, which is then copied: it names no port, and formatting starts a Java."""
    data = program.folder / "formatted"
    settings = program.folder / "format.properties"
    settings.write_text(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:1\n"
        "listeners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1\ncontroller.listener.names=CONTROLLER\n"
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
        f"log.dirs={data}\n"
    )
    tool = ("kafka.tools.StorageTool", "format", "--config", str(settings))
    _run(program.command(*tool, *FORMAT), program.folder, deadline)
    settings.unlink()


def _archive_classes(program: Program) -> None:
    """Keep the classes of one run parsed, in a file that Java maps: starting takes 0.6 s less."""
    from tests.kafka.broker import Broker, BrokerFailed

    option = "-XX:ArchiveClassesAtExit=classes.jsa"
    try:
        with tempfile.TemporaryDirectory() as folder, Broker(Path(folder), program, classes=option):
            pass
    except BrokerFailed as error:
        raise NotInstalled(str(error)) from None
