"""Drafts triage: one answer that waits for approval at a time; read it, decide, and the next one is there."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import PurePath
from typing import ClassVar, Final
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import TextArea

from fte.console import draft_words, keys, present
from fte.console.drafts import Draft as Kept
from fte.console.errors import OutcomeUnknown
from fte.console.keys import Context, Situation
from fte.console.safe import line
from fte.console.screens.asking import Unknown
from fte.console.screens.base import ConsoleScreen
from fte.console.screens.dialogs import ReasonScreen, TraceScreen
from fte.console.triage import Triage
from fte.console.widgets.composer import Composer
from fte.console.widgets.key_bar import KeyBar
from fte.console.widgets.plain import Plain
from fte.console.widgets.status_bar import StatusBar
from fte.domain.drafts import Decision, fingerprint
from fte.domain.errors import FteError, NotFound, Rejected
from fte.domain.ids import new_id
from fte.wire import ActionRequest, DraftDecision, DraftView

REFRESH_PAUSE: Final = 0.25
"""Seconds between two fetches of the drafts that events caused."""
TICK: Final = 15.0
"""Seconds between two looks at the clock."""
TOGETHER_MAX: Final = 20
"""Decisions that may be on their way at the same time."""
_DONE: Final[dict[Decision, str]] = {
    "approve": "approved",
    "reject": "rejected, it needs a person now",
    "regenerate": "is being written anew",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """A decision with the key that makes it happen once, however often it is asked for. `asked` is when it was made."""

    decision: Decision
    draft: DraftView
    request: DraftDecision
    key: UUID
    asked: datetime

    @property
    def name(self) -> str:
        return f"#{self.draft.number}"


@dataclass(frozen=True, slots=True)
class Undo:
    """An approval that is to be taken back, with the key that makes it happen once. `asked` is when that was wanted."""

    attempt: Attempt
    key: UUID
    asked: datetime


class DraftsScreen(ConsoleScreen):
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.bindings("drafts"),
        Binding("j", "scroll(2)", "down", show=False),
        Binding("k", "scroll(-2)", "up", show=False),
    ]
    AUTO_FOCUS = "#draft-body"
    CSS_PATH: ClassVar[list[str | PurePath]] = ["conversation.tcss", "drafts.tcss"]
    context = "drafts"

    def __init__(self) -> None:
        super().__init__()
        self.triage = Triage()
        self._stale = asyncio.Event()
        self._on_their_way: dict[UUID, Attempt] = {}
        self._unknown: dict[UUID, Attempt] = {}
        self._approved: list[Attempt] = []
        self._not_undone: dict[UUID, Undo] = {}
        self._editing: DraftView | None = None
        self._discard_armed = False

    def compose(self) -> ComposeResult:
        yield StatusBar()
        yield Plain(id="trouble")
        yield Plain("Loading the drafts…", id="draft-head")
        yield Plain(id="draft-why")
        with VerticalScroll(id="draft-body"):
            yield Plain(id="draft-asked")
            yield Plain(id="draft-answer")
            yield Plain(id="draft-sources")
        yield Plain(id="draft-more")
        yield Composer()
        yield KeyBar()

    def on_mount(self) -> None:
        self.paint_frame()
        self.set_interval(TICK, self.paint)
        self.watch(self.query_one("#draft-body"), "scroll_y", self._paint_more, init=False)
        self.run_worker(self._keep_fresh(), group="drafts", exit_on_error=False)

    def on_unmount(self) -> None:
        if self._editing is not None:
            self.console.drafts.let_go(self._editing.id, "edit")

    @property
    def crumb(self) -> str:
        return "drafts"

    @property
    def composer(self) -> Composer:
        return self.query_one(Composer)

    @property
    def active_context(self) -> Context:
        return "compose" if self.is_mounted and self.composer.is_open else "drafts"

    def situation(self) -> Situation:
        draft = self.triage.current
        return self.console.situation(
            draft_refusal=self._undecidable(),
            draft=draft is not None,
            drafts=len(self.triage.waiting()),
            runs=draft is not None and draft.run is not None,
            approved=bool(self._approved),
            unknown=self._in_doubt(),
        )

    def _in_doubt(self) -> str:
        """What nobody knows the outcome of, in words; empty when there is nothing."""
        deciding = [f"deciding {one.name}" for one in self._unknown.values()]
        undoing = [f"taking {one.attempt.name} back" for one in self._not_undone.values()]
        return next(iter(deciding + undoing), "")

    def _undecidable(self) -> str:
        """Why the draft on the screen cannot be decided, empty when it can."""
        draft = self.triage.current
        if draft is None:
            return "No draft waits." if self.triage.loaded else "The drafts are still being loaded."
        if draft.state != "pending":
            return f"{draft_words.fate(draft)} {keys.key_of('next_draft')} goes on."
        if draft.id in self._unknown:
            retry = keys.key_of("retry")
            return f"It is not known whether your decision took effect; {retry} asks again."
        if len(self._on_their_way) >= TOGETHER_MAX:
            return "Wait: too many decisions are on their way."
        return ""

    # -- fetching

    def stale(self) -> None:
        """Something happened to a draft: fetch them soon."""
        self._stale.set()

    async def _keep_fresh(self) -> None:
        attempt = 0
        while True:
            self._stale.clear()
            try:
                await self._fetch()
                attempt = 0
                await asyncio.sleep(REFRESH_PAUSE)
                await self._stale.wait()
            except FteError as error:
                attempt += 1
                if not self.triage.loaded:
                    self.query_one("#draft-head", Plain).show(f"Not loaded: {error.message} Trying again…")
                await (await self.console.connected()).pause(attempt)

    async def _fetch(self) -> None:
        client = await self.console.connected()
        was = self.triage.current
        gone = self.triage.fetched(await client.drafts())
        if gone is not None:
            try:
                self.triage.became(await client.draft(gone))
            except NotFound:
                self.triage.move(1)
        now = self.triage.current
        if was is not None and now is not None and was.id == now.id and now.state != was.state:
            self._tell_void(now)
        self.paint()

    def _tell_void(self, draft: DraftView) -> None:
        if self.composer.is_open and self._editing is not None and self._editing.id == draft.id:
            self.composer.tell(("✗ It cannot be sent any more. ", "bold"), draft_words.fate(draft))

    # -- painting

    def paint(self) -> None:
        """Show what the model holds."""
        if not self.is_whole or not self.triage.loaded:
            return
        draft, now = self.triage.current, self.console.now()
        self.set_class(draft is None, "-empty")
        self.set_class(draft is not None and draft.state != "pending", "-void")
        head, why = self.query_one("#draft-head", Plain), self.query_one("#draft-why", Plain)
        if draft is None:
            head.show(("✓ No draft waits for approval.", "$text-success"))
            why.show(("New ones appear here by themselves.", "$foreground 60%"))
        else:
            head.show(*draft_words.draft_head(draft, self.triage.place, self.triage.total, now))
            if draft.id in self._unknown:
                retry = keys.key_of("retry")
                why.show(
                    (f"? Not known whether your decision took effect; {retry} asks again", "$text-warning")
                )
            else:
                why.show(*draft_words.draft_why(draft, now))
            self.query_one("#draft-asked", Plain).show(*draft_words.draft_asked(draft, now))
            self.query_one("#draft-answer", Plain).show(*draft_words.draft_answer(draft))
            self.query_one("#draft-sources", Plain).show(*draft_words.draft_sources(draft))
        self.call_after_refresh(self._paint_more)
        self.paint_frame()

    def _paint_more(self) -> None:
        """Say that the answer goes on below: nobody should approve what they have not read by mistake."""
        if not self.is_whole:
            return
        body, answer = self.query_one("#draft-body"), self.query_one("#draft-answer")
        hidden = answer.virtual_region.bottom - int(body.scroll_y) - body.size.height
        more = self.query_one("#draft-more", Plain)
        more.set_class(hidden > 0 and not self.composer.is_open and self.triage.current is not None, "-there")
        more.show(f"↓ The answer goes on: {present.plural(max(0, hidden), 'line')} below, j shows them")

    def _moved(self) -> None:
        self.query_one("#draft-body").scroll_home(animate=False)
        self.paint()

    def paint_keys(self) -> None:
        self.set_class(self.composer.is_open, "-composing")
        super().paint_keys()

    def action_scroll(self, by: int) -> None:
        self.query_one("#draft-body").scroll_relative(y=by, animate=False)

    # -- going from one to the next

    def do_next_draft(self) -> None:
        self._go(1, "This is the newest draft.")

    def do_previous_draft(self) -> None:
        self._go(-1, "This is the draft that waits longest.")

    def _go(self, by: int, end: str) -> None:
        if self.triage.move(by):
            self._moved()
        else:
            self.console.say(end)

    def do_draft_trace(self) -> None:
        draft = self.triage.current
        if draft is not None and draft.run is not None:
            when = present.clock_time(draft.created_at, self.console.now())
            self.console.push_screen(TraceScreen([(when, draft.run)], 0))

    def do_draft_open(self) -> None:
        if self.triage.current is not None:
            self.console.open_conversation(self.triage.current.conversation_id)

    def do_leave_drafts(self) -> None:
        self.dismiss()

    # -- deciding

    def do_approve(self) -> None:
        if self.triage.current is not None:
            self._approve(self.triage.current, None)

    def _approve(self, draft: DraftView, text: str | None) -> None:
        self._begin("approve", draft, DraftDecision(hash=fingerprint(draft.body), text=text))

    def do_reject(self) -> None:
        draft = self.triage.current
        if draft is not None:
            question = f"Reject the draft for #{draft.number}? A person has to answer then."
            dialog = ReasonScreen(question, "Reject", required=True)
            self.console.push_screen(dialog, partial(self._rejected, draft))

    def _rejected(self, draft: DraftView, reason: str | None) -> None:
        if reason:
            self._begin("reject", draft, DraftDecision(reason=reason))

    def do_regenerate(self) -> None:
        draft = self.triage.current
        if draft is not None:
            question = f"Have the answer to #{draft.number} written anew? Say what to do better."
            dialog = ReasonScreen(question, "Write anew", required=True, hint="What to do better")
            self.console.push_screen(dialog, partial(self._hinted, draft))

    def _hinted(self, draft: DraftView, hint: str | None) -> None:
        if hint:
            self._begin("regenerate", draft, DraftDecision(hint=hint))

    def _begin(self, decision: Decision, draft: DraftView, request: DraftDecision) -> None:
        """Decide on that draft, the one that was on the screen when the operator decided; and go on."""
        current = self.triage.current
        if current is not None and current.id == draft.id and (refusal := self._undecidable()):
            self.console.say(refusal, "warning")
            return
        self._start(Attempt(decision, draft, request, new_id(), self.console.now()))

    def _start(self, attempt: Attempt) -> None:
        self._unknown.pop(attempt.draft.id, None)
        self._on_their_way[attempt.draft.id] = attempt
        self.triage.leave(attempt.draft.id)
        self._moved()
        # It belongs to the application: leaving the screen must not cancel what is on its way.
        self.console.run_worker(self._carry_out(attempt), group="actions", exit_on_error=False)

    async def _carry_out(self, attempt: Attempt) -> None:
        draft = attempt.draft
        try:
            client = await self.console.connected()
            await client.decide(draft.id, attempt.decision, attempt.request, attempt.key)
        except OutcomeUnknown:
            self._unknown[draft.id] = attempt
            self.triage.undecided(draft.id)
            advice = self.asking_again(attempt.asked)
            self.console.say(f"It is not known whether {attempt.name} was decided. {advice}", "error")
        except FteError as error:
            self.triage.undecided(draft.id)
            self.console.say(f"{attempt.name} not decided: {present.sentence(error)}", "warning")
        else:
            self._succeeded(attempt)
        self._on_their_way.pop(draft.id, None)
        self.console.queue.touch(draft.conversation_id)
        self.console.refresh_queue()
        if self.is_attached:
            self.stale()
            self.paint()

    def _succeeded(self, attempt: Attempt) -> None:
        self.triage.settled(attempt.draft.id)
        self.console.drafts.drop(attempt.draft.id, "edit")
        undo = ""
        if attempt.decision == "approve":
            self._approved.append(attempt)
            undo = f"; {keys.key_of('undo')} takes it back for a few seconds"
        self.console.say(f"✓ {attempt.name} {_DONE[attempt.decision]}{undo}.")

    def do_undo(self) -> None:
        self._undo(Undo(self._approved.pop(), new_id(), self.console.now()))

    def _undo(self, undo: Undo) -> None:
        self._not_undone.pop(undo.attempt.draft.id, None)
        self.console.run_worker(self._take_back(undo), group="actions", exit_on_error=False)

    async def _take_back(self, undo: Undo) -> None:
        attempt, request = undo.attempt, ActionRequest(seen=0, epoch=0)
        try:
            client = await self.console.connected()
            await client.act(attempt.draft.conversation_id, "undo_send", request, undo.key)
        except OutcomeUnknown:
            self._not_undone[attempt.draft.id] = undo
            advice = self.asking_again(undo.asked)
            self.console.say(f"It is not known whether {attempt.name} was taken back. {advice}", "error")
        except FteError as error:
            self.console.say(f"{attempt.name} not taken back: {present.sentence(error)}", "warning")
        else:
            text = attempt.request.text
            if text is not None:
                self._keep(attempt.draft, text)
            kept = f"; {keys.key_of('edit')} goes on with your words" if text else ""
            self.console.say(f"{attempt.name} taken back, it waits again{kept}.")
            self.triage.come_back(attempt.draft.id)
        self.console.queue.touch(attempt.draft.conversation_id)
        self.console.refresh_queue()
        if self.is_attached:
            self.stale()

    def unknown(self) -> Sequence[Unknown]:
        decided = [Unknown(partial(self._start, one), one.asked) for one in self._unknown.values()]
        undone = [Unknown(partial(self._undo, one), one.asked) for one in self._not_undone.values()]
        return decided + undone

    # -- writing

    def do_edit(self) -> None:
        draft = self.triage.current
        if draft is None:
            return
        self._editing, self._discard_armed = draft, False
        alone = self.console.drafts.hold(draft.id, "edit")
        kept = self.console.drafts.load(draft.id, "edit")
        heading = f"Answer to #{draft.number} {line(draft.customer, 40)}: sent in place of the draft"
        self.composer.open("edit", heading, kept.text if kept else draft.body)
        if not alone:
            self.composer.tell(("▲ Others of your consoles write here: this text may not be kept.", "bold"))
        elif kept:
            self.composer.tell("Your words, as you left them.")
        self.paint()

    def do_send(self) -> None:
        draft, text = self._editing, self.composer.text
        if draft is None:
            return
        try:
            DraftDecision(text=text).checked_text()
        except Rejected as error:
            self.composer.tell(("✗ ", "bold"), present.sentence(error))
            return
        current = self.triage.current
        if current is not None and current.id == draft.id and current.state != "pending":
            self._tell_void(current)
            return
        self._keep(draft, text)
        self._close_composer()
        self._approve(draft, None if text == draft.body else text)

    def do_leave(self) -> None:
        if self._editing is not None and self.composer.text != self._editing.body:
            self._keep(self._editing, self.composer.text)
            self.console.say("Your words are kept.")
        self._close_composer()
        self.paint()

    def do_discard(self) -> None:
        if not self._discard_armed and self._editing is not None and self.composer.text != self._editing.body:
            self._discard_armed = True
            again = keys.key_of("discard")
            self.composer.tell((f"Throw your words away? {again} again does it.", "bold"))
            return
        if self._editing is not None:
            self.console.drafts.drop(self._editing.id, "edit")
        self._close_composer()
        self.paint()

    def do_editor(self) -> None:
        self.run_worker(self._edit_outside(), group="editor", exclusive=True, exit_on_error=False)

    async def _edit_outside(self) -> None:
        """Have the text written outside; whatever goes wrong there, what is here stays."""
        try:
            text = await self.console.write_outside(self.composer.text)
        except FteError as error:
            self.composer.tell(("✗ Nothing has changed: ", "bold"), present.sentence(error))
            return
        self.composer.area.load_text(text)
        self.composer.area.move_cursor(self.composer.area.document.end)

    def do_canned(self) -> None:
        self.console.say("Canned replies are for replies that are being written.", "warning")

    def _close_composer(self) -> None:
        if self._editing is not None:
            self.console.drafts.let_go(self._editing.id, "edit")
        self._editing = None
        self.composer.close()
        self.query_one("#draft-body").focus()

    @on(TextArea.Changed)
    def _changed(self) -> None:
        self._discard_armed = False
        self.composer.count()
        if self._editing is not None and self.composer.text != self._editing.body:
            self._keep(self._editing, self.composer.text)

    def _keep(self, draft: DraftView, text: str) -> None:
        try:
            self.console.drafts.save(draft.id, Kept("edit", text))
        except OSError as error:
            self.composer.tell(
                ("✗ Your words cannot be stored: ", "bold"), line(error.strerror or "disk error")
            )
