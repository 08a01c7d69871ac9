"""The numbers of a period for the report, and the questions of it that nobody could answer."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from fte.domain.channels import CHANNELS
from fte.domain.gaps import QUESTIONS_MAX, Question
from fte.domain.ids import first_id
from fte.domain.report import ALL, ChannelDay, PageUse, Report
from fte.domain.resolution import ASSUMED_AFTER, Said, resolution
from fte.domain.thanks import THANKS_MAX, only_thanks
from fte.pg import queries
from fte.pg.pool import Pool

CONVERSATIONS_MAX: Final = 50_000
"""Conversations whose end is looked at."""
PAGES_MAX: Final = 10
"""Pages that are named."""

_sql = queries.load(__file__)


async def report(
    pool: Pool, since: datetime, until: datetime, now: datetime, assumed_after: timedelta = ASSUMED_AFTER
) -> Report:
    """The numbers from `since` to `until`, the latter not included; what became of whom is what is known `now`."""
    first = first_id(since)
    facts: dict[str, dict[str, Any]] = {name: {"channel": name} for name in (*CHANNELS, ALL)}
    for row in await pool.fetch(_sql.received, since, until, first):
        facts[row["channel"]] |= {
            name: row[name] for name in ("messages", "conversations", "customers", "sentiment")
        }
    for row in await pool.fetch(_sql.answered, since, until, first):
        facts[row["channel"]] |= {"answers_ai": row["by_ai"], "answers_people": row["by_people"]}
    for row in await pool.fetch(_sql.times, since, until):
        facts[row["channel"]] |= {"answer_p50": row["p50"], "answer_p95": row["p95"]}
    for row in await pool.fetch(_sql.people_times, since, until, first):
        facts[row["channel"]] |= {"people_p50": row["p50"], "people_p95": row["p95"]}
    for row in await pool.fetch(_sql.escalations, since, until):
        facts[row["channel"]].setdefault("escalations", {})[row["reason"]] = row["times"]
    talks = await pool.fetch(_sql.talks, since, until, first, CONVERSATIONS_MAX, THANKS_MAX)
    counted = Counter(_resolutions(talks, now, assumed_after))
    for (channel, kind), count in counted.items():
        for name in (channel, ALL):
            kinds = facts[name].setdefault("resolutions", {})
            kinds[kind] = kinds.get(kind, 0) + count
    return Report(
        since=since,
        until=until,
        made_at=now,
        assumed_after=assumed_after,
        channels=tuple(ChannelDay(**fact) for fact in facts.values()),
        categories={
            row["category"]: row["tickets"] for row in await pool.fetch(_sql.categories, since, until, first)
        },
        pages=tuple(
            PageUse(source=row["source"], title=row["title"], answers=row["answers"])
            for row in await pool.fetch(_sql.pages, since, until, first, PAGES_MAX)
        ),
    )


def _resolutions(rows: list[Any], now: datetime, assumed_after: timedelta) -> Iterator[tuple[str, Any]]:
    for _, talk in groupby(rows, key=lambda row: row["conversation_id"]):
        lines = list(talk)
        said = [
            Said(row["role"], row["created_at"], only_thanks(row["short"] or ""), bool(row["handed_over"]))
            for row in lines
        ]
        yield lines[0]["channel"], resolution(said, now, assumed_after)


async def unanswered(pool: Pool, since: datetime, until: datetime) -> list[Question]:
    """What the agent looked for in that time and found no answer to, the newest first, QUESTIONS_MAX at most."""
    rows = await pool.fetch(_sql.unanswered, since, until, first_id(since), QUESTIONS_MAX)
    return [Question(**row) for row in rows]
