"""Operators: who they are, and the tokens that prove it."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from fte.domain.errors import Conflict, NotFound, Rejected
from fte.domain.ids import hashed, new_id
from fte.domain.operators import ASSIGNABLE, ROLES, OperatorRole
from fte.domain.text import one_line
from fte.pg import queries
from fte.pg.pool import Pool
from fte.wire import OperatorView

NAME_MAX = 60
TOKEN_MAX = 200
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


async def add(pool: Pool, name: str, role: str, days: int | None = None) -> str:
    """Let an operator in. Returns their token of 256 bits, which is stored only as a hash: show it once.

    The token ends after `days` (None: never). Raises Rejected for a bad name or role, Conflict for a name taken.
    """
    name = one_line(name)
    if not 1 <= len(name) <= NAME_MAX:
        raise Rejected(
            f"The name needs 1 to {NAME_MAX} characters.", fields={"name": "too short or too long"}
        )
    if role not in ROLES:
        raise Rejected(
            f"There is no role {role!r}.",
            fields={"role": "unknown"},
            remedy=f"Use one of {', '.join(ROLES)}.",
        )
    token = "fte_" + secrets.token_urlsafe(32)
    try:
        await pool.execute(_sql.add, new_id(), name, role, hashed(token), days)
    except asyncpg.UniqueViolationError:
        raise Conflict(f"There is an operator {name!r} already.", remedy="Revoke that one first.") from None
    return token


async def listed(pool: Pool) -> list[Operator]:
    """All operators, the revoked too, by name."""
    return [Operator(**row) for row in await pool.fetch(_sql.listed)]


async def colleagues(pool: Pool) -> list[OperatorView]:
    """Who may answer customers now, by name."""
    rows = await pool.fetch(_sql.colleagues, list(ASSIGNABLE))
    return [OperatorView(id=row["id"], name=row["name"], role=row["role"]) for row in rows]


async def revoke(pool: Pool, name: str) -> None:
    """The operator's token stops working now. Raises NotFound."""
    if await pool.fetchval(_sql.revoke, name) is None:
        raise NotFound(f"There is no active operator {name!r}.", remedy="`fte operator list` shows them.")


async def by_token(pool: Pool, token: str) -> OperatorView | None:
    """The operator a token belongs to, None when it is unknown, revoked or over."""
    row: Any = await pool.fetchrow(_sql.by_token, hashed(token[:TOKEN_MAX]))
    return OperatorView(id=row["id"], name=row["name"], role=row["role"]) if row else None
