"""What happened lately and what waits, in numbers: asked for by people, never by the product itself."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fte.domain.channels import CHANNELS
from fte.domain.ids import first_id
from fte.pg import queries
from fte.pg.pool import Pool
from fte.store import replies
from fte.wire import Backlog, MetricsSpan, MetricsView, ReplyCount, Series

SAMPLES_MAX: Final = 200_000
"""Rows that are looked at of each kind, the newest ones."""
SPANS: Final[dict[MetricsSpan, tuple[timedelta, timedelta]]] = {
    "1h": (timedelta(hours=1), timedelta(minutes=1)),
    "24h": (timedelta(hours=24), timedelta(minutes=30)),
}
"""How far back each span goes, and the length of one of its steps."""

_sql = queries.load(__file__)


async def backlog(pool: Pool) -> Backlog:
    """What waits now: answers owed, replies on their way or parked, dead letters."""
    owed: Any = await pool.fetchrow(_sql.owed)
    waiting = await replies.counts(pool)
    return Backlog(
        owed=owed["owed"],
        owed_since=owed["since"],
        replies=[
            ReplyCount(channel=channel, state=state, count=count)
            for (channel, state), count in sorted(waiting.items())
        ],
        dead_letters=await pool.fetchval(_sql.letters_waiting),
    )


async def metrics(pool: Pool, span: MetricsSpan, now: datetime) -> MetricsView:
    """The numbers of the span up to `now`, for all channels together and for each."""
    length, step = SPANS[span]
    steps = int(length / step)
    start = _floor(now, step) - step * (steps - 1)
    seconds = step.total_seconds()
    found = {name: _Builder(name, steps) for name in ("all", *CHANNELS)}
    for row in await pool.fetch(_sql.messages, start, seconds, first_id(start), SAMPLES_MAX):
        found[row["channel"]].messages(row)
    for row in await pool.fetch(_sql.turns, start, seconds, SAMPLES_MAX):
        found[row["channel"]].turns(row)
    for row in await pool.fetch(_sql.escalations, start, seconds, SAMPLES_MAX):
        found[row["channel"]].escalations(row)
    return MetricsView(
        span=span,
        start=start,
        step=int(seconds),
        series=[builder.series() for builder in found.values()],
        backlog=await backlog(pool),
    )


class _Builder:
    """Puts rows of one channel, some of one step and some of all, where they belong."""

    def __init__(self, channel: str, steps: int) -> None:
        self._facts: dict[str, Any] = {"channel": channel}
        self._facts |= {name: [0] * steps for name in ("received", "turns", "escalations")}
        self._facts |= {name: [None] * steps for name in ("p50", "p95", "sentiment")}
        self._facts |= {"reasons": {}, "p50_all": None, "p95_all": None, "sentiment_all": None}
        self._steps = steps

    def messages(self, row: Any) -> None:
        self._put(row, ("received", "sentiment"))
        if row["bucket"] is None:
            self._facts["sentiment_all"] = row["sentiment"]

    def turns(self, row: Any) -> None:
        self._put(row, ("turns", "p50", "p95"))
        if row["bucket"] is None:
            self._facts |= {"p50_all": row["p50"], "p95_all": row["p95"]}

    def escalations(self, row: Any) -> None:
        if row["reason"] is not None:
            self._facts["reasons"][row["reason"]] = row["escalations"]
        else:
            self._put(row, ("escalations",))

    def _put(self, row: Any, names: Iterable[str]) -> None:
        if row["bucket"] is not None and 0 <= row["bucket"] < self._steps:
            for name in names:
                self._facts[name][row["bucket"]] = row[name]

    def series(self) -> Series:
        return Series(**self._facts)


def _floor(at: datetime, step: timedelta) -> datetime:
    whole = int(at.timestamp() // step.total_seconds() * step.total_seconds())
    return datetime.fromtimestamp(whole, UTC)
