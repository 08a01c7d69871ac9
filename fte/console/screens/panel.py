"""What the screens beside the queue share: a frame, and something that is loaded, and loaded again when it is old."""

import asyncio
from typing import Any, ClassVar, Final

from textual.app import ComposeResult

from fte.console import present
from fte.console.screens.base import ConsoleScreen
from fte.console.widgets.key_bar import KeyBar
from fte.console.widgets.plain import Plain
from fte.console.widgets.status_bar import StatusBar
from fte.domain.errors import FteError

REFRESH_PAUSE: Final = 2.0
"""Seconds between two loads that events caused."""
POLL: Final = 15.0
"""Seconds after which it is loaded again without an event."""


class PanelScreen(ConsoleScreen):
    """`name_` is its place in the line that says where one is. `load` fetches and shows; `body` is what stands between."""

    CSS_PATH = "panel.tcss"
    name_: ClassVar[str]
    live: ClassVar[bool] = True
    """Whether it is loaded when it opens, and again when something happens."""

    def __init__(self) -> None:
        super().__init__()
        self._stale = asyncio.Event()

    def body(self) -> ComposeResult:
        raise NotImplementedError

    async def load(self) -> None:
        """Fetch and show. Raises FteError, which is shown."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        yield StatusBar()
        yield Plain(id="trouble")
        yield from self.body()
        yield Plain(id="problem")
        yield KeyBar()

    def on_mount(self) -> None:
        self.call_after_refresh(self.paint_frame)
        if self.live:
            self.set_interval(POLL, self.stale)
            self.run_worker(self._keep_fresh(), group="panel", exit_on_error=False)

    @property
    def crumb(self) -> str:
        return self.name_

    def situation(self) -> Any:
        return self.console.situation()

    def heard(self) -> None:
        self.stale()

    def stale(self) -> None:
        """What is shown may be old: load it soon."""
        self._stale.set()

    def tell(self, words: str = "", style: str = "$text-error") -> None:
        """A sentence over the key bar; nothing: none."""
        if self.is_mounted:
            problem = self.query_one("#problem", Plain)
            problem.set_class(bool(words), "-there")
            problem.show((words, style))

    async def try_to_load(self) -> bool:
        """Load, or say what keeps it from being loaded."""
        try:
            await self.load()
        except FteError as error:
            self.tell(f"✗ Not loaded: {present.sentence(error)}")
            return False
        if self.is_mounted:
            self.paint_frame()
        return True

    async def _keep_fresh(self) -> None:
        attempt = 0
        while True:
            self._stale.clear()
            if await self.try_to_load():
                attempt = 0
                await asyncio.sleep(REFRESH_PAUSE)
                await self._stale.wait()
            else:
                attempt += 1
                await (await self.console.connected()).pause(attempt)
