"""Operators: who they are, and the tokens that prove it."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from fte.domain.errors import Conflict, NotFound, Rejected
from fte.domain.ids import hashed, new_id
from fte.domain.operators import ASSIGNABLE, ROLES, OperatorRole
from fte.domain.presence import DUTIES, LEASE, Duty
from fte.domain.text import one_line
from fte.pg import queries
from fte.pg.pool import Connection, Pool
from fte.store import claims
from fte.wire import JSON, OperatorView

NAME_MAX = 60
TOKEN_MAX = 200
SHOWN_MAX: Final = 20
"""Held conversations and deeds that are shown of an operator."""
_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True)
class Operator:
    """One row of `fte operator list`."""

    id: UUID
    name: str
    role: OperatorRole
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    seen_at: datetime | None
    duty: Duty


@dataclass(frozen=True, slots=True)
class Deed:
    """Something an operator did. `details` holds no texts, only their lengths."""

    action: str
    details: JSON
    at: datetime


@dataclass(frozen=True, slots=True)
class Record:
    """An operator with what they hold, by number, and what they did last."""

    operator: Operator
    held: list[int]
    deeds: list[Deed]


async def add(pool: Pool, name: str, role: str, days: int | None = None) -> str:
    """Let an operator in. Returns their token of 256 bits, which is stored only as a hash: show it once.

    The token ends after `days` (None: never). Raises Rejected for a bad name or role, Conflict for a name taken.
    """
    name = one_line(name)
    if not 1 <= len(name) <= NAME_MAX:
        raise Rejected(
            f"The name needs 1 to {NAME_MAX} characters.", fields={"name": "too short or too long"}
        )
    _check_role(role)
    token = _new_token()
    try:
        async with pool.transaction() as connection:
            await connection.execute(_sql.add, new_id(), name, role, hashed(token), days)
            await _record(connection, "operator_add", name, role=role, days=days)
    except Conflict:
        raise Conflict(f"There is an operator {name!r} already.", remedy="Revoke that one first.") from None
    return token


async def listed(pool: Pool) -> list[Operator]:
    """All operators, the revoked too, by name."""
    return [Operator(**row) for row in await pool.fetch(_sql.listed)]


async def colleagues(pool: Pool) -> list[OperatorView]:
    """Who may answer customers now, by name."""
    rows = await pool.fetch(_sql.colleagues, list(ASSIGNABLE))
    return [OperatorView(id=row["id"], name=row["name"], role=row["role"]) for row in rows]


async def one(pool: Pool, name: str) -> Record:
    """An operator: the active one of that name, or the last who was. Raises NotFound."""
    row: Any = await pool.fetchrow(_sql.one, name)
    if row is None:
        raise _unknown(name)
    held = [line["number"] for line in await pool.fetch(_sql.held, row["id"], SHOWN_MAX)]
    deeds = [Deed(**line) for line in await pool.fetch(_sql.done, row["id"], SHOWN_MAX)]
    return Record(Operator(**row), held, deeds)


async def revoke(pool: Pool, name: str, lease: float = LEASE) -> list[UUID]:
    """The operator's token stops working now, and others can go on with what they held. Raises NotFound.

    Returns the conversations that were freed. Should this be cut off, the sweeper frees the rest.
    """
    async with pool.transaction() as connection:
        operator = await _changed(connection, name, "operator_revoke", _sql.revoke)
    return await claims.free_lost(pool, lease, operator)


async def rotate(pool: Pool, name: str, days: int | None = None) -> str:
    """A new token for the operator; the old one stops working now. They keep what they hold. Raises NotFound.

    The token ends after `days` (None: never).
    """
    token = _new_token()
    async with pool.transaction() as connection:
        await _changed(connection, name, "operator_rotate", _sql.rotate, hashed(token), days)
    return token


async def set_role(pool: Pool, name: str, role: str, lease: float = LEASE) -> list[UUID]:
    """The operator may do what `role` allows from now on. Raises Rejected and NotFound.

    Returns the conversations that were freed, because the role may not answer customers.
    """
    _check_role(role)
    async with pool.transaction() as connection:
        operator = await _changed(connection, name, "operator_role", _sql.set_role, role, role=role)
    return await claims.free_lost(pool, lease, operator)


async def set_duty(pool: Pool, name: str, duty: str) -> None:
    """Say for an operator whether customers may count on them. Raises Rejected and NotFound."""
    if duty not in DUTIES:
        raise Rejected(
            f"There is no duty {duty!r}.",
            fields={"duty": "unknown"},
            remedy=f"Use one of {', '.join(DUTIES)}.",
        )
    async with pool.transaction() as connection:
        await _changed(connection, name, "operator_duty", _sql.set_duty, duty, duty=duty)


async def _changed(
    connection: Connection, name: str, action: str, statement: str, *values: Any, **details: Any
) -> UUID:
    operator: UUID | None = await connection.fetchval(statement, name, *values)
    if operator is None:
        raise _unknown(name)
    await _record(connection, action, name, **details)
    return operator


async def _record(connection: Connection, action: str, name: str, **details: Any) -> None:
    """What is done from the command line has no operator: who may use it owns the machine."""
    await connection.execute(_sql.record, action, {"by": "command line", "name": name} | details)


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise Rejected(
            f"There is no role {role!r}.",
            fields={"role": "unknown"},
            remedy=f"Use one of {', '.join(ROLES)}.",
        )


def _new_token() -> str:
    return "fte_" + secrets.token_urlsafe(32)


def _unknown(name: str) -> NotFound:
    return NotFound(f"There is no active operator {name!r}.", remedy="`fte operator list` shows them.")


async def by_token(pool: Pool, token: str) -> OperatorView | None:
    """The operator a token belongs to, None when it is unknown, revoked or over."""
    row: Any = await pool.fetchrow(_sql.by_token, hashed(token[:TOKEN_MAX]))
    return OperatorView(**row) if row else None
