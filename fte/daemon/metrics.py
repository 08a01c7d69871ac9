"""What Prometheus reads: the state of the channels and of what is on its way, as the database has it at that moment."""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fte.domain.channels import CHANNELS, Channel
from fte.domain.errors import Unauthorized
from fte.pg.pool import Pool
from fte.store import channel_health, mailboxes, replies


@dataclass(frozen=True, slots=True)
class Metrics:
    """`configured` are the channels with a provider. With a `token` only who knows it may read."""

    pool: Pool
    configured: frozenset[Channel]
    token: str

    def routes(self) -> list[Route]:
        return [Route("/metrics", self._expose)]

    async def _expose(self, request: Request) -> Response:
        """Raises Unauthorized without the token, Unavailable when the database is away."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        if self.token and not hmac.compare_digest(given, self.token.encode()):
            raise Unauthorized("Reading the metrics needs the token of FTE_METRICS_TOKEN.")
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

        registry = CollectorRegistry()
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
        ends = await mailboxes.watch_ends(self.pool)
        if ends is not None:
            gauge = Gauge(
                "fte_gmail_watch_expires_seconds",
                "Seconds until Gmail stops announcing new mail, unless the watch is renewed.",
                registry=registry,
            )
            gauge.set((ends - datetime.now(UTC)).total_seconds())
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
