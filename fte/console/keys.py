"""Everything the operator can do, in one table: bindings, key bar, palette and help are all made from it.

Keys that terminals or multiplexers swallow (ctrl+c, ctrl+z, ctrl+s, ctrl+b, ctrl+a, ctrl+enter) are never the
only way to an action.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from fte.console.model import held_by, holder_of
from fte.console.safe import line
from fte.domain.operators import RELEASES_FOR_OTHERS, OperatorRole, allowed
from fte.domain.operators import Action as Permission
from fte.wire import QueueItem

if TYPE_CHECKING:
    from textual.binding import Binding, BindingType

Context = Literal["queue", "conversation", "compose", "inspector", "dialog", "everywhere"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What decides whether an action is possible."""

    role: OperatorRole | None = None
    me: str | None = None
    read_only: bool = False
    rows: int = 0
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


Refusal = str | None
Rule = Callable[[Situation], Refusal]
"""Why an action is not possible now, or None when it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """`keys` are the defaults, the first one is shown. `bar` puts it on the key bar."""

    id: str
    keys: tuple[str, ...]
    context: Context
    label: str
    help: str
    bar: bool = False
    why_not: Rule = lambda situation: None
    priority: bool = False

    @property
    def key(self) -> str:
        return shown_key(self.keys[0])


# ---------------------------------------------------------------- when


def _may(permission: Permission, situation: Situation) -> Refusal:
    if situation.read_only:
        return "This console was started read-only; start it without --read-only to act."
    if situation.role is None:
        return "The daemon has not answered yet; wait until the console is live."
    if not allowed(situation.role, permission):
        return f"Your role ({situation.role}) may only read; ask an admin for the role agent."
    return None


def _may_now(permission: Permission, situation: Situation) -> Refusal:
    if situation.item is None:
        return "The conversation is still being loaded."
    if situation.busy:
        return f"Wait: {situation.busy} is under way."
    if situation.unknown:
        return f"It is not known whether {situation.unknown} took effect; {key_of('retry')} asks again."
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


def _colleague_holds(situation: Situation) -> Refusal:
    """Who holds it instead of us, and the way to it; None when nobody else does."""
    holder = holder_of(situation.item)
    if holder is None or holder == situation.me:
        return None
    if situation.role in RELEASES_FOR_OTHERS:
        return f"{line(holder, 60)} holds it; ask them, or release it for them with {key_of('release')}."
    return f"{line(holder, 60)} holds it; ask them, or a lead or an admin releases it."


def _reply(situation: Situation) -> Refusal:
    return _holding("reply", situation)


def _release(situation: Situation) -> Refusal:
    if holder_of(situation.item) is not None and situation.role in RELEASES_FOR_OTHERS:
        return _may_now("release", situation)
    return _holding("release", situation)


def _note(situation: Situation) -> Refusal:
    return _may_now("note", situation)


def _resolve(situation: Situation) -> Refusal:
    if situation.item is not None and situation.item.status == "resolved":
        return "It is resolved already."
    return _holding("resolve", situation)


def _send_again(situation: Situation) -> Refusal:
    if not situation.undelivered:
        return "Every message here is delivered or on its way."
    return _holding("send_again", situation)


def _sort(permission: Permission) -> Rule:
    return lambda situation: _may_now(permission, situation)


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
        keys=("enter", "l", "right"),
        context="queue",
        label="open",
        help="Open the conversation",
        bar=True,
        why_not=_row,
    ),
    Action(
        id="filter",
        keys=("slash",),
        context="queue",
        label="filter",
        help="Filter the list as you type; !word leaves out; enter searches the whole view; escape clears",
        bar=True,
    ),
    Action(id="view", keys=("v",), context="queue", label="view", help="Next view of the queue", bar=True),
    Action(
        id="view_back", keys=("V",), context="queue", label="view back", help="Previous view of the queue"
    ),
    Action(
        id="pause",
        keys=("p",),
        context="queue",
        label="pause",
        help="Hold the list still; again: go on live",
        bar=True,
    ),
    Action(
        id="next_waiting",
        keys=("n",),
        context="queue",
        label="next",
        help="Go to the next conversation that needs a person",
        bar=True,
        why_not=_row,
    ),
    Action(id="reload", keys=("ctrl+l", "f5"), context="queue", label="reload", help="Load the list anew"),
    Action(id="clear", keys=("escape",), context="queue", label="clear", help="Clear filter and search"),
    Action(
        id="quit",
        keys=("q",),
        context="queue",
        label="quit",
        help="Leave the console; drafts are kept",
        bar=True,
    ),
    Action(
        id="take_over",
        keys=("o",),
        context="conversation",
        label="take over",
        help="Take over: from now on you answer, the AI is silent",
        bar=True,
        why_not=_take_over,
    ),
    Action(
        id="reply",
        keys=("r",),
        context="conversation",
        label="reply",
        help="Write a reply to the customer",
        bar=True,
        why_not=_reply,
    ),
    Action(
        id="note",
        keys=("n",),
        context="conversation",
        label="note",
        help="Write a note for colleagues; the customer never sees it",
        bar=True,
        why_not=_note,
    ),
    Action(
        id="release",
        keys=("x",),
        context="conversation",
        label="release",
        help="Release: hand the conversation back to the AI",
        bar=True,
        why_not=_release,
    ),
    Action(
        id="resolve",
        keys=("e",),
        context="conversation",
        label="resolve",
        help="Resolve: the matter is closed",
        bar=True,
        why_not=_resolve,
    ),
    Action(
        id="send_again",
        keys=("s",),
        context="conversation",
        label="send again",
        help="Send again the newest message that did not arrive",
        why_not=_send_again,
    ),
    Action(
        id="trace",
        keys=("t",),
        context="conversation",
        label="trace",
        help="Sources, tools and checks behind the newest AI answer on the screen (or click an answer)",
        bar=True,
        why_not=_trace,
    ),
    Action(
        id="brief",
        keys=("i",),
        context="conversation",
        label="brief",
        help="Fold or unfold the hand-over brief",
        why_not=_brief,
    ),
    Action(
        id="customer",
        keys=("c",),
        context="conversation",
        label="customer",
        help="The customer: what identifies them, earlier conversations, merging, proof of another address",
        why_not=_customer,
    ),
    Action(
        id="files",
        keys=("a",),
        context="conversation",
        label="attachments",
        help="List what was attached to the messages shown, and save a file (or click the message)",
        why_not=_files,
    ),
    Action(
        id="set_priority",
        keys=("P",),
        context="conversation",
        label="priority",
        help="Set the priority; the AI no longer changes it",
        why_not=_sort("set_priority"),
    ),
    Action(
        id="set_category",
        keys=("C",),
        context="conversation",
        label="category",
        help="Set the category; the AI no longer changes it",
        why_not=_sort("set_category"),
    ),
    Action(
        id="tag",
        keys=("T",),
        context="conversation",
        label="tags",
        help="Change the tags",
        why_not=_sort("tag"),
    ),
    Action(
        id="assign",
        keys=("A",),
        context="conversation",
        label="assign",
        help="Give it to a colleague, or to nobody: then it needs a person",
        why_not=_assign,
    ),
    Action(
        id="merge_in",
        keys=("M",),
        context="conversation",
        label="merge",
        help="Have another conversation of this customer go on here; in a merged one: part it again",
        why_not=_merge_in,
    ),
    Action(
        id="inspect",
        keys=("I",),
        context="conversation",
        label="inspect",
        help="The ticket's life, audit and events, and what was known at each moment",
        why_not=_customer,
    ),
    Action(
        id="earlier",
        keys=("u",),
        context="conversation",
        label="earlier",
        help="Load earlier messages",
        why_not=_earlier,
    ),
    Action(
        id="newest",
        keys=("G", "end"),
        context="conversation",
        label="newest",
        help="Go to the newest message and follow",
    ),
    Action(
        id="back",
        keys=("escape", "q", "left", "h"),
        context="conversation",
        label="back",
        help="Back to the queue",
        bar=True,
    ),
    Action(
        id="send",
        keys=("ctrl+j", "f5", "ctrl+enter", "alt+enter"),
        context="compose",
        label="send",
        help="Send what is written",
        bar=True,
    ),
    Action(
        id="leave",
        keys=("escape",),
        context="compose",
        label="close, keep draft",
        help="Close; the draft is kept",
        bar=True,
    ),
    Action(
        id="canned",
        keys=("f4", "ctrl+t"),
        context="compose",
        label="canned",
        help="Put in a canned reply; or type ;key and a blank",
        bar=True,
    ),
    Action(
        id="discard",
        keys=("f8",),
        context="compose",
        label="discard",
        help="Throw the draft away (twice to confirm)",
        bar=True,
    ),
    Action(
        id="step_back",
        keys=("left", "h"),
        context="inspector",
        label="back",
        help="One event back in time",
        bar=True,
        why_not=_backwards,
    ),
    Action(
        id="step_on",
        keys=("right", "l"),
        context="inspector",
        label="on",
        help="One event on in time",
        bar=True,
        why_not=_onwards,
    ),
    Action(
        id="first_event",
        keys=("home", "g"),
        context="inspector",
        label="first",
        help="Go to the first event",
        bar=True,
        why_not=_ticket,
    ),
    Action(
        id="last_event",
        keys=("end", "G"),
        context="inspector",
        label="now",
        help="Go to the newest event and follow",
        bar=True,
        why_not=_ticket,
    ),
    Action(
        id="pane",
        keys=("v", "tab"),
        context="inspector",
        label="part",
        help="Next part: then, life, audit, deliveries, events",
        bar=True,
    ),
    Action(
        id="pane_back",
        keys=("V", "shift+tab"),
        context="inspector",
        label="part before",
        help="The part before",
    ),
    Action(
        id="reload_ticket",
        keys=("ctrl+l", "f5"),
        context="inspector",
        label="reload",
        help="Load the ticket anew",
    ),
    Action(
        id="leave_ticket",
        keys=("escape", "q", "I"),
        context="inspector",
        label="close",
        help="Back to the conversation",
        bar=True,
    ),
    Action(
        id="retry",
        keys=("ctrl+r", "f9"),
        context="everywhere",
        label="try again",
        help="Connect now, or ask again for an action whose outcome is unknown; it never acts twice",
        why_not=_retry,
        priority=True,
    ),
    Action(
        id="palette",
        keys=("ctrl+p", "colon"),
        context="everywhere",
        label="palette",
        help="Find an action by its name",
    ),
    Action(
        id="help",
        keys=("question_mark", "f1"),
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
_NAMES: Final = {"slash": "/", "question_mark": "?", "colon": ":", "escape": "esc"}


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


def bindings(context: Context) -> "list[BindingType]":
    """The bindings of a context."""
    return [_binding(action) for action in of(context)]


def _binding(action: Action) -> "Binding":
    from textual.binding import Binding

    return Binding(
        ",".join(action.keys),
        f"screen.perform('{action.id}')",
        action.label,
        id=action.id,
        tooltip=action.help,
        show=action.bar,
        priority=action.priority,
    )
