"""The real program in a real terminal: what it writes there, and what it leaves behind."""

import asyncio
import base64
import contextlib
import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from fte import wire
from tests.console.support import TOKEN, Desk, a_letter, busy, problem, serving, some_hits

RUN = "import typer; from fte.cli.console import console; typer.run(console)"
DEADLINE = 30.0
PAYLOADS = (
    "\x1b]52;c;cHduZWQ=\x07",
    "\x1b]0;pwned\x07",
    "\x1b[31;99mEVIL",
    "\x9b31;99m",
    "\x90qEVIL\x9c",
    "\u202egnp.exe",
    "\u2066evil\u2069",
    "\x00",
    "\x1bPEVIL\x1b\\",
)
HOSTILE = "".join(PAYLOADS) + "[@click=app.quit]x[/] [/oops] [red \r\n end"


@dataclass
class Terminal:
    """A pseudo-terminal with a program in it; keeps every byte that came out."""

    process: asyncio.subprocess.Process
    master: int
    before: list[object]
    slave: int
    output: bytearray = field(default_factory=bytearray)
    mark: int = 0

    async def shows(self, text: str) -> None:
        """Wait until the text comes out, after what was waited for before."""
        wanted = text.encode()
        try:
            async with asyncio.timeout(DEADLINE):
                while (place := self.output.find(wanted, self.mark)) < 0:
                    assert self.process.returncode is None, self.output[-2000:].decode(errors="replace")
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(
                f"never: {text}\n{self.output[self.mark :][-1500:].decode(errors='replace')}"
            ) from None
        self.mark = place + len(wanted)

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    async def ended(self) -> int:
        async with asyncio.timeout(DEADLINE):
            return await self.process.wait()

    def restored(self) -> bool:
        return termios.tcgetattr(self.slave) == self.before


@contextlib.asynccontextmanager
async def terminal(
    url: str,
    folder: Path,
    *options: str,
    size: tuple[int, int] = (80, 24),
    extra: dict[str, str] | None = None,
    program: str = RUN,
) -> AsyncIterator[Terminal]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    before = termios.tcgetattr(slave)
    env = os.environ | {
        "TERM": "xterm-256color",
        "FTE_URL": url,
        "FTE_TOKEN": TOKEN,
        "XDG_STATE_HOME": str(folder),
        "FTE_DATA_DIR": str(folder / "data"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        *options,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=env | (extra or {}),
        start_new_session=True,
    )
    here = Terminal(process, master, before, slave)
    loop = asyncio.get_running_loop()
    loop.add_reader(master, lambda: here.output.extend(_read(master)))
    try:
        yield here
    finally:
        loop.remove_reader(master)
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(master)
        os.close(slave)


def _read(master: int) -> bytes:
    try:
        return os.read(master, 65536)
    except OSError:
        return b""


@pytest.mark.process
async def test_no_customer_can_write_to_the_operators_terminal(desk: Desk, tmp_path: Path) -> None:
    brief = wire.Brief(
        asked=HOSTILE, tried=[HOSTILE], sources=[HOSTILE], mood=HOSTILE, reason=HOSTILE, urgency=HOSTILE
    )
    key = desk.escalated(1, HOSTILE, subject=HOSTILE, reason=HOSTILE, text=HOSTILE, brief=brief)
    desk.talks[key].email = HOSTILE
    desk.say(key, HOSTILE, "agent", author=HOSTILE, quietly=True)
    passage = wire.PassageView(title=HOSTILE, source=HOSTILE, score=0.5, excerpt=HOSTILE)
    tool = wire.ToolCallView(name=HOSTILE, arguments={HOSTILE: HOSTILE}, result=HOSTILE)
    desk.talks[key].runs[0] = msgspec.structs.replace(
        desk.talks[key].runs[0],
        passages=[passage],
        tools=[tool],
        verdicts=[HOSTILE],
        error=HOSTILE,
        outcome=HOSTILE,
    )
    async with serving(desk) as url, terminal(url, tmp_path) as here:
        await here.shows("PERSON")
        await here.shows("LIVE")
        here.press("\r")
        await here.shows("Hand-over brief")
        here.press("t")
        await here.shows("Answer of")
        here.press("q")
        here.press("o")
        await here.shows("YOU hold it")
        here.press("r")
        await here.shows("of 10,000")
        desk.say(key, HOSTILE)
        await here.shows("While you write")
        desk.answer_with = problem(422, HOSTILE, fields={"text": HOSTILE}, remedy=HOSTILE)
        here.press("hello\n")
        await here.shows("Not sent.")
        desk.answer_with = None
        desk.escalate(key, reason=HOSTILE)
        await here.shows("needs a person")
        here.press("\x11")
        assert await here.ended() == 0
        output = bytes(here.output)
        for payload in PAYLOADS:
            assert payload.encode() not in output, payload
        assert b"\xc2\x9b" not in output
        assert here.restored()


@pytest.mark.process
async def test_start_to_quit_leaves_the_terminal_as_it_was(desk: Desk, tmp_path: Path) -> None:
    busy(desk)
    async with serving(desk) as url, terminal(url, tmp_path, size=(140, 40), extra={"NO_COLOR": "1"}) as here:
        await here.shows("Chloé Nguyễn")
        await here.shows("LIVE")
        here.press("q")
        assert await here.ended() == 0
        assert here.output.rfind(b"\x1b[?1049l") > here.output.rfind(b"\x1b[?1049h")
        assert here.output.rfind(b"\x1b[?25h") > here.output.rfind(b"\x1b[?25l")
        assert here.restored()


async def replying(here: Terminal) -> None:
    """The composer is open, in the first conversation of the queue."""
    await here.shows("LIVE")
    here.press("\r")
    await here.shows("YOU hold it")
    here.press("r")
    await here.shows("of 10,000")


@pytest.mark.process
async def test_the_operators_editor_gets_the_terminal_and_gives_it_back(desk: Desk, tmp_path: Path) -> None:
    key = desk.add(1, owner="human", operator="Dana")
    script = tmp_path / "editor.py"
    script.write_text(
        "import sys, pathlib, termios\n"
        "assert termios.tcgetattr(0)[3] & termios.ICANON, 'the terminal is not as an editor expects it'\n"
        "file = pathlib.Path(sys.argv[1])\n"
        "print('EDITOR HAS', file.read_text(), flush=True)\n"
        "sys.stdin.readline()\n"
        "file.write_text(file.read_text() + ' and more from outside\\n')\n"
    )
    outside = tmp_path / "outside"
    outside.mkdir()
    extra = {"EDITOR": f"{sys.executable} {script}", "VISUAL": "", "TMPDIR": str(outside)}
    async with serving(desk) as url, terminal(url, tmp_path, extra=extra) as here:
        await replying(here)
        here.press("Dear Ada")
        await here.shows("8 of 10,000")
        here.press("\x1bOS")
        await here.shows("EDITOR HAS Dear Ada")
        quiet, asked = len(here.output), len(desk.requests)
        desk.escalate(desk.add(2))
        async with asyncio.timeout(DEADLINE):
            # It goes on following meanwhile; each answer would be painted, and the library holds some 30 paints back.
            while len(desk.requests) < asked + 30:
                desk.say(key, f"are you there? {len(desk.requests)}")
                await asyncio.sleep(0.05)
        assert bytes(here.output[quiet:]).strip() == b"", "nothing is painted over the editor"
        here.press("\n")
        await here.shows("and more from outside")
        here.press("\x11")
        assert await here.ended() == 0
        assert here.restored()
    assert _held(outside) == []


@pytest.mark.process
async def test_an_editor_that_fails_gives_the_terminal_back_too(desk: Desk, tmp_path: Path) -> None:
    desk.add(1, owner="human", operator="Dana")
    extra = {"EDITOR": f"{sys.executable} -c 'raise SystemExit(3)'", "VISUAL": ""}
    async with serving(desk) as url, terminal(url, tmp_path, extra=extra) as here:
        await replying(here)
        here.press("Dear Ada\x1bOS")
        await here.shows("The editor ended with code 3.")
        here.press("!")
        await here.shows("9 of 10,000")
        here.press("\x11")
        assert await here.ended() == 0
        assert here.restored()


@pytest.mark.acceptance
@pytest.mark.process
async def test_what_is_copied_reaches_the_terminal_as_osc_52(desk: Desk, tmp_path: Path) -> None:
    desk.add(1042)
    async with serving(desk) as url, terminal(url, tmp_path) as here:
        await here.shows("LIVE")
        await here.shows("#1042")
        here.press("y")
        await here.shows("\x1b]52;c;" + base64.b64encode(b"#1042").decode() + "\x07")
        here.press("q")
        assert await here.ended() == 0
        assert here.restored()


@pytest.mark.acceptance
@pytest.mark.process
async def test_every_screen_opens_and_the_terminal_is_restored(desk: Desk, tmp_path: Path) -> None:
    busy(desk)
    desk.letters, desk.hits = [a_letter(1)], some_hits()
    async with serving(desk) as url, terminal(url, tmp_path, "--theme", "light", "--silent") as here:
        await here.shows("LIVE")
        for key, text in (
            ("M", "channels, the last"),
            ("H", "Malformed"),
            ("C", "part of a name"),
            ("K", "a question"),
        ):
            here.press(key)
            await here.shows(text)
            await here.shows("back")
            here.press("\x1b")
            await here.shows("STATE")
        here.press("q")
        assert await here.ended() == 0
        assert here.restored()


@pytest.mark.process
async def test_a_wrong_token_ends_with_a_sentence_on_the_restored_terminal(
    desk: Desk, tmp_path: Path
) -> None:
    desk.token = "another"
    async with serving(desk) as url, terminal(url, tmp_path) as here:
        await here.shows("\x1b[?1049l")
        await here.shows("This token is not known.")
        assert await here.ended() == 1
        assert b"Traceback" not in here.output
        assert here.restored()


@pytest.mark.process
@pytest.mark.parametrize(
    ("extra", "options", "says"),
    [
        ({"FTE_TOKEN": ""}, [], "There is no operator token."),
        ({"FTE_TOKEN": "two words"}, [], "is not an operator token"),
        ({}, ["--url", "nonsense"], "is not a URL"),
        ({}, ["--token-file", "/nowhere"], "cannot be read"),
        ({"TERM": "dumb"}, [], "TERM=dumb"),
        ({}, ["--theme", "pink"], "There is no theme 'pink'"),
        ({}, ["--keys", "/nowhere.toml"], "cannot be read"),
    ],
)
async def test_what_is_wrong_at_the_start_is_said_before_the_screen_changes(
    desk: Desk, tmp_path: Path, extra: dict[str, str], options: list[str], says: str
) -> None:
    async with terminal("http://127.0.0.1:9", tmp_path, *options, size=(200, 24), extra=extra) as here:
        assert await here.ended() == 1
        await asyncio.sleep(0)
        text = bytes(here.output) + _drain(here)
        assert "Error: " in text.decode()
        assert says.encode() in text
        assert b"Traceback" not in text
        assert b"\x1b[?1049h" not in text


def _held(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def _drain(here: Terminal) -> bytes:
    os.set_blocking(here.master, False)
    return _read(here.master)


BREAKS = """
import sys
import fte.cli
import fte.console.app
def breaks(*_): raise ValueError("Quenlin quenlin@vostra.example")
fte.console.app.Console.on_mount = breaks
sys.argv.insert(1, "console")
fte.cli.main()
"""


@pytest.mark.process
async def test_a_console_that_breaks_says_so_and_leaves_the_terminal_as_it_was(
    desk: Desk, tmp_path: Path
) -> None:
    async with serving(desk) as url, terminal(url, tmp_path, program=BREAKS) as here:
        await here.shows("`fte console` broke: this is a bug")
        assert await here.ended() == 70
        assert here.restored()
        (file,) = (tmp_path / "fte" / "bugs").glob("*.txt")
        for word in ("Quenlin", "vostra", "Traceback"):
            assert word not in here.output.decode()
            assert word not in file.read_text()
