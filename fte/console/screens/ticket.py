"""The ticket inspector: its life, step by step, and what the conversation looked like at each of them."""

import asyncio
from typing import ClassVar, Final, Literal, get_args
from uuid import UUID

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll

from fte.console import keys, past_words
from fte.console.keys import Situation
from fte.console.past import Past
from fte.console.safe import Part
from fte.console.screens.base import ConsoleScreen
from fte.console.widgets.key_bar import KeyBar
from fte.console.widgets.plain import Plain
from fte.console.widgets.status_bar import StatusBar
from fte.domain.errors import FteError, NotFound
from fte.wire import TicketView

REFRESH_PAUSE: Final = 0.5
"""Seconds between two fetches that events caused."""
Pane = Literal["then", "life", "audit", "deliveries", "events"]
PANES: Final[tuple[Pane, ...]] = get_args(Pane)


class TicketScreen(ConsoleScreen):
    """Follows the newest event until one steps back; from then on it stays where one is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.bindings("inspector"),
        Binding("down,j", "scroll(1)", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("pagedown,ctrl+d", "page(1)", show=False),
        Binding("pageup,ctrl+u", "page(-1)", show=False),
    ]
    CSS_PATH = "ticket.tcss"
    AUTO_FOCUS = ""
    context = "inspector"

    def __init__(self, conversation: UUID) -> None:
        super().__init__()
        self.conversation = conversation
        self._past: Past | None = None
        self._index = -1
        self._following = True
        self._pane: Pane = "then"
        self._stale = asyncio.Event()

    def compose(self) -> ComposeResult:
        yield StatusBar()
        yield Plain(id="trouble")
        yield Plain("Loading the ticket…", id="ticket")
        yield Plain(id="moment")
        yield Plain(id="panes")
        with VerticalScroll(id="pane", can_focus=False):
            yield Plain(id="words")
        yield KeyBar()

    def on_mount(self) -> None:
        self.paint_frame()
        self.run_worker(self._keep_fresh(), group="ticket", exit_on_error=False)

    @property
    def crumb(self) -> str:
        return "inspector"

    def situation(self) -> Situation:
        past = self._past
        return self.console.situation(
            item=past.ticket.item if past is not None else None,
            earlier=self._index > 0,
            later=past is not None and self._index < len(past) - 1,
        )

    # -- fetching

    def stale(self) -> None:
        """Something happened to this ticket: fetch it soon."""
        self._stale.set()

    async def _keep_fresh(self) -> None:
        attempt = 0
        while True:
            self._stale.clear()
            try:
                client = await self.console.connected()
                self._loaded(await client.ticket(str(self.conversation)))
                attempt = 0
                await asyncio.sleep(REFRESH_PAUSE)
                await self._stale.wait()
            except NotFound as error:
                self.console.say(error.message, "warning")
                self.dismiss()
                return
            except FteError as error:
                attempt += 1
                if self._past is None and self.is_attached:
                    self.query_one("#ticket", Plain).show(f"Not loaded: {error.message} Trying again…")
                await (await self.console.connected()).pause(attempt)

    def _loaded(self, ticket: TicketView) -> None:
        old = self._past
        at = old.ticket.events[self._index].position if old and 0 <= self._index < len(old) else None
        self._past = Past(ticket)
        self._index = len(ticket.events) - 1
        if not self._following and at is not None:
            known = [number for number, event in enumerate(ticket.events) if event.position <= at]
            self._index = known[-1] if known else 0
        self._paint()

    # -- painting

    def _paint(self) -> None:
        past = self._past
        if past is None or not self.is_attached or not self.is_whole:
            return
        now, ticket = self.console.now(), past.ticket
        self.query_one("#ticket", Plain).show(*past_words.ticket_head(ticket))
        names: list[Part] = [
            (f" {name} ", "bold reverse" if name == self._pane else "$foreground 60%") for name in PANES
        ]
        if not ticket.complete:
            names.append(("  Beginning no longer in the log.", "$text-warning"))
        self.query_one("#panes", Plain).show(*names)
        if not len(past):
            self.query_one("#moment", Plain).show("The log holds no event of this ticket any more.")
        else:
            self.query_one("#moment", Plain).show(*past_words.moment_head(self._index, ticket, now))
        self.query_one("#words", Plain).show(*self._words(past))
        self.paint_frame()

    def _words(self, past: Past) -> list[Part]:
        now, ticket = self.console.now(), past.ticket
        match self._pane:
            case "audit":
                return past_words.audit_lines(ticket, now)
            case "deliveries":
                return past_words.delivery_lines(ticket, now)
            case _ if not len(past):
                return ["Older events are removed from the log after a while. Audit and deliveries are kept."]
            case "then":
                return past_words.then_lines(past.at(self._index), ticket, now)
            case "life":
                return past_words.life_lines(ticket, past.life(), self._index)
            case "events":
                return past_words.event_lines(ticket, self._index)

    # -- actions

    def _go(self, index: int) -> None:
        past = self._past
        if past is None or not len(past):
            return
        self._index = min(max(0, index), len(past) - 1)
        self._following = self._index == len(past) - 1
        self._paint()
        self._show_place()

    def _show_place(self) -> None:
        """The mark of the present event stays on the screen."""
        body = self.query_one("#pane", VerticalScroll)
        if self._pane == "events":
            before = min(self._index, 100) + (1 if self._index > 100 else 0)
            body.scroll_to(y=max(0, before - body.size.height // 3), animate=False)
        elif self._pane == "then":
            body.scroll_home(animate=False)

    def do_step_back(self) -> None:
        self._go(self._index - 1)

    def do_step_on(self) -> None:
        self._go(self._index + 1)

    def do_first_event(self) -> None:
        self._go(0)

    def do_last_event(self) -> None:
        self._go(len(self._past) - 1 if self._past else 0)

    def do_pane(self) -> None:
        self._turn(1)

    def do_pane_back(self) -> None:
        self._turn(-1)

    def _turn(self, by: int) -> None:
        self._pane = PANES[(PANES.index(self._pane) + by) % len(PANES)]
        self._paint()
        self.query_one("#pane", VerticalScroll).scroll_home(animate=False)
        self._show_place()

    def do_reload_ticket(self) -> None:
        self.stale()

    def do_leave_ticket(self) -> None:
        self.dismiss()

    def action_scroll(self, by: int) -> None:
        self.query_one("#pane", VerticalScroll).scroll_relative(y=by, animate=False)

    def action_page(self, by: int) -> None:
        body = self.query_one("#pane", VerticalScroll)
        body.scroll_relative(y=by * max(1, body.size.height - 1), animate=False)
