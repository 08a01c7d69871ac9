"""The command palette: every action of the screen one is on, with its key, or why it is not possible now."""

from collections.abc import Callable
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from fte.console import keys
from fte.console.keys import Action
from fte.console.screens.base import ConsoleScreen


class ActionCommands(Provider):
    async def discover(self) -> Hits:
        for name, run, help_ in self._commands():
            yield DiscoveryHit(name, run, help=help_)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        number = query.strip().removeprefix("#")
        if number.isascii() and number.isdigit() and isinstance(self.screen, ConsoleScreen):
            jump = partial(self.screen.console.jump, int(number[:12]))
            yield Hit(1.0, f"Go to conversation #{number[:12]}", jump)
        for name, run, help_ in self._commands():
            score = matcher.match(name)
            if score > 0:
                yield Hit(score, matcher.highlight(name), run, help=help_)

    def _commands(self) -> list[tuple[str, Callable[[], None], str]]:
        screen = self.screen
        if not isinstance(screen, ConsoleScreen):
            return []
        actions = [*keys.of(screen.active_context), *keys.of("everywhere")]
        offered = [action for action in actions if action.id != "palette" and not action.numbered]
        return [_command(screen, action) for action in offered]


def _command(screen: ConsoleScreen, action: Action) -> tuple[str, Callable[[], None], str]:
    refusal = action.why_not(screen.situation())
    help_ = action.help if refusal is None else f"Not now: {refusal}"
    return f"{action.label.capitalize()}  ({action.key})", partial(screen.action_perform, action.id), help_
