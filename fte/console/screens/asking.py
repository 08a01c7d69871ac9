"""Asking again for what nobody knows the outcome of: one way for all screens, with the key that makes it happen once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from textual.screen import Screen

from fte.console import keys, present

if TYPE_CHECKING:
    from fte.console.app import Console

ASK_AGAIN_MAX: Final = timedelta(minutes=2)
"""How long after the key press an action of unknown outcome is asked for again by itself; later the operator decides."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """An action of unknown outcome.

    `again` asks for it with the same idempotency key; it is under way then, and unknown no more. `asked` is when the
    operator did it; None for an action of an earlier console, which is never asked for by itself.
    """

    again: Callable[[], None]
    asked: datetime | None


class Asking:
    """What makes a screen ask again: a part of each screen from which something is done."""

    @property
    def console(self) -> "Console":
        return cast("Console", cast(Screen[Any], self).app)

    def unknown(self) -> Sequence[Unknown]:
        """The actions of this screen whose outcome nobody knows."""
        return ()

    def ask_again(self) -> None:
        """Ask for those that were done a short while ago."""
        for one in self.unknown():
            if self._is_fresh(one.asked):
                one.again()

    def action_retry(self) -> None:
        """Ask for all of them, however long ago they were done; where there is none, connect now."""
        unknown = self.unknown()
        for one in unknown:
            one.again()
        if not unknown:
            self.console.reconnect()

    def asking_again(self, asked: datetime | None) -> str:
        """How one comes to know the outcome of what was done then, and is not known."""
        if not cast(Screen[Any], self).is_attached:
            return "Open it again to see whether it did."
        return present.asking_again(keys.key_of("retry"), by_itself=self._is_fresh(asked))

    def _is_fresh(self, asked: datetime | None) -> bool:
        return asked is not None and self.console.now() - asked <= ASK_AGAIN_MAX
