"""Bugs in what is counted and told."""

from tests.mutants.catalogue import Mutant

METRICS = (
    Mutant(
        name="totals-grow-with-what-comes-again",
        invariant="metrics count each event once",
        path="fte/store/agent_metrics.sql",
        healthy="  from measured m join kept k on k.event_id = m.event and k.metric_name = m.name\n",
        sick="  from measured m\n",
        tests=("tests/daemon/test_metrics_day.py",),
    ),
    Mutant(
        name="nobody-is-told-that-the-budget-is-used",
        invariant="a budget that runs out is noticed",
        path="fte/daemon/metrics.py",
        healthy="self.budget.share(await turns.spent_today(self.pool))",
        sick="self.budget.share(turns.Spent())",
        tests=("tests/daemon/test_metrics.py", "-k", "budget"),
    ),
    Mutant(
        name="one-bad-measurement-takes-others-with-it",
        invariant="metrics count each event once",
        path="fte/daemon/collector.py",
        healthy="            batch = [mine]\n",
        sick="",
        tests=("tests/daemon/test_collector.py", "-k", "spoil"),
    ),
    Mutant(
        name="what-a-wasted-run-cost-is-forgotten",
        invariant="counts are those of the tables",
        path="fte/store/turns.py",
        healthy="        if verdict is not Verdict.ACCEPT:\n",
        sick="        if verdict is Verdict.RETRY:\n",
        tests=("tests/daemon/test_metrics_day.py",),
    ),
    Mutant(
        name="metrics-are-away-with-the-database",
        invariant="an outage of the database is told",
        path="fte/daemon/metrics.py",
        healthy="            _gauge(metrics.DB_UP, registry).set(0)\n            return registry\n",
        sick="            raise\n",
        tests=("tests/daemon/test_metrics.py", "-k", "database_is_away"),
    ),
    Mutant(
        name="health-waits-as-long-as-a-database-is-silent",
        invariant="an outage of the database is told",
        path="fte/daemon/health.py",
        healthy="await self._question.answer(self._ask)",
        sick="await self._ask()",
        tests=("tests/daemon/test_health.py", "-k", "says_nothing"),
    ),
    Mutant(
        name="metrics-wait-as-long-as-a-database-is-silent",
        invariant="an outage of the database is told",
        path="fte/daemon/metrics.py",
        healthy="await self._question.answer(self._state)",
        sick="await self._state()",
        tests=("tests/daemon/test_metrics.py", "-k", "says_nothing"),
    ),
    Mutant(
        name="a-label-holds-what-anybody-asked-for",
        invariant="label values are bounded",
        path="fte/daemon/instruments.py",
        healthy='getattr(scope.get("route"), "path", OTHER)',
        sick='scope["path"]',
        tests=("tests/daemon/test_metrics.py", "-k", "database_is_away"),
    ),
    Mutant(
        name="the-channels-day-is-open-to-all",
        invariant="one token closes both routes",
        path="fte/daemon/metrics.py",
        healthy="        self._let_in(request)\n        async with",
        sick="        async with",
        tests=("tests/daemon/test_metrics.py", "-k", "day_of_each_channel"),
    ),
)
