"""Presence: when operators were last heard of, who is on duty, and who looks at what."""

import hashlib
from typing import Any, Final
from uuid import UUID

import msgspec

from fte.domain import presence
from fte.domain.conversations import Actor
from fte.domain.errors import Conflict, NotFound
from fte.domain.events import CONVERSATIONS
from fte.domain.presence import Doing, Duty, Member, OnDuty
from fte.pg import queries
from fte.pg.log import Event, emit
from fte.pg.pool import Pool
from fte.wire import MemberView, TeamView

TEAM_MAX: Final = 500
"""Operators a view of the team shows."""
HELD_MAX: Final = 20
"""Numbers of held conversations shown of each."""
_sql = queries.load(__file__)


async def heard_of(pool: Pool, operator: UUID, lease: float) -> None:
    """Note that the operator is there; they keep what they hold for `lease` seconds more.

    Writes at most once in HEARTBEAT seconds, however many processes hear of them.
    """
    await pool.execute(_sql.heard_of, operator, presence.HEARTBEAT, lease)


async def set_duty(pool: Pool, key: str, actor: Actor, duty: Duty) -> None:
    """The operator says whether customers may count on them. Once per key; raises Conflict for a key used otherwise."""
    fingerprint = hashlib.sha256(msgspec.json.encode(["duty", duty])).digest()
    async with pool.transaction() as connection:
        done = {"duty": duty}
        new = await connection.fetchval(_sql.record, actor.id, key, fingerprint, done, done)
        if new is None:
            earlier: Any = await connection.fetchrow(_sql.done_before, actor.id, key)
            if earlier["request_hash"] != fingerprint:
                raise Conflict("This idempotency key was used for another request.", remedy="Use a new key.")
            return
        await connection.execute(_sql.set_duty, actor.id, duty)


async def team(pool: Pool, lease: float, hours: str = "") -> TeamView:
    """Everybody with access: whether they are on duty, and what they hold. At most TEAM_MAX, by name."""
    rows: list[Any] = await pool.fetch(_sql.team, HELD_MAX, TEAM_MAX)
    views = []
    for row in rows:
        member, now = _member(row), row["now"]
        views.append(
            MemberView(
                id=row["id"],
                name=row["name"],
                role=row["role"],
                on_duty=presence.is_on_duty(member, now, lease),
                present=presence.is_present(member, now, lease),
                duty=member.duty,
                seen_at=member.seen_at,
                held=row["held"],
                numbers=row["numbers"],
            )
        )
    return TeamView(members=views, somebody_on_duty=any(view.on_duty for view in views), hours=hours)


async def on_duty(pool: Pool, lease: float, hours: str = "") -> OnDuty:
    """Whether somebody is on duty now, for what customers are told."""
    rows: list[Any] = await pool.fetch(_sql.members, lease, TEAM_MAX)
    return presence.on_duty([_member(row) for row in rows], await pool.fetchval(_sql.now), lease, hours)


def _member(row: Any) -> Member:
    return Member(
        row["name"],
        row["role"],
        row["duty"],
        row["duty_at"],
        row["seen_at"],
        row["revoked"],
        row["ends_at"],
    )


async def attend(pool: Pool, conversation: UUID, actor: Actor, doing: Doing) -> None:
    """Colleagues see for HINT seconds what the operator does there. A hint: it holds nothing and hinders nobody.

    Announced when it changes, at most every TELL_EVERY seconds; in between a look at the conversation shows it.
    Raises NotFound.
    """
    async with pool.transaction() as connection:
        if await connection.fetchval(_sql.known, conversation) is None:
            raise NotFound("There is no such conversation.")
        if doing == "left":
            told = await connection.fetchval(_sql.leave, conversation, actor.id)
        else:
            await connection.execute(_sql.attend, conversation, actor.id, doing, presence.HINT)
            told = await connection.fetchval(_sql.to_tell, conversation, actor.id, presence.TELL_EVERY)
        if told is not None:
            fact = {"conversation_id": conversation, "operator": actor.name, "doing": doing}
            await emit(connection, [Event(CONVERSATIONS, str(conversation), "presence.changed", fact)])


async def forget(pool: Pool) -> None:
    """Remove hints that ran out."""
    await pool.execute(_sql.forget)
