"""Small questions before an action, and the trace of an answer."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import ClassVar, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Button, Input, OptionList

from fte.console import present
from fte.console.safe import content, line
from fte.console.widgets.plain import Plain, PlainList, Row
from fte.domain.conversations import REASON_MAX
from fte.domain.errors import Rejected
from fte.domain.handover import WORD_MAX
from fte.domain.snooze import EXAMPLES
from fte.domain.snooze import parse as parse_snooze
from fte.domain.tags import changed
from fte.domain.tickets import RESOLUTIONS, Resolution
from fte.wire import RunView

Answer = TypeVar("Answer")


def buttons(verb: str) -> ComposeResult:
    """The last row of a question: no, and the verb for yes."""
    with Horizontal(classes="buttons"):
        yield Button(content("Cancel (esc)"), id="no")
        yield Button(content(f"{verb} (ctrl+j)"), id="yes", variant="primary")


class Question(ModalScreen[Answer | None]):
    """Asks for something in a field and for a yes; None is a no.

    Enter goes on to the button, so that a stray one confirms nothing.
    """

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "cancel"),
        Binding("ctrl+j,f5,ctrl+enter", "confirm", "confirm", priority=True),
    ]

    def action_confirm(self) -> None:
        """End the dialog with the answer, or say what is wrong with it."""
        raise NotImplementedError

    def refuse(self, problem: str) -> None:
        """Say what is wrong with what stands in the field, and go back to it."""
        self.query_one(".problem", Plain).show(problem)
        self.query_one(Input).focus()

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.query_one("#yes", Button).focus()

    @on(Button.Pressed, "#no")
    def _no(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed, "#yes")
    def _yes(self) -> None:
        self.action_confirm()


class ReasonScreen(Question[str]):
    """Asks for a reason, or for other words that `hint` names."""

    def __init__(self, question: str, verb: str, *, required: bool, text: str = "", hint: str = "") -> None:
        super().__init__()
        self._question, self._verb, self._required, self._text = question, verb, required, text
        self._hint = hint

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Plain((self._question, "bold"))
            why = "Why? Colleagues read it." if self._required else "Why? (may stay empty)"
            yield Input(self._text, placeholder=self._hint or why, max_length=REASON_MAX)
            yield Plain(classes="problem")
            yield from buttons(self._verb)

    def action_confirm(self) -> None:
        reason = self.query_one(Input).value.strip()
        if self._required and not reason:
            why = "A word on why, please: colleagues read it later."
            self.refuse("Nothing is written yet." if self._hint else why)
            return
        self.dismiss(reason)


class ReleaseScreen(Question[tuple[str, str]]):
    """Asks before a conversation goes back to the AI: why, and what the AI should know. Shows what it is told anyway.

    Enter in the first field goes on to the button, as elsewhere; tab goes to the line for the AI.
    """

    def __init__(self, question: str, told: Sequence[str]) -> None:
        super().__init__()
        self._question, self._told = question, told

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Plain((self._question, "bold"))
            yield Input(placeholder="Why? (may stay empty)", max_length=REASON_MAX, id="reason")
            yield Input(
                placeholder="For the AI alone: what it should know or leave alone (may stay empty)",
                max_length=WORD_MAX,
                id="word",
            )
            if self._told:
                yield Plain(("The AI is told; the customer is not:", "bold"))
                with VerticalScroll(classes="told", can_focus=False):
                    yield Plain(*(f"  {line(fact, 200)}\n" for fact in self._told))
            yield from buttons("Hand back")

    def action_confirm(self) -> None:
        reason, word = (self.query_one(f"#{id_}", Input).value.strip() for id_ in ("reason", "word"))
        self.dismiss((reason, word))


class SnoozeScreen(Question[datetime]):
    """Asks until when a conversation is put aside, and says what was understood, in the operator's own time."""

    def __init__(self, now: Callable[[], datetime], until: datetime | None, due: datetime | None) -> None:
        """`until` is when it is back already, `due` when the customer is owed an answer."""
        super().__init__()
        self._now, self._until, self._due = now, until, due

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Plain(("Put the conversation aside until when?", "bold"))
            yield Plain(" ".join(self._facts()))
            yield Input(placeholder=EXAMPLES, max_length=40)
            yield Plain(id="meant")
            yield Plain(classes="problem")
            yield from buttons("Put aside")

    def _facts(self) -> list[str]:
        now = self._now()
        facts = ["It comes back by itself, and at once when the customer writes."]
        if self._until is not None:
            facts.insert(0, f"It is put aside until {present.clock_time(self._until, now)}.")
        if self._due is not None and self._due > now:
            by = present.clock_time(self._due, now)
            facts.append(f"The customer waits: it is back before {by}, when an answer is due.")
        return facts

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self.query_one(".problem", Plain).show("")
        until, now = self._understood(event.value), self._now()
        meant = f"→ {until.astimezone():%A}, {present.clock_time(until, now)}, your time" if until else ""
        self.query_one("#meant", Plain).show(meant)

    def _understood(self, typed: str) -> datetime | None:
        try:
            return parse_snooze(typed, self._now())
        except Rejected:
            return None

    def action_confirm(self) -> None:
        try:
            self.dismiss(parse_snooze(self.query_one(Input).value, self._now()))
        except Rejected as error:
            self.refuse(f"When is that? Please {error.fields.get('until', error.message)}.")


class ConfirmScreen(ModalScreen[bool]):
    """Asks for a yes to what several lines explain. The focus is on no."""

    CSS_PATH = "dialogs.tcss"
    AUTO_FOCUS = "#no"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(False)", "cancel"),
        Binding("ctrl+j,f5,ctrl+enter", "dismiss(True)", "confirm", priority=True),
    ]

    def __init__(self, question: str, facts: str, verb: str) -> None:
        super().__init__()
        self._question, self._facts, self._verb = question, facts, verb

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Plain((self._question, "bold"))
            yield Plain(self._facts)
            yield from buttons(self._verb)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")


class ChoiceScreen(ModalScreen[str | None]):
    """One of several things. With `filtered`, what is typed narrows them down; otherwise a row's first letter chooses."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "cancel"),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
    ]

    def __init__(
        self, question: str, rows: Sequence[Row], *, filtered: bool = False, chosen: int | None = None
    ) -> None:
        super().__init__()
        self._question, self._all, self._filtered, self._chosen = question, list(rows), filtered, chosen

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Plain((self._question, "bold"))
            if self._filtered:
                yield Input(placeholder="type to filter")
            yield PlainList(id="files")
            yield Plain(("↑ ↓ move   enter choose   esc cancel", "$foreground 60%"))

    def on_mount(self) -> None:
        self.query_one(PlainList).show(self._all, self._chosen)
        (self.query_one(Input) if self._filtered else self.query_one(PlainList)).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        words = event.value.casefold().split()
        self.query_one(PlainList).show(row for row in self._all if all(word in _text(row) for word in words))

    def on_input_submitted(self) -> None:
        self.query_one(PlainList).action_select()

    def on_key(self, event: Key) -> None:
        if self._filtered or event.character is None:
            return
        if event.character in "jk":
            self.action_move(1 if event.character == "j" else -1)
            return
        begins = [
            row.id for row in self._all if row.id and row.id.casefold().startswith(event.character.casefold())
        ]
        if len(begins) == 1:
            event.stop()
            event.prevent_default()
            self.dismiss(begins[0])

    def action_move(self, by: int) -> None:
        self.query_one(PlainList).move(by)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)


def _text(row: Row) -> str:
    return "".join(part if isinstance(part, str) else part[0] for part in row.parts).casefold()


class TagsScreen(ModalScreen[tuple[str, ...] | None]):
    """The tags of a ticket, all in one line. Gives those that are wanted, each in its one spelling."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "cancel"),
        Binding("ctrl+j,f5,ctrl+enter", "confirm", "set", priority=True),
    ]

    def __init__(self, tags: Sequence[str]) -> None:
        super().__init__()
        self._tags = tags

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Plain(("Which tags has this ticket?", "bold"))
            known = "".join(f"{tag} " for tag in self._tags)
            yield Input(
                known, placeholder="vip late, with blanks between them", max_length=400, select_on_focus=False
            )
            yield Plain(classes="problem")
            yield Plain(("enter set   esc cancel", "$foreground 60%"))

    @on(Input.Submitted)
    def action_confirm(self) -> None:
        try:
            wanted = changed((), self.query_one(Input).value.split(), ())
        except Rejected as error:
            self.query_one(".problem", Plain).show(" ".join(error.fields.values()))
            return
        self.dismiss(wanted)


class ResolveScreen(Question[tuple[Resolution, str]]):
    """Asks how the matter ended, and why."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2,ctrl+t", "turn", "how it ended", priority=True),
    ]

    def __init__(
        self, question: str = "Resolve the conversation? A new message of the customer opens it again."
    ) -> None:
        super().__init__()
        self._question, self._how = question, 0

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Plain((self._question, "bold"))
            yield Plain(id="how")
            yield Input(placeholder="Why? Colleagues read it.", max_length=REASON_MAX)
            yield Plain(classes="problem")
            yield from buttons("Resolve")

    def on_mount(self) -> None:
        self._show()

    def action_turn(self) -> None:
        self._how = (self._how + 1) % len(RESOLUTIONS)
        self._show()

    def _show(self) -> None:
        how = present.reason_words(RESOLUTIONS[self._how])
        self.query_one("#how", Plain).show(
            "How it ended: ", (how, "bold $text-primary"), ("   f2 turns", "$foreground 60%")
        )

    def action_confirm(self) -> None:
        reason = self.query_one(Input).value.strip()
        if not reason:
            self.refuse("A word on why, please: colleagues read it later.")
            return
        self.dismiss((RESOLUTIONS[self._how], reason))


class AddressScreen(Question[str]):
    """Asks which address or number a customer is to prove."""

    def __init__(self, text: str = "", problem: str = "") -> None:
        super().__init__()
        self._text, self._problem = text, problem

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Plain(("Which address or number is the customer to prove?", "bold"))
            yield Plain(
                "A code is sent there. When the customer writes it in this conversation within 30 minutes, "
                "both are one customer. WhatsApp takes it only within 24 hours of the number's last message."
            )
            yield Input(
                self._text, placeholder="name@example.com, or +447700900123 for WhatsApp", max_length=254
            )
            yield Plain((self._problem, ""), classes="problem")
            yield from buttons("Send the code")

    def action_confirm(self) -> None:
        self.dismiss(self.query_one(Input).value.strip() or None)


class TraceScreen(ModalScreen[None]):
    """Why the AI said what it said."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,t", "dismiss(None)", "close"),
        Binding("left,h", "turn(-1)", "older"),
        Binding("right,l", "turn(1)", "newer"),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]
    AUTO_FOCUS = ".body"

    def __init__(self, runs: Sequence[tuple[str, RunView]], index: int) -> None:
        super().__init__()
        self._runs, self._index = runs, index

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog large"):
            yield Plain(id="trace-title")
            with VerticalScroll(classes="body"):
                yield Plain(id="trace-body")
            yield Plain(("← older answer   → newer answer   j k scroll   esc close", "$foreground 60%"))

    def on_mount(self) -> None:
        self.action_turn(0)

    def action_turn(self, by: int) -> None:
        self._index = min(max(0, self._index + by), len(self._runs) - 1)
        when, run = self._runs[self._index]
        place = f"  {self._index + 1} of {len(self._runs)}"
        self.query_one("#trace-title", Plain).show(
            (f"○ Answer of {when}", "bold"), (place, "$foreground 60%")
        )
        self.query_one("#trace-body", Plain).show(*present.run_lines(run))
        self.query_one(".body", VerticalScroll).scroll_home(animate=False)

    def action_scroll(self, by: int) -> None:
        self.query_one(".body", VerticalScroll).scroll_relative(y=by, animate=False)
