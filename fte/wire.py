"""The only serialiser: event envelopes and the shapes of the operator API. Both ends import these types.

Times are UTC. Unknown fields are ignored on reading, so an older reader understands a newer writer; a field is
never given another meaning, and `v` grows when one has to be removed.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec

from fte.domain.attachments import State
from fte.domain.channels import Channel
from fte.domain.conversations import REASON_MAX, REPLY_MAX, ConversationStatus, Direction, Owner, Role
from fte.domain.dead_letters import State as LetterState
from fte.domain.deadlines import DueKind
from fte.domain.drafts import HINT_MAX, DraftState
from fte.domain.errors import Malformed, Rejected
from fte.domain.handover import WORD_MAX
from fte.domain.modes import HeldBecause, Mode, Rule
from fte.domain.operators import OperatorRole
from fte.domain.presence import Doing, Duty
from fte.domain.suggestions import Kind as SuggestionKind
from fte.domain.tags import TAGS_MAX
from fte.domain.tickets import Category, Priority, Resolution, TicketStatus
from fte.domain.turns import Urgency

JSON = dict[str, Any]
PRESENT = "Fte-Present"
"""A header of requests: `no` when a program asks with an operator's token, and nobody is present for that."""
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
"""A number that the database keeps as an integer."""


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter tried again: only `group` is to handle it, and it was the event `of` before, announced `at`."""

    group: str
    of: UUID
    at: datetime


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One event as it travels: ids and facts, never customers' text.

    `key` is what orders it: the conversation's id, or the turn's where a turn begins or is put back. `id` and `at` are
    of this announcement; those of the first one count where a replay is to count as the same.
    """

    v: int = 1
    id: UUID
    topic: str
    key: str
    type: str
    at: datetime
    payload: JSON
    replay: Replay | None = None

    @property
    def first_id(self) -> UUID:
        return self.replay.of if self.replay else self.id

    @property
    def ids(self) -> dict[str, str]:
        """What it is about, as lines of the log name it."""
        named = (
            (name, self.payload.get(f"{name}_id")) for name in ("message", "conversation", "turn", "reply")
        )
        return {name: str(id_) for name, id_ in named if id_ is not None}

    @property
    def first_at(self) -> datetime:
        return self.replay.at if self.replay else self.at


# ---------------------------------------------------------------- operator API: what it answers


class OperatorView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    name: str
    role: OperatorRole
    duty: Duty = "auto"


class MemberView(msgspec.Struct, frozen=True, kw_only=True):
    """A colleague: whether customers may count on them now, what they said about it, and what they hold.

    `held` counts the conversations they hold; `numbers` names the newest of them.
    """

    id: UUID
    name: str
    role: OperatorRole
    on_duty: bool
    present: bool
    duty: Duty
    seen_at: datetime | None
    held: int
    numbers: list[int]


class TeamView(msgspec.Struct, frozen=True, kw_only=True):
    """Who is there. `hours` is the phrase customers are told; empty: they are told none."""

    members: list[MemberView]
    somebody_on_duty: bool
    hours: str = ""


class Attending(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody looks at a conversation or writes in it, until `until` unless they say so again."""

    operator: str
    doing: Doing
    until: datetime


class QueueItem(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as a row of the queue.

    `due_at` is the soonest of its clocks and `due_kind` which; `warned` and `breached` say that its warning and its
    breach were announced. `window_until` is when WhatsApp stops taking free text, where the customer wrote there last.
    `snoozed_until` is until when it is put aside.
    `mentions` names the operators who were named in a note and have done nothing here since; `merged_into` is the
    number of the conversation this one is part of.
    """

    conversation_id: UUID
    number: int
    customer: str
    channel: Channel
    subject: str
    category: Category
    priority: Priority
    ticket_status: TicketStatus
    status: ConversationStatus
    owner: Owner
    operator: str | None
    reason: str | None
    urgency: str | None
    sentiment: float | None
    last_seq: int
    last_role: Role
    unanswered: bool
    started_at: datetime
    last_message_at: datetime
    escalated_at: datetime | None
    preview: str
    draft_since: datetime | None = None
    """Since when an answer waits for approval; None: none does."""
    due_at: datetime | None = None
    due_kind: DueKind | None = None
    warned: bool = False
    breached: bool = False
    window_until: datetime | None = None
    snoozed_until: datetime | None = None
    attending: list[Attending] = []
    tags: list[str] = []
    mentions: list[str] = []
    merged_into: int | None = None
    customer_id: UUID | None = None


class QueuePage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the queue, what needs a person first. `cursor` is the stream's position before the page was read."""

    items: list[QueueItem]
    needs_person: int
    cursor: str
    drafts: int = 0
    """Answers that wait for approval, in all views."""


class AttachmentView(msgspec.Struct, frozen=True, kw_only=True):
    """A file that came with a message; only a `stored` one can be had.

    `size` is in bytes, None until it is known; `reason` says why a file was refused or lost, or is not there yet.
    """

    id: UUID
    name: str
    media_type: str
    size: int | None
    state: State
    reason: str | None = None


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    seq: int
    channel: Channel
    direction: Direction
    role: Role
    author: str
    content: str
    sentiment: float | None
    delivery_status: str | None
    delivery_error: str | None = None
    outcome: str | None
    reason: str | None = None
    run_id: UUID | None
    created_at: datetime
    attachments: list[AttachmentView] = []
    approved_by: str | None = None
    """The operator who approved it, of an answer of the AI that was held."""


class PassageView(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    source: str
    score: float
    excerpt: str


class ToolCallView(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    arguments: JSON
    result: str


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """Why the AI said what it said."""

    id: UUID
    attempt: int
    outcome: str
    model: str
    instructions_version: str
    passages: list[PassageView]
    tools: list[ToolCallView]
    verdicts: list[str]
    input_tokens: int
    output_tokens: int
    latency_ms: int
    error: str | None
    created_at: datetime


class DraftView(msgspec.Struct, frozen=True, kw_only=True):
    """An answer held for approval, with what is needed to decide on it.

    `hash` is the fingerprint of `body`: SHA-256 over its UTF-8. `messages` are the newest of the conversation, oldest
    first; the draft answers those up to `answers_seq`. `threshold` is the confidence below which it was held, where
    that is why. `hint` is what an operator asked for when they had it written anew. `operator`, `reason` and
    `decided_at` tell what became of it; a retired one's `reason` is newer_message, changed_hands, regenerated or
    taken_back. `waiting_since` is the customer's first unanswered message.
    """

    id: UUID
    conversation_id: UUID
    number: int
    customer: str
    channel: Channel
    subject: str
    category: Category
    priority: Priority
    body: str
    hash: str
    held_because: HeldBecause
    confidence: float
    threshold: float | None
    hint: str | None
    state: DraftState
    operator: str | None
    reason: str | None
    created_at: datetime
    decided_at: datetime | None
    waiting_since: datetime | None
    epoch: int
    answers_seq: int
    last_seq: int
    messages: list[MessageView]
    run: RunView | None


class DraftsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Drafts that wait for a decision, the longest waiting first. `total` counts those of all pages."""

    items: list[DraftView]
    total: int


class ModeView(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of a channel, for one category or (None) for all without one. `auto` holds what is less sure than `below`."""

    channel: Channel
    category: Category | None
    mode: Mode
    below: float


class ModesView(msgspec.Struct, frozen=True, kw_only=True):
    rules: list[ModeView]


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """What a colleague must know to take over without reading back."""

    asked: str
    tried: list[str]
    sources: list[str]
    mood: str
    reason: str
    urgency: str


class ClockView(msgspec.Struct, frozen=True, kw_only=True):
    """A running clock of a conversation: what is due when, and whether its warning and its breach were announced."""

    kind: DueKind
    due_at: datetime
    warned: bool
    breached: bool


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation that goes on in another one."""

    conversation_id: UUID
    number: int


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a conversation ended: an operator resolved it, or merged it into another one.

    `reason` is what they said for colleagues. `operator` is null when nobody knows any more who it was.
    """

    at: datetime | None
    operator: str | None
    resolution: Resolution | None
    reason: str | None


class ConversationView(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation whole, as the operator sees it. `messages` holds the newest ones, oldest first.

    `refers_to` and `referred_by` are numbers of other people's conversations that one of both mentions without being
    part of it: somebody answered a mail that was not written to them.
    `clocks` are those that run, the soonest first.
    `window_until` is when the channel an answer goes to stops taking free text (None: it always does).
    `ended` is null while it is not resolved.
    """

    item: QueueItem
    epoch: int
    verified: bool
    customer_id: UUID | None = None
    customer_email: str | None
    customer_phone: str | None
    brief: Brief | None
    messages: list[MessageView]
    earlier: int
    runs: list[RunView]
    cursor: str
    window_until: datetime | None = None
    clocks: list[ClockView] = []
    refers_to: int | None = None
    referred_by: list[int] = []
    merged_into: UUID | None = None
    merged: list[Merged] = []
    ended: Ended | None = None


class IdentifierView(msgspec.Struct, frozen=True, kw_only=True):
    identifier_type: str
    identifier_value: str
    verified: bool


class ConversationSummary(msgspec.Struct, frozen=True, kw_only=True):
    conversation_id: UUID
    number: int
    status: ConversationStatus
    owner: Owner
    initial_channel: Channel
    verified: bool
    subject: str
    started_at: datetime
    last_message_at: datetime


class CustomerView(msgspec.Struct, frozen=True, kw_only=True):
    """A customer, with what identifies them and their conversations, newest first."""

    id: UUID
    name: str | None
    email: str | None
    phone: str | None
    created_at: datetime
    identifiers: list[IdentifierView]
    conversations: list[ConversationSummary]


class MergeView(msgspec.Struct, frozen=True, kw_only=True):
    """Two customers that were made one. `proof` is "code" or "operator"; `operator` who asked for it or did it."""

    id: UUID
    kept: UUID
    kept_name: str
    merged: UUID
    merged_name: str
    proof: str
    operator: str | None
    merged_at: datetime
    undone_at: datetime | None


class DuplicateView(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may be the same person. `why` is "same number", "same name" or "refers to it": hints, no proof."""

    id: UUID
    name: str
    why: str
    identifiers: list[IdentifierView]


class CustomerPage(CustomerView, frozen=True, kw_only=True):
    """A customer as operators see them. `proven` says that the name is that of somebody who proved an identifier."""

    proven: bool
    merges: list[MergeView]
    duplicates: list[DuplicateView]


class ErasurePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What an erasure of a customer would take: whose data it is, the conversations' numbers, and how much there is.

    `unsent` counts replies that wait to be sent and would then never be. `pages` are the sources of pages of the knowledge
    base made of these conversations: they stay, and may hold the customer's words.
    """

    customer_id: UUID
    name: str
    identifiers: list[str]
    conversations: list[int]
    tickets: int
    messages: int
    attachments: int
    drafts: int
    replies: int
    unsent: int
    runs: int
    pages: list[str]


class ErasureDone(msgspec.Struct, frozen=True, kw_only=True):
    """What an erasure came to. While `erased` is false, the messages in `in_flight` are being handed to a provider:
    all else that was to be sent is withdrawn, and asking again goes on. `counts` says how many rows of what went, `pages`
    names what stays as in ErasurePlan."""

    customer_id: UUID
    erased: bool
    in_flight: list[UUID]
    counts: dict[str, int]
    pages: list[str] = []


class Nothing(msgspec.Struct, frozen=True, kw_only=True):
    """It is done, and there is nothing to say about it."""


class MergeDone(msgspec.Struct, frozen=True, kw_only=True):
    """Two customers were made one, or two again: how much changed hands.

    `mixed` counts conversations in which both wrote while they were one: they stay where they were, and are
    continued by neither.
    """

    merge_id: UUID
    kept: UUID
    merged: UUID
    identifiers: int
    conversations: int
    tickets: int
    mixed: int = 0


class ActionDone(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's action took effect. `in_flight` names AI replies a provider already had when a takeover came."""

    conversation_id: UUID
    epoch: int
    last_seq: int
    owner: Owner
    status: ConversationStatus
    message_id: UUID | None = None
    in_flight: list[UUID] = []


class HistoryEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event of one conversation as it stands in the log: ids and facts."""

    position: int
    id: UUID
    type: str
    at: datetime
    payload: JSON


class AuditView(msgspec.Struct, frozen=True, kw_only=True):
    """Something an operator did: reasons in full, of texts only their length."""

    action: str
    operator: str | None
    details: JSON
    at: datetime


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a message of ours on its way. `kind` is "answer", "notice" or "code"."""

    id: UUID
    message_id: UUID
    kind: str
    part: int
    channel: Channel
    state: str
    attempts: int
    error: str | None
    queued_at: datetime
    updated_at: datetime


class TicketView(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket with its whole life, oldest first. Each list is bounded, and then holds the newest.

    `complete` says that `events` reach back to the beginning: older ones are removed from the log after a while.
    `operators` names those that events refer to by their ids. `hours` and `deadlines` are the settings in force now, in
    their own syntax; None: the daemon is older than that.
    """

    item: QueueItem
    ticket_id: UUID
    ticket_number: int
    epoch: int
    holder: UUID | None
    created_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    resolution: Resolution | None
    resolution_notes: str | None
    complete: bool
    operators: dict[UUID, str]
    messages: list[MessageView]
    deliveries: list[DeliveryView]
    events: list[HistoryEvent]
    audit: list[AuditView]
    runs: list[RunView]
    hours: str | None = None
    deadlines: str | None = None


# ---------------------------------------------------------------- operator API: how things are

MetricsSpan = Literal["1h", "24h"]


class ReplyCount(msgspec.Struct, frozen=True, kw_only=True):
    channel: Channel
    state: str
    count: int


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """What waits now: answers owed, the oldest since when; replies queued, being sent or parked; dead letters."""

    owed: int
    owed_since: datetime | None
    replies: list[ReplyCount]
    dead_letters: int


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """A channel's numbers ("all": every channel's together), one for each step of the span, the oldest first.

    `received` counts customers' messages, `turns` what the AI finished, `escalations` what it handed over. `p50` and
    `p95` are seconds from the first unanswered message to the answer; `sentiment` goes from 0 to 1. None: nothing
    happened. What ends in `_all` is of the whole span.
    """

    channel: str
    received: list[int]
    turns: list[int]
    escalations: list[int]
    p50: list[float | None]
    p95: list[float | None]
    sentiment: list[float | None]
    reasons: dict[str, int]
    p50_all: float | None
    p95_all: float | None
    sentiment_all: float | None


class ConsumerLag(msgspec.Struct, frozen=True, kw_only=True):
    """Events of a topic that a consumer group has not handled yet."""

    group: str
    topic: str
    events: int


class MetricsView(msgspec.Struct, frozen=True, kw_only=True):
    """What happened since `start`; a step has `step` seconds.

    `bus` says what carries events, None where the daemon is older than that. With Kafka, `lag` is how far its consumers
    are behind, None while the cluster does not say.
    """

    span: MetricsSpan
    start: datetime
    step: int
    series: list[Series]
    backlog: Backlog
    bus: Literal["log", "kafka"] | None = None
    lag: list[ConsumerLag] | None = None


class ChannelState(msgspec.Struct, frozen=True, kw_only=True):
    """How a channel is. `detail` names the problem and its remedy; `until` is when its provider stops telling us of news."""

    channel: Channel
    account: str
    state: Literal["active", "unhealthy", "inactive"]
    detail: str = ""
    changed_at: datetime | None = None
    checked_at: datetime | None = None
    until: datetime | None = None


class ChannelsView(msgspec.Struct, frozen=True, kw_only=True):
    """`relay_delay` is the age in seconds of the oldest event that Kafka does not have; None where there is no Kafka."""

    channels: list[ChannelState]
    backlog: Backlog
    relay_delay: float | None
    problems: dict[str, str] = {}


class LetterView(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter: an event that `group` could not handle."""

    id: int
    event_id: UUID
    group: str
    topic: str
    key: str
    type: str
    at: datetime
    payload: JSON
    error: str
    attempts: int
    state: LetterState
    replays: int
    reason: str | None
    created_at: datetime
    changed_at: datetime


class LetterPage(msgspec.Struct, frozen=True, kw_only=True):
    letters: list[LetterView]


class LettersDone(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the letters asked for: done, or refused with the reason, by id."""

    done: list[int]
    refused: dict[str, str]


class LettersRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The letters to send again or to give up; giving up needs the reason."""

    letters: list[int]
    reason: str = ""
    dropped_too: bool = False


class CustomerHit(msgspec.Struct, frozen=True, kw_only=True):
    """A customer who was found. `proven` says that the name is that of somebody who proved an identifier."""

    id: UUID
    name: str | None
    email: str | None
    phone: str | None
    proven: bool
    conversations: int
    newest: UUID | None
    last_message_at: datetime | None


class CustomerHits(msgspec.Struct, frozen=True, kw_only=True):
    """`more` says that there are further ones."""

    customers: list[CustomerHit]
    more: bool


class KnowledgeHit(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    source: str
    category: str
    score: float
    excerpt: str


class KnowledgeHits(msgspec.Struct, frozen=True, kw_only=True):
    """The best passages. The AI sees only those with a score of `floor` or more."""

    floor: float
    hits: list[KnowledgeHit]


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every error answer of the API."""

    error: str
    fields: dict[str, str] = {}
    remedy: str | None = None


# ---------------------------------------------------------------- operator API: what it takes


class ActionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's write. `seen` is the newest message sequence number on the operator's screen.

    `epoch` is the one the operator's screen shows. Which of the other fields is used depends on the action: `until` has
    its time zone, `to` is a colleague's name, or null for nobody; `other` a conversation.
    """

    seen: Count
    epoch: Count
    text: str | None = None
    reason: str | None = None
    until: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    resolution: Resolution | None = None
    priority: Priority | None = None
    urgency: Urgency | None = None
    category: Category | None = None
    add: Annotated[list[str], msgspec.Meta(max_length=TAGS_MAX)] = []
    remove: Annotated[list[str], msgspec.Meta(max_length=TAGS_MAX)] = []
    to: str | None = None
    other: UUID | None = None

    def required_text(self) -> str:
        """The text of a reply or note. Raises Rejected when it is missing, empty or too long."""
        if self.text is None or not self.text.strip():
            raise Rejected(fields={"text": "Write something first."})
        if len(self.text) > REPLY_MAX:
            raise Rejected(fields={"text": f"At most {REPLY_MAX:,} characters; this has {len(self.text):,}."})
        return self.text

    def word(self) -> str:
        """What is added for the AI, or nothing. Raises Rejected when it is too long."""
        word = (self.text or "").strip()
        if len(word) > WORD_MAX:
            raise Rejected(fields={"text": f"At most {WORD_MAX:,} characters; this has {len(word):,}."})
        return word

    def checked_reason(self) -> str:
        """The reason, or nothing. Raises Rejected when it is too long."""
        reason = (self.reason or "").strip()
        if len(reason) > REASON_MAX:
            raise Rejected(fields={"reason": f"At most {REASON_MAX} characters; this has {len(reason)}."})
        return reason


class DraftDecision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator decides on a draft.

    To approve: `hash` is the fingerprint of the draft as it was on the screen, `text` what is sent in its place. To
    reject: a `reason`. To have it written anew: a `hint`.
    """

    hash: str | None = None
    text: str | None = None
    reason: str | None = None
    hint: str | None = None

    def required_hash(self) -> str:
        if not self.hash:
            raise Rejected(fields={"hash": "the SHA-256 of the text you saw is missing"})
        return self.hash

    def checked_text(self) -> str | None:
        """The edited text, or None for the draft's own. Raises Rejected when it is empty or too long."""
        if self.text is None:
            return None
        if not self.text.strip():
            raise Rejected(fields={"text": "Write something, or reject the draft."})
        if len(self.text) > REPLY_MAX:
            raise Rejected(fields={"text": f"At most {REPLY_MAX:,} characters; this has {len(self.text):,}."})
        return self.text

    def required_reason(self) -> str:
        return _words("reason", self.reason, REASON_MAX)

    def required_hint(self) -> str:
        return _words("hint", self.hint, HINT_MAX)


def _words(field: str, given: str | None, most: int) -> str:
    """A few words somebody else reads. Raises Rejected, naming the field, without any or for too many."""
    words = (given or "").strip()
    if not 1 <= len(words) <= most:
        raise Rejected(fields={field: f"1 to {most} characters; this has {len(words)}"})
    return words


class ModeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule to set for a category on a channel, or without `category` for all that have none of their own.

    Without `mode` the rule is taken away. `below`, from 0 to 1, goes with the mode auto.
    """

    channel: Channel
    category: Category | None = None
    mode: Mode | None = None
    below: float = 0.0

    def rule(self) -> Rule | None:
        """The rule. Raises Rejected for a confidence outside 0 to 1, or one beside another mode than auto."""
        if not 0.0 <= self.below <= 1.0:
            raise Rejected(fields={"below": f"a confidence from 0 to 1, not {self.below}"})
        if self.below and self.mode != "auto":
            raise Rejected(fields={"below": "goes with the mode auto only: draft holds every answer"})
        return None if self.mode is None else Rule(self.mode, self.below)


class PresenceRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the operator does in a conversation; `left` takes it back at once."""

    conversation: UUID
    doing: Doing


class DutyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`auto`: being there is being on duty."""

    duty: Duty


class CannedReply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An answer written once. `channel` and `language` say where it fits; None: everywhere."""

    key: str
    title: str
    body: str
    channel: Channel | None = None
    language: str | None = None


class CannedPage(msgspec.Struct, frozen=True, kw_only=True):
    """All canned replies by their keys, and what `{company}` stands for."""

    items: list[CannedReply]
    company: str


class SuggestionSource(msgspec.Struct, frozen=True, kw_only=True):
    """An answer of a person, and what it answered. `draft` is what the AI had written, of an edited one."""

    id: UUID
    conversation_id: UUID
    number: int
    kind: SuggestionKind
    operator: str
    at: datetime
    question: str
    draft: str
    answer: str


class SuggestionView(SuggestionSource, frozen=True, kw_only=True):
    """A page that an answer of a person could become; `others` answered the same matter, and are decided on with it."""

    title: str
    body: str
    others: list[SuggestionSource] = []


class SuggestionsPage(msgspec.Struct, frozen=True, kw_only=True):
    """What waits to be decided on, the newest first."""

    items: list[SuggestionView]


class TeachRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The page as it is to be found from now on."""

    title: str
    body: str
    category: Category = "general"


class TaughtPage(msgspec.Struct, frozen=True, kw_only=True):
    """The document a suggestion became; None: it was rejected."""

    source: str | None


class LinkRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A customer is to prove that an address or number on another channel is theirs."""

    channel: Literal["email", "whatsapp"]
    address: str


class MergeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`other` is the customer who becomes part of the one in the address."""

    other: UUID


class StreamNotice(msgspec.Struct, frozen=True, kw_only=True):
    """What the stream says about itself: `reset` means the cursor's events are gone, so load the page anew."""

    kind: Literal["reset", "ready"]
    cursor: str


_encoder = msgspec.json.Encoder()
T = TypeVar("T")


def encode(value: Any) -> bytes:
    """JSON bytes of a wire type, or of plain data."""
    return _encoder.encode(value)


def decode(data: bytes | str, type_: type[T]) -> T:
    """The wire type in JSON text. Raises Malformed for what is not JSON; Rejected, naming the field, otherwise."""
    try:
        return msgspec.json.decode(data, type=type_)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        raise Rejected(
            f"Not understood: {what}.", fields={where.rstrip("`"): what} if where else None
        ) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Malformed(f"This is not JSON: {error}.") from None
