"""Whether we live, whether we can take messages, and which part is ill if not."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fte.daemon.responses import json_response
from fte.domain.channels import CHANNELS, Channel
from fte.domain.errors import FteError
from fte.pg import schema
from fte.pg.pool import Pool
from fte.store import channel_health
from fte.store.channel_health import ChannelHealth


@dataclass(frozen=True, slots=True)
class Health:
    """`configured` are the channels with a provider; the web form always is there."""

    pool: Pool
    configured: frozenset[Channel] = frozenset()

    def routes(self) -> list[Route]:
        return [
            Route("/health", self._health),
            Route("/health/live", self._live),
            Route("/health/ready", self._health),
        ]

    async def _live(self, _: Request) -> Response:
        return json_response({"status": "alive"})

    async def _health(self, _: Request) -> Response:
        try:
            async with self.pool.connection() as connection:
                await schema.check(connection)
            known = await channel_health.current(self.pool)
        except FteError:
            return json_response(self._body("unhealthy", "down", []), code=503)
        ill = [line for line in known if line.channel in self.configured and not line.healthy]
        return json_response(self._body("degraded" if ill else "healthy", "up", ill))

    def _body(self, status: str, database: str, ill: list[ChannelHealth]) -> dict[str, Any]:
        """An ill channel still takes messages in: what it cannot do now waits."""
        channels = {channel: self._channel(channel, database, ill) for channel in CHANNELS}
        return {
            "status": status,
            "channels": channels,
            "problems": {line.channel: line.detail for line in ill},
            "dependencies": {"database": database},
            "timestamp": datetime.now(UTC),
        }

    def _channel(self, channel: Channel, database: str, ill: list[ChannelHealth]) -> str:
        if channel != "web_form" and channel not in self.configured:
            return "inactive"
        if database == "down":
            return "down"
        return "unhealthy" if any(line.channel == channel for line in ill) else "active"
