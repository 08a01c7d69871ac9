"""Metrics: how much came in, how fast it was answered, how often a person was needed, what waits."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll

from fte.console import keys, overview_words
from fte.console.screens.panel import PanelScreen
from fte.console.widgets.plain import Plain
from fte.wire import MetricsSpan, MetricsView


class MetricsScreen(PanelScreen):
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.bindings("metrics"),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]
    AUTO_FOCUS = "VerticalScroll"
    context = "metrics"
    name_ = "metrics"

    def __init__(self) -> None:
        super().__init__()
        self.view: MetricsView | None = None
        self._span: MetricsSpan = "1h"
        self._channel = 0

    def body(self) -> ComposeResult:
        with VerticalScroll():
            yield Plain("Loading the metrics…", id="metrics")

    async def load(self) -> None:
        view = await (await self.console.connected()).metrics(self._span)
        if view.span == self._span:
            self.view = view
            self.tell()
            self._show()

    def _show(self) -> None:
        if self.view is not None and self.is_mounted:
            series = self.view.series[self._channel % len(self.view.series)]
            now = self.console.now()
            self.query_one("#metrics", Plain).show(*overview_words.metrics(self.view, series, now))

    def action_scroll(self, by: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    def do_metrics_span(self) -> None:
        self._span = "24h" if self._span == "1h" else "1h"
        self.run_worker(self.try_to_load(), group="load", exclusive=True, exit_on_error=False)

    def do_metrics_channel(self) -> None:
        self._channel += 1
        self._show()

    def do_metrics_reload(self) -> None:
        self.run_worker(self.try_to_load(), group="load", exclusive=True, exit_on_error=False)

    def do_metrics_back(self) -> None:
        self.dismiss()
