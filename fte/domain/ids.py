"""Identifiers: time-ordered ids for rows, and the unguessable id a customer sees of a ticket."""

import base64
import hashlib
import hmac
import os
import time
from datetime import datetime, timedelta
from uuid import UUID

PUBLIC_ID_LENGTH = 32


def new_id() -> UUID:
    """A UUID version 7 (RFC 9562): ids made later sort later, so index pages stay warm."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & 0xFFFFFFFFFFFF) << 80 | 0x7 << 76 | (random >> 62 & 0xFFF) << 64
    return UUID(int=value | 0b10 << 62 | random & 0x3FFFFFFFFFFFFFFF)


def first_id(at: datetime) -> UUID:
    """No id made from then on is below this one; an hour is left for clocks that differ."""
    return first_id_at(at - timedelta(hours=1))


def first_id_at(moment: datetime) -> UUID:
    """An id no later than those made at that moment, and later than those made before."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=(milliseconds & 0xFFFFFFFFFFFF) << 80 | 0x7 << 76 | 0b10 << 62)


def public_ticket_id(secret: bytes, ticket: UUID) -> str:
    """The id a customer gets: 160 bits derived from the installation's secret.

    It is derived, not drawn, so that a repeated submission gets the same id although only its hash is stored.
    """
    digest = hmac.digest(secret, b"ticket:" + ticket.bytes, hashlib.sha256)[:20]
    return base64.b32encode(digest).decode("ascii").lower()


def hashed(token: str) -> bytes:
    """What is stored of a public id or an operator's token: SHA-256, enough for secrets of full entropy."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
