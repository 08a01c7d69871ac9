"""What Prometheus reads: the state of the channels and of what is on its way, as the database has it at that moment."""

import hmac
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fte.bus import cursors
from fte.domain.channels import CHANNELS, Channel
from fte.domain.errors import Unauthorized, Unavailable
from fte.pg import log
from fte.pg.pool import Pool
from fte.store import channel_health, claims, mailboxes, replies

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric


@dataclass(frozen=True, slots=True, eq=False)
class _Counted:
    """A count that the database keeps, as it is at this moment."""

    family: "Metric"

    def collect(self) -> "Iterable[Metric]":
        return [self.family]


@dataclass(frozen=True, slots=True)
class Metrics:
    """`configured` are the channels with a provider. With a `token` only who knows it may read.

    `relay` is the group that carries events to Kafka, None where there is no cluster; `lag` asks the cluster.
    """

    pool: Pool
    configured: frozenset[Channel]
    token: str
    relay: str | None = None
    lag: "Callable[[], Awaitable[Mapping[tuple[str, str], int]]] | None" = None

    def routes(self) -> list[Route]:
        return [Route("/metrics", self._expose)]

    async def _expose(self, request: Request) -> Response:
        """Raises Unauthorized without the token, Unavailable when the database is away."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        if self.token and not hmac.compare_digest(given, self.token.encode()):
            raise Unauthorized("Reading the metrics needs the token of FTE_METRICS_TOKEN.")
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

        registry = CollectorRegistry()
        await self._show_channels(registry)
        await self._show_events(registry)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def _show_channels(self, registry: "CollectorRegistry") -> None:
        from prometheus_client import Gauge
        from prometheus_client.core import CounterMetricFamily

        health = Gauge(
            "fte_channel_health", "1: the channel works; 0: it does not.", ["channel"], registry=registry
        )
        ill = {line.channel for line in await channel_health.current(self.pool) if not line.healthy}
        for channel in CHANNELS:
            if channel == "web_form" or channel in self.configured:
                health.labels(channel).set(channel not in ill)
        waiting = Gauge(
            "fte_replies",
            "Replies on their way, or parked for a person.",
            ["channel", "state"],
            registry=registry,
        )
        for (channel, state), count in (await replies.counts(self.pool)).items():
            waiting.labels(channel, state).set(count)
        counted = CounterMetricFamily(
            "fte_ai_sends_after_takeover",
            "AI replies a provider accepted although a person had taken over before their sending began: must be 0.",
        )
        counted.add_metric([], await claims.sends_after_takeover(self.pool))
        registry.register(_Counted(counted))
        ends = await mailboxes.watch_ends(self.pool)
        if ends is not None:
            gauge = Gauge(
                "fte_gmail_watch_expires_seconds",
                "Seconds until Gmail stops announcing new mail, unless the watch is renewed.",
                registry=registry,
            )
            gauge.set((ends - datetime.now(UTC)).total_seconds())

    async def _show_events(self, registry: "CollectorRegistry") -> None:
        from prometheus_client import Gauge

        horizon = Gauge(
            "fte_log_horizon_age_seconds",
            "Seconds since the oldest open transaction that has written began: the log is not pruned past it.",
            registry=registry,
        )
        horizon.set(await log.horizon_age(self.pool))
        if self.relay is not None:
            since = await log.waiting_since(self.pool, await cursors.current(self.pool, self.relay))
            delay = Gauge(
                "fte_relay_delay_seconds",
                "Age of the oldest event that Kafka does not have.",
                registry=registry,
            )
            delay.set((datetime.now(UTC) - since).total_seconds() if since else 0.0)
        if self.lag is not None:
            try:
                found = await self.lag()
            except Unavailable:
                return  # no lag is known; that the cluster is away, the relay's delay says
            lag = Gauge(
                "fte_kafka_consumer_lag",
                "Events a group has not handled.",
                ["group", "topic"],
                registry=registry,
            )
            for (group, topic), count in found.items():
                lag.labels(group, topic).set(count)
