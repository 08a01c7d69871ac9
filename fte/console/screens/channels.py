"""Channels and dead letters: what works, what waits, and what a person must decide on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import ClassVar
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import OptionList

from fte.console import keys, overview_words, present
from fte.console.errors import OutcomeUnknown
from fte.console.keys import Situation
from fte.console.safe import Part
from fte.console.screens.asking import Unknown
from fte.console.screens.dialogs import ConfirmScreen, ReasonScreen
from fte.console.screens.panel import PanelScreen
from fte.console.widgets.plain import Plain, PlainList, Row
from fte.domain.errors import FteError
from fte.domain.ids import new_id
from fte.wire import LettersRequest, LetterView, encode


@dataclass(frozen=True, slots=True)
class Attempt:
    """A decision on dead letters with the key that makes it happen once. `asked` is when the operator made it."""

    what: str
    done: str
    request: LettersRequest
    key: UUID
    asked: datetime

    @property
    def name(self) -> str:
        return f"the decision on dead letter {', '.join(map(str, self.request.letters))}"


class LetterScreen(ModalScreen[None]):
    """A dead letter whole."""

    CSS_PATH = "dialogs.tcss"
    AUTO_FOCUS = ".body"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,left,h", "dismiss(None)", "close"),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]

    def __init__(self, title: str, parts: list[Part]) -> None:
        super().__init__()
        self._title, self._parts = title, parts

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog large"):
            yield Plain((self._title, "bold"))
            with VerticalScroll(classes="body"):
                yield Plain(*self._parts)
            yield Plain(("j k scroll   esc close", "$text-muted"))

    def action_scroll(self, by: int) -> None:
        self.query_one(".body", VerticalScroll).scroll_relative(y=by, animate=False)


class ChannelsScreen(PanelScreen):
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.bindings("channels"),
        Binding("j", "move(1)", show=False),
        Binding("k", "move(-1)", show=False),
    ]
    AUTO_FOCUS = "PlainList"
    context = "channels"
    name_ = "health"

    def __init__(self) -> None:
        super().__init__()
        self._letters: list[LetterView] = []
        self._all = False
        self._busy: Attempt | None = None
        self._unknown: Attempt | None = None

    def body(self) -> ComposeResult:
        yield Plain("Loading…", id="channels", classes="panel")
        yield Plain(id="letters-title", classes="panel")
        yield PlainList(id="letters")

    def situation(self) -> Situation:
        busy, unknown = self._busy, self._unknown
        return self.console.situation(
            letters=len(self._letters),
            busy=busy.name if busy else "",
            unknown=unknown.name if unknown else "",
        )

    async def load(self) -> None:
        client = await self.console.connected()
        view = await client.channels()
        self._letters = (await client.letters("all" if self._all else "waiting")).letters
        if not self.is_mounted:
            return
        self.tell()
        now = self.console.now()
        self.query_one("#channels", Plain).show(*overview_words.channels(view, now))
        title = "Dead letters, all of them" if self._all else "Dead letters that wait for a person"
        shown = f"{title} ({len(self._letters)})" if self._letters else f"{title}: none"
        self.query_one("#letters-title", Plain).show((shown, "bold"))
        self.query_one(PlainList).show(
            Row(str(one.id), tuple(overview_words.letter(one, now))) for one in self._letters
        )

    def action_move(self, by: int) -> None:
        self.query_one(PlainList).move(by)

    @property
    def chosen(self) -> LetterView | None:
        place = self.query_one(PlainList).highlighted
        return self._letters[place] if place is not None and place < len(self._letters) else None

    @on(OptionList.OptionSelected)
    def _selected(self) -> None:
        self.action_perform("letter_show")

    def do_letter_show(self) -> None:
        one = self.chosen
        if one is not None:
            import msgspec

            payload = msgspec.json.format(encode(one.payload), indent=2).decode()
            parts = overview_words.letter_whole(one, payload, self.console.now())
            self.console.push_screen(LetterScreen(f"Dead letter {one.id}", parts))

    def do_letter_retry(self) -> None:
        one = self.chosen
        if one is None:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                again = one.state == "dropped"
                self._decide("retry", "Announced again", LettersRequest(letters=[one.id], dropped_too=again))

        question = f"Announce the event of dead letter {one.id} again?"
        facts = (
            f"Only {one.group} gets it. Take the cause away first: if it fails again, the letter waits again, and after "
            "three times it is refused."
        )
        self.console.push_screen(ConfirmScreen(question, facts, "Announce"), answered)

    def do_letter_drop(self) -> None:
        one = self.chosen
        if one is None:
            return

        def answered(reason: str | None) -> None:
            if reason:
                self._decide("drop", "Given up", LettersRequest(letters=[one.id], reason=reason))

        question = f"Give dead letter {one.id} up? Its event is then never handled by {one.group}."
        self.console.push_screen(ReasonScreen(question, "Give up", required=True), answered)

    def _decide(self, what: str, done: str, request: LettersRequest) -> None:
        self._start(Attempt(what, done, request, new_id(), self.console.now()))

    def _start(self, attempt: Attempt) -> None:
        self._busy, self._unknown = attempt, None
        # It belongs to the application: leaving the screen must not cancel what is on its way.
        self.console.run_worker(self._carry_out(attempt), group="actions", exit_on_error=False)

    async def _carry_out(self, attempt: Attempt) -> None:
        try:
            client = await self.console.connected()
            report = await client.decide_letters(attempt.what, attempt.request, attempt.key)
        except OutcomeUnknown:
            self._unknown = attempt
            advice = self.asking_again(attempt.asked)
            self.console.say(f"It is not known whether {attempt.name} took effect. {advice}", "error")
        except FteError as error:
            self.console.say(present.sentence(error), "error")
        else:
            words, well = overview_words.letters_done(attempt.done, report)
            self.console.say(words, "information" if well else "error")
        finally:
            self._busy = None
            self.stale()

    def unknown(self) -> Sequence[Unknown]:
        one = self._unknown
        return [] if one is None else [Unknown(partial(self._start, one), one.asked)]

    def do_letter_states(self) -> None:
        self._all = not self._all
        self.do_channels_reload()

    def do_channels_reload(self) -> None:
        self.run_worker(self.try_to_load(), group="load", exclusive=True, exit_on_error=False)

    def do_channels_back(self) -> None:
        self.dismiss()
