"""One conversation: read it, take over, answer, note, hand back, resolve."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Final, Literal
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.events import Click
from textual.widgets import TextArea

from fte.console import keys, present
from fte.console.clipboard import Piece, address_of, number_of, words_of
from fte.console.drafts import Draft, Kind, Sending
from fte.console.errors import OutcomeUnknown
from fte.console.keys import Context, Situation
from fte.console.model import Conversation, holder_of
from fte.console.safe import Part, content, line
from fte.console.screens.base import ConsoleScreen
from fte.console.screens.choices import CopyScreen
from fte.console.screens.customer import CustomerScreen
from fte.console.screens.dialogs import (
    ChoiceScreen,
    ConfirmScreen,
    ReleaseScreen,
    ResolveScreen,
    SnoozeScreen,
    TagsScreen,
    TraceScreen,
)
from fte.console.screens.files import FilesScreen, Listed
from fte.console.widgets.composer import Composer
from fte.console.widgets.key_bar import KeyBar
from fte.console.widgets.plain import Plain, Row
from fte.console.widgets.status_bar import StatusBar
from fte.console.widgets.transcript import Entry, Transcript
from fte.domain import canned
from fte.domain.errors import Conflict, FteError, NotFound, Rejected
from fte.domain.handover import Spoken, summed_up
from fte.domain.ids import new_id
from fte.domain.operators import Action
from fte.domain.presence import HEARTBEAT, Doing
from fte.domain.tickets import CATEGORIES, PRIORITIES, Resolution
from fte.wire import (
    ActionDone,
    ActionRequest,
    CannedPage,
    CannedReply,
    ConversationSummary,
    ConversationView,
    MessageView,
    QueueItem,
    RunView,
)

ATTEND_PAUSE: Final = 1.0
"""Seconds between two words to colleagues about what is done here."""
WRITING: Final = timedelta(seconds=20)
"""How long after a key press somebody counts as writing."""
REFRESH_PAUSE: Final = 0.25
"""Seconds between two fetches of the conversation that events caused."""
TICK: Final = 15.0
"""Seconds between two looks at the clock."""
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


@dataclass(frozen=True, slots=True)
class Attempt:
    """An action with the key that makes it happen once, however often it is asked for."""

    action: Action
    request: ActionRequest
    key: UUID


class ConversationScreen(ConsoleScreen):
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("conversation")
    AUTO_FOCUS = "Transcript"
    CSS_PATH = "conversation.tcss"
    context = "conversation"

    def __init__(self, conversation: UUID) -> None:
        super().__init__()
        self.conversation = conversation
        self.talk = Conversation()
        self._stale = asyncio.Event()
        self._busy: Attempt | None = None
        self._unknown: Attempt | None = None
        self._discard_armed = False
        self._canned: CannedPage | None = None
        self._unfilled = ""
        self._listing: FilesScreen | None = None
        self._painting = asyncio.Lock()
        self._fetching = asyncio.Lock()
        self._typed_at: datetime | None = None
        self._told: Doing = "left"
        self._does_else = asyncio.Event()

    def compose(self) -> ComposeResult:
        yield StatusBar()
        yield Plain(id="trouble")
        yield Plain("Loading the conversation…", id="headline")
        yield Plain(id="holder")
        yield Plain(id="clocks")
        with VerticalScroll(id="brief", can_focus=False):
            yield Plain()
        yield Plain(id="earlier")
        yield Transcript()
        yield Plain(id="unread")
        yield Composer()
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one("#brief").border_title = "Hand-over brief"
        self.paint_frame()
        self.set_interval(TICK, self._tick)
        self.run_worker(self._keep_fresh(), group="conversation", exit_on_error=False)
        self.run_worker(self._attend(), group="attention", exit_on_error=False)

    @property
    def composer(self) -> Composer:
        return self.query_one(Composer)

    @property
    def transcript(self) -> Transcript:
        return self.query_one(Transcript)

    @property
    def active_context(self) -> Context:
        return "compose" if self.is_mounted and self.composer.is_open else "conversation"

    def situation(self) -> Situation:
        view = self.talk.view
        return self.console.situation(
            item=view.item if view else None,
            busy=_WORDS[self._busy.action] if self._busy else "",
            unknown=_WORDS[self._unknown.action] if self._unknown else "",
            earlier=bool(self.talk.above),
            runs=any(self.talk.explained(message) for message in self.talk.shown()),
            brief=view is not None and view.brief is not None,
            files=any(message.attachments for message in self.talk.shown()),
            undelivered=any(m.delivery_status in ("failed", "unknown") for m in self.talk.shown()),
        )

    # -- fetching

    def stale(self) -> None:
        """Something happened in this conversation: fetch it soon."""
        self._stale.set()

    async def _keep_fresh(self) -> None:
        attempt = 0
        while True:
            self._stale.clear()
            try:
                await self._fetch()
                attempt = 0
                self._offer_unsent()
                await asyncio.sleep(REFRESH_PAUSE)
                await self._stale.wait()
            except NotFound as error:
                self.console.say(error.message, "warning")
                if self.talk.view is None:
                    self.dismiss()
                    return
                await self._stale.wait()
            except FteError as error:
                attempt += 1
                if attempt == 1 and self.talk.view is None:
                    self.query_one("#headline", Plain).show(f"Not loaded: {error.message} Trying again…")
                await (await self.console.connected()).pause(attempt)

    # -- telling colleagues what we do here

    async def _attend(self) -> None:
        """Say whether we read or write: at once when it changes, and again before it runs out."""
        while True:
            self._does_else.clear()
            self._told = self._doing()
            with contextlib.suppress(FteError):  # a hint: the next one comes before long
                await (await self.console.connected()).attend(self.conversation, self._told)
            await asyncio.sleep(ATTEND_PAUSE)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT):
                    await self._does_else.wait()

    def _doing(self) -> Doing:
        typed = self._typed_at is not None and self.console.now() - self._typed_at < WRITING
        return "writing" if typed and self.active_context == "compose" else "viewing"

    def _does(self) -> None:
        if self._doing() != self._told:
            self._does_else.set()

    def on_unmount(self) -> None:
        self.console.drafts.let_go(self.conversation, "reply")
        self.console.drafts.let_go(self.conversation, "note")
        self.console.run_worker(self._leave(), group="attention", exit_on_error=False)

    async def _leave(self) -> None:
        with contextlib.suppress(FteError):
            await (await self.console.connected()).attend(self.conversation, "left")

    async def _fetch(self) -> None:
        async with self._fetching:
            client = await self.console.connected()
            view = await client.conversation(self.conversation)
            fresh = self.talk.newest(view, self.console.now())
            self._tell_arrived([message for message in fresh if message.role == "customer"])
            await self.paint()

    def _tell_arrived(self, arrived: list[MessageView]) -> None:
        if arrived and self.composer.is_open and self._busy is None:
            self.composer.tell(("▲ While you write: ", "bold"), *_quotes(arrived))

    async def _load_earlier(self) -> None:
        before = self.talk.before
        if before is None:
            self.console.say("No earlier messages can be loaded.")
            return
        try:
            client = await self.console.connected()
            self.talk.older(await client.conversation(self.conversation, before))
        except FteError as error:
            self.console.say(f"Earlier messages could not be loaded: {error.message}", "warning")
        await self.paint()

    # -- painting

    async def paint(self) -> None:
        """Show what the model holds; only what differs is touched."""
        async with self._painting:
            view = self.talk.view
            if view is None or not self.is_mounted:
                return
            self._paint_head(view)
            await self.transcript.show(self._entries(view), self.talk.following)
            self._paint_edges()
            self._refresh_files()
            self.paint_frame()

    def _tick(self) -> None:
        """Time passes: the clocks go on."""
        view = self.talk.view
        if view is not None and (view.window_until is not None or view.clocks or view.item.attending):
            self._paint_head(view)

    def _paint_head(self, view: ConversationView) -> None:
        me = self.console.queue.me
        self.query_one("#headline", Plain).show(*present.headline(view))
        if self._unknown is not None:
            words = f"? Not known whether {_WORDS[self._unknown.action]} took effect"
            advice = f"; {keys.key_of('retry')} asks again"
            self.query_one("#holder", Plain).show((words + advice, "bold $text-warning"))
        else:
            words_ = present.holder(view, me, keys.key_of("take_over"), keys.key_of("release"))
            others = present.company(view, me, self.console.now())
            self.query_one("#holder", Plain).show(*words_[:1], *others, *words_[1:])
        due = present.clocks(view, self.console.now(), keys.key_of("unsnooze"), self.size.width - 2)
        clocks = self.query_one("#clocks", Plain)
        clocks.set_class(bool(due), "-there")
        clocks.show(*due)
        brief = self.query_one("#brief")
        brief.set_class(view.brief is not None, "-there")
        if view.brief is not None:
            brief.query_one(Plain).show(*present.brief_lines(view.brief))

    def _entries(self, view: ConversationView) -> list[Entry]:
        return [self._entry(message, view) for message in self.talk.shown()]

    def _entry(self, message: MessageView, view: ConversationView) -> Entry:
        run = self.talk.explained(message)
        head = present.message_head(message, view.item, run, self.console.now())
        body = present.message_body(message)
        shown = content(*head, "\n" if body else "", body, *present.file_lines(message))
        return Entry(message.seq, present.kind_of(message), shown)

    def _paint_edges(self) -> None:
        above, unread = self.talk.above, self.talk.unread
        earlier, news = self.query_one("#earlier", Plain), self.query_one("#unread", Plain)
        earlier.set_class(above > 0, "-there")
        earlier.show(f"↑ {present.plural(above, 'earlier message')}: {keys.key_of('earlier')} shows them")
        news.set_class(unread > 0, "-there")
        news.show(f"↓ {present.plural(unread, 'new message')}: {keys.key_of('newest')} goes there")

    # -- reading

    @on(Transcript.LeftEnd)
    def _left_end(self) -> None:
        self.talk.stay()

    @on(Transcript.ReachedEnd)
    def _reached_end(self) -> None:
        if self.talk.following:
            return
        self.talk.down(self.console.now())
        self.call_later(self.paint)

    def do_newest(self) -> None:
        self.talk.follow(self.console.now())
        self.call_later(self.paint)

    def do_earlier(self) -> None:
        if self.talk.up():
            self.call_later(self.paint)
        else:
            self.run_worker(self._load_earlier(), group="earlier", exclusive=True, exit_on_error=False)

    @on(Click, "#earlier")
    def _earlier_clicked(self) -> None:
        self.action_perform("earlier")

    @on(Click, "#unread")
    def _unread_clicked(self) -> None:
        self.do_newest()

    def do_brief(self) -> None:
        self.query_one("#brief").toggle_class("-folded")

    def do_customer(self) -> None:
        view = self.talk.view
        if view is None or view.customer_id is None:
            self.console.say(
                "The daemon does not say who the customer is; it is an older version.", "warning"
            )
            return
        self.console.push_screen(CustomerScreen(self.conversation, view.customer_id), self._customer_left)

    def _customer_left(self, chosen: UUID | None) -> None:
        self.stale()
        if chosen is not None and chosen != self.conversation:
            self.console.open_conversation(chosen)

    def do_trace(self) -> None:
        runs = self._runs()
        visible = set(self.transcript.visible_seqs())
        seen = [index for index, (seq, _, _) in enumerate(runs) if seq in visible]
        self._show_trace(runs, seen[-1] if seen else len(runs) - 1)

    @on(Transcript.Picked)
    def _picked(self, event: Transcript.Picked) -> None:
        runs = self._runs()
        index = next((index for index, (seq, _, _) in enumerate(runs) if seq == event.seq), None)
        if index is not None:
            self._show_trace(runs, index)
        elif any(message.seq == event.seq and message.attachments for message in self.talk.shown()):
            self._show_files({event.seq})

    def _runs(self) -> list[tuple[int, str, RunView]]:
        now = self.console.now()
        shown = [(message, self.talk.explained(message)) for message in self.talk.shown()]
        return [(m.seq, present.clock_time(m.created_at, now), run) for m, run in shown if run is not None]

    def _show_trace(self, runs: list[tuple[int, str, RunView]], index: int) -> None:
        self.console.push_screen(TraceScreen([(when, run) for _, when, run in runs], index))

    def do_files(self) -> None:
        self._show_files(set(self.transcript.visible_seqs()))

    def _show_files(self, seqs: set[int]) -> None:
        """List all files, the newest of these messages first chosen."""
        near = [m.attachments[0].id for m in self.talk.shown() if m.attachments and m.seq in seqs]
        files = self._files()
        self._listing = FilesScreen(files, near[-1] if near else files[-1][1].id)
        self.console.push_screen(self._listing)

    def _files(self) -> list[Listed]:
        now = self.console.now()
        return [
            (f"{line(message.author, 40)}, {present.clock_time(message.created_at, now)}", file)
            for message in self.talk.shown()
            for file in message.attachments
        ]

    def _refresh_files(self) -> None:
        if self._listing is not None and self._listing.is_attached:
            self._listing.refreshed(self._files())

    def do_inspect(self) -> None:
        from fte.console.screens.ticket import TicketScreen

        self.console.push_screen(TicketScreen(self.conversation))

    @property
    def crumb(self) -> str:
        return f"#{self.talk.view.item.number}" if self.talk.view else "…"

    def do_copy(self) -> None:
        view = self.talk.view
        if view is None:
            return
        visible, now = set(self.transcript.visible_seqs()), self.console.now()
        seen = [message for message in self.talk.shown() if message.seq in visible][-1:]
        pieces = [words_of(message, present.clock_time(message.created_at, now)) for message in seen]
        pieces += [number_of(view.item), address_of(self.console.url, view.item)]

        def chosen(piece: Piece | None) -> None:
            if piece is not None:
                self.console.copy(piece)

        self.console.push_screen(CopyScreen(pieces), chosen)

    def do_back(self) -> None:
        self.dismiss()

    # -- sorting

    def do_set_priority(self) -> None:
        self._choose("Which priority?", PRIORITIES, self._item.priority, self._set_priority)

    def _set_priority(self, chosen: str | None) -> None:
        if chosen is not None:
            self._begin("set_priority", priority=chosen)

    def do_set_category(self) -> None:
        self._choose("Which category?", CATEGORIES, self._item.category, self._set_category)

    def _set_category(self, chosen: str | None) -> None:
        if chosen is not None:
            self._begin("set_category", category=chosen)

    @property
    def _item(self) -> QueueItem:
        assert self.talk.view is not None, "the table of keys asks for it"
        return self.talk.view.item

    def _choose(
        self, question: str, names: Sequence[str], now: str, chosen: Callable[[str | None], None]
    ) -> None:
        rows = [Row(name, ("  ", present.reason_words(name))) for name in names]
        self.console.push_screen(ChoiceScreen(question, rows, chosen=names.index(now)), chosen)

    def do_tag(self) -> None:
        tags = self._item.tags
        self.console.push_screen(TagsScreen(tags), partial(self._tag, tags))

    def _tag(self, before: list[str], wanted: tuple[str, ...] | None) -> None:
        if wanted is None:
            return
        add, remove = sorted(set(wanted) - set(before)), sorted(set(before) - set(wanted))
        if add or remove:
            self._begin("tag", add=add, remove=remove)

    def do_assign(self) -> None:
        self.run_worker(self._ask_whom(), group="assign", exclusive=True, exit_on_error=False)

    async def _ask_whom(self) -> None:
        try:
            people = await (await self.console.connected()).colleagues()
        except FteError as error:
            self.console.say(f"Colleagues could not be loaded: {error.message}", "warning")
            return
        rows = [
            Row(f"={one.name}", (f"  {line(one.name, 60)}", (f"  {one.role}", "$foreground 60%")))
            for one in people
        ]
        rows.append(Row("nobody", ("  nobody: it needs a person",)))
        self.console.push_screen(ChoiceScreen("Who is to have it?", rows, filtered=True), self._assign)

    def _assign(self, chosen: str | None) -> None:
        if chosen is not None:
            self._begin("assign", to=None if chosen == "nobody" else chosen.removeprefix("="))

    def do_merge_in(self) -> None:
        if self._item.merged_into is not None:
            facts = (
                f"It goes on in #{self._item.merged_into} now. On its own again it is as it was before; what came since "
                "stays there. Where the customer was waiting, you will hold it."
            )
            screen = ConfirmScreen("Part this conversation from the other one?", facts, "Part")
            self.console.push_screen(screen, self._part)
        else:
            self.run_worker(self._ask_which(), group="merge", exclusive=True, exit_on_error=False)

    def _part(self, yes: bool | None) -> None:
        if yes:
            self._begin("part")

    async def _ask_which(self) -> None:
        view = self.talk.view
        try:
            if view is None or view.customer_id is None:
                raise NotFound("the daemon does not say who the customer is.")
            page = await (await self.console.connected()).customer(view.customer_id)
        except FteError as error:
            self.console.say(f"The customer could not be loaded: {error.message}", "warning")
            return
        now, merged = self.console.now(), {one.conversation_id for one in view.merged}
        others = [
            one for one in page.conversations if one.conversation_id not in (self.conversation, *merged)
        ]
        if not others:
            self.console.say("The customer has no other conversation to merge.")
            return
        rows = [
            Row(f"={one.conversation_id}", ("  ", *present.earlier_conversation(one, False, now)))
            for one in others
        ]
        question = f"Which conversation is to go on in #{view.item.number}?"
        self.console.push_screen(ChoiceScreen(question, rows), partial(self._confirm_merge, others))

    def _confirm_merge(self, others: list[ConversationSummary], chosen: str | None) -> None:
        if chosen is None:
            return
        other = next(one for one in others if str(one.conversation_id) == chosen.removeprefix("="))
        facts = (
            f"#{other.number} ({line(other.subject, 80)}) is closed as a duplicate: the AI is silent there, and what the "
            f"customer writes to it comes to #{self._item.number}. Its messages stay in it. It can be undone."
        )
        if not other.verified:
            facts += (
                " Nothing proves that one person wrote both: whoever has the page of either ticket reads what you "
                "answer from now on, and the AI's answers wait for your approval."
            )
        question = f"Have #{other.number} go on in #{self._item.number}?"
        self.console.push_screen(
            ConfirmScreen(question, facts, "Merge"), partial(self._merge, other.conversation_id)
        )

    def _merge(self, other: UUID, yes: bool | None) -> None:
        if yes:
            self._begin("merge_in", other=other)

    # -- acting

    def do_take_over(self) -> None:
        self._begin("take_over")

    def do_release(self) -> None:
        holder, question = self._holder(), "Hand the conversation back to the AI?"
        if holder not in (None, self.console.queue.me):
            question = f"{holder} holds it. Take it from {holder} and hand it back to the AI?"
        dialog = ReleaseScreen(question, self._left_behind())
        self.console.push_screen(dialog, partial(self._release, holder))

    def _left_behind(self) -> list[str]:
        """What the AI will be told, as far as the messages here say."""
        spoken = [Spoken(m.seq, m.direction, m.role, m.content) for m in self.talk.shown()]
        replies = [m.seq for m in spoken if m.direction == "outbound" and m.role == "operator"]
        return summed_up(spoken, replies[-1] if replies else 0).lines()

    def _holder(self) -> str | None:
        return holder_of(self.talk.view.item) if self.talk.view else None

    def _release(self, holder: str | None, answer: tuple[str, str] | None) -> None:
        if answer is None:
            return
        reason, word = answer
        if self._holder() != holder:
            self.console.say("It has changed hands since; look again, then decide.", "warning")
        else:
            self._begin("release", reason=reason or None, text=word or None)

    def do_resolve(self) -> None:
        self.console.push_screen(ResolveScreen(), self._resolve)

    def _resolve(self, ended: tuple[Resolution, str] | None) -> None:
        if ended is not None:
            self._begin("resolve", reason=ended[1], resolution=ended[0])

    def do_snooze(self) -> None:
        view = self.talk.view
        if view is None:
            return
        early = next((clock.due_at for clock in view.clocks if clock.kind != "resolution"), None)
        self.console.push_screen(SnoozeScreen(self.console.now, view.item.snoozed_until, early), self._snooze)

    def _snooze(self, until: datetime | None) -> None:
        if until is not None:
            self._begin("snooze", until=until)

    def do_unsnooze(self) -> None:
        self._begin("snooze")

    def do_send_again(self) -> None:
        self._begin("send_again")

    def do_undo_send(self) -> None:
        self._begin("undo_send")

    def _begin(self, action: Action, **asked: Any) -> None:
        refusal = keys.action("merge_in" if action == "part" else action).why_not(self.situation())
        if refusal is not None or self.talk.view is None:
            self.console.say(refusal or "The conversation is still being loaded.", "warning")
            return
        seen = self.talk.seen(self.console.now())
        request = ActionRequest(seen=seen, epoch=self.talk.view.epoch, **asked)
        self._start(Attempt(action, request, new_id()))

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
        except OutcomeUnknown as error:
            self._busy, self._unknown = None, attempt
            self._say_unknown(attempt, error)
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

    def _say_unknown(self, attempt: Attempt, error: FteError) -> None:
        retry = keys.key_of("retry")
        words = f"It is not known whether {_WORDS[attempt.action]} took effect: {error.message}"
        advice = f"{retry} asks again; it never acts twice."
        self.console.say(f"{words} {advice}", "error")
        if attempt.action in ("reply", "note") and self._writing(attempt):
            self.composer.tell((f"? {words} ", "bold"), advice)

    def _succeeded(self, attempt: Attempt, done: ActionDone) -> None:
        back = attempt.action == "snooze" and attempt.request.until is None
        words = "It is back in the queue." if back else _DONE[attempt.action]
        if attempt.action == "reply":
            words = f"Reply handed over; {keys.key_of('undo_send')} takes it back while it waits."
        self.console.say(words)
        if done.in_flight:
            already = present.plural(len(done.in_flight), "answer")
            words = f"{already} of the AI had left before you took over and may still reach the customer."
            self.console.say(words, "warning")
        if attempt.action == "undo_send":
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
            self.composer.tell(("✗ Not sent. ", "bold"), words)

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
            ("✗ Not sent. ", "bold"), words, *(["\n", *_quotes(arrived)] if arrived else []), advice
        )

    def do_retry(self) -> None:
        if self._unknown is not None and self._busy is None:
            self._start(self._unknown)
        else:
            super().do_retry()

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
            f"Reply to {line(item.customer, 40)} by {present.CHANNEL_WORDS[next(heard_on, item.channel)]}"
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
        elif self._canned is None:
            self.console.say("Canned replies are still being loaded, or could not be; try again.", "warning")
            self.run_worker(self._load_canned(), group="canned", exclusive=True, exit_on_error=False)
        elif not self._fitting():
            self.console.say("There is none yet. A lead or an admin adds one: fte canned add.")
        else:
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
                self._say_unknown(self._unknown, OutcomeUnknown("the console ended while it was being sent."))
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


def _quotes(messages: list[MessageView]) -> list[Part]:
    return [f"{line(message.author, 40)}: “{line(message.content, 200)}” " for message in messages[-3:]]
