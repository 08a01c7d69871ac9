"""What operators do with a ticket beside speaking: priority, category, tags, and whose it is."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from fte.domain import tags
from fte.domain.conversations import Actor, check_assign
from fte.domain.errors import NotFound
from fte.domain.events import ESCALATIONS
from fte.domain.operators import ASSIGNABLE
from fte.domain.tickets import Category, Priority
from fte.pg import queries
from fte.pg.log import Event
from fte.pg.pool import Pool
from fte.store.control import Case, Done, act, hand_to
from fte.wire import ActionDone

HANDED_ON: Final = "handed_on"
"""The reason that is shown when an operator says that somebody has to take it."""
_sql = queries.load(__file__)


async def set_priority(
    pool: Pool, key: str, conversation: UUID, actor: Actor, priority: Priority
) -> ActionDone:
    """A person's choice; the AI no longer changes it."""

    async def apply(case: Case) -> Done:
        await case.connection.execute(_sql.set_priority, case.ticket, priority)
        return _quiet(case)

    return await act(pool, key, "set_priority", conversation, actor, {"priority": priority}, apply)


async def set_category(
    pool: Pool, key: str, conversation: UUID, actor: Actor, category: Category
) -> ActionDone:
    """A person's choice; the AI no longer changes it."""

    async def apply(case: Case) -> Done:
        await case.connection.execute(_sql.set_category, case.ticket, category)
        return _quiet(case)

    return await act(pool, key, "set_category", conversation, actor, {"category": category}, apply)


async def tag(
    pool: Pool, key: str, conversation: UUID, actor: Actor, add: Sequence[str], remove: Sequence[str]
) -> ActionDone:
    """Add and remove tags. Raises Rejected for what is no tag, or too many of them."""

    async def apply(case: Case) -> Done:
        row: Any = await case.connection.fetchrow(_sql.tags, case.ticket)
        wanted = tags.changed(row["tags"], add, remove)
        await case.connection.execute(_sql.set_tags, case.ticket, list(wanted))
        return _quiet(case)

    tags.changed((), add, remove)  # what is no tag needs no lock to be refused
    details = {"add": list(add), "remove": list(remove)}
    return await act(pool, key, "tag", conversation, actor, details, apply)


async def assign(pool: Pool, key: str, conversation: UUID, actor: Actor, to: str | None) -> ActionDone:
    """A colleague holds it from now on, as after a takeover of theirs; or nobody, and it needs a person.

    Raises NotFound for somebody who cannot hold it; Conflict and Refused.
    """

    async def apply(case: Case) -> Done:
        return await _assign(case, to)

    return await act(pool, key, "assign", conversation, actor, {"to": to}, apply)


async def _assign(case: Case, to: str | None) -> Done:
    holder: UUID | None = None
    if to is not None:
        holder = await case.connection.fetchval(_sql.colleague, to, list(ASSIGNABLE))
        if holder is None:
            raise NotFound(
                f"No colleague called {to!r} can hold it.", remedy="`fte operator list` shows who there is."
            )
    check_assign(case.control, case.actor, holder, to)
    before = case.control.status
    status = "escalated" if holder is None else "open" if before == "resolved" else before
    epoch = case.control.epoch + 1
    in_flight = await hand_to(case, holder, epoch, status)
    done = case.done(
        "conversation.assigned",
        in_flight=in_flight,
        owner="human",
        holder=holder,
        epoch=epoch,
        status=status,
    )
    if holder is None:
        number = await case.connection.fetchval(
            _sql.needs_person, case.conversation, HANDED_ON, case.control.owner == "ai"
        )
        raised = done.events[0].payload | {"reason": HANDED_ON, "urgency": "normal", "number": number}
        done.events.append(Event(ESCALATIONS, str(case.conversation), "escalation.raised", raised))
    return done


def _quiet(case: Case) -> Done:
    """The database announces a ticket's changes by itself, whoever makes them."""
    return Done(case.done("").result, [])
