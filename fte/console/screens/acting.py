"""Acting in a conversation: one thing at a time, with the key that makes it happen once; and what is written for it."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal
from uuid import UUID

from textual import on
from textual.widgets import TextArea

from fte.console import keys, present
from fte.console.drafts import Draft, Kind, Sending
from fte.console.errors import OutcomeUnknown
from fte.console.model import Conversation
from fte.console.safe import Part, line
from fte.console.screens.asking import Unknown
from fte.console.screens.base import ConsoleScreen
from fte.console.screens.dialogs import ChoiceScreen
from fte.console.widgets.composer import Composer
from fte.console.widgets.plain import Row
from fte.console.widgets.transcript import Transcript
from fte.domain import canned
from fte.domain.channels import CHANNEL_WORDS
from fte.domain.errors import Conflict, FteError, Rejected, Unavailable
from fte.domain.ids import new_id
from fte.domain.operators import Action
from fte.wire import ActionDone, ActionRequest, CannedPage, CannedReply, MessageView, QueueItem

_WORDS: Final[dict[Action, str]] = {
    "take_over": "the takeover",
    "reply": "your reply",
    "note": "your note",
    "release": "handing it back",
    "resolve": "resolving it",
    "send_again": "sending it again",
    "undo_send": "taking it back",
    "snooze": "putting it aside",
    "set_priority": "setting the priority",
    "set_category": "setting the category",
    "tag": "setting the tags",
    "assign": "assigning it",
    "merge_in": "the merge",
    "part": "parting it",
    "link": "asking for a code",
}
_DONE: Final[dict[Action, str]] = {
    "take_over": "You hold it now. The AI is silent.",
    "reply": "Reply handed over.",
    "note": "Note added.",
    "release": "Handed back to the AI.",
    "resolve": "Resolved.",
    "send_again": "Handed over for delivery once more.",
    "undo_send": "Taken back, the customer does not get it.",
    "snooze": "Put aside; it comes back by itself.",
    "set_priority": "The priority is set.",
    "set_category": "The category is set.",
    "tag": "The tags are set.",
    "assign": "Assigned.",
    "merge_in": "Merged. What the customer writes there comes here.",
    "part": "It is on its own again.",
}


def words_of_action(action: Action) -> str:
    """What is under way, or of what nobody knows whether it happened."""
    return _WORDS[action]


@dataclass(frozen=True, slots=True)
class Attempt:
    """An action with the key that makes it happen once, however often it is asked for.

    `asked` is when its key was pressed; None for one of an earlier console.
    """

    action: Action
    request: ActionRequest
    key: UUID
    asked: datetime | None = None


class ActingScreen(ConsoleScreen):
    """A conversation's screen, as far as something is done or written in it. What it shows is its subclass's matter."""

    def __init__(self, conversation: UUID) -> None:
        super().__init__()
        self.conversation = conversation
        self.talk = Conversation()
        self._busy: Attempt | None = None
        self._unknown: Attempt | None = None
        self._discard_armed = False
        self._canned: CannedPage | None = None
        self._unfilled = ""
        self._cut_off = ""
        self._typed_at: datetime | None = None

    @abstractmethod
    def stale(self) -> None:
        """Something happened in this conversation: fetch it soon."""

    @abstractmethod
    async def paint(self) -> None:
        """Show what the model holds; only what differs is touched."""

    @abstractmethod
    async def _fetch(self) -> None:
        """Bring the model up to date, and paint. Raises FteError."""

    @abstractmethod
    def _does(self) -> None:
        """Tell colleagues whether we read or write, where that has changed."""

    @property
    def composer(self) -> Composer:
        return self.query_one(Composer)

    @property
    def transcript(self) -> Transcript:
        return self.query_one(Transcript)

    @property
    def _item(self) -> QueueItem:
        assert self.talk.view is not None, "the table of keys asks for it"
        return self.talk.view.item

    # -- acting

    def _begin(self, action: Action, **asked: Any) -> None:
        refusal = keys.action("merge_in" if action == "part" else action).why_not(self.situation())
        if refusal is not None or self.talk.view is None:
            self.console.say(refusal or "The conversation is still being loaded.", "warning")
            return
        seen = self.talk.seen(self.console.now())
        request = ActionRequest(seen=seen, epoch=self.talk.view.epoch, **asked)
        self._start(Attempt(action, request, new_id(), self.console.now()))

    def _start(self, attempt: Attempt) -> None:
        self._busy, self._unknown = attempt, None
        self._remember(attempt)
        if attempt.action in ("reply", "note"):
            self.composer.freeze(True)
            self.composer.tell("◌ Sending…")
        self.call_later(self.paint)
        # It belongs to the application: leaving the screen must not cancel what is on its way.
        self.console.run_worker(self._carry_out(attempt), group="actions", exit_on_error=False)

    async def _carry_out(self, attempt: Attempt) -> None:
        try:
            client = await self.console.connected()
            done = await client.act(self.conversation, attempt.action, attempt.request, attempt.key)
        except OutcomeUnknown:
            self._busy, self._unknown = None, attempt
            self._say_unknown(attempt)
        except FteError as error:
            self._busy = None
            await self._refused(attempt, error)
        else:
            self._busy = None
            self._succeeded(attempt, done)
        if self.is_attached:
            self.stale()
            await self.paint()
        self.console.queue.touch(self.conversation)
        self.console.refresh_queue()

    def _say_unknown(self, attempt: Attempt) -> None:
        words = f"It is not known whether {_WORDS[attempt.action]} took effect."
        advice = self.asking_again(attempt.asked)
        self.console.say(f"{words} {advice}", "error")
        if attempt.action in ("reply", "note") and self._writing(attempt):
            self.composer.tell((f"? {words} ", "bold"), advice)

    def _succeeded(self, attempt: Attempt, done: ActionDone) -> None:
        back = attempt.action == "snooze" and attempt.request.until is None
        words = "It is back in the queue." if back else _DONE[attempt.action]
        if attempt.action == "reply":
            self.console.sent = self.conversation
            words = f"Reply handed over; {keys.key_of('undo_send')} takes it back while it waits."
        self.console.say(words)
        if done.in_flight:
            already = present.plural(len(done.in_flight), "answer")
            words = f"{already} of the AI had left before you took over and may still reach the customer."
            self.console.say(words, "warning")
        if attempt.action == "undo_send":
            self.console.sent = None
            self._give_back(done.message_id)
        if attempt.action in ("reply", "note"):
            self.console.drafts.drop(self.conversation, _kind(attempt))
            if self._writing(attempt):
                self._close_composer()
                self.talk.follow(self.console.now())

    def _give_back(self, message: UUID | None) -> None:
        """The words that were taken back are the operator's again; an approved answer waits as a draft."""
        said = next((one for one in self.talk.shown() if one.id == message), None)
        if said is None or said.role != "operator":
            return
        begun = self.console.drafts.load(self.conversation, "reply")
        text = "\n\n".join(filter(None, (said.content, begun.text if begun else "")))
        self._keep(Draft("reply", text))
        if self.is_attached and not self.composer.is_open:
            self._write("reply")

    async def _refused(self, attempt: Attempt, error: FteError) -> None:
        words = present.sentence(error)
        if attempt.action not in ("reply", "note"):
            self.console.say(words, "warning")
            return
        self._keep(Draft(_kind(attempt), attempt.request.text or ""))
        if not self._writing(attempt):
            self.console.say(f"Not sent, kept as a draft: {words}", "error")
            return
        self.composer.freeze(False)
        if isinstance(error, Conflict):
            await self._show_what_arrived(attempt, words)
        else:
            self._cut_off = words if isinstance(error, Unavailable) else ""
            self.composer.tell(("✗ Not sent. ", "bold"), words)

    def say_connected_again(self) -> None:
        """The daemon answers: what could not be sent for want of it can be sent now."""
        if self._cut_off and self.composer.is_open and self._busy is None:
            advice = f" The daemon answers again: {keys.key_of('send')} sends it."
            self.composer.tell(("○ Not sent yet. ", "bold"), self._cut_off, advice)
        self._cut_off = ""

    async def _show_what_arrived(self, attempt: Attempt, words: str) -> None:
        try:
            await self._fetch()
        except FteError:
            self.composer.tell(("✗ Not sent. ", "bold"), words)
            return
        self.talk.follow(self.console.now())
        arrived = [m for m in self.talk.shown() if m.seq > attempt.request.seen and m.role == "customer"]
        self.talk.acknowledge()
        advice = f" Your text is kept; read this, then {keys.key_of('send')} sends it."
        self.composer.tell(
            ("✗ Not sent. ", "bold"), words, *(["\n", *quotes(arrived)] if arrived else []), advice
        )

    def unknown(self) -> Sequence[Unknown]:
        one = self._unknown
        return [] if one is None else [Unknown(partial(self._start, one), one.asked)]

    # -- writing

    def do_reply(self) -> None:
        self._write("reply")

    def do_note(self) -> None:
        self._write("note")

    def _write(self, kind: Kind) -> None:
        alone = self.console.drafts.hold(self.conversation, kind)
        draft = self.console.drafts.load(self.conversation, kind)
        view = self.talk.view
        item = view.item if view else None
        heard_on = (m.channel for m in reversed(self.talk.shown()) if m.role == "customer")
        to = (
            f"Reply to {line(item.customer, 40)} by {CHANNEL_WORDS[next(heard_on, item.channel)]}"
            f"{present.also_read_by(view)}"
            if view and item
            else "Reply"
        )
        heading = to if kind == "reply" else "Note for colleagues, never sent to the customer"
        self.composer.open(kind, heading, draft.text if draft else "")
        if not alone:
            self.composer.tell(("▲ Others of your consoles write here: this text may not be kept.", "bold"))
        elif draft and draft.sending is None:
            self.composer.tell("Your draft, as you left it.")
        self._unfilled = ""
        if kind == "reply":
            self.composer.canned = self._expand
            self.run_worker(self._load_canned(), group="canned", exclusive=True, exit_on_error=False)
        self.call_after_refresh(self.paint)

    # -- canned replies

    async def _load_canned(self) -> None:
        try:
            self._canned = await (await self.console.connected()).canned()
        except FteError:
            self._canned = self._canned or None

    def _fitting(self) -> list[CannedReply]:
        """The canned replies for the channel an answer goes to."""
        heard = (m.channel for m in reversed(self.talk.shown()) if m.role == "customer")
        channel = next(heard, self._item.channel)
        replies = self._canned.items if self._canned else []
        return [one for one in replies if one.channel in (None, channel)]

    def _expand(self, key: str) -> str | None:
        found = next((one for one in self._fitting() if one.key == key), None)
        return None if found is None else self._filled(found)

    def _filled(self, reply: CannedReply) -> str | None:
        """The reply with its variables filled in; says what is missing. None when it cannot be used."""
        company, me = self._canned.company if self._canned else "", self.console.queue.me or ""
        item = self._item
        values = canned.values(customer=item.customer, ticket=item.number, operator=me, company=company)
        try:
            rendered = canned.render(reply.body, values)
        except Rejected as error:
            self.composer.tell(("✗ Not put in. ", "bold"), present.sentence(error))
            return None
        if rendered.missing:
            self.composer.tell(("? Fill in yourself: ", "bold"), _braced(rendered.missing))
        return rendered.text

    def do_canned(self) -> None:
        if self.composer.kind != "reply" or self.composer.area.read_only:
            self.console.say("Canned replies are for replies that are being written.", "warning")
        elif self._fitting():
            self._list_canned()
        else:
            self.run_worker(self._look_for_canned(), group="canned", exclusive=True, exit_on_error=False)

    async def _look_for_canned(self) -> None:
        """Ask anew: somebody may have written one since."""
        await self._load_canned()
        if not self.composer.is_open:
            return
        if self._fitting():
            self._list_canned()
        elif self._canned is None:
            self.console.say("The canned replies could not be loaded; try again.", "warning")
        else:
            self.console.say(
                "There is none for this channel yet. A lead or an admin adds one: fte canned add."
            )

    def _list_canned(self) -> None:
        rows = [Row(one.key, tuple(present.canned_parts(one))) for one in self._fitting()]
        self.console.push_screen(ChoiceScreen("Which canned reply?", rows, filtered=True), self._put_in)

    def _put_in(self, key: str | None) -> None:
        text = self._expand(key) if key is not None else None
        if text is not None and self.composer.is_open:
            self.composer.put_in(text)

    def _offer_unsent(self) -> None:
        """Bring back what was being sent when the console ended: with its key, so it is sent once."""
        if self._busy or self._unknown or self.talk.view is None or self.composer.is_open:
            return
        kinds: tuple[Literal["reply", "note"], ...] = ("reply", "note")
        for kind in kinds:
            draft = self.console.drafts.load(self.conversation, kind)
            if draft is not None and draft.sending is not None:
                sending = draft.sending
                request = ActionRequest(seen=sending.seen, epoch=sending.epoch, text=draft.text)
                self._unknown = Attempt(kind, request, sending.key)
                self._write(kind)
                self.composer.freeze(True)
                self._say_unknown(self._unknown)
                return

    def do_send(self) -> None:
        composer = self.composer
        if self._unknown is not None and self._busy is None:
            self._start(self._unknown)
            return
        try:
            text = ActionRequest(seen=0, epoch=0, text=composer.text).required_text()
        except Rejected as error:
            composer.tell(("✗ ", "bold"), present.sentence(error))
            return
        missing = canned.unfilled(text) if composer.kind == "reply" else []
        if missing and self._unfilled != text:
            self._unfilled = text
            advice = f" stands in it: fill it in, or {keys.key_of('send')} again sends it so."
            composer.tell(("✗ Not sent. ", "bold"), _braced(missing), advice)
            return
        self._begin("note" if composer.kind == "note" else "reply", text=text)

    def do_editor(self) -> None:
        if self._busy or self._unknown:
            self.console.say("It is being sent; the text cannot change now.", "warning")
        else:
            self.run_worker(self._edit(), group="editor", exclusive=True, exit_on_error=False)

    async def _edit(self) -> None:
        """Have the text written outside; whatever goes wrong there, what is here stays."""
        self._store()
        try:
            text = await self.console.write_outside(self.composer.text)
        except FteError as error:
            self.composer.tell(("✗ Nothing has changed: ", "bold"), present.sentence(error))
            return
        self.composer.area.load_text(text)
        self.composer.area.move_cursor(self.composer.area.document.end)
        self._store()

    def do_leave(self) -> None:
        self._store()
        kept = bool(self.composer.text.strip())
        self._close_composer()
        if kept:
            self.console.say("The draft is kept.")
        self.call_later(self.paint)

    def do_discard(self) -> None:
        if self._busy is not None:
            self.console.say("It is being sent; wait for the answer.", "warning")
        elif not self._discard_armed and self.composer.text.strip():
            self._discard_armed = True
            lost = " It may have been sent all the same." if self._unknown else ""
            self.composer.tell(
                (f"Throw this text away?{lost} {keys.key_of('discard')} again does it.", "bold")
            )
        else:
            self.console.drafts.drop(self.conversation, self.composer.kind)
            self._unknown = None
            self._close_composer()
            self.call_later(self.paint)

    def _close_composer(self) -> None:
        self._discard_armed = False
        self._typed_at = None
        self.console.drafts.let_go(self.conversation, self.composer.kind)
        self.composer.close()
        self.transcript.focus()
        self._does()

    @on(TextArea.Changed)
    def _changed(self) -> None:
        self._discard_armed = False
        self._typed_at = self.console.now()
        self._does()
        self.composer.count()
        self._store()

    def _store(self) -> None:
        if self._unknown is None and self._busy is None:
            self._keep(Draft(self.composer.kind, self.composer.text))

    def _remember(self, attempt: Attempt) -> None:
        if attempt.action in ("reply", "note"):
            request = attempt.request
            sending = Sending(attempt.key, request.seen, request.epoch)
            self._keep(Draft(_kind(attempt), request.text or "", sending))

    def _keep(self, draft: Draft) -> None:
        try:
            self.console.drafts.save(self.conversation, draft)
        except OSError as error:
            self.composer.tell(
                ("✗ The draft cannot be stored: ", "bold"), line(error.strerror or "disk error")
            )

    def _writing(self, attempt: Attempt) -> bool:
        return self.is_attached and self.composer.is_open and self.composer.kind == attempt.action

    def paint_keys(self) -> None:
        self.set_class(self.composer.is_open, "-composing")
        super().paint_keys()


def _kind(attempt: Attempt) -> Kind:
    return "note" if attempt.action == "note" else "reply"


def _braced(names: Sequence[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)


def quotes(messages: list[MessageView]) -> list[Part]:
    """The newest of these messages on one line, as their writers' words."""
    return [f"{line(message.author, 40)}: “{line(message.content, 200)}” " for message in messages[-3:]]
