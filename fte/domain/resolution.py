"""What became of a conversation the AI answered in, from facts alone: nobody's guess counts as the customer's word."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

Resolution = Literal["confirmed", "assumed", "reopened", "handed_over", "undecided"]
RESOLUTIONS: Final[tuple[Resolution, ...]] = get_args(Resolution)

ASSUMED_AFTER: Final = timedelta(hours=24)
"""How long a customer has to be silent after an answer until it is assumed that it was one."""
REOPENED_WITHIN: Final = timedelta(days=7)
"""Who comes back later than that has another question."""


@dataclass(frozen=True, slots=True)
class Said:
    """A message as far as it decides: whose it was, when, and whether it only thanks or needed a person."""

    by: Literal["customer", "agent", "operator"]
    at: datetime
    thanks: bool = False
    handed_over: bool = False


def resolution(
    messages: Iterable[Said], now: datetime, assumed_after: timedelta = ASSUMED_AFTER
) -> Resolution:
    """What became of a conversation, its messages in order.

    `handed_over`: a person had to deal with it. `confirmed`: the customer's last word was thanks for an answer of the
    AI. `assumed`: nothing came for `assumed_after` since its answer. `reopened`: the customer wrote again, within
    REOPENED_WITHIN, after it had counted as one of these two; that takes the success back, whatever came later.
    `undecided`: none of these yet.
    """
    answered: datetime | None = None
    confirmed = reopened = waits = False
    for said in messages:
        if said.by == "operator" or said.handed_over:
            return "handed_over"
        if said.by == "agent":
            answered, waits = said.at, False
        elif said.thanks and answered is not None and not waits:
            confirmed = True
        else:
            silence = said.at - answered if answered is not None else None
            if silence is not None and (confirmed or silence >= assumed_after) and silence <= REOPENED_WITHIN:
                reopened = True
            confirmed, waits = False, True
    if reopened:
        return "reopened"
    if confirmed:
        return "confirmed"
    return (
        "assumed" if answered is not None and not waits and now - answered >= assumed_after else "undecided"
    )
