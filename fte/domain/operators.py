"""Operators and what each role may do."""

from typing import Final, Literal, get_args

OperatorRole = Literal["observer", "agent", "lead", "admin"]
ROLES: Final[tuple[OperatorRole, ...]] = get_args(OperatorRole)

Action = Literal[
    "read",
    "take_over",
    "escalate",
    "reply",
    "note",
    "release",
    "resolve",
    "send_again",
    "undo_send",
    "snooze",
    "set_priority",
    "set_category",
    "tag",
    "assign",
    "merge_in",
    "part",
    "approve",
    "reject",
    "regenerate",
    "link",
    "duty",
    "canned",
    "dead_letters",
    "configure",
    "merge",
    "teach",
    "export",
    "erase",
]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)

_ALLOWED: Final[dict[OperatorRole, frozenset[Action]]] = {
    "observer": frozenset({"read"}),
    "agent": frozenset(ACTIONS)
    - {"canned", "configure", "dead_letters", "merge", "teach", "export", "erase"},
    "lead": frozenset(ACTIONS) - {"erase"},
    "admin": frozenset(ACTIONS),
}


ASSIGNABLE: Final[frozenset[OperatorRole]] = frozenset(ROLES) - {"observer"}
"""Whom a conversation may be given to: who may answer in it."""

RELEASES_FOR_OTHERS: Final[frozenset[OperatorRole]] = frozenset({"lead", "admin"})
"""Who may give back a conversation that a colleague holds."""


def allowed(role: OperatorRole, action: Action) -> bool:
    """Whether the role may take the action."""
    return action in _ALLOWED[role]
