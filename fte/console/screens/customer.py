"""The customer behind a conversation: what identifies them, what else they wrote, and who they may be as well."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList

from fte.console import keys, people_words
from fte.console.errors import OutcomeUnknown
from fte.console.keys import Refusal
from fte.console.safe import Part, line
from fte.console.screens.asking import Asking, Unknown
from fte.console.screens.dialogs import AddressScreen, ConfirmScreen
from fte.console.widgets.plain import Plain, PlainList, Row
from fte.domain.errors import FteError, Rejected
from fte.domain.ids import new_id
from fte.wire import CustomerPage, DuplicateView, LinkRequest, MergeView

if TYPE_CHECKING:
    from fte.console.client import Client

Deed = Callable[["Client", UUID], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Attempt:
    """Something asked of the daemon, with the key that makes it happen once. `asked` is when the operator wanted it."""

    what: str
    done: str
    deed: Deed
    key: UUID
    asked: datetime
    address: str = ""


class CustomerScreen(Asking, ModalScreen[UUID | None]):
    """Gives the conversation that was chosen, or None."""

    CSS_PATH = "dialogs.tcss"
    AUTO_FOCUS = "PlainList"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,c", "dismiss(None)", "close"),
        Binding("a", "ask", "ask for a code"),
        keys.retry_binding(),
        Binding("j", "move(1)", show=False),
        Binding("k", "move(-1)", show=False),
    ]

    def __init__(self, conversation: UUID, customer: UUID) -> None:
        super().__init__()
        self._conversation, self._customer = conversation, customer
        self._page: CustomerPage | None = None
        self._unknown: Attempt | None = None
        self._busy: Attempt | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog large"):
            yield Plain("Loading the customer…", id="customer-title")
            yield Plain(id="customer-known")
            yield PlainList()
            yield Plain(classes="problem")
            yield Plain(("enter open, merge or undo   a ask for a code   esc close", "$foreground 60%"))

    def on_mount(self) -> None:
        self._reload()

    # -- showing

    def _reload(self) -> None:
        self.run_worker(self._load(), group="customer", exclusive=True, exit_on_error=False)

    async def _load(self) -> None:
        try:
            client = await self.console.connected()
            self._page = await client.customer(self._customer)
        except FteError as error:
            if self._unknown is None:
                self._trouble(f"Not loaded: {error.message}")
            return
        if self.is_attached:
            self._show(self._page)

    def _show(self, page: CustomerPage) -> None:
        self.query_one("#customer-title", Plain).show((people_words.customer_name(page), "bold"))
        self.query_one("#customer-known", Plain).show(*people_words.identifier_lines(page.identifiers))
        self.query_one(PlainList).show(self._rows(page))

    def _rows(self, page: CustomerPage) -> list[Row]:
        now = self.console.now()
        rows = [_heading("Conversations")]
        for talk in page.conversations:
            here = talk.conversation_id == self._conversation
            rows.append(
                _row(f"open:{talk.conversation_id}", people_words.earlier_conversation(talk, here, now))
            )
        if page.duplicates:
            rows.append(_heading("Perhaps the same person (hints, no proof): enter merges"))
            rows += [_row(f"merge:{other.id}", people_words.duplicate(other)) for other in page.duplicates]
        if page.merges:
            rows.append(_heading("Merges: enter undoes"))
            rows += [_row(f"undo:{merge.id}", people_words.merged(merge, now)) for merge in page.merges]
        return rows

    def _trouble(self, words: str) -> None:
        if self.is_attached:
            self.query_one(".problem", Plain).show(words)

    def action_move(self, by: int) -> None:
        self.query_one(PlainList).move(by)

    # -- choosing

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        kind, _, text = (event.option.id or "").partition(":")
        if self._page is None or not text:
            return
        if kind == "open":
            self.dismiss(UUID(text))
        elif kind == "merge":
            self._offer_merge(next(one for one in self._page.duplicates if str(one.id) == text))
        else:
            self._offer_undo(next(one for one in self._page.merges if str(one.id) == text))

    def _refused(self, rule: Callable[[keys.Situation], Refusal]) -> bool:
        busy, unknown = self._busy, self._unknown
        situation = self.console.situation(
            busy=busy.what if busy else "", unknown=unknown.what if unknown else ""
        )
        refusal = rule(situation) or keys.waiting(situation)
        self._trouble(refusal or "")
        return refusal is not None

    def _offer_merge(self, other: DuplicateView) -> None:
        if self._page is None or self._refused(keys.merge_refusal):
            return
        theirs = ", ".join(line(known.identifier_value, 60) for known in other.identifiers)
        name, kept = line(other.name or "unknown", 60), people_words.customer_name(self._page)
        question = f"Merge {name} ({theirs}) into {kept}?"
        facts = (
            f"The hint is: {other.why}. It proves nothing; a code does. From then on, all conversations, addresses and "
            f"numbers of {name} count as those of {kept}, who may be told what is in them. It can be undone."
        )
        deed = partial(_merge, self._customer, other.id)
        done = f"{name} is part of {kept} now."
        self._confirm(ConfirmScreen(question, facts, "Merge"), "the merge", done, deed)

    def _offer_undo(self, merge: MergeView) -> None:
        if self._refused(keys.merge_refusal):
            return
        if merge.undone_at is not None:
            self._trouble("It is undone already.")
            return
        one, two = line(merge.merged_name or "unknown", 60), line(merge.kept_name or "unknown", 60)
        question = f"Make {one} and {two} two customers again?"
        facts = (
            "What the merge moved goes back, with all messages since. Conversations in which both wrote since stay "
            f"with {two}; neither of them reads on in those."
        )
        done = f"{one} and {two} are two customers again."
        self._confirm(ConfirmScreen(question, facts, "Undo"), "the undoing", done, partial(_undo, merge.id))

    def _confirm(self, dialog: ConfirmScreen, what: str, done: str, deed: Deed) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                self._begin(what, done, deed)

        self.console.push_screen(dialog, answered)

    def action_ask(self, text: str = "", problem: str = "") -> None:
        if not self._refused(keys.link_refusal):
            self.console.push_screen(AddressScreen(text, problem), self._asked)

    def _asked(self, address: str | None) -> None:
        if address is None:
            return
        request = LinkRequest(channel="email" if "@" in address else "whatsapp", address=address)
        deed = partial(_link, self._conversation, request)
        done = f"The code is on its way to {line(address, 80)}. Now ask the customer to write it here."
        self._begin(f"asking {line(address, 80)}", done, deed, address)

    # -- doing

    def _begin(self, what: str, done: str, deed: Deed, address: str = "") -> None:
        self._start(Attempt(what, done, deed, new_id(), self.console.now(), address))

    def _start(self, attempt: Attempt) -> None:
        self._busy, self._unknown = attempt, None
        self._trouble("◌ Wait…")
        # It belongs to the application: leaving the screen must not cancel what is on its way.
        self.console.run_worker(self._carry_out(attempt), group="actions", exit_on_error=False)

    async def _carry_out(self, attempt: Attempt) -> None:
        try:
            await attempt.deed(await self.console.connected(), attempt.key)
        except OutcomeUnknown:
            self._unknown = attempt
            advice = self.asking_again(attempt.asked)
            self._fail(f"It is not known whether {attempt.what} took effect. {advice}")
        except Rejected as error:
            self._busy = None
            self._again(attempt, error)
        except FteError as error:
            self._fail(" ".join(filter(None, (error.message, error.remedy))))
        else:
            self.console.say(attempt.done)
            self._trouble("")
        self._busy = None
        if self.is_attached:
            self._reload()

    def unknown(self) -> Sequence[Unknown]:
        one = self._unknown
        return [] if one is None else [Unknown(partial(self._start, one), one.asked)]

    def _fail(self, words: str) -> None:
        if self.is_attached:
            self._trouble(words)
        else:
            self.console.say(words, "error")

    def _again(self, attempt: Attempt, error: FteError) -> None:
        words = " ".join(filter(None, (error.message, error.remedy)))
        if attempt.address and self.is_attached:
            self.action_ask(attempt.address, words)
        else:
            self._fail(words)


async def _merge(customer: UUID, other: UUID, client: "Client", key: UUID) -> Any:
    return await client.merge(customer, other, key)


async def _undo(merge: UUID, client: "Client", key: UUID) -> Any:
    return await client.unmerge(merge, key)


async def _link(conversation: UUID, request: LinkRequest, client: "Client", key: UUID) -> Any:
    return await client.link(conversation, request, key)


def _heading(words: str) -> Row:
    return Row(None, ((words, "bold"),))


def _row(id_: str, parts: list[Part]) -> Row:
    return Row(id_, tuple(parts))
