"""How the channels' providers are: told by whoever talks to them and by probes, asked by /health and by people."""

from collections.abc import Mapping
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


async def begin_probe(pool: Pool, channel: Channel, account: str, seconds: float) -> bool:
    """Whether it is the caller's turn to ask the provider whether it is there: nobody else gets one for so long."""
    return bool(await pool.fetchval(_sql.begin_probe, channel, account, seconds))


async def probed(pool: Pool, channel: Channel, account: str, problem: str | None, again: float) -> bool:
    """Store how the provider answered: as it should (None), or what is wrong. The next probe is in `again` seconds.

    Whether that is news: it was silent and answers, or the other way round.
    """
    said = None if problem is None else one_line(problem)
    return bool(await pool.fetchval(_sql.probed, channel, account, said, again))


async def current(pool: Pool) -> list[ChannelHealth]:
    """Every account of every channel of which anything was ever said, also those that are not used any more."""
    return [ChannelHealth(**row) for row in await pool.fetch(_sql.current)]


async def of_accounts(pool: Pool, accounts: Mapping[Channel, str]) -> dict[Channel, ChannelHealth]:
    """Those of the accounts that are in use, as far as anything was said of them. The form has none: an empty one."""
    return {
        line.channel: line
        for line in await current(pool)
        if line.account == (accounts.get(line.channel) if line.channel != "web_form" else "")
    }
