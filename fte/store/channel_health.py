"""How the channels' providers are: told by whoever talks to them, asked by /health and by people."""

from dataclasses import dataclass
from datetime import datetime

from fte.domain.channels import Channel
from fte.domain.text import one_line
from fte.pg import queries
from fte.pg.pool import Pool

_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True)
class ChannelHealth:
    """What was last said of a channel. `detail` names the problem and its remedy; it is empty when there is none."""

    channel: Channel
    account: str
    healthy: bool
    detail: str
    changed_at: datetime
    checked_at: datetime


async def report(pool: Pool, channel: Channel, account: str, problem: str | None) -> None:
    """Say that the channel works (None), or what keeps it from working."""
    await pool.execute(_sql.report, channel, account, None if problem is None else one_line(problem))


async def current(pool: Pool) -> list[ChannelHealth]:
    return [ChannelHealth(**row) for row in await pool.fetch(_sql.current)]
