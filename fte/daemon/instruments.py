"""What a process counts of itself, in a registry of its own. A restart begins again at zero, which Prometheus knows."""

from collections.abc import Iterable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fte.domain import metrics
from fte.domain.measurements import SECONDS
from fte.domain.metrics import METHODS, OTHER
from fte.pg.pool import FAILURES

if TYPE_CHECKING:
    from prometheus_client.core import Metric

HTTP_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0)


class Instruments:
    """The process's own metrics. Reading them asks nobody, so they are told whatever is away."""

    def __init__(self) -> None:
        from prometheus_client import (
            CollectorRegistry,
            Counter,
            Gauge,
            Histogram,
            ProcessCollector,
            disable_created_metrics,
        )

        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.registry.register(_Failures())
        ProcessCollector(registry=self.registry)
        requests, seconds = metrics.HTTP_REQUESTS, metrics.HTTP_SECONDS
        self._requests = Counter(requests.name, requests.help, list(requests.labels), registry=self.registry)
        self._seconds = Histogram(
            seconds.name, seconds.help, list(seconds.labels), registry=self.registry, buckets=HTTP_SECONDS
        )
        calls = metrics.MODEL_CALL_SECONDS
        self._calls = Histogram(
            calls.name, calls.help, list(calls.labels), registry=self.registry, buckets=SECONDS
        )
        removed = metrics.REMOVED
        self._removed = Counter(removed.name, removed.help, list(removed.labels), registry=self.registry)
        self._role = Gauge(
            metrics.ROLE.name, metrics.ROLE.help, list(metrics.ROLE.labels), registry=self.registry
        )

    def has(self, roles: Sequence[str]) -> None:
        """Say which roles the process has. What they count begins with zero: a rate needs a zero before a one."""
        for role in roles:
            self._role.labels(role).set(1)
        if "sweeper" in roles:
            for what in metrics.REMOVED.labels["what"]:
                self._removed.labels(what)
        if "worker" in roles:
            for result in metrics.MODEL_CALL_SECONDS.labels["result"]:
                self._calls.labels(result)

    def removed(self, what: str, count: int) -> None:
        """Count what was older than it is to be kept."""
        self._removed.labels(what).inc(count)

    def model_called(self, seconds: float, worked: bool) -> None:
        """Count one call of the model."""
        self._calls.labels("ok" if worked else "error").observe(seconds)

    def watch(self, application: ASGIApp) -> ASGIApp:
        """The application, with each answer counted and timed until it begins: a stream goes on for hours."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await application(scope, receive, send)
                return
            began = perf_counter()

            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self._answered(scope, int(message["status"]), perf_counter() - began)
                await send(message)

            await application(scope, receive, sending)

        return watched

    def _answered(self, scope: Scope, status: int, seconds: float) -> None:
        """A route is named as it is written in the code: what people ask for could be anything."""
        method = scope["method"] if scope["method"] in METHODS else OTHER
        route = getattr(scope.get("route"), "path", OTHER)
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)


class _Failures:
    def collect(self) -> "Iterable[Metric]":
        from prometheus_client.core import CounterMetricFamily

        family = CounterMetricFamily(metrics.DB_ERRORS.name, metrics.DB_ERRORS.help)
        family.add_metric([], FAILURES.count)
        return [family]
