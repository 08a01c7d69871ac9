"""A probe of a channel's provider: is it there, and does it know us? Asked so often that /health tells it within 5 s."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from fte.domain.channels import Channel
from fte.domain.errors import FteError, Unavailable
from fte.pg.pool import Pool
from fte.store import channel_health

EVERY: Final = 2.0
"""Seconds between two probes of a provider, whichever processes make them."""
LOOK_EVERY: Final = 0.5
"""Seconds after which a process asks whether it is its turn."""
PATIENCE: Final = 2.0
"""Seconds within which a provider must answer once, however often it is asked in them."""
AGAIN_AFTER: Final = 0.4
"""Seconds after which it is asked again when it did not answer well: one lost packet is no outage."""
REFUSED_EVERY: Final = 30.0
"""Seconds between two probes of a provider that refuses us until a person does something about it."""

_log = structlog.get_logger("fte.probe")


class Probe:
    """Of one channel's account. `ask` raises FteError when the provider is not well; one that has a remedy needs a
    person. `on_return` is called once after every silence, to do what was put off."""

    def __init__(
        self,
        pool: Pool,
        channel: Channel,
        account: str,
        ask: Callable[[], Awaitable[None]],
        on_return: Callable[[], Awaitable[None]],
    ) -> None:
        self._pool = pool
        self._channel: Channel = channel
        self._account = account
        self._ask = ask
        self._on_return = on_return

    async def run(self) -> None:
        """Probe until cancelled."""
        while True:
            try:
                await self.probe_if_due()
            except Unavailable as error:
                _log.warning("probe put off", channel=self._channel, error=error.message)
                await asyncio.sleep(EVERY)
            await asyncio.sleep(LOOK_EVERY)

    async def probe_if_due(self) -> bool:
        """Ask the provider, and store how it is, unless somebody has just done so. Whether it was asked."""
        if not await channel_health.begin_probe(self._pool, self._channel, self._account, EVERY):
            return False
        problem, again = await self._problem()
        if await channel_health.probed(self._pool, self._channel, self._account, problem, again):
            if problem is None:
                _log.info("provider is back", channel=self._channel)
                await self._on_return()
            else:
                _log.error("provider is away", channel=self._channel, problem=problem)
        return True

    async def _problem(self) -> tuple[str | None, float]:
        """What is wrong, None for nothing, and in how many seconds to ask again."""
        problem = f"No answer within {PATIENCE:.0f} seconds."
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        await self._ask()
                    except FteError as error:
                        problem = error.message
                        if error.remedy:
                            return f"{problem} {error.remedy}", REFUSED_EVERY
                    except Exception as error:
                        _log.error("probe broke", channel=self._channel, exc_info=error)
                        problem = f"Its answer cannot be read: {type(error).__name__}."
                    else:
                        return None, EVERY
                    await asyncio.sleep(AGAIN_AFTER)
        except TimeoutError:
            return problem, EVERY
