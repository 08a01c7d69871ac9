"""Whether this shell has the daemon's settings: else what is said of a model or a channel is said of others than its own.

The daemon keeps no record of its settings. But what it does shows some: which model a run was of, and whose mailbox and
number were looked after.
"""

from datetime import datetime
from typing import Any, Final

from fte.daemon.whatsapp import account_of
from fte.doctor.finding import Finding, ok, warning
from fte.domain.channels import Channel
from fte.domain.errors import FteError
from fte.pg.pool import Pool
from fte.settings import Settings, misspelt
from fte.store import channel_health

OFFLINE: Final = "offline"
_CHECK: Final = "settings"
_REMEDY: Final = (
    "Run `fte doctor` with the daemon's settings; or, if you changed them, start the daemon again."
)
_NEWEST_RUN: Final = """
select model, created_at
  from (select model, created_at from runs order by id desc limit 100) newest
 where model <> 'rules' and created_at > now() - interval '1 day'
 order by created_at desc limit 1
"""
"""The newest that a model had a part in. What rules alone decide says nothing of it."""
_LOOKED_AFTER: Final = 90.0
"""Seconds since a channel was last looked after by a daemon that is taken to do so still: it is every half minute."""


async def environment(pool: Pool, settings: Settings) -> list[Finding]:
    differing = [*_misspelt(), *await _model(pool, settings), *await _channels(pool, settings)]
    return differing or [ok(_CHECK, "Nothing shows that the daemon has others than this shell.")]


def _misspelt() -> list[Finding]:
    return [
        warning(
            _CHECK,
            f"There is no setting {name}.",
            f"Is it {nearest}?" if nearest else "Take it out, or correct it.",
        )
        for name, nearest in misspelt().items()
    ]


async def _model(pool: Pool, settings: Settings) -> list[Finding]:
    run: Any = await pool.fetchrow(_NEWEST_RUN)
    if run is None:
        return []
    said = _other_model(run["model"], run["created_at"], settings)
    return [warning(_CHECK, said, _REMEDY)] if said else []


def _other_model(used: str, at: datetime, settings: Settings) -> str | None:
    """That the model used then is not the one of these settings, in words; None when it may be."""
    offline = settings.model in ("", OFFLINE) and not (settings.openai_api_key or settings.model_base_url)
    ours = OFFLINE if offline or settings.model == OFFLINE else settings.model
    # With a key alone it is whichever the provider's library takes by itself.
    if used == ours or (not ours and used != OFFLINE):
        return None
    here = {"": "the provider's own choice", OFFLINE: "the offline model"}.get(ours, ours)
    what = "the offline model" if used == OFFLINE else used
    return f"At {at:%H:%M} UTC the daemon asked {what}; this shell is set to {here}."


async def _channels(pool: Pool, settings: Settings) -> list[Finding]:
    try:
        whatsapp = account_of(settings)
    except FteError:
        return []  # told as such, by the channel's own check
    ours: dict[Channel, str] = {
        "email": settings.gmail_account.lower(),
        "whatsapp": whatsapp.number if whatsapp else "",
    }
    now: datetime = await pool.fetchval("select now()")
    return [
        warning(
            _CHECK,
            f"The daemon looks after {line.account}; this shell is set to {ours[line.channel] or 'none'}.",
            _REMEDY,
        )
        for line in await channel_health.current(pool)
        if ours.get(line.channel, line.account) != line.account
        and (now - line.checked_at).total_seconds() < _LOOKED_AFTER
    ]
