"""Screens that answer what is typed: customers by name, address or number, and the knowledge base by a question."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.events import Key
from textual.widgets import Input, OptionList

from fte.console import keys, overview_words
from fte.console.screens.customer import CustomerScreen
from fte.console.screens.panel import PanelScreen
from fte.console.widgets.plain import Plain, PlainList, Row
from fte.wire import CustomerHit


class AskingScreen(PanelScreen):
    """A field, and below it what was found. Escape leaves the field first, and then the screen."""

    live = False
    AUTO_FOCUS = "Input"
    found: ClassVar[str]
    """What gets the focus when something was found."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = ""

    @property
    def field(self) -> Input:
        return self.query_one(Input)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._asked = event.value.strip()
        if self._asked:
            self.tell("◌ Looking…", "$text-muted")
            self.run_worker(self._answer(), group="load", exclusive=True, exit_on_error=False)

    async def _answer(self) -> None:
        if await self.try_to_load() and self.is_mounted:
            self.tell()
            self.query_one(self.found).focus()

    def ask(self) -> None:
        self.field.focus()

    def leave(self) -> None:
        if self.field.has_focus and self._asked:
            self.query_one(self.found).focus()
        else:
            self.dismiss()

    def on_key(self, event: Key) -> None:
        if event.key == "down" and self.field.has_focus:
            event.stop()
            self.query_one(self.found).focus()


class CustomersScreen(AskingScreen):
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.bindings("customers"),
        Binding("j", "move(1)", show=False),
        Binding("k", "move(-1)", show=False),
    ]
    context = "customers"
    name_ = "customers"
    found = "PlainList"

    def __init__(self) -> None:
        super().__init__()
        self._hits: list[CustomerHit] = []

    def body(self) -> ComposeResult:
        yield Input(placeholder="part of a name, an address or a number; enter searches", max_length=100)
        yield Plain(id="found", classes="panel")
        yield PlainList()

    async def load(self) -> None:
        answer = await (await self.console.connected()).customers(self._asked)
        if not self.is_mounted:
            return
        self._hits = answer.customers
        more = " The last who wrote are shown; say more to find others." if answer.more else ""
        count = f"{len(self._hits)} found.{more} enter shows one." if self._hits else "Nobody was found."
        self.query_one("#found", Plain).show((count, "$text-muted"))
        now = self.console.now()
        self.query_one(PlainList).show(
            (
                Row(str(place), tuple(overview_words.customer(hit, now)))
                for place, hit in enumerate(self._hits)
            ),
            0,
        )

    def action_move(self, by: int) -> None:
        self.query_one(PlainList).move(by)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        hit = self._hits[int(event.option.id or 0)]
        if hit.newest is None:
            self.console.say("They wrote nothing yet, or it belongs to somebody else now.", "warning")
            return
        self.console.push_screen(CustomerScreen(hit.newest, hit.id), self._left)

    def _left(self, chosen: object) -> None:
        from uuid import UUID

        if isinstance(chosen, UUID):
            self.console.open_conversation(chosen)

    def do_customers_find(self) -> None:
        self.ask()

    def do_customers_back(self) -> None:
        self.leave()


class KnowledgeScreen(AskingScreen):
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.bindings("knowledge"),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]
    context = "knowledge"
    name_ = "knowledge"
    found = "VerticalScroll"

    def body(self) -> ComposeResult:
        yield Input(placeholder="a question, in a customer's words; enter asks", max_length=2_000)
        with VerticalScroll():
            yield Plain(
                (
                    "The passages that the AI would be given, best first, with their relevance from 0 to 1.",
                    "$text-muted",
                ),
                id="hits",
            )

    async def load(self) -> None:
        answer = await (await self.console.connected()).knowledge(self._asked)
        if self.is_mounted:
            self.query_one("#hits", Plain).show(*overview_words.hits(answer))
            self.query_one(VerticalScroll).scroll_home(animate=False)

    def action_scroll(self, by: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    def do_knowledge_ask(self) -> None:
        self.ask()

    def do_knowledge_back(self) -> None:
        self.leave()
