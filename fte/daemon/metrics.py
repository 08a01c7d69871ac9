"""What Prometheus reads: what this process counts, and the state of the whole as the database has it at that moment."""

import asyncio
import contextlib
import hmac
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fte.bus import cursors, dead_letters
from fte.daemon.instruments import Instruments
from fte.daemon.openapi import operation
from fte.daemon.question import Question
from fte.daemon.responses import json_response
from fte.domain import metrics
from fte.domain.budget import Budget
from fte.domain.channels import CHANNELS, Channel
from fte.domain.errors import Unauthorized, Unavailable
from fte.domain.events import COLLECTORS, PROCESSORS, SENDERS
from fte.domain.measurements import BOUNDS
from fte.domain.metrics import OTHER, Metric
from fte.pg import log
from fte.pg.pool import Pool
from fte.store import agent_metrics, channel_health, claims, drafts, mailboxes, replies, turns
from fte.store.agent_metrics import ChannelDay, Total

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Gauge
    from prometheus_client.core import Metric as Family

PATIENCE: Final = 7.0
"""Seconds the database may take before it counts as away: Prometheus waits for 10."""
REMEMBERED: Final = 5.0
"""Seconds for which the channels' day is told without asking the database again."""

_COUNTED: Final = (
    (metrics.MESSAGES, "message"),
    (metrics.TURNS_FINISHED, "turn"),
    (metrics.RUNS_WASTED, "wasted_run"),
    (metrics.ESCALATIONS_RAISED, "escalation"),
    (metrics.DELIVERIES, "delivery"),
    (metrics.LEASES, "lease_expired"),
)
"""Counters with a label beside the channel, and the measurement that is counted."""
_TIMED: Final = ((metrics.AGENT_SECONDS, "run_ms", 1000.0), (metrics.ANSWER_SECONDS, "turn_seconds", 1.0))
"""Histograms, the measurement they show, and how many of its units are a second."""
_UNLIMITED: Final = Budget()
_TOKENS: Final = {"input": "tokens_input", "output": "tokens_output"}


@dataclass(slots=True)
class _Day:
    told: list[ChannelDay] = field(default_factory=list)
    until: float = 0.0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True, slots=True)
class Metrics:
    """`configured` are the channels with a provider and our accounts there. With a `token` only who knows it may read.

    `relay` is the group that carries events to Kafka, None where there is no cluster; `lag` asks the cluster.
    `instruments` are the process's own; with `whole` it tells the state of the whole system, too, and how much of the
    day's `budget` is used.
    """

    pool: Pool
    configured: Mapping[Channel, str]
    token: str
    relay: str | None = None
    lag: "Callable[[], Awaitable[Mapping[tuple[str, str], int]]] | None" = None
    instruments: Instruments | None = None
    whole: bool = True
    budget: Budget = _UNLIMITED
    _day: _Day = field(default_factory=_Day)
    _question: "Question[CollectorRegistry]" = field(default_factory=lambda: Question(PATIENCE))

    def routes(self) -> list[Route]:
        return [Route("/metrics", self._expose), Route("/metrics/channels", self._channels)]

    def _let_in(self, request: Request) -> None:
        """Raises Unauthorized without the token."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        if self.token and not hmac.compare_digest(given, self.token.encode()):
            raise Unauthorized("Reading the metrics needs the token of FTE_METRICS_TOKEN.")

    @operation("Each channel's last 24 hours", gives=list[ChannelDay], token=True, errors=(503,))
    async def _channels(self, request: Request) -> Response:
        """Raises Unauthorized without the token, Unavailable when the database is away."""
        self._let_in(request)
        async with self._day.asking:  # however many ask, the database is asked once
            if time.monotonic() >= self._day.until:
                self._day.told = await agent_metrics.last_day(self.pool)
                self._day.until = time.monotonic() + REMEMBERED
        return json_response(self._day.told)

    @operation("For Prometheus, in its text format", gives=str, media="text/plain", token=True)
    async def _expose(self, request: Request) -> Response:
        """What the process counts is told also when the database is away. Raises Unauthorized without the token."""
        self._let_in(request)
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        registries = await asyncio.gather(self._database(), self._cluster())
        shown = b"".join(map(generate_latest, registries))
        if self.instruments is not None:
            shown += generate_latest(self.instruments.registry)
        return Response(shown, media_type=CONTENT_TYPE_LATEST)

    async def _database(self) -> "CollectorRegistry":
        from prometheus_client import CollectorRegistry

        try:
            return await self._question.answer(self._state)
        except Unavailable:
            registry = CollectorRegistry()
            _gauge(metrics.DB_UP, registry).set(0)
            return registry

    async def _state(self) -> "CollectorRegistry":
        from prometheus_client import CollectorRegistry

        registry = CollectorRegistry()
        if self.whole:
            await self._show_channels(registry)
            await self._show_work(registry)
            await self._show_drafts(registry)
            await self._show_totals(registry)
            await self._show_events(registry)
        else:
            await self.pool.fetchval("select 1")
        _gauge(metrics.DB_UP, registry).set(1)
        return registry

    async def _show_channels(self, registry: "CollectorRegistry") -> None:
        health = _gauge(metrics.CHANNEL_HEALTH, registry)
        known = await channel_health.of_accounts(self.pool, self.configured)
        for channel in CHANNELS:
            if channel == "web_form" or channel in self.configured:
                health.labels(channel).set(channel not in known or known[channel].healthy)
        waiting = _gauge(metrics.REPLIES, registry)
        for (channel, state), count in (await replies.counts(self.pool)).items():
            waiting.labels(channel, state).set(count)
        ends = await mailboxes.watch_ends(self.pool, self.configured.get("email", ""))
        if ends is not None:
            _gauge(metrics.WATCH, registry).set((ends - datetime.now(UTC)).total_seconds())

    async def _show_work(self, registry: "CollectorRegistry") -> None:
        counts, age = await turns.waiting(self.pool)
        open_turns = _gauge(metrics.TURNS, registry)
        for (channel, state), count in counts.items():
            open_turns.labels(channel, state).set(count)
        _gauge(metrics.TURN_AGE, registry).set(age)
        letters = _gauge(metrics.DEAD_LETTERS, registry)
        for group in (PROCESSORS, SENDERS, COLLECTORS):
            letters.labels(group)
        for group, count in (await dead_letters.counts(self.pool)).items():
            letters.labels(group).set(count)

    async def _show_totals(self, registry: "CollectorRegistry") -> None:
        """Totals live in the database: what is counted does not depend on which process counted it, or died."""
        totals = await agent_metrics.totals(self.pool)
        registry.register(_Totals(totals, await claims.sends_after_takeover(self.pool)))
        if self.budget.daily:
            used = self.budget.share(await turns.spent_today(self.pool))
            _gauge(metrics.BUDGET, registry).set(used)

    async def _show_drafts(self, registry: "CollectorRegistry") -> None:
        count, oldest = _gauge(metrics.DRAFTS, registry), _gauge(metrics.DRAFT_AGE, registry)
        for channel, (waiting, seconds) in (await drafts.ages(self.pool)).items():
            count.labels(channel).set(waiting)
            oldest.labels(channel).set(seconds)

    async def _show_events(self, registry: "CollectorRegistry") -> None:
        _gauge(metrics.HORIZON, registry).set(await log.horizon_age(self.pool))
        if self.relay is not None:
            since = await log.waiting_since(self.pool, await cursors.current(self.pool, self.relay))
            delay = (datetime.now(UTC) - since).total_seconds() if since else 0.0
            _gauge(metrics.RELAY_DELAY, registry).set(delay)

    async def _cluster(self) -> "CollectorRegistry":
        from prometheus_client import CollectorRegistry

        registry = CollectorRegistry()
        if not self.whole or self.lag is None:
            return registry
        with contextlib.suppress(Unavailable):  # that the cluster is away, the relay's delay says
            found = await self.lag()
            behind = _gauge(metrics.LAG, registry)
            for (group, topic), count in found.items():
                behind.labels(group, topic).set(count)
        return registry


def _gauge(metric: Metric, registry: "CollectorRegistry") -> "Gauge":
    """A gauge, with a zero for each value of its labels where only some are given: nothing there is not nothing known."""
    from prometheus_client import Gauge

    gauge = Gauge(metric.name, metric.help, list(metric.labels), registry=registry)
    if metric in (metrics.REPLIES, metrics.TURNS):
        for channel in metric.labels["channel"]:
            for state in metric.labels["state"]:
                gauge.labels(channel, state)
    return gauge


@dataclass(frozen=True, slots=True, eq=False)
class _Totals:
    """Every total with every value of its labels, also those nothing was counted for: a rate needs a zero before a one."""

    totals: list[Total]
    after_takeover: int

    def collect(self) -> "Iterable[Family]":
        yield from (self._counter(metric, source) for metric, source in _COUNTED)
        yield from (self._histogram(metric, source, unit) for metric, source, unit in _TIMED)
        yield self._tokens()
        yield self._cost()
        yield self._after_takeover()

    def _after_takeover(self) -> "Family":
        from prometheus_client.core import CounterMetricFamily

        metric = metrics.AI_SENDS_AFTER_TAKEOVER
        family = CounterMetricFamily(metric.name, metric.help)
        family.add_metric([], self.after_takeover)
        return family

    def _counter(self, metric: Metric, source: str) -> "Family":
        from prometheus_client.core import CounterMetricFamily

        [(label, values)] = [item for item in metric.labels.items() if item[0] != "channel"]
        counted = {(channel, value): 0.0 for channel in CHANNELS for value in values}
        for total in self._of(source):
            value = str(total.dimensions.get(label))
            counted[total.channel, value if value in values else OTHER] += total.sum
        family = CounterMetricFamily(metric.name, metric.help, labels=["channel", label])
        for key, count in counted.items():
            family.add_metric(key, count)
        return family

    def _histogram(self, metric: Metric, source: str, unit: float) -> "Family":
        from prometheus_client.core import HistogramMetricFamily

        family = HistogramMetricFamily(metric.name, metric.help, labels=["channel"])
        for channel in CHANNELS:
            own = [total for total in self._of(source) if total.channel == channel]
            shown = [
                (
                    "+Inf" if bound == inf else str(bound / unit),
                    sum(one.count for one in own if one.bucket <= bound),
                )
                for bound in (*BOUNDS[source], inf)
            ]
            family.add_metric([channel], shown, sum(one.sum for one in own) / unit)
        return family

    def _tokens(self) -> "Family":
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(
            metrics.TOKENS.name, metrics.TOKENS.help, labels=list(metrics.TOKENS.labels)
        )
        for channel in CHANNELS:
            for kind, source in _TOKENS.items():
                family.add_metric([channel, kind], self._sum(source, channel))
        return family

    def _cost(self) -> "Family":
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(metrics.COST.name, metrics.COST.help, labels=list(metrics.COST.labels))
        for channel in CHANNELS:
            family.add_metric([channel], self._sum("cost", channel))
        return family

    def _of(self, source: str) -> list[Total]:
        return [total for total in self.totals if total.name == source]

    def _sum(self, source: str, channel: Channel) -> float:
        return sum(total.sum for total in self._of(source) if total.channel == channel)
