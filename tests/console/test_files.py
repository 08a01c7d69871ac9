"""What customers attached: shown under their message, listed, and saved where it can do no harm, at 80 by 24."""

import os
import stat
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from starlette.responses import Response
from textual.widgets import OptionList

from fte.console import file_words, keys, present
from fte.console.downloads import save
from fte.console.screens.conversation import ConversationScreen
from fte.console.screens.files import FilesScreen
from fte.console.widgets.transcript import MessageBox
from fte.domain.errors import Unavailable
from tests.console.session import Session, session
from tests.console.support import Desk, number, problem

PDF = b"%PDF-1.7 " + bytes(32_000)
HOSTILE = "\x1b]0;x\x07[red]in\u202evoice[/red]fdp.exe"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "Downloads"


async def _listing(here: Session, key: UUID) -> FilesScreen:
    await here.open(key)
    await here.press("a")
    await here.until(lambda: isinstance(here.app.screen, FilesScreen), "the files")
    screen = here.app.screen
    assert isinstance(screen, FilesScreen)
    return screen


def _names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []


def _attached(desk: Desk) -> UUID:
    key = desk.add(
        1,
        text="See the invoice.\n\n[attachment: invoice.pdf]\n[attachment not kept: setup.exe, type not accepted]",
    )
    desk.attach(key, "invoice.pdf", PDF)
    desk.attach(
        key, "setup.exe", state="refused", media_type="application/x-msdownload", reason="type not accepted"
    )
    return key


async def test_files_stand_under_their_message(desk: Desk, state_dir: Path) -> None:
    key = _attached(desk)
    desk.attach(key, "image-1.jpg", state="pending", media_type="image/jpeg")
    desk.attach(key, "voice-1.ogg", state="lost", media_type="audio/ogg", reason="Twilio has it no more")
    async with session(desk, state_dir) as here:
        await here.open(key)
        for words in (
            "invoice.pdf  pdf  32 kB",
            "setup.exe  not kept: type not accepted",
            "image-1.jpg  jpg  being fetched",
            "voice-1.ogg  could not be fetched: Twilio has it no more",
        ):
            await here.shows(words)
        assert "[attachment" not in here.text(), "what stands for a file that is listed is said once"


async def test_a_file_that_was_fetched_is_shown_by_itself(desk: Desk, state_dir: Path, folder: Path) -> None:
    key = desk.add(1)
    file = desk.attach(key, "image-1.jpg", state="pending", media_type="image/jpeg")
    async with session(desk, state_dir, download_dir=folder) as here:
        await _listing(here, key)
        await here.press("enter")
        await here.shows("It is still being fetched")
        desk.fetched(key, file, b"\xff\xd8\xff" + bytes(2_000))
        await here.shows("image-1.jpg  jpg  2 kB")
        await here.press("enter")
        await here.shows("Saved")
        assert (folder / "image-1.jpg").stat().st_size == 2_003


async def test_enter_saves_the_chosen_one_and_says_where(desk: Desk, state_dir: Path, folder: Path) -> None:
    key = _attached(desk)
    async with session(desk, state_dir, download_dir=folder, size=(140, 40)) as here:
        await _listing(here, key)
        await here.press("enter")
        await here.shows("Saved as")
        assert f"Saved as invoice.pdf in {folder}" in " ".join(here.text().replace("│", " ").split())
        saved = folder / "invoice.pdf"
        assert saved.read_bytes() == PDF
        assert stat.S_IMODE(saved.stat().st_mode) == 0o600
        await here.press("enter")
        await here.shows("Saved as invoice (2).pdf")
        assert (folder / "invoice (2).pdf").read_bytes() == PDF
        await here.press("j", "enter")
        await here.shows("It was not kept: type not accepted.")
        assert _names(folder) == ["invoice (2).pdf", "invoice.pdf"]
        await here.press("escape")
        await here.until(lambda: isinstance(here.app.screen, ConversationScreen), "back")


async def test_an_observer_and_a_read_only_console_may_look(
    desk: Desk, state_dir: Path, folder: Path
) -> None:
    key = _attached(desk)
    desk.operator = msgspec.structs.replace(desk.operator, role="observer")
    async with session(desk, state_dir, read_only=True, download_dir=folder) as here:
        await _listing(here, key)
        await here.press("enter")
        await here.shows("Saved as")


async def test_without_files_the_key_says_so(desk: Desk, state_dir: Path) -> None:
    key = desk.add(1)
    async with session(desk, state_dir) as here:
        await here.open(key)
        await here.press("a")
        await here.says("No message shown here came with a file.")
        assert isinstance(here.app.screen, ConversationScreen)
    assert keys.action("files").context == "conversation"


async def test_a_click_on_the_message_lists_its_files(desk: Desk, state_dir: Path) -> None:
    key = _attached(desk)
    desk.say(key, "And this.", quietly=True)
    desk.attach(key, "second.pdf", PDF)
    async with session(desk, state_dir) as here:
        await here.open(key)
        box = here.app.screen.query(MessageBox).first()
        await here.pilot.click(box)
        await here.until(lambda: isinstance(here.app.screen, FilesScreen), "the files")
        assert here.app.screen.query_one(OptionList).highlighted == 0
        await here.press("escape", "a")
        await here.until(lambda: isinstance(here.app.screen, FilesScreen), "the files")
        assert here.app.screen.query_one(OptionList).highlighted == 2, (
            "the key takes the newest on the screen"
        )


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (problem(409, "The file was not kept: it is gone."), "The file was not kept: it is gone."),
        (problem(404, "There is no such attachment."), "There is no such attachment."),
        (Response("<html>", 502), "What answers at this address is not the daemon"),
    ],
    ids=["conflict", "gone", "stranger"],
)
async def test_what_cannot_be_had_is_a_sentence(
    desk: Desk, state_dir: Path, folder: Path, answer: Any, says: str
) -> None:
    key = _attached(desk)
    async with session(desk, state_dir, download_dir=folder) as here:
        await _listing(here, key)
        desk.answer_with = answer
        await here.press("enter")
        await here.shows("Not saved: ")
        assert says in " ".join(here.text().replace("│", " ").split())
        assert _names(folder) == []
        desk.answer_with = None
        await here.press("enter")
        await here.shows("Saved as")


@pytest.fixture
def no_folder(folder: Path) -> Path:
    folder.write_text("a file where the folder should be")
    return folder


async def test_a_folder_that_cannot_be_written_is_a_sentence(
    desk: Desk, state_dir: Path, no_folder: Path
) -> None:
    key = _attached(desk)
    async with session(desk, state_dir, download_dir=no_folder) as here:
        await _listing(here, key)
        await here.press("enter")
        await here.shows("Not saved: It cannot be saved in")
        await here.press("escape")
        await here.until(lambda: isinstance(here.app.screen, ConversationScreen), "it goes on")


async def test_a_hostile_name_is_only_text_and_leaves_no_folder(
    desk: Desk, state_dir: Path, folder: Path
) -> None:
    key = desk.add(1)
    desk.attach(key, f"../../{HOSTILE}", PDF, reason=HOSTILE)
    desk.attach(key, HOSTILE, state="refused", media_type=HOSTILE, reason=HOSTILE)
    async with session(desk, state_dir, download_dir=folder, size=(140, 40)) as here:
        await here.open(key)
        await here.shows("[red]in<U+202E>voice[/red]")
        assert not {"\x1b", "\x07", "\u202e"} & set(here.text())
        await _listing(here, key)
        await here.shows("[red]in<U+202E>voice[/red]")
        await here.press("enter")
        await here.shows("Saved as")
        await here.press("j", "enter")
        await here.shows("It was not kept: ")
        assert not {"\x1b", "\x07", "\u202e"} & set(here.text())
        assert _names(folder) == ["red_fdp.exe"]
        assert (
            not (folder.parent / "red_fdp.exe").exists()
            and not (folder.parent.parent / "red_fdp.exe").exists()
        )


# ---------------------------------------------------------------- without a screen


def test_saving_never_writes_over_anything(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("mine")
    (folder / "a (2).txt").symlink_to(elsewhere)
    assert save(folder, "a.txt", b"theirs") == folder / "a (3).txt"
    assert (folder / "a.txt").read_text() == "mine"
    assert not elsewhere.exists(), "a link that leads nowhere is not followed"


@pytest.mark.parametrize("name", ["../a.txt", "/etc/a.txt", "..\\a.txt", "x/../../a.txt"])
def test_saving_stays_in_the_folder(tmp_path: Path, name: str) -> None:
    assert save(tmp_path / "folder", name, b"x") == tmp_path / "folder" / "a.txt"


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __init__(self, descriptor: int, mode: str) -> None:
            os.close(descriptor)

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *error: object) -> None:
            return None

        def write(self, content: bytes) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("fte.console.downloads.os.fdopen", Full)
    with pytest.raises(Unavailable, match="No space left on device"):
        save(tmp_path, "a.txt", b"x")
    assert _names(tmp_path) == []


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (None, ""),
        (0, "0 B"),
        (999, "999 B"),
        (32_009, "32 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (15_650_000, "15.7 MB"),
    ],
)
def test_sizes(size: int | None, words: str) -> None:
    assert file_words.size_words(size) == words


def test_the_customers_own_lines_are_kept(desk: Desk) -> None:
    key = desk.add(1, text="[attachment: other.pdf]\n[attachment: invoice.pdf]\nand more")
    desk.attach(key, "invoice.pdf", PDF)
    [message] = desk.talks[key].messages
    assert present.message_body(message) == "[attachment: other.pdf]\n[attachment: invoice.pdf]\nand more"
    assert number(7_000_000) == message.attachments[0].id
