"""Dead letters: what may still be done with an event that a group could not handle."""

from typing import Final, Literal, get_args

State = Literal["waiting", "replayed", "dropped"]
"""Waiting for a person, sent to its group once more, or given up by a person."""
STATES: Final[tuple[State, ...]] = get_args(State)

REPLAYS_MAX: Final = 3
"""Times a letter may be sent to its group again."""
REASON_MAX: Final = 500
"""Characters of the reason for giving a letter up."""


def why_not_again(state: State, replays: int, *, dropped_too: bool) -> str | None:
    """What keeps a letter from being sent again; None when nothing does. `dropped_too`: also one that was given up."""
    if state == "replayed":
        return "it was sent to its group again already; if that fails, it is waiting again"
    if state == "dropped" and not dropped_too:
        return "it was dropped meanwhile"
    if replays >= REPLAYS_MAX:
        return f"it failed after each of {replays} replays: find the cause, then drop it with `fte dlq drop`"
    return None


def why_not_dropped(state: State) -> str | None:
    """What keeps a letter from being given up; None when nothing does."""
    if state == "replayed":
        return "it was sent to its group again; if that fails, it is waiting again, and you may drop it"
    if state == "dropped":
        return "it was dropped already"
    return None
