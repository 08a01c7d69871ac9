"""One conversation: read it, take over, answer, note, hand back, resolve."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar, Final
from uuid import UUID

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.events import Click

from fte.console import file_words, keys, people_words, present
from fte.console.clipboard import Piece, address_of, number_of, words_of
from fte.console.keys import Context, Situation
from fte.console.model import held_by, holder_of
from fte.console.safe import content, line
from fte.console.screens.acting import ActingScreen, quotes, words_of_action
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
from fte.domain.errors import FteError, NotFound
from fte.domain.handover import Spoken, summed_up
from fte.domain.presence import HEARTBEAT, Doing
from fte.domain.tickets import CATEGORIES, PRIORITIES, Resolution
from fte.wire import (
    ConversationSummary,
    ConversationView,
    MessageView,
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


class ConversationScreen(ActingScreen):
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("conversation")
    AUTO_FOCUS = "Transcript"
    CSS_PATH = "conversation.tcss"
    context = "conversation"

    def __init__(self, conversation: UUID, *, take_back: bool = False) -> None:
        super().__init__(conversation)
        self._take_back = take_back
        self._stale = asyncio.Event()
        self._listing: FilesScreen | None = None
        self._painting = asyncio.Lock()
        self._fetching = asyncio.Lock()
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
    def active_context(self) -> Context:
        return "compose" if self.is_mounted and self.composer.is_open else "conversation"

    def situation(self) -> Situation:
        view = self.talk.view
        return self.console.situation(
            item=view.item if view else None,
            busy=words_of_action(self._busy.action) if self._busy else "",
            unknown=words_of_action(self._unknown.action) if self._unknown else "",
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
                if self._take_back:
                    self._take_back = False
                    self.do_undo_send()
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
            self.say_connected_again()
            self._tell_arrived([message for message in fresh if message.role == "customer"])
            await self.paint()

    def _tell_arrived(self, arrived: list[MessageView]) -> None:
        if arrived and self.composer.is_open and self._busy is None:
            self.composer.tell(("▲ While you write: ", "bold"), *quotes(arrived))

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

    def on_resize(self) -> None:
        if self.talk.view is not None and self.is_whole:
            self._paint_head(self.talk.view)

    def _tick(self) -> None:
        """Time passes: the clocks go on."""
        view = self.talk.view
        if view is not None and (view.window_until is not None or view.clocks or view.item.attending):
            self._paint_head(view)

    def _paint_head(self, view: ConversationView) -> None:
        me = self.console.queue.me
        room = self.size.width - 2
        self.query_one("#headline", Plain).show(*present.headline(view, room))
        if self._unknown is not None:
            words = f"? Not known whether {words_of_action(self._unknown.action)} took effect"
            advice = f"; {keys.key_of('retry')} asks again"
            self.query_one("#holder", Plain).show((words + advice, "bold $text-warning"))
        else:
            now = self.console.now()
            words_ = present.holder(view, me, now, keys.key_of("take_over"), keys.key_of("release"))
            others = present.company(view, me, now)
            self.query_one("#holder", Plain).show(*words_[:1], *others, *words_[1:])
        due = present.clocks(view, self.console.now(), keys.key_of("unsnooze"), room)
        due = due or present.why_it_ended(view)
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
        shown = content(*head, "\n" if body else "", body, *file_words.file_lines(message))
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

    def _choose(
        self, question: str, names: Sequence[str], now: str, chosen: Callable[[str | None], None]
    ) -> None:
        rows = [Row(name, (present.reason_words(name),)) for name in names]
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
            Row(f"={one.name}", (line(one.name, 60), (f"  {one.role}", "$foreground 60%"))) for one in people
        ]
        rows.append(Row("nobody", ("nobody: it needs a person",)))
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
            Row(f"={one.conversation_id}", tuple(people_words.earlier_conversation(one, False, now)))
            for one in others
        ]
        question = f"Which conversation is to go on in #{view.item.number}?"
        self.console.push_screen(ChoiceScreen(question, rows), partial(self._confirm_merge, others))

    def _confirm_merge(self, others: list[ConversationSummary], chosen: str | None) -> None:
        if chosen is None:
            return
        other = next(one for one in others if str(one.conversation_id) == chosen.removeprefix("="))
        mine = held_by(self._item, self.console.queue.me)
        if other.owner == "human" and other.status != "resolved" and not mine:
            take = f"{keys.key_of('take_over')} takes #{self._item.number} over first"
            self.console.say(f"#{other.number} is with people: {take}, then merge.", "warning")
            return
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
