"""What the console knows: the queue, one conversation, and the link to the daemon. Pure: no I/O, no clock.

The daemon's rows are the truth. An event only says which row is out of date; the row itself is fetched, one
fetch at a time, so a row never goes back to an older state. An event met twice counts once.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, Literal, get_args
from uuid import UUID

from fte.console.ranked import Ranked
from fte.domain.events import CONVERSATIONS, ESCALATIONS
from fte.domain.tags import named
from fte.wire import ConversationView, Envelope, MessageView, QueueItem, QueuePage, RunView

View = Literal["open", "needs_person", "mine", "mentions", "snoozed", "resolved", "all"]
VIEWS: Final[tuple[View, ...]] = get_args(View)
PAGE_MAX: Final = 200
"""Rows the first page of the queue holds: what needs a person first."""
WALK_MAX: Final = 500
"""Rows fetched at a time of those behind the first page, the newest conversations first."""
WALK_FROM: Final = 10**11 - 1
"""More than any conversation's number."""
ROWS_MAX: Final = 20_000
"""Rows kept of a view."""
IDS_MAX: Final = 100
"""Rows refreshed by one request."""
EVENTS_MAX: Final = 10_000
"""Event ids remembered to recognise a repetition."""
WINDOW_MAX: Final = 60
"""Messages of a conversation shown at the same time."""
WINDOW_STEP: Final = 25
"""Messages the window moves by."""
MESSAGES_MAX: Final = 1_000
"""Messages of a conversation kept."""
NOTICED_AFTER: Final = timedelta(seconds=1.5)
"""How long a message must have been on the screen before it counts as seen."""


ATTENTION: Final = "presence.changed"
"""The event that says who looks at a conversation: no news of the conversation itself."""


class Phase(Enum):
    CONNECTING = "CONNECTING"
    LIVE = "LIVE"
    RECONNECTING = "RECONNECTING"
    REFUSED = "REFUSED"
    """The token is not accepted; nothing is tried again by itself."""


DISCONNECTED: Final = (Phase.RECONNECTING, Phase.REFUSED)
"""While the link is so, what is on the screen may be out of date."""


@dataclass(frozen=True, slots=True)
class Link:
    """The connection to the daemon; `attempt` counts tries since it was live, `why` is the last failure."""

    phase: Phase
    attempt: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Fetch:
    """One request for rows: those of `ids`, those of a view with a number below `before`, or a view's first page."""

    view: View
    search: str
    ids: tuple[UUID, ...] | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """What the operator typed after `/`: every word must occur in a row, and none of those `out`, which had a `!`.

    `#name` or `tag:name` asks for a row with that tag, `#12` for a number.
    """

    words: tuple[str, ...] = ()
    out: tuple[str, ...] = ()

    @classmethod
    def parse(cls, typed: str) -> "Filter":
        given = typed.casefold().split()
        out = tuple(word[1:] for word in given if word.startswith("!") and word != "!")
        return cls(tuple(word for word in given if not word.startswith("!")), out)

    def __bool__(self) -> bool:
        return bool(self.words or self.out)

    def __str__(self) -> str:
        return " ".join([*self.words, *(f"!{word}" for word in self.out)])

    def keeps(self, item: QueueItem) -> bool:
        if not self:
            return True
        text = _searchable(item)
        return all(_found(word, text, item) for word in self.words) and not any(
            _found(word, text, item) for word in self.out
        )


def _found(word: str, text: str, item: QueueItem) -> bool:
    tag = named(word)
    return word in text if tag is None else tag in item.tags


def _searchable(item: QueueItem) -> str:
    parts = (
        item.customer,
        item.subject,
        item.reason,
        item.preview,
        item.channel,
        item.operator,
        item.category,
        item.priority,
        *item.tags,
    )
    return f"#{item.number} " + " ".join(part for part in parts if part).casefold().replace("_", " ")


# ---------------------------------------------------------------- rules about a row


def needs_person(item: QueueItem) -> bool:
    """Whether the row waits for somebody to claim it."""
    handed_over = item.status == "escalated" or item.owner == "human"
    return item.status != "resolved" and item.operator is None and handed_over


def held_by(item: QueueItem, me: str | None) -> bool:
    """Whether the operator called `me` holds the conversation."""
    return item.owner == "human" and me is not None and item.operator == me


def holder_of(item: QueueItem | None) -> str | None:
    """The person who holds the conversation; None when nobody does."""
    return item.operator if item is not None and item.owner == "human" else None


def is_owed(item: QueueItem) -> bool:
    """Whether the customer waits for an answer: being told that a person will give one is none."""
    return item.unanswered or item.due_kind not in (None, "resolution")


def belongs(item: QueueItem, view: View, me: str | None) -> bool:
    """Whether the row is part of the view. What is put aside is only in its own, and among all."""
    here = item.status != "resolved" and item.snoozed_until is None
    match view:
        case "open":
            return here
        case "needs_person":
            return here and needs_person(item)
        case "mine":
            return here and held_by(item, me)
        case "mentions":
            return me is not None and me in item.mentions
        case "snoozed":
            return item.status != "resolved" and item.snoozed_until is not None
        case "resolved":
            return item.status == "resolved"
        case "all":
            return True


def waiting_since(item: QueueItem) -> datetime:
    """The moment from which the row has been waiting, or of its last activity when nobody waits."""
    if needs_person(item):
        return item.escalated_at or item.last_message_at
    return item.draft_since or item.last_message_at


def is_due(item: QueueItem) -> bool:
    """Whether a clock decides the row's place: one that a person must meet, or that the AI has nearly missed."""
    return item.due_at is not None and (item.owner == "human" or item.warned)


def is_late(item: QueueItem, now: datetime) -> bool:
    """Whether a time that somebody must meet has passed."""
    shown = item.status != "resolved" and item.snoozed_until is None
    return shown and item.due_at is not None and item.due_at <= now


def order(item: QueueItem, me: str | None) -> tuple[int, int, float, str]:
    """Sort key: due (late, then soonest), needs a person (urgent, then longest waiting), mine, other people's, drafts,
    the AI's, put aside (back soonest), resolved. The daemon picks its pages in the same order."""
    since, latest = waiting_since(item).timestamp(), -item.last_message_at.timestamp()
    key = str(item.conversation_id)
    if item.status == "resolved":
        return (6, 0, latest, key)
    if item.snoozed_until is not None:
        return (5, 0, item.snoozed_until.timestamp(), key)
    if item.due_at is not None and is_due(item):
        return (0, 0, item.due_at.timestamp(), key)
    if needs_person(item):
        return (1, 0 if item.urgency == "high" else 1, since, key)
    if item.owner == "human":
        rank = 2 if held_by(item, me) else 3
        return (rank, 0, since, key) if item.unanswered else (rank, 1, latest, key)
    if item.draft_since is not None:
        return (4, 0, item.draft_since.timestamp(), key)
    return (4, 1, latest, key)


@dataclass(frozen=True, slots=True)
class Counts:
    needs_person: int
    drafts: int
    mine: int
    shown: int
    kept: int
    more: bool
    """The view has more rows than are kept."""


# ---------------------------------------------------------------- the queue


class Queue:
    """The rows of one view, kept up to date by events and fetches.

    The first page brings what needs a person; a walk over the conversations' numbers brings the rest, while events go
    on being followed. Only one request is under way at a time, so no row goes back to an older state.
    """

    def __init__(self, page: int = PAGE_MAX, walk: int = WALK_MAX, most: int = ROWS_MAX) -> None:
        self._page, self._walk_size, self._most = page, walk, most
        self._me: str | None = None
        self.view: View = "open"
        self.search = ""
        self.loaded = False
        self.needs_person = 0
        self.drafts = 0
        self.items: dict[UUID, QueueItem] = {}
        self.marked: frozenset[UUID] = frozenset()
        self._filter = Filter()
        self._all = Ranked(self._rank)
        self._shown = self._all
        self._mine: set[UUID] = set()
        self._more = False
        self._reload = True
        self._other_view = True
        self._walk: int | None = None
        self._walked = False
        self._stale: dict[UUID, None] = {}
        self._fetch: Fetch | None = None
        self._events: OrderedDict[UUID, None] = OrderedDict()

    @property
    def me(self) -> str | None:
        return self._me

    @me.setter
    def me(self, name: str | None) -> None:
        if name != self._me:
            self._me = name
            self._fill(self.items.values())

    @property
    def filter(self) -> Filter:
        return self._filter

    @filter.setter
    def filter(self, typed: Filter) -> None:
        if typed != self._filter:
            self._filter = typed
            self._select()

    # -- what happened

    def apply(self, event: Envelope) -> bool:
        """Take note of an event. False when it was met before."""
        if event.id in self._events or (event.type == ATTENTION and event.payload.get("operator") == self.me):
            return False
        self._events[event.id] = None
        if len(self._events) > EVENTS_MAX:
            self._events.popitem(last=False)
        conversation = conversation_of(event)
        if conversation is not None:
            self._stale[conversation] = None
        return True

    def invalidate(self) -> None:
        """Everything may have changed: load the page anew."""
        self._reload = True

    def look_at(self, view: View, search: str = "") -> None:
        """Show another view, or search the whole of it. Marks belong to the view they were made in."""
        self.marked = frozenset() if view != self.view else self.marked
        self._other_view = self._other_view or (view, search) != (self.view, self.search)
        self.view, self.search = view, search
        self._select()
        self.invalidate()

    @property
    def there(self) -> bool:
        """Whether the rows are those of the view that was asked for last, and not still the ones before."""
        return not self._other_view

    def touch(self, conversation: UUID) -> None:
        """The row is out of date."""
        self._stale[conversation] = None

    # -- what is fetched, one at a time

    def next_fetch(self) -> Fetch | None:
        """The request to make now, or None: nothing is out of date, or one is under way."""
        if self._fetch is not None:
            return None
        if self._reload:
            self._reload, self._walk = False, None
            self._stale.clear()
            self._fetch = Fetch(self.view, self.search)
        elif self._walk is not None and not (self._walked and self._stale):
            self._walked = True
            self._fetch = Fetch(self.view, self.search, before=self._walk)
        elif self._stale:
            self._walked = False
            ids = tuple(self._stale)[:IDS_MAX]
            for conversation in ids:
                del self._stale[conversation]
            self._fetch = Fetch(self.view, self.search, ids)
        return self._fetch

    def fetched(self, page: QueuePage) -> None:
        """The answer to the request under way."""
        fetch, self._fetch = self._fetch, None
        self.needs_person, self.drafts = page.needs_person, page.drafts
        if fetch is None:
            return
        if fetch.ids is not None:
            self._refresh(fetch.ids, page.items)
        elif (fetch.view, fetch.search) != (self.view, self.search) or self._reload:
            return
        elif fetch.before is not None:
            self._walk_on(fetch.before, page.items)
        else:
            self._first(page.items)

    def failed(self) -> None:
        """The request under way came to nothing; it is made again."""
        fetch, self._fetch = self._fetch, None
        if fetch is None:
            return
        if fetch.ids is not None:
            self._stale.update(dict.fromkeys(fetch.ids))
        elif fetch.before is None:
            self._reload = True

    def _first(self, page: Sequence[QueueItem]) -> None:
        """The first page is there. Rows behind it stay until the walk has come to them, so that the list holds still."""
        full = len(page) >= self._page
        kept = {} if self._other_view or not full else self.items
        self._fill((kept | {item.conversation_id: item for item in page}).values())
        self._walk = WALK_FROM if full and not self.search else None
        self._more, self._other_view, self.loaded = full, False, True

    def _walk_on(self, before: int, found: Sequence[QueueItem]) -> None:
        """What the view holds between two numbers is exactly what was found there."""
        whole = len(found) < self._walk_size
        after = 0 if whole else min(item.number for item in found)
        here = {item.conversation_id: item for item in found if self._wanted(item)}
        kept = {
            key: item for key, item in self.items.items() if key in here or not after <= item.number < before
        }
        self._fill((kept | here).values())
        full = len(self.items) >= self._most
        self._walk = None if whole or full else after
        self._more = not whole
        self._trim()

    def _refresh(self, asked: Iterable[UUID], answered: Sequence[QueueItem]) -> None:
        found = {item.conversation_id: item for item in answered}
        for conversation in asked:
            item = found.get(conversation)
            if item is not None and self._wanted(item):
                self._put(item)
            else:
                self._drop(conversation)
        self._trim()
        if self._more and self._walk is None and len(self.items) < self._page // 2:
            self.invalidate()

    def _trim(self) -> None:
        while len(self.items) > self._most:
            self._more = True
            self._drop(self._all.last.conversation_id)

    def _wanted(self, item: QueueItem) -> bool:
        if not belongs(item, self.view, self.me):
            return False
        found = not self.search or item.conversation_id in self.items
        return found or Filter.parse(self.search).keeps(item)

    # -- what is kept

    def _rank(self, item: QueueItem) -> tuple[int, int, float, str]:
        return order(item, self._me)

    def _fill(self, items: Iterable[QueueItem]) -> None:
        self.items = {item.conversation_id: item for item in items}
        self._all = Ranked(self._rank, self.items.values())
        self._mine = {item.conversation_id for item in self.items.values() if self._is_mine(item)}
        self.marked &= self.items.keys()
        self._select()

    def _put(self, item: QueueItem) -> None:
        key = item.conversation_id
        self.items[key] = item
        (self._mine.add if self._is_mine(item) else self._mine.discard)(key)
        self._all.put(item)
        if self._shown is not self._all:
            (self._shown.put(item) if self._filter.keeps(item) else self._shown.drop(key))

    def _drop(self, conversation: UUID) -> None:
        self.items.pop(conversation, None)
        self.marked -= {conversation}
        self._mine.discard(conversation)
        self._all.drop(conversation)
        self._shown.drop(conversation)

    def _select(self) -> None:
        """Find the rows that the filter keeps; a search of the whole view takes its words' place."""
        keeps = Filter(out=self._filter.out) if self.search else self._filter
        chosen = [item for item in self._all if keeps.keeps(item)] if keeps else None
        self._shown = self._all if chosen is None else Ranked(self._rank, chosen)

    def _is_mine(self, item: QueueItem) -> bool:
        return belongs(item, "mine", self._me)

    # -- what is marked

    def mark(self, conversation: UUID) -> None:
        """Mark a row, or take its mark off."""
        self.marked ^= {conversation}

    def mark_all(self) -> None:
        """Mark every row shown; when all of them are marked, take all marks off."""
        shown = frozenset(item.conversation_id for item in self._shown)
        self.marked = frozenset() if shown <= self.marked else self.marked | shown

    def unmark(self) -> None:
        self.marked = frozenset()

    # -- what is shown

    def rows(self) -> list[QueueItem]:
        """The rows the operator sees, in their order."""
        return list(self._shown)

    def counts(self) -> Counts:
        kept = len(self.items)
        return Counts(self.needs_person, self.drafts, len(self._mine), len(self._shown), kept, self._more)


def conversation_of(event: Envelope) -> UUID | None:
    """The conversation an event is about, if it is about one."""
    if event.topic not in (CONVERSATIONS, ESCALATIONS):
        return None
    try:
        return UUID(str(event.payload.get("conversation_id") or event.key))
    except ValueError:
        return None


# ---------------------------------------------------------------- a conversation


@dataclass
class Conversation:
    """The messages kept of one conversation, and the window of them that is shown.

    While `following`, the window ends at the newest message. Otherwise it stays where the reader is, and what
    arrives is counted as new.
    """

    view: ConversationView | None = None
    following: bool = True
    runs: dict[UUID, RunView] = field(default_factory=dict)
    _messages: dict[int, MessageView] = field(default_factory=dict)
    _top: int | None = None
    _read: int = 0
    _shown_at: dict[int, datetime] = field(default_factory=dict)
    _seen: int = 0

    # -- what is fetched

    def newest(self, view: ConversationView, now: datetime) -> list[MessageView]:
        """The newest messages arrived. Returns those that were not known, oldest first."""
        first = self.view is None
        known = set(self._messages)
        page = {message.seq: message for message in view.messages}
        kept = self._messages if known & page.keys() else {}
        self._messages = dict(sorted((kept | page).items())[-MESSAGES_MAX:])
        self._remember_runs(view)
        self.view = view
        if first:
            self._seen = self.last_seq
        self._mark(now)
        return [] if first else [message for seq, message in page.items() if seq not in known]

    def older(self, view: ConversationView) -> None:
        """Messages before the ones known arrived; the window moves up to them."""
        page = {message.seq: message for message in view.messages}
        self._messages = dict(sorted((page | self._messages).items()))
        self._remember_runs(view)
        self._move(-WINDOW_STEP)

    def _remember_runs(self, view: ConversationView) -> None:
        self.runs |= {run.id: run for run in view.runs}

    # -- the window

    def shown(self) -> list[MessageView]:
        """The messages to show, oldest first."""
        seqs = list(self._messages)
        start = self._start(seqs)
        return [self._messages[seq] for seq in seqs[start : start + WINDOW_MAX]]

    def _start(self, seqs: list[int]) -> int:
        if self.following or self._top is None:
            return max(0, len(seqs) - WINDOW_MAX + 10)
        return next((index for index, seq in enumerate(seqs) if seq >= (self._top or 0)), 0)

    def _move(self, by: int) -> None:
        seqs = list(self._messages)
        start = min(max(0, self._start(seqs) + by), max(0, len(seqs) - 1))
        self.following = False
        self._top = seqs[start] if seqs else None

    def stay(self) -> None:
        """The reader left the end: keep the window where it is."""
        if self.following:
            self._move(0)

    def up(self) -> bool:
        """Move the window to earlier messages. False when they must be fetched first (see `before`)."""
        seqs = list(self._messages)
        if self._start(seqs) == 0:
            return False
        self._move(-WINDOW_STEP)
        return True

    def down(self, now: datetime) -> None:
        """Move the window to later messages; at the newest one, follow the end again."""
        shown = self.shown()
        if not shown or shown[-1].seq == self.last_seq:
            self.follow(now)
        else:
            self._move(WINDOW_STEP)

    def follow(self, now: datetime) -> None:
        """Go to the end and stay there."""
        self.following, self._top = True, None
        self._mark(now)

    # -- what the reader has and has not seen

    def _mark(self, now: datetime) -> None:
        if not self.following:
            return
        self._read = self.last_seq
        for seq in self._messages:
            if seq > self._seen:
                self._shown_at.setdefault(seq, now)

    def seen(self, now: datetime) -> int:
        """The newest message the operator has had the time to notice."""
        noticed = [seq for seq, at in self._shown_at.items() if at <= now - NOTICED_AFTER]
        self._seen = max([self._seen, *noticed])
        self._shown_at = {seq: at for seq, at in self._shown_at.items() if seq > self._seen}
        return self._seen

    def acknowledge(self) -> None:
        """The operator was told of everything that is here."""
        self._seen = max(self._seen, self.last_seq)

    @property
    def last_seq(self) -> int:
        return next(reversed(self._messages), 0)

    @property
    def before(self) -> int | None:
        """What to fetch earlier messages with; None when there are none, or too many are kept."""
        if not self.hidden or len(self._messages) >= MESSAGES_MAX:
            return None
        return next(iter(self._messages), None)

    @property
    def hidden(self) -> int:
        """Messages before the ones kept."""
        if self.view is None or not self.view.messages:
            return 0
        page_start = self.view.messages[0].seq
        return max(0, self.view.earlier - sum(seq < page_start for seq in self._messages))

    @property
    def above(self) -> int:
        """Messages before the window, kept or not."""
        return self.hidden + self._start(list(self._messages))

    @property
    def unread(self) -> int:
        """Messages that arrived below the reader."""
        return sum(seq > self._read for seq in self._messages)

    def explained(self, message: MessageView) -> RunView | None:
        """The run that made the message."""
        return self.runs.get(message.run_id) if message.run_id else None
