"""One action on several conversations: each is looked at again, done or not done, and told."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final
from uuid import UUID

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from fte.console import keys
from fte.console.errors import OutcomeUnknown
from fte.console.safe import Part, line
from fte.console.screens.asking import Asking, Unknown
from fte.console.widgets.plain import Plain, PlainList, Row
from fte.domain.errors import FteError
from fte.domain.ids import new_id
from fte.domain.operators import Action
from fte.domain.tickets import Resolution
from fte.wire import ActionRequest, QueueItem

if TYPE_CHECKING:
    from fte.console.app import Console
    from fte.console.client import Client

BULK_MAX: Final = 200
"""Conversations acted on at once."""


@dataclass(slots=True)
class Task:
    """What is to be done to one conversation. `item` is the row as the operator saw it when deciding.

    `request` is what was asked, and `asked` when; it is asked again with the same `key`, so it happens once.
    """

    item: QueueItem
    action: Action
    text: str | None = None
    reason: str | None = None
    resolution: Resolution | None = None
    key: UUID = field(default_factory=new_id)
    request: ActionRequest | None = None
    asked: datetime | None = None
    done: bool = False
    unknown: bool = False
    why: str = ""

    async def run(self, client: "Client", console: "Console") -> None:
        """Do it, or say in `why` what kept it from being done."""
        self.why, self.unknown = "", False
        try:
            if self.request is None:
                self.request, self.asked = await self._asked(client, console), console.now()
            if self.request is not None:
                await client.act(self.item.conversation_id, self.action, self.request, self.key)
                self.done = True
        except OutcomeUnknown as error:
            self.unknown, self.why = True, error.message
        except FteError as error:
            self.why = " ".join(filter(None, (error.message, error.remedy)))
            self.request, self.key = None, new_id()

    async def _asked(self, client: "Client", console: "Console") -> ActionRequest | None:
        """What to ask for, as the conversation is now; None, with the reason, when it cannot be done."""
        view = await client.conversation(self.item.conversation_id)
        refusal = keys.action(self.action).why_not(console.situation(item=view.item, undelivered=True))
        if refusal is not None:
            self.why = refusal
            return None
        return ActionRequest(
            seen=self.item.last_seq,
            epoch=view.epoch,
            text=self.text,
            reason=self.reason,
            resolution=self.resolution,
        )

    @property
    def parts(self) -> list[Part]:
        """How it stands, on one line."""
        who = f"#{self.item.number} {line(self.item.customer, 30)}"
        if self.done:
            return [("✓ done      ", "$text-success"), who]
        if self.unknown:
            return [("? not known ", "bold $text-error"), f"{who}: {line(self.why, 200)}"]
        if self.why:
            return [("✗ not done  ", "bold $text-error"), f"{who}: {line(self.why, 200)}"]
        return [("◌ waits     ", "$text-muted"), who]


class BulkScreen(Asking, ModalScreen[None]):
    """Shows how each conversation fared. What is under way goes on when it is closed, and is told then."""

    CSS_PATH = "dialogs.tcss"
    AUTO_FOCUS = "PlainList"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "close"),
        Binding("r", "again", "try again"),
        keys.retry_binding(),
        Binding("j", "move(1)", show=False),
        Binding("k", "move(-1)", show=False),
    ]

    def __init__(self, what: str, tasks: Sequence[Task]) -> None:
        super().__init__()
        self._what, self._todo, self._working = what, tasks, False
        self._next: deque[Task] = deque()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog large"):
            yield Plain(id="bulk-title")
            yield PlainList()
            yield Plain(("r try again what is not done   esc close", "$text-muted"))

    def on_mount(self) -> None:
        self.action_again()

    def action_move(self, by: int) -> None:
        self.query_one(PlainList).move(by)

    def action_again(self) -> None:
        """Do what is not done yet."""
        if not self._working:
            self._start(*(task for task in self._todo if not task.done))

    def unknown(self) -> Sequence[Unknown]:
        unknown = [] if self._working else [task for task in self._todo if task.unknown]
        return [Unknown(partial(self._start, task), task.asked) for task in unknown]

    def _start(self, *tasks: Task) -> None:
        """Do these, after those that are under way."""
        for task in tasks:
            task.why, task.unknown = "", False
        self._next.extend(tasks)
        if not self._working:
            self._working = True
            # It belongs to the application: leaving the screen must not cancel what is on its way.
            self.console.run_worker(self._run(), group="bulk", exit_on_error=False)

    async def _run(self) -> None:
        client = await self.console.connected()
        try:
            while self._next:
                self._show()
                task = self._next.popleft()
                await task.run(client, self.console)
                self.console.queue.touch(task.item.conversation_id)
                self.console.refresh_queue()
        finally:
            self._working = False
            self._show()
        if not self.is_attached:
            self._tell()

    @property
    def summary(self) -> str:
        """How many are done, and how many are not."""
        done = sum(task.done for task in self._todo)
        unknown = sum(task.unknown for task in self._todo)
        left = len(self._todo) - done - unknown
        told = [f"{done} done"]
        told += [f"{left} {'left' if self._working else 'not done'}"] if left else []
        told += [f"{unknown} not known"] if unknown else []
        return f"{self._what}: {', '.join(told)}"

    def _show(self) -> None:
        if not self.is_attached:
            return
        unknown = [task.asked for task in self._todo if task.unknown]
        advice = "" if self._working or not unknown else f". {self.asking_again(unknown[-1])}"
        self.query_one("#bulk-title", Plain).show((self.summary + advice, "bold"))
        self.query_one(PlainList).show(
            Row(str(place), tuple(task.parts)) for place, task in enumerate(self._todo)
        )

    def _tell(self) -> None:
        failed = [task for task in self._todo if not task.done]
        words = "; ".join(f"#{task.item.number}: {task.why}" for task in failed[:5])
        self.console.say(
            self.summary + (f". {words}" if words else "."), "error" if failed else "information"
        )
