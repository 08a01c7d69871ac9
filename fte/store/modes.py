"""The rules by which answers are sent, held or not given: read, and changed by a lead or an admin, audited."""

import hashlib
from typing import Any
from uuid import UUID

import msgspec

from fte.domain import modes
from fte.domain.channels import Channel
from fte.domain.errors import Conflict
from fte.domain.modes import Rule
from fte.domain.tickets import Category
from fte.pg import queries
from fte.pg.pool import Pool
from fte.wire import JSON, ModesView, ModeView

_sql = queries.load(__file__)


async def listed(pool: Pool) -> ModesView:
    """Each channel's rule, and those of categories that have one of their own."""
    return ModesView(rules=[view for row in await pool.fetch(_sql.all) for view in _views(row)])


async def config(pool: Pool, channel: Channel) -> Any:
    """A channel's configuration, for the functions of fte.domain.modes."""
    return await pool.fetchval(_sql.config, channel)


async def configure(
    pool: Pool, key: str, operator: UUID, channel: Channel, category: Category | None, rule: Rule | None
) -> ModesView:
    """Set the rule of a category on a channel, or (None) of all that have none; None takes the rule away. Once per key.

    It counts for every answer finished from now on. Raises Conflict for a key that was used for another request.
    """
    details: JSON = {"channel": channel, "category": category, "rule": rule}
    fingerprint = hashlib.sha256(msgspec.json.encode(["configure", details])).digest()
    async with pool.transaction() as connection:
        row: Any = await connection.fetchrow(_sql.lock, channel)
        earlier: Any = await connection.fetchrow(_sql.done_before, operator, key)
        if earlier is not None:
            if earlier["request_hash"] != fingerprint:
                raise Conflict("This idempotency key was used for another request.", remedy="Use a new key.")
            return msgspec.convert(earlier["result"], ModesView)
        changed = modes.with_rule(row["config"], category, rule)
        await connection.execute(_sql.set, channel, changed)
        rows = await connection.fetch(_sql.all)
        done = ModesView(rules=[view for one in rows for view in _views(one)])
        was = modes.own_rules(row["config"]).get(category)
        await connection.execute(_sql.record, operator, key, fingerprint, details | {"was": was}, done)
    return done


def _views(row: Any) -> list[ModeView]:
    return [
        ModeView(channel=row["channel"], category=category, mode=rule.mode, below=rule.below)
        for category, rule in modes.own_rules(row["config"]).items()
    ]
