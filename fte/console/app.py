"""The application: holds the parts together and passes on what the feed says. Decisions are in `model`."""

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from textual import on
from textual.app import App, SystemCommand
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer
from textual.worker import Worker, WorkerState

from fte.console import keys, present, theme
from fte.console.clipboard import Piece
from fte.console.drafts import Drafts
from fte.console.errors import OutcomeUnknown
from fte.console.keys import Keymap, Situation
from fte.console.model import ATTENTION, DISCONNECTED, Link, Phase, Queue, held_by, needs_person
from fte.console.safe import line
from fte.console.saved import SavedViews
from fte.console.screens.asking import Asking
from fte.console.screens.base import ConsoleScreen
from fte.console.screens.queue import QueueScreen
from fte.console.signals import Denied, Happened, Missed, Rows, Signal, Welcome
from fte.domain.errors import FteError, Unavailable
from fte.domain.events import ESCALATIONS
from fte.domain.ids import new_id
from fte.domain.presence import Duty
from fte.wire import Envelope, OperatorView, QueueItem

if TYPE_CHECKING:
    from textual.command import Provider

    from fte.console.client import Client
    from fte.console.feed import Feed

Severity = Literal["information", "warning", "error"]
_ON_DUTY: Final = "You are on duty: customers may count on you."
_OFF_DUTY: Final = (
    "You are off duty. What you hold stays yours; handed-over customers are told when nobody is here."
)
ASK_AGAIN_PAUSE: Final = 5.0
"""Seconds between two looks for actions of unknown outcome, which are asked for again by themselves."""
ALARM_PAUSE: Final = 1.0
"""Seconds in which escalations ring the bell once, together."""


_WOKEN: Final = {"time": "its time has come", "customer": "the customer has written"}
"""Why what was put aside comes back, where nothing else rings for it."""
_FOR_SOMEBODY: Final = ("operator.mentioned", "conversation.assigned")
"""Events that are meant for one of us."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def _action_commands() -> "type[Provider]":
    from fte.console.commands import ActionCommands

    return ActionCommands


@dataclass
class Told(Message):
    """The feed said something."""

    signal: Signal


class Console(App[str]):
    """The operators' console. `run` returns a sentence when the daemon refused us, else None."""

    TITLE = "fte"
    CSS_PATH = "console.tcss"
    COMMANDS = App.COMMANDS | {_action_commands}

    def __init__(
        self,
        *,
        url: str,
        token: str,
        state_dir: Path,
        config_dir: Path | None = None,
        read_only: bool = False,
        light: bool = False,
        theme_name: str = "",
        keymap: Keymap | None = None,
        silent: bool = False,
        download_dir: Path | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        plain = bool(os.environ.get("NO_COLOR"))
        super().__init__()
        keys.choose(keymap or {})
        self._user_keys = {name: ",".join(chosen) for name, chosen in (keymap or {}).items()}
        self.url, self._token, self.read_only, self.now = url, token, read_only, now
        self.silent = silent
        self._standing: dict[str, float] = {}
        self.saved = SavedViews((config_dir or state_dir) / "views.json")
        self._away = False
        self._download_dir = download_dir
        self.drafts = Drafts(state_dir / "drafts")
        self.queue = Queue()
        self.link = Link(Phase.CONNECTING)
        self.operator: OperatorView | None = None
        self.paused = False
        self.held_back = 0
        self.sent: UUID | None = None
        """Where the last reply was handed over from here, until it is taken back."""
        self._client: Client | None = None
        self._feed: Feed | None = None
        self._connected = asyncio.Event()
        self._following: Worker[None] | None = None
        self._alarms: list[Envelope] = []
        self._alarm: Timer | None = None
        for one in theme.THEMES.values():
            self.register_theme(one)
        self.theme = theme.THEMES[theme_name or ("light" if light else "plain" if plain else "dark")].name

    def open(self) -> str | None:
        """What `run` does, and what broke the console is raised once the terminal is as it was."""
        refusal = self.run()
        if self._exception is not None:
            raise self._exception
        return refusal

    def _handle_exception(self, error: Exception) -> None:
        """Textual's own way out shows a traceback with what is on the screen."""
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._close_messages_no_wait()

    @property
    def download_dir(self) -> Path:
        """Where customers' files are saved: the user's folder for downloads unless another was named."""
        if self._download_dir is None:
            from platformdirs import user_downloads_path

            self._download_dir = user_downloads_path()
        return self._download_dir

    def get_default_screen(self) -> QueueScreen:
        return QueueScreen()

    @property
    def queue_screen(self) -> QueueScreen | None:
        return next((screen for screen in self.screen_stack if isinstance(screen, QueueScreen)), None)

    def situation(self, *, item: QueueItem | None = None, **facts: Any) -> Situation:
        """What decides which actions are possible; the screens add what only they know."""
        operator = self.operator
        role, name = (operator.role, operator.name) if operator else (None, None)
        live = self.link.phase is Phase.LIVE
        sent = self.sent is not None
        return Situation(
            role=role, me=name, read_only=self.read_only, live=live, sent=sent, item=item, **facts
        )

    # -- the daemon

    def on_mount(self) -> None:
        self.set_keymap(self._user_keys)
        self.set_interval(ASK_AGAIN_PAUSE, self._ask_again)

    def on_ready(self) -> None:
        """The first paint is done: now the parts that take time."""
        if self.queue_screen is not None:
            self.queue_screen.complete()
        self._follow()

    def _follow(self) -> None:
        self._following = self.run_worker(self._run_feed(), group="feed", exit_on_error=False)

    async def _run_feed(self) -> None:
        if self._client is None:
            await asyncio.to_thread(import_module, "fte.console.feed")
            from fte.console.client import Client

            self._client = Client(self.url, self._token)
            self._connected.set()
            await asyncio.to_thread(self.drafts.tidy)
        from fte.console.feed import Feed

        self._feed = Feed(self._client, self.queue, self._tell)
        await self._feed.run()

    def _tell(self, signal: Signal) -> None:
        self.post_message(Told(signal))

    async def connected(self) -> "Client":
        """The client, once it is there."""
        await self._connected.wait()
        assert self._client is not None, "ready means there is a client"
        return self._client

    def reconnect(self) -> None:
        """Try again now."""
        if self._following is not None and self._following.is_finished:
            self.queue.invalidate()
            self._follow()
        elif self._client is not None:
            self._client.retry_now()

    def refresh_queue(self) -> None:
        """The model wants rows: have them fetched."""
        if self._feed is not None:
            self._feed.refresh()

    async def on_unmount(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    # -- what the feed says

    @on(Told)
    def _told(self, told: Told) -> None:
        match told.signal:
            case Welcome(operator=operator):
                self.operator = operator
                self._paint_frames()
            case Rows():
                self._rows_changed()
            case Happened(event=event, conversation=conversation):
                self._happened(event, conversation)
            case Missed():
                self._touch_conversations(None)
                self._touch_drafts()
            case Link() as link:
                self._link_changed(link)
            case Denied(error=error):
                self._denied(f"{error.message} {error.remedy or ''}".strip())

    def _rows_changed(self) -> None:
        if self.queue_screen is not None:
            self.queue_screen.changed()
        for screen in self.screen_stack[-1:]:  # none is left while the console ends
            if isinstance(screen, ConsoleScreen) and screen is not self.queue_screen:
                screen.paint_frame()

    def _happened(self, event: Envelope, conversation: UUID | None) -> None:
        if self.paused and conversation is not None and event.type != ATTENTION:
            self.held_back += 1
        self._touch_conversations(conversation)
        if event.type.startswith(("draft.", "reply.withdrawn")):
            self._touch_drafts()
        self._tell_me(event)
        for screen in self.screen_stack:
            if isinstance(screen, ConsoleScreen):
                screen.heard()
        late = event.topic == ESCALATIONS and event.type in ("deadline.warning", "deadline.breached")
        if event.type == "escalation.raised" or late:
            self._alarms.append(event)
            if self._alarm is None:
                self._ring()

    def _tell_me(self, event: Envelope) -> None:
        """Ring when a colleague names me in a note, or gives me a conversation."""
        me, facts = self.operator, event.payload
        if me is None:
            return
        item = self.queue.items.get(UUID(event.key)) if event.type in _FOR_SOMEBODY else None
        which = f"#{item.number}" if item is not None else "a conversation"
        if event.type == "operator.mentioned" and str(me.id) in facts.get("operators", ()):
            self._sound()
            self.say(f"✎ A note in {which} names you.", "warning")
        elif (
            event.type == "conversation.assigned"
            and facts.get("holder") == str(me.id)
            and facts.get("operator") != me.name
        ):
            self._sound()
            self.say(f"● {facts.get('operator')} has given you {which}.", "warning")
        elif event.type == "conversation.woken" and facts.get("reason") in _WOKEN:
            waking = self._tell_woken(UUID(event.key), _WOKEN[facts["reason"]])
            self.run_worker(waking, group="woken", exit_on_error=False)

    async def _tell_woken(self, conversation: UUID, why: str) -> None:
        """Ring when what was put aside is back, for whoever holds it, and for all where nobody does.

        Its row is asked for: the view on the screen may not have it.
        """
        try:
            page = await (await self.connected()).queue("all", ids=(conversation,))
        except FteError:
            return  # it stands in the queue all the same
        for item in page.items:
            if held_by(item, self.queue.me) or needs_person(item):
                self._sound()
                self.say(f"◷ #{item.number} is back: {why}.", "warning")

    def _touch_conversations(self, conversation: UUID | None) -> None:
        from fte.console.screens.conversation import ConversationScreen
        from fte.console.screens.ticket import TicketScreen

        for screen in self.screen_stack:
            if isinstance(screen, ConversationScreen | TicketScreen) and conversation in (
                None,
                screen.conversation,
            ):
                screen.stale()

    def _touch_drafts(self) -> None:
        from fte.console.screens.drafts import DraftsScreen

        for screen in self.screen_stack:
            if isinstance(screen, DraftsScreen):
                screen.stale()

    def _link_changed(self, link: Link) -> None:
        was, self.link = self.link.phase, link
        if was in DISCONNECTED and link.phase is Phase.LIVE:
            self._touch_conversations(None)
            self._touch_drafts()
            self._ask_again()
        self._paint_frames()

    def _ask_again(self) -> None:
        """What was done with an outcome nobody knows is asked for once more, while the daemon answers."""
        for screen in self.screen_stack if self.link.phase is Phase.LIVE else ():
            if isinstance(screen, Asking):
                screen.ask_again()

    def _denied(self, words: str) -> None:
        if self.operator is None:
            self.exit(words, return_code=1)
            return
        if self.link.phase is Phase.REFUSED:
            self.say("The token is still not accepted.", "warning")
        self._link_changed(Link(Phase.REFUSED, why=words))

    async def set_duty(self) -> None:
        """Off duty, or back on it."""
        duty: Duty = "on" if self.operator is not None and self.operator.duty == "off" else "off"
        try:
            client = await self.connected()
            self.operator = await client.set_duty(duty, new_id())
        except OutcomeUnknown:
            # What we show has not changed, so the same key asks for the same again.
            known = f"It is not known whether you are {duty} duty now."
            self.say(f"{known} Press {keys.key_of('duty')} again to make sure that you are.", "error")
            return
        except FteError as error:
            self.say(f"Your duty was not changed: {error.message}", "warning")
            return
        self.say(_ON_DUTY if duty == "on" else _OFF_DUTY)
        self._paint_frames()

    def _paint_frames(self) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, ConsoleScreen):
                screen.paint_frame()

    # -- escalations

    def _ring(self) -> None:
        self._alarm = None
        if not self._alarms:
            return
        raised, self._alarms = self._alarms, []
        self._sound()
        self.say(_alarm_words(raised), "warning")
        self._alarm = self.set_timer(ALARM_PAUSE, self._ring)

    def _sound(self) -> None:
        """Ring the bell, unless it is off or the terminal is not ours."""
        if not (self.silent or self._away):
            self.bell()

    # -- saying things

    def say(self, words: str, severity: Severity = "information") -> None:
        """A short notice at the corner of the screen."""
        self.notify(words, severity=severity)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: Severity = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Every notice is cleaned, and none is markup, whoever asks for it. What stands there is not said again."""
        now, words = time.monotonic(), line(message)
        self._standing = {said: until for said, until in self._standing.items() if until > now}
        if words in self._standing:
            return
        self._standing[words] = now + (self.NOTIFICATION_TIMEOUT if timeout is None else timeout)
        super().notify(words, title=line(title), severity=severity, timeout=timeout, markup=False)

    def copy(self, piece: Piece) -> None:
        """Hand a piece to the terminal's clipboard, and say what it was."""
        self.copy_to_clipboard(piece.text)
        self.say(f"Copied {piece.name}. If it is not there, your terminal does not take it (OSC 52).")

    async def write_outside(self, text: str) -> str:
        """The text as the operator's own editor leaves it; the console is away meanwhile, and goes on following.

        Raises Rejected when there is no editor, Unavailable when it failed.
        """
        from textual.app import SuspendNotSupported

        from fte.console import editor

        words, failed = editor.command(), None
        try:
            # Nothing may be written to a terminal that the editor has.
            with self.batch_update(), self.suspend():
                self._away = True
                try:
                    text = await asyncio.to_thread(editor.edit, text, words)
                except FteError as error:  # out of here it would leave the terminal without the console
                    failed = error
        except SuspendNotSupported:
            raise Unavailable("An editor cannot be used in this terminal.") from None
        finally:
            self._away = False
        if failed is not None:
            raise failed
        return text

    def jump(self, number: int) -> None:
        """Open the conversation of that number."""
        self.run_worker(self._jump(number), group="jump", exclusive=True, exit_on_error=False)

    async def _jump(self, number: int) -> None:
        known = next((item for item in self.queue.items.values() if item.number == number), None)
        try:
            if known is None:
                page = await (await self.connected()).queue("all", search=str(number))
                known = next((item for item in page.items if item.number == number), None)
        except FteError as error:
            self.say(f"#{number} could not be looked for: {error.message}", "warning")
            return
        if known is None:
            self.say(f"There is no conversation #{number}.", "warning")
        else:
            self.open_conversation(known.conversation_id)

    def open_conversation(self, conversation: UUID, *, take_back: bool = False) -> None:
        """Show it; with `take_back` the reply that still waits there is withdrawn as soon as it is loaded."""
        from fte.console.screens.conversation import ConversationScreen

        self.push_screen(ConversationScreen(conversation, take_back=take_back))

    def open_drafts(self) -> None:
        from fte.console.screens.drafts import DraftsScreen

        self.push_screen(DraftsScreen())

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR:
            words = (
                f"The console made a mistake in {event.worker.group} ({type(event.worker.error).__name__})."
            )
            self.say(f"{words} Nothing is lost; go back and open it again.", "error")
            self.log.error(words)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        yield SystemCommand("Theme", "Light, dark and other colours", self.action_change_theme)


def _alarm_words(raised: list[Envelope]) -> str:
    if len(raised) > 1:
        late = any(event.type != "escalation.raised" for event in raised)
        return f"▲ {len(raised)} conversations need {'a look: answers are late or nearly so' if late else 'a person'}."
    payload = raised[0].payload
    if raised[0].type != "escalation.raised":
        return present.deadline_words(raised[0].type, payload)
    reason = str(payload.get("reason") or "").replace("_", " ")
    return f"▲ #{payload.get('number', '?')} needs a person: {reason or 'see the brief'}"
