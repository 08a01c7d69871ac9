"""Proof that two channels are one person's: a code sent to one of them and written back on the other."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from fte.domain.channels import Channel
from fte.domain.conversations import Actor
from fte.domain.errors import Conflict
from fte.domain.events import OUTBOUND
from fte.domain.identity import (
    CODE_DIGITS,
    CODE_MINUTES,
    CODE_TRIES,
    CODES_A_DAY,
    code_text,
    codes_in,
    email_address,
    identity_key,
    normalise_email,
    normalise_phone,
)
from fte.domain.ids import new_id
from fte.pg import queries
from fte.pg.log import Event
from fte.pg.pool import Connection, Pool
from fte.store import merges
from fte.store.control import Case, Done, act, say
from fte.wire import ActionDone

Provable = Literal["email", "whatsapp"]

READ_TRIES: Final = 3
"""Times reading a code starts anew because somebody else read it meanwhile, or something changed hands."""
_WHERE: Final[dict[Channel, str]] = {
    "email": "by e-mail",
    "whatsapp": "on WhatsApp",
    "web_form": "on our support page",
}
_sql = queries.load(__file__)


@dataclass(frozen=True, slots=True)
class _Code:
    """An open code, the conversation it must come back in, who that is with, and whose the identifier is now."""

    id: UUID
    conversation_id: UUID
    identifier_type: Provable
    identifier_value: str
    code_hash: bytes
    operator_id: UUID | None
    attempts: int
    read_seq: int
    customer_id: UUID
    verified: bool
    name: str | None
    owner: UUID | None
    owned: bool
    messages: list[tuple[int, str]]

    @property
    def parties(self) -> tuple[UUID, bool, UUID | None, bool]:
        return self.customer_id, self.verified, self.owner, self.owned


async def request_link(
    pool: Pool, key: str, conversation: UUID, actor: Actor, channel: Provable, address: str
) -> ActionDone:
    """Send a code to an address or number; written back in the conversation, it proves that both are one person's.

    An earlier code of the conversation ends. Raises Rejected for what is no address; Conflict when it is proven
    already, when too many codes were asked for, or when WhatsApp takes no message to the number now; NotFound.
    """
    value = normalise_email(address) if channel == "email" else normalise_phone(address)

    async def apply(case: Case) -> Done:
        return await _ask(case, channel, value, address)

    details = {"channel": channel, "address": value}
    return await act(pool, key, "link", conversation, actor, details, apply)


async def _ask(case: Case, channel: Provable, value: str, address: str) -> Done:
    connection = case.connection
    if await connection.fetchval(_sql.joined_on_a_claim, case.conversation):
        raise Conflict(
            "Conversations were merged into this one that nothing proves to be one person's: a code would prove only one.",
            remedy="Part them first.",
        )
    known: Any = await connection.fetchrow(_sql.known, channel, value)
    here: Any = await connection.fetchrow(_sql.whose, case.conversation)
    if known and known["verified"] and here["verified"] and known["customer_id"] == here["customer_id"]:
        raise Conflict(f"{value} is proven to be this customer's already.")
    if await connection.fetchval(_sql.asked_lately, channel, value, case.conversation) >= CODES_A_DAY:
        raise Conflict(f"{CODES_A_DAY} codes were sent today; more would annoy, or help somebody guess.")
    if channel == "whatsapp":
        owner = known["customer_id"] if known else None
        recipient, account = await _reachable_number(connection, value, owner)
    else:
        recipient, account = email_address(address), None
    await connection.execute(_sql.end_earlier, case.conversation)
    asked = (
        f"Asked the customer to prove {recipient}: a code was sent there, valid for {CODE_MINUTES} minutes."
    )
    message, seq = await say(case, "note", asked, None)
    code, id_ = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}", new_id()
    await connection.execute(
        _sql.ask,
        id_,
        case.conversation,
        channel,
        value,
        _hashed(id_, code),
        case.actor.id,
        CODE_MINUTES,
        case.control.last_seq,
        message,
        case.control.epoch,
        recipient,
        code_text(code, _WHERE[case.channel], recipient),
        account,
    )
    done = case.done("note.added", message=message, last_seq=seq)
    told = {"conversation_id": case.conversation, "message_id": message, "channel": channel, "kind": "code"}
    done.events.append(Event(OUTBOUND[channel], str(case.conversation), "reply.queued", told))
    return done


async def _reachable_number(connection: Connection, value: str, owner: UUID | None) -> tuple[str, str | None]:
    """The number as WhatsApp knows it, and ours that it wrote to. Raises Conflict when it takes no free text now."""
    rows = await connection.fetch(_sql.numbers_open, owner) if owner else []
    numbers = [
        (row["sender"], row["account"]) for row in rows if identity_key("whatsapp", row["sender"]) == value
    ]
    if not numbers:
        raise Conflict(
            f"WhatsApp takes no code to {value}: the number has not written to us in the last 24 hours.",
            remedy="Have the customer write to us on WhatsApp first, or prove an e-mail address.",
        )
    return numbers[0]


def _hashed(id_: UUID, code: str) -> bytes:
    return hashlib.sha256(id_.bytes + code.encode()).digest()


async def read_code(pool: Pool, conversation: UUID) -> bool:
    """Look for the conversation's open code in what the customer wrote since. True when it was there.

    A wrong code has no effect that anybody can see. Raises Unavailable; trying again is safe.
    """
    for _ in range(READ_TRIES):
        code = await _open_code(pool, conversation)
        if code is None or not code.messages:
            return False
        tried, right = _tried(code)
        async with pool.transaction() as connection:
            if right:
                await merges.lock(connection, {code.customer_id, *([code.owner] if code.owner else [])})
            settled = await _settle(connection, code, tried, right)
            if settled and right:
                await _prove(connection, code)
        if settled:
            return right
    return False


async def read_codes(pool: Pool) -> int:
    """Read what was written but not looked at, because a process ended in between. Returns how many codes were right."""
    rows = await pool.fetch(_sql.unread, CODE_TRIES)
    return sum([await read_code(pool, row["conversation_id"]) for row in rows])


async def _open_code(database: Pool | Connection, conversation: UUID) -> _Code | None:
    row: Any = await database.fetchrow(_sql.open_code, conversation, CODE_TRIES)
    return _Code(**row) if row else None


def _tried(code: _Code) -> tuple[int, bool]:
    """How many codes count as tried after these messages, and whether one of them was right."""
    tried = code.attempts
    for _, text in code.messages:
        for candidate in codes_in(text)[: CODE_TRIES - tried]:
            tried += 1
            if hmac.compare_digest(_hashed(code.id, candidate), code.code_hash):
                return tried, True
    return tried, False


async def _settle(connection: Connection, code: _Code, tried: int, right: bool) -> bool:
    """Note what was tried. False when another process did, or when what was locked has changed hands."""
    if right:
        await connection.fetchval(_sql.lock_code, code.id)
        now = await _open_code(connection, code.conversation_id)
        if now is None or now.id != code.id or now.parties != code.parties:
            return False
    read = code.messages[-1][0]
    settled = await connection.fetchval(
        _sql.settle, code.id, code.attempts, code.read_seq, tried, read, right
    )
    return settled is not None


async def _prove(connection: Connection, code: _Code) -> None:
    """The identifier is whose conversation this is. The locks of both customers are held.

    Of a claimed conversation only this much is known, so that it alone goes to the identifier's owner: whoever
    claimed another's address cannot tie their own to it.
    """
    if code.verified:
        owner = await _tie(connection, code)
    else:
        owner = await _owner(connection, code)
        await connection.execute(_sql.name_owner, owner, code.name)
        await connection.execute(_sql.prove_conversation, code.conversation_id, owner)
    await connection.execute(
        _sql.say_proven,
        code.conversation_id,
        new_id(),
        f"{code.identifier_value} is proven to be this customer's.",
        code.operator_id,
        {"type": code.identifier_type, "from": code.customer_id, "of": code.owner, "to": owner},
        code.id,
    )


async def _tie(connection: Connection, code: _Code) -> UUID:
    """Give the identifier to the conversation's proven customer, with all else of an owner it identifies."""
    if code.owner not in (None, code.customer_id):
        beside = await _beside(connection, code)
        if code.owned or not beside["others"]:
            await merges.join(connection, code.customer_id, code.owner, "code", code.operator_id)
    await connection.execute(_sql.give, code.customer_id, code.identifier_type, code.identifier_value)
    return code.customer_id


async def _owner(connection: Connection, code: _Code) -> UUID:
    """Who the identifier belongs to, once it is proven by itself."""
    if code.owner is not None and (code.owned or not (await _beside(connection, code))["proven"]):
        await connection.execute(_sql.give, code.owner, code.identifier_type, code.identifier_value)
        return code.owner
    customer = new_id()
    await connection.execute(
        _sql.add_customer, customer, code.identifier_type, code.identifier_value, code.name
    )
    await connection.execute(_sql.give, customer, code.identifier_type, code.identifier_value)
    return customer


async def _beside(connection: Connection, code: _Code) -> Any:
    return await connection.fetchrow(_sql.beside, code.owner, code.identifier_type, code.identifier_value)
