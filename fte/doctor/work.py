"""What waits to be done, which shows whether the processes that do it are alive; and what the daemon says of itself."""

import contextlib
from dataclasses import dataclass
from typing import Any, Final

import httpx

from fte.daemon import providers
from fte.doctor.finding import Finding, failed, ok, warning
from fte.domain.errors import FteError
from fte.pg.pool import Pool
from fte.settings import Settings, without_password
from fte.store import turns

WAITING_MAX: Final = 30.0
"""Seconds something may be due before nobody seems to do it."""
TIMEOUT: Final = 5.0
BUDGET_WARNING: Final = 0.8
"""The share of the day's budget from which on a warning is given."""
_DUE: Final = """
select count(*) as count, coalesce(extract(epoch from now() - min(due_at)), 0)::float8 as age
  from {} and due_at < now()
"""


@dataclass(frozen=True, slots=True)
class _Role:
    name: str
    what: str
    due: str


_TURNS: Final = _Role("worker", "messages wait for an answer", _DUE.format("turns where state = 'due'"))
_HELD: Final = _Role(
    "sweeper",
    "answers are held by processes that died",
    "select count(*) as count, coalesce(extract(epoch from now() - min(lease_until)), 0)::float8 as age "
    "from turns where state = 'running' and lease_until < now()",
)
_REPLIES: Final = _Role("sender", "replies wait to be sent", _DUE.format("replies where state = 'queued'"))
_MAIL: Final = _Role(
    "mailbox",
    "mailboxes wait to be read",
    "select count(*) as count, coalesce(extract(epoch from now() - min(next_sync_at)), 0)::float8 as age "
    "from mailboxes where next_sync_at < now() and (held_until is null or held_until < now())",
)


async def waiting(pool: Pool, settings: Settings) -> list[Finding]:
    roles = [_TURNS, _HELD]
    with contextlib.suppress(FteError):  # a wrong setting is told by the channel's own check
        if providers.configured(settings):
            roles.append(_REPLIES)
    if settings.gmail_account:
        roles.append(_MAIL)
    budget = await _budget(pool, settings)
    late = [finding for role in roles if (finding := await _late(pool, role)) is not None]
    return [*(late or [ok("work", "Nothing waits for longer than it should.")]), *budget]


async def _budget(pool: Pool, settings: Settings) -> list[Finding]:
    """Whether the model may go on today; nothing where nothing is used or limited."""
    share = settings.budget.share(await turns.spent_today(pool))
    remedy = (
        "Raise FTE_BUDGET_DAY or FTE_BUDGET_DAY_COST, or wait for midnight UTC; look for who writes so much."
    )
    if share >= 1:
        return [
            failed(
                "budget", "The day's budget for the model is used up: customers are handed to people.", remedy
            )
        ]
    if share >= BUDGET_WARNING:
        return [warning("budget", f"{share:.0%} of the day's budget for the model is used.", remedy)]
    return []


async def _late(pool: Pool, role: _Role) -> Finding | None:
    row: Any = await pool.fetchrow(role.due)
    if row["age"] < WAITING_MAX:
        return None
    return failed(
        "work",
        f"{row['count']} {role.what}, the first for {row['age']:.0f} seconds: no {role.name} is at work.",
        f"Start one: `fte daemon --roles {role.name}`, or `fte up`. If one should be running, its log says why it "
        "ended (`docker compose logs`, `kubectl logs`, journalctl).",
    )


async def dead_letters(pool: Pool) -> list[Finding]:
    count = await pool.fetchval("select count(*) from dead_letters where state = 'waiting'")
    if count:
        return [
            warning("dead letters", f"{count} events could not be handled.", "`fte dlq list` shows them.")
        ]
    return [ok("dead letters", "There are none.")]


async def daemon(settings: Settings) -> list[Finding]:
    """What the daemon at FTE_URL (or on this machine) says of itself."""
    url = without_password(settings.local_url)
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
            response = await client.get(f"{settings.local_url}/health")
        body = response.json()
        status, problems = body["status"], body.get("problems", {})
        down = [part for part, state in body.get("dependencies", {}).items() if state == "down"]
    except httpx.HTTPError:
        return [
            warning(
                "daemon",
                f"No daemon answers at {url}.",
                "Start it with `fte up`, or set FTE_URL to where it is.",
            )
        ]
    except (ValueError, KeyError, TypeError):
        return [
            failed(
                "daemon",
                f"What answers at {url} is not our daemon.",
                "Set FTE_URL, or FTE_PORT to a free port.",
            )
        ]
    if status == "healthy":
        return [ok("daemon", f"The daemon at {url} is healthy.")]
    told = dict.fromkeys(down, "down") | problems
    said = "; ".join(f"{part}: {problem}" for part, problem in told.items()) or "it does not say why"
    return [failed("daemon", f"The daemon at {url} is {status}: {said}", "See what else is told here.")]


def unexpected(check: str, error: BaseException) -> Finding:
    """A check that broke is a finding, too."""
    if isinstance(error, FteError):
        return failed(check, error.message, error.remedy)
    return failed(check, f"The check itself failed ({type(error).__name__}).", "Please report this.")
