"""Whether we live, whether we can take messages, and which part is ill if not."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fte.bus import cursors
from fte.daemon.openapi import operation
from fte.daemon.question import Question
from fte.daemon.responses import json_response
from fte.domain.channels import CHANNELS, Channel
from fte.domain.errors import FteError
from fte.pg import schema
from fte.pg.pool import Pool
from fte.store import channel_health
from fte.store.channel_health import ChannelHealth

PATIENCE: Final = 3.0
"""Seconds the database may take before it counts as away; whoever asks us waits for 4 or 5."""
CARRIED_WITHIN: Final = 5.0
"""Seconds the relay may say nothing; it asks the brokers each second whether they are there."""


Status = Literal["healthy", "degraded", "unhealthy", "stopping"]
ChannelStatus = Literal["active", "unhealthy", "inactive", "down"]
Dependencies = dict[str, Literal["up", "down"]]
_Told = tuple[dict[Channel, ChannelHealth], float | None]
"""How the channels are, and for how many seconds the relay has been silent; None: it never said anything."""


class HealthView(msgspec.Struct, frozen=True, kw_only=True):
    """How the process is. Of one that stops, only the status is told."""

    status: Status
    channels: dict[Channel, ChannelStatus] | msgspec.UnsetType = msgspec.UNSET
    problems: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    dependencies: Dependencies | msgspec.UnsetType = msgspec.UNSET
    timestamp: datetime | msgspec.UnsetType = msgspec.UNSET


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    status: Literal["alive"] = "alive"


@dataclass(frozen=True, slots=True)
class Health:
    """`configured` are the channels with a provider and our accounts there; the web form always is there.

    `problems` are those of this process's own parts; `relay` is the group whose progress shows that events reach
    Kafka, None where there is no cluster. `stopping` is set once the process was asked to end.
    """

    pool: Pool
    configured: Mapping[Channel, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    relay: str | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _question: Question[_Told] = field(default_factory=lambda: Question(PATIENCE))

    def routes(self) -> list[Route]:
        return [
            Route("/health", self._health),
            Route("/health/live", self._live),
            Route("/health/ready", self._ready),
        ]

    @operation("Whether the process answers", gives=Alive)
    async def _live(self, _: Request) -> Response:
        return json_response(Alive())

    @operation("Whether to send us messages", gives=HealthView, also={503: HealthView})
    async def _ready(self, request: Request) -> Response:
        """Whether to send us messages. A process that ends finishes what it has, and is to get no more."""
        if self.stopping.is_set():
            return json_response(HealthView(status="stopping"), code=503)
        return await self._health(request)

    @operation(
        "Whether we can take messages, and which part is ill", gives=HealthView, also={503: HealthView}
    )
    async def _health(self, _: Request) -> Response:
        try:
            known, silent = await self._question.answer(self._ask)
        except FteError:
            return json_response(self._view("unhealthy", {"database": "down"}, [], {}), code=503)
        problems = dict(self.problems)
        dependencies: Dependencies = {"database": "up"}
        if self.relay:
            carried = silent is not None and silent < CARRIED_WITHIN
            dependencies["kafka"] = "up" if carried else "down"
            if not carried:
                problems.setdefault("kafka", _not_carried(silent))
        ill = [line for line in known.values() if not line.healthy]
        status: Status = "degraded" if ill or problems else "healthy"
        return json_response(self._view(status, dependencies, ill, problems))

    async def _ask(self) -> _Told:
        async with self.pool.connection() as connection:
            await schema.check(connection)
        known = await channel_health.of_accounts(self.pool, self.configured)
        return known, await cursors.silent_for(self.pool, self.relay) if self.relay else 0.0

    def _view(
        self,
        status: Status,
        dependencies: Dependencies,
        ill: list[ChannelHealth],
        problems: dict[str, str],
    ) -> HealthView:
        """Whatever is ill but the database, messages are still taken in: what cannot be done now waits."""
        channels = {channel: self._channel(channel, dependencies, ill) for channel in CHANNELS}
        return HealthView(
            status=status,
            channels=channels,
            problems=problems | {line.channel: line.detail for line in ill},
            dependencies=dependencies,
            timestamp=datetime.now(UTC),
        )

    def _channel(
        self, channel: Channel, dependencies: Dependencies, ill: list[ChannelHealth]
    ) -> ChannelStatus:
        if channel != "web_form" and channel not in self.configured:
            return "inactive"
        if dependencies["database"] == "down":
            return "down"
        return "unhealthy" if any(line.channel == channel for line in ill) else "active"


def _not_carried(silent: float | None) -> str:
    if silent is None:
        return "No event has ever reached Kafka: no process with the role relay has run."
    return f"Events have not reached Kafka for {silent:.0f} s: the brokers or the relay are away."
