"""A console in front of a desk, both running, and ways to wait for what one expects of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from textual import events
from textual.pilot import Pilot

from fte.console.app import Console
from fte.console.model import Phase
from fte.console.screens.conversation import ConversationScreen
from fte.console.screens.queue import QueueScreen
from tests.console.support import TOKEN, Desk, serving

DEADLINE = 30.0


@dataclass
class Session:
    app: Console
    pilot: Pilot[str]
    desk: Desk

    async def until(self, condition: Callable[[], Any], what: str = "") -> None:
        """Wait for a condition; fails with what is on the screen."""
        try:
            async with asyncio.timeout(DEADLINE):
                while not condition():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"never: {what or condition}\n{self.text()}") from None
        await self.pilot.pause()

    async def shows(self, text: str) -> None:
        await self.until(lambda: text in self.text(), f"{text!r} on the screen")

    async def hides(self, text: str) -> None:
        await self.until(lambda: text not in self.text(), f"{text!r} gone from the screen")

    async def says(self, text: str) -> None:
        """A notice with these words was given."""
        await self.until(
            lambda: any(text in words for words in self.notices()), f"notice {text!r}: {self.notices()}"
        )

    def notices(self) -> list[str]:
        return [notice.message for notice in self.app._notifications]

    def text(self) -> str:
        """What is on the screen, without notices."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def write(self, text: str) -> None:
        """Put text into the field that has the focus, as a paste does."""
        self.app.post_message(events.Paste(text))
        await self.pilot.pause()

    async def live(self) -> None:
        await self.until(lambda: self.app.link.phase is Phase.LIVE and self.app.queue.loaded, "live")

    @property
    def queue(self) -> QueueScreen:
        screen = self.app.queue_screen
        assert screen is not None
        return screen

    @property
    def talk(self) -> ConversationScreen:
        screen = next(s for s in self.app.screen_stack if isinstance(s, ConversationScreen))
        return screen

    async def open(self, key: UUID) -> None:
        self.app.open_conversation(key)
        await self.until(
            lambda: isinstance(self.app.screen, ConversationScreen) and self.talk.talk.view, "opened"
        )

    def performed(self) -> list[str]:
        return [action for action, _ in self.desk.performed]


def make(desk: Desk, url: str, state_dir: Path, **options: Any) -> Console:
    defaults: dict[str, Any] = {"token": TOKEN, "now": lambda: desk.now}
    return Console(url=url, state_dir=state_dir, **(defaults | options))


@contextlib.asynccontextmanager
async def session(
    desk: Desk,
    state_dir: Path,
    *,
    size: tuple[int, int] = (80, 24),
    notifications: bool = False,
    **options: Any,
) -> AsyncIterator[Session]:
    """A live console in front of the desk; with `notifications` notices are on its screen, too."""
    async with serving(desk) as url:
        app = make(desk, url, state_dir, **options)
        async with app.run_test(size=size, notifications=notifications) as pilot:
            here = Session(app, pilot, desk)
            await here.live()
            yield here
