"""Everything the operator can do, in one table: bindings, key bar, palette and help are all made from it.

Keys that terminals or multiplexers swallow (ctrl+c, ctrl+z, ctrl+s, ctrl+b, ctrl+a, ctrl+enter) are never the
only way to an action.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from fte.console.model import held_by, holder_of
from fte.console.safe import line
from fte.domain.operators import RELEASES_FOR_OTHERS, OperatorRole, allowed
from fte.domain.operators import Action as Permission
from fte.wire import QueueItem

if TYPE_CHECKING:
    from textual.binding import Binding, BindingType

Context = Literal[
    "queue",
    "conversation",
    "drafts",
    "compose",
    "inspector",
    "metrics",
    "channels",
    "customers",
    "knowledge",
    "suggestions",
    "dialog",
    "everywhere",
]
Keymap = Mapping[str, tuple[str, ...]]
"""The keys a user chose, by action."""
_chosen: ContextVar[Keymap] = ContextVar("keymap", default=MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What decides whether an action is possible."""

    role: OperatorRole | None = None
    me: str | None = None
    read_only: bool = False
    rows: int = 0
    marked: int = 0
    letters: int = 0
    """Dead letters on the screen."""
    suggestions: int = 0
    """Pages suggested on the screen."""
    item: QueueItem | None = None
    busy: str = ""
    """The action under way, in words."""
    unknown: str = ""
    """The action whose outcome is unknown, in words."""
    earlier: bool = False
    runs: bool = False
    brief: bool = False
    undelivered: bool = False
    """A message on the screen did not arrive, or nobody knows whether it did."""
    files: bool = False
    """A message on the screen came with a file."""
    later: bool = False
    """There are events after the one that is shown."""
    live: bool = False
    draft: bool = False
    """A draft is on the screen."""
    draft_refusal: str = ""
    """Why the draft on the screen cannot be decided, empty when it can."""
    drafts: int = 0
    """Drafts that wait and are loaded."""
    approved: bool = False
    """A draft was approved here."""
    sent: bool = False
    """A reply was handed over from this console, and not taken back."""


Refusal = str | None
Rule = Callable[[Situation], Refusal]
"""Why an action is not possible now, or None when it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """`defaults` are its keys unless the user chose others; the first one is shown. `bar` puts it on the key bar.

    A `numbered` action has the keys 1 to 9 and is told which one it was; nobody can choose others.
    """

    id: str
    defaults: tuple[str, ...] = ()
    context: Context
    label: str
    help: str
    bar: bool = False
    why_not: Rule = lambda situation: None
    priority: bool = False
    numbered: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        return _chosen.get().get(self.id, self.defaults)

    @property
    def key(self) -> str:
        return shown_key(self.keys[0])

    @property
    def names(self) -> list[str]:
        """All its keys as people write them."""
        return ["1 … 9"] if self.numbered else [shown_key(key) for key in self.keys]


# ---------------------------------------------------------------- when


def _may(permission: Permission, situation: Situation) -> Refusal:
    if situation.read_only:
        return "This console was started read-only; start it without --read-only to act."
    if situation.role is None:
        return "The daemon has not answered yet; wait until the console is live."
    if not allowed(situation.role, permission):
        return f"Your role ({situation.role}) may only read; ask an admin for the role agent."
    return None


def waiting(situation: Situation) -> Refusal:
    """Refuses while something is under way, or its outcome unknown."""
    if situation.busy:
        return f"Wait: {situation.busy} is under way."
    if situation.unknown:
        return f"It is not known whether {situation.unknown} took effect; {key_of('retry')} asks again."
    return None


def _may_now(permission: Permission, situation: Situation) -> Refusal:
    if situation.item is None:
        return "The conversation is still being loaded."
    if refusal := waiting(situation):
        return refusal
    merged = situation.item.merged_into
    if merged is not None and permission not in ("note", "part"):
        return f"It is part of #{merged}: go on there, or {key_of('merge_in')} parts it again."
    return _may(permission, situation)


def _take_over(situation: Situation) -> Refusal:
    item = situation.item
    if item is not None and held_by(item, situation.me):
        return "You hold it already."
    return _may_now("take_over", situation) or _colleague_holds(situation)


def _holding(permission: Permission, situation: Situation) -> Refusal:
    refusal = _may_now(permission, situation)
    if refusal or situation.item is None or held_by(situation.item, situation.me):
        return refusal
    free = f"You do not hold it; {key_of('take_over')} takes it over first."
    return _colleague_holds(situation) or free


def _now(permission: Permission) -> Rule:
    """Act in the conversation, whoever holds it."""
    return lambda situation: _may_now(permission, situation)


def _holds(permission: Permission) -> Rule:
    """Act in the conversation, for whoever holds it."""
    return lambda situation: _holding(permission, situation)


def _colleague_holds(situation: Situation) -> Refusal:
    """Who holds it instead of us, and the way to it; None when nobody else does."""
    holder = holder_of(situation.item)
    if holder is None or holder == situation.me:
        return None
    if situation.role in RELEASES_FOR_OTHERS:
        return f"{line(holder, 60)} holds it; ask them, or release it for them with {key_of('release')}."
    return f"{line(holder, 60)} holds it; ask them, or a lead or an admin releases it."


def _release(situation: Situation) -> Refusal:
    if holder_of(situation.item) is not None and situation.role in RELEASES_FOR_OTHERS:
        return _may_now("release", situation)
    return _holding("release", situation)


def _resolve(situation: Situation) -> Refusal:
    if situation.item is not None and situation.item.status == "resolved":
        return "It is resolved already."
    return _holding("resolve", situation)


def _snooze(situation: Situation) -> Refusal:
    item = situation.item
    if item is not None and item.status == "resolved":
        return "It is resolved: it comes back by itself when the customer writes."
    return _may_now("snooze", situation) or _colleague_holds(situation)


def _unsnooze(situation: Situation) -> Refusal:
    item = situation.item
    if item is not None and item.snoozed_until is None:
        return f"It is not put aside; {key_of('snooze')} does that."
    return _snooze(situation)


def _send_again(situation: Situation) -> Refusal:
    if not situation.undelivered:
        return "Every message here is delivered or on its way."
    return _holding("send_again", situation)


def _take_back(situation: Situation) -> Refusal:
    if refusal := _may("undo_send", situation):
        return refusal
    return None if situation.sent else "You have sent nothing here that could be taken back."


def _decides(permission: Permission) -> Rule:
    """Decide on the draft that is on the screen."""
    return lambda situation: _may(permission, situation) or situation.draft_refusal or None


def _undo(situation: Situation) -> Refusal:
    if refusal := _may("undo_send", situation):
        return refusal
    return None if situation.approved else "You have approved nothing here that could be taken back."


def _draft(situation: Situation) -> Refusal:
    return None if situation.draft else "No draft is on the screen."


def _drafts(situation: Situation) -> Refusal:
    return None if situation.drafts else "No draft waits."


def _draft_trace(situation: Situation) -> Refusal:
    return None if situation.runs else "No run is known that wrote it."


def _duty(situation: Situation) -> Refusal:
    return _may("duty", situation)


def _team(situation: Situation) -> Refusal:
    return None if situation.live else f"The console is not connected; {key_of('retry')} tries now."


def _assign(situation: Situation) -> Refusal:
    refusal = _may_now("assign", situation)
    if refusal or situation.role in RELEASES_FOR_OTHERS:
        return refusal
    return _colleague_holds(situation)


def _merge_in(situation: Situation) -> Refusal:
    merged = situation.item is not None and situation.item.merged_into is not None
    return _may_now("part" if merged else "merge_in", situation)


def _ticket(situation: Situation) -> Refusal:
    return None if situation.item is not None else "The ticket is still being loaded."


def _backwards(situation: Situation) -> Refusal:
    return _ticket(situation) or (None if situation.earlier else "This is the first event.")


def _onwards(situation: Situation) -> Refusal:
    return _ticket(situation) or (None if situation.later else "This is the newest event.")


def _row(situation: Situation) -> Refusal:
    return None if situation.rows else "The list is empty."


def _marked(permission: Permission) -> Rule:
    def rule(situation: Situation) -> Refusal:
        if refusal := _may(permission, situation):
            return refusal
        if not situation.marked:
            return f"No row is marked; {key_of('mark')} marks one."
        return f"Wait: {situation.busy} is under way." if situation.busy else None

    return rule


def _suggestion(situation: Situation) -> Refusal:
    return None if situation.suggestions else "There is no suggestion here."


def _suggestion_act(situation: Situation) -> Refusal:
    if situation.role == "agent" and not situation.read_only:
        return "What the AI learns is for a lead or an admin to decide on; ask one of them."
    return _suggestion(situation) or _may("teach", situation)


def _letter(situation: Situation) -> Refusal:
    return None if situation.letters else "There is no dead letter here."


def _letter_act(situation: Situation) -> Refusal:
    if situation.role == "agent" and not situation.read_only:
        return "Dead letters are for a lead or an admin to decide on; ask one of them."
    return _letter(situation) or _may("dead_letters", situation) or waiting(situation)


def _customer(situation: Situation) -> Refusal:
    return None if situation.item is not None else "The conversation is still being loaded."


def merge_refusal(situation: Situation) -> Refusal:
    """Why customers cannot be merged or parted here, None when they can."""
    if situation.role == "agent" and not situation.read_only:
        return "Merging is for a lead or an admin; ask one of them."
    return _may("merge", situation)


def link_refusal(situation: Situation) -> Refusal:
    """Why no code can be sent from here, None when it can."""
    return _may("link", situation)


def _earlier(situation: Situation) -> Refusal:
    return None if situation.earlier else "This is the beginning of the conversation."


def _trace(situation: Situation) -> Refusal:
    return None if situation.runs else "No message shown here was written by the AI."


def _brief(situation: Situation) -> Refusal:
    return None if situation.brief else "It was not handed over, so there is no brief."


def _files(situation: Situation) -> Refusal:
    return None if situation.files else "No message shown here came with a file."


def _retry(situation: Situation) -> Refusal:
    if situation.unknown or not situation.live:
        return None
    return "Nothing to try again: the console is live."


# ---------------------------------------------------------------- the table

ACTIONS: Final[tuple[Action, ...]] = (
    Action(
        id="open",
        defaults=("enter", "l", "right"),
        context="queue",
        label="open",
        help="Open the conversation",
        bar=True,
        why_not=_row,
    ),
    Action(
        id="filter",
        defaults=("slash",),
        context="queue",
        label="filter",
        help="Filter the list as you type; !word leaves out, #vip finds a tag; enter searches the whole view; escape clears",
        bar=True,
    ),
    Action(
        id="view", defaults=("v",), context="queue", label="view", help="Next view of the queue", bar=True
    ),
    Action(
        id="view_back", defaults=("V",), context="queue", label="view back", help="Previous view of the queue"
    ),
    Action(
        id="pause",
        defaults=("p",),
        context="queue",
        label="pause",
        help="Hold the list still; again: go on live",
        bar=True,
    ),
    Action(
        id="next_waiting",
        defaults=("n",),
        context="queue",
        label="next",
        help="Go to the next conversation that needs a person",
        bar=True,
        why_not=_row,
    ),
    Action(
        id="drafts",
        defaults=("d",),
        context="queue",
        label="drafts",
        help="Decide on the answers that wait for approval, one after the other",
        bar=True,
    ),
    Action(
        id="team",
        defaults=("T",),
        context="queue",
        label="team",
        help="Who is on duty, and what they hold",
        why_not=_team,
    ),
    Action(
        id="duty",
        defaults=("D",),
        context="queue",
        label="duty",
        help="Go off duty, or on duty again: whether customers may count on you",
        why_not=_duty,
    ),
    Action(
        id="reload", defaults=("ctrl+l", "f5"), context="queue", label="reload", help="Load the list anew"
    ),
    Action(
        id="clear",
        defaults=("escape",),
        context="queue",
        label="clear",
        help="Clear filter, search and marks",
    ),
    Action(
        id="mark",
        defaults=("space",),
        context="queue",
        label="mark",
        help="Mark the row, or take the mark off, and go to the next one",
        why_not=_row,
    ),
    Action(
        id="mark_all",
        defaults=("asterisk",),
        context="queue",
        label="mark all",
        help="Mark every row shown; again: take all marks off",
        why_not=_row,
    ),
    Action(
        id="bulk_take_over",
        defaults=("o",),
        context="queue",
        label="take over marked",
        help="Take over every marked conversation",
        why_not=_marked("take_over"),
    ),
    Action(
        id="bulk_release",
        defaults=("x",),
        context="queue",
        label="release marked",
        help="Hand every marked conversation back to the AI",
        why_not=_marked("release"),
    ),
    Action(
        id="bulk_resolve",
        defaults=("e",),
        context="queue",
        label="resolve marked",
        help="Resolve every marked conversation",
        why_not=_marked("resolve"),
    ),
    Action(
        id="bulk_note",
        defaults=("N",),
        context="queue",
        label="note on marked",
        help="Write one note into every marked conversation",
        why_not=_marked("note"),
    ),
    Action(
        id="take_back",
        defaults=("U",),
        context="queue",
        label="take back",
        help="Take back the reply you sent last, while it still waits: opens its conversation, your words in hand",
        why_not=_take_back,
    ),
    Action(
        id="save_view",
        defaults=("w",),
        context="queue",
        label="save view",
        help="Keep this view, filter and search under a number",
    ),
    Action(
        id="saved",
        defaults=tuple("123456789"),
        numbered=True,
        context="queue",
        label="saved view",
        help="Go to the view kept under that number",
    ),
    Action(
        id="copy_row",
        defaults=("y",),
        context="queue",
        label="copy",
        help="Copy the conversation's number, also over SSH",
        why_not=_row,
    ),
    Action(
        id="metrics",
        defaults=("M",),
        context="queue",
        label="metrics",
        help="Metrics: how much, how fast, how often a person is needed",
    ),
    Action(
        id="channels",
        defaults=("H",),
        context="queue",
        label="health",
        help="Health of the channels, what is on its way, and dead letters",
    ),
    Action(
        id="customers",
        defaults=("C",),
        context="queue",
        label="customers",
        help="Find a customer by name, address or number",
    ),
    Action(
        id="knowledge",
        defaults=("K",),
        context="queue",
        label="knowledge",
        help="Ask the knowledge base a question, and see what the AI would find",
    ),
    Action(
        id="suggestions",
        defaults=("L",),
        context="queue",
        label="suggestions",
        help="Pages that people's answers could become, for the AI to learn",
    ),
    Action(
        id="quit",
        defaults=("q",),
        context="queue",
        label="quit",
        help="Leave the console; drafts are kept",
        bar=True,
    ),
    Action(
        id="take_over",
        defaults=("o",),
        context="conversation",
        label="take over",
        help="Take over: from now on you answer, the AI is silent",
        bar=True,
        why_not=_take_over,
    ),
    Action(
        id="reply",
        defaults=("r",),
        context="conversation",
        label="reply",
        help="Write a reply to the customer",
        bar=True,
        why_not=_holds("reply"),
    ),
    Action(
        id="note",
        defaults=("n",),
        context="conversation",
        label="note",
        help="Write a note for colleagues; the customer never sees it",
        bar=True,
        why_not=_now("note"),
    ),
    Action(
        id="release",
        defaults=("x",),
        context="conversation",
        label="release",
        help="Release: hand the conversation back to the AI",
        bar=True,
        why_not=_release,
    ),
    Action(
        id="resolve",
        defaults=("e",),
        context="conversation",
        label="resolve",
        help="Resolve: the matter is closed",
        bar=True,
        why_not=_resolve,
    ),
    Action(
        id="snooze",
        defaults=("z",),
        context="conversation",
        label="snooze",
        help="Put it aside until a time; it comes back by itself, and at once when the customer writes",
        why_not=_snooze,
    ),
    Action(
        id="unsnooze",
        defaults=("Z",),
        context="conversation",
        label="bring back",
        help="Bring back what was put aside",
        why_not=_unsnooze,
    ),
    Action(
        id="send_again",
        defaults=("s",),
        context="conversation",
        label="send again",
        help="Send again the newest message that did not arrive",
        why_not=_send_again,
    ),
    Action(
        id="undo_send",
        defaults=("U",),
        context="conversation",
        label="undo",
        help="Take back what you have just sent, while it still waits; its text comes back to you",
        why_not=_now("undo_send"),
    ),
    Action(
        id="trace",
        defaults=("t",),
        context="conversation",
        label="trace",
        help="Sources, tools and checks behind the newest AI answer on the screen (or click an answer)",
        bar=True,
        why_not=_trace,
    ),
    Action(
        id="brief",
        defaults=("i",),
        context="conversation",
        label="brief",
        help="Fold or unfold the hand-over brief",
        why_not=_brief,
    ),
    Action(
        id="customer",
        defaults=("c",),
        context="conversation",
        label="customer",
        help="The customer: what identifies them, earlier conversations, merging, proof of another address",
        why_not=_customer,
    ),
    Action(
        id="files",
        defaults=("a",),
        context="conversation",
        label="attachments",
        help="List what was attached to the messages shown, and save a file (or click the message)",
        why_not=_files,
    ),
    Action(
        id="set_priority",
        defaults=("P",),
        context="conversation",
        label="priority",
        help="Set the priority; the AI no longer changes it",
        why_not=_now("set_priority"),
    ),
    Action(
        id="set_category",
        defaults=("C",),
        context="conversation",
        label="category",
        help="Set the category; the AI no longer changes it",
        why_not=_now("set_category"),
    ),
    Action(
        id="tag",
        defaults=("T",),
        context="conversation",
        label="tags",
        help="Change the tags",
        why_not=_now("tag"),
    ),
    Action(
        id="assign",
        defaults=("A",),
        context="conversation",
        label="assign",
        help="Give it to a colleague, or to nobody: then it needs a person",
        why_not=_assign,
    ),
    Action(
        id="merge_in",
        defaults=("M",),
        context="conversation",
        label="merge",
        help="Have another conversation of this customer go on here; in a merged one: part it again",
        why_not=_merge_in,
    ),
    Action(
        id="inspect",
        defaults=("I",),
        context="conversation",
        label="inspect",
        help="The ticket's life, audit and events, and what was known at each moment",
        why_not=_customer,
    ),
    Action(
        id="copy",
        defaults=("y",),
        context="conversation",
        label="copy",
        help="Copy the newest message on the screen, the number or the address, also over SSH",
        why_not=_customer,
    ),
    Action(
        id="earlier",
        defaults=("u",),
        context="conversation",
        label="earlier",
        help="Load earlier messages",
        why_not=_earlier,
    ),
    Action(
        id="newest",
        defaults=("G", "end"),
        context="conversation",
        label="newest",
        help="Go to the newest message and follow",
    ),
    Action(
        id="back",
        defaults=("escape", "q", "left", "h"),
        context="conversation",
        label="back",
        help="Back to the queue",
        bar=True,
    ),
    Action(
        id="approve",
        defaults=("a",),
        context="drafts",
        label="approve",
        help="Send the answer exactly as it is shown, and go to the next one",
        bar=True,
        why_not=_decides("approve"),
    ),
    Action(
        id="edit",
        defaults=("e",),
        context="drafts",
        label="edit",
        help="Change the answer, then send it",
        bar=True,
        why_not=_decides("approve"),
    ),
    Action(
        id="reject",
        defaults=("r",),
        context="drafts",
        label="reject",
        help="Do not send it, and say why: a person has to answer",
        bar=True,
        why_not=_decides("reject"),
    ),
    Action(
        id="regenerate",
        defaults=("g",),
        context="drafts",
        label="anew",
        help="Have the AI write another one, with a hint",
        bar=True,
        why_not=_decides("regenerate"),
    ),
    Action(
        id="next_draft",
        defaults=("n", "right", "l"),
        context="drafts",
        label="next",
        help="The next draft, undecided",
        bar=True,
        why_not=_drafts,
    ),
    Action(
        id="previous_draft",
        defaults=("p", "left", "h"),
        context="drafts",
        label="previous",
        help="The draft before",
        why_not=_drafts,
    ),
    Action(
        id="undo",
        defaults=("u",),
        context="drafts",
        label="undo",
        help="Take back the answer you approved last, while it still waits",
        bar=True,
        why_not=_undo,
    ),
    Action(
        id="draft_trace",
        defaults=("t",),
        context="drafts",
        label="trace",
        help="Sources, tools and checks behind the answer",
        why_not=_draft_trace,
    ),
    Action(
        id="draft_open",
        defaults=("o", "enter"),
        context="drafts",
        label="conversation",
        help="Open the conversation",
        why_not=_draft,
    ),
    Action(
        id="leave_drafts",
        defaults=("escape", "q"),
        context="drafts",
        label="back",
        help="Back to the queue",
        bar=True,
    ),
    Action(
        id="send",
        defaults=("ctrl+j", "f5", "ctrl+enter", "alt+enter"),
        context="compose",
        label="send",
        help="Send what is written",
        bar=True,
    ),
    Action(
        id="editor",
        defaults=("f4", "ctrl+o"),
        context="compose",
        label="editor",
        help="Write in your own editor: $VISUAL, else $EDITOR",
        bar=True,
    ),
    Action(
        id="leave",
        defaults=("escape",),
        context="compose",
        label="close, keep draft",
        help="Close; the draft is kept",
        bar=True,
    ),
    Action(
        id="canned",
        defaults=("f3", "ctrl+t"),
        context="compose",
        label="canned",
        help="Put in a canned reply; or type ;key and a blank",
        bar=True,
    ),
    Action(
        id="discard",
        defaults=("f8",),
        context="compose",
        label="discard",
        help="Throw the draft away (twice to confirm)",
        bar=True,
    ),
    Action(
        id="step_back",
        defaults=("left", "h"),
        context="inspector",
        label="back",
        help="One event back in time",
        bar=True,
        why_not=_backwards,
    ),
    Action(
        id="step_on",
        defaults=("right", "l"),
        context="inspector",
        label="on",
        help="One event on in time",
        bar=True,
        why_not=_onwards,
    ),
    Action(
        id="first_event",
        defaults=("home", "g"),
        context="inspector",
        label="first",
        help="Go to the first event",
        bar=True,
        why_not=_ticket,
    ),
    Action(
        id="last_event",
        defaults=("end", "G"),
        context="inspector",
        label="now",
        help="Go to the newest event and follow",
        bar=True,
        why_not=_ticket,
    ),
    Action(
        id="pane",
        defaults=("v", "tab"),
        context="inspector",
        label="part",
        help="Next part: then, life, audit, deliveries, events",
        bar=True,
    ),
    Action(
        id="pane_back",
        defaults=("V", "shift+tab"),
        context="inspector",
        label="part before",
        help="The part before",
    ),
    Action(
        id="reload_ticket",
        defaults=("ctrl+l", "f5"),
        context="inspector",
        label="reload",
        help="Load the ticket anew",
    ),
    Action(
        id="leave_ticket",
        defaults=("escape", "q", "I"),
        context="inspector",
        label="close",
        help="Back to the conversation",
        bar=True,
    ),
    Action(
        id="metrics_span",
        defaults=("s",),
        context="metrics",
        label="1 h / 24 h",
        help="The last hour, or the last day",
        bar=True,
    ),
    Action(
        id="metrics_channel",
        defaults=("c",),
        context="metrics",
        label="channel",
        help="Next channel, or all of them",
        bar=True,
    ),
    Action(
        id="metrics_reload",
        defaults=("ctrl+l", "f5"),
        context="metrics",
        label="reload",
        help="Ask again now",
    ),
    Action(
        id="metrics_back",
        defaults=("escape", "q", "left", "h"),
        context="metrics",
        label="back",
        help="Back to where you were",
        bar=True,
    ),
    Action(
        id="letter_show",
        defaults=("enter", "l", "right"),
        context="channels",
        label="show",
        help="Show the dead letter whole",
        bar=True,
        why_not=_letter,
    ),
    Action(
        id="letter_retry",
        defaults=("r",),
        context="channels",
        label="retry",
        help="Announce the dead letter's event again, for the group that failed on it",
        bar=True,
        why_not=_letter_act,
    ),
    Action(
        id="letter_drop",
        defaults=("d",),
        context="channels",
        label="drop",
        help="Give the dead letter up, with a reason",
        bar=True,
        why_not=_letter_act,
    ),
    Action(
        id="letter_states",
        defaults=("v",),
        context="channels",
        label="waiting / all",
        help="The letters that wait, or all of them",
        bar=True,
    ),
    Action(
        id="channels_reload",
        defaults=("ctrl+l", "f5"),
        context="channels",
        label="reload",
        help="Ask again now",
    ),
    Action(
        id="channels_back",
        defaults=("escape", "q", "left", "h"),
        context="channels",
        label="back",
        help="Back to where you were",
        bar=True,
    ),
    Action(
        id="customers_find",
        defaults=("slash",),
        context="customers",
        label="search",
        help="Type whom to look for",
        bar=True,
    ),
    Action(
        id="customers_back",
        defaults=("escape", "q", "left", "h"),
        context="customers",
        label="back",
        help="Back to where you were",
        bar=True,
    ),
    Action(
        id="knowledge_ask",
        defaults=("slash",),
        context="knowledge",
        label="ask",
        help="Type a question",
        bar=True,
    ),
    Action(
        id="knowledge_back",
        defaults=("escape", "q", "left", "h"),
        context="knowledge",
        label="back",
        help="Back to where you were",
        bar=True,
    ),
    Action(
        id="suggestion_approve",
        defaults=("a",),
        context="suggestions",
        label="approve",
        help="Make it a page of the knowledge base, as it stands here",
        bar=True,
        why_not=_suggestion_act,
    ),
    Action(
        id="suggestion_edit",
        defaults=("e", "ctrl+o"),
        context="suggestions",
        label="edit",
        help="Mend the page in your editor: the title on the first line, then the text",
        bar=True,
        why_not=_suggestion_act,
    ),
    Action(
        id="suggestion_reject",
        defaults=("x",),
        context="suggestions",
        label="reject",
        help="Do not suggest it again",
        bar=True,
        why_not=_suggestion_act,
    ),
    Action(
        id="suggestion_next",
        defaults=("n", "l", "right"),
        context="suggestions",
        label="next",
        help="The next one",
        bar=True,
        why_not=_suggestion,
    ),
    Action(
        id="suggestion_previous",
        defaults=("N", "h", "left"),
        context="suggestions",
        label="previous",
        help="The one before",
        why_not=_suggestion,
    ),
    Action(
        id="suggestions_back",
        defaults=("escape", "q"),
        context="suggestions",
        label="back",
        help="Back to where you were",
        bar=True,
    ),
    Action(
        id="jump",
        defaults=("number_sign",),
        context="everywhere",
        label="go to",
        help="Go to a conversation by its number",
    ),
    Action(
        id="retry",
        defaults=("ctrl+r", "f9"),
        context="everywhere",
        label="try again",
        help="Connect now, or ask again for an action whose outcome is unknown; it never acts twice",
        why_not=_retry,
        priority=True,
    ),
    Action(
        id="palette",
        defaults=("ctrl+p", "colon"),
        context="everywhere",
        label="palette",
        help="Find an action by its name",
    ),
    Action(
        id="help",
        defaults=("question_mark", "f1"),
        context="everywhere",
        label="help",
        help="What the keys do here",
    ),
)
MOVES: Final = (
    ("↑ ↓  j k", "move"),
    ("pgup pgdn", "a page"),
    ("g G  home end", "first, last"),
    ("tab", "next part of the screen"),
    ("mouse", "click, double-click or wheel; the key bar too"),
)
"""Keys of the lists themselves, for the help."""
_BY_ID: Final = {action.id: action for action in ACTIONS}
_NAMES: Final = {
    "slash": "/",
    "question_mark": "?",
    "colon": ":",
    "escape": "esc",
    "asterisk": "*",
    "number_sign": "#",
}
RESERVED: Final = frozenset(
    (
        "up",
        "down",
        "j",
        "k",
        "pageup",
        "pagedown",
        "ctrl+u",
        "ctrl+d",
        "home",
        "g",
        "tab",
        "shift+tab",
        "ctrl+c",
        "ctrl+q",
    )
)
"""Keys of the lists and of the terminal, which no action can be given; some have them where there is no list."""


def action(id: str) -> Action:
    """The action of that id. Raises KeyError for an unknown one."""
    return _BY_ID[id]


def key_of(id: str) -> str:
    return _BY_ID[id].key


def shown_key(key: str) -> str:
    """A key as people write it."""
    return _NAMES.get(key, key)


def of(context: Context) -> list[Action]:
    """The actions of a context, in the order of the table."""
    return [action for action in ACTIONS if action.context == context]


def bar(context: Context) -> list[Action]:
    """What the key bar of a context shows."""
    return [action for action in of(context) if action.bar] + [_BY_ID["help"]]


def choose(keymap: Keymap) -> None:
    """From now on, in this task and those it starts, actions have the keys the user chose."""
    _chosen.set(keymap)


def bindings(context: Context) -> "list[BindingType]":
    """The bindings of a context, with the keys they have by default; the application's keymap changes them."""
    return [binding for action in of(context) for binding in _bindings(action)]


def _bindings(action: Action) -> "list[Binding]":
    from textual.binding import Binding

    if action.numbered:
        return [
            Binding(str(digit), f"screen.perform('{action.id}', {digit})", action.label, show=False)
            for digit in range(1, 10)
        ]
    return [_binding(action)]


def retry_binding() -> "Binding":
    """The key that asks again, for a dialog."""
    from textual.binding import Binding

    retry = action("retry")
    return Binding(",".join(retry.defaults), "retry", retry.label, id=retry.id, show=False, priority=True)


def _binding(action: Action) -> "Binding":
    from textual.binding import Binding

    return Binding(
        ",".join(action.defaults),
        f"screen.perform('{action.id}')",
        action.label,
        id=action.id,
        tooltip=action.help,
        show=action.bar,
        priority=action.priority,
    )
