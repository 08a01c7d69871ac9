"""Our signed reference: a Message-ID nobody else can make, by which an answer finds its way back (threat T6)."""

import hashlib
import hmac
import re
from typing import Final
from uuid import UUID

from fte.channels.gmail.mime import Mail

_OURS: Final = re.compile(r"\s*<?fte\.([0-9a-f]{32})\.([0-9a-f]{32})@[^\s<>@]{1,253}>?\s*", re.IGNORECASE)


def message_id(secret: bytes, reply_id: UUID, domain: str) -> str:
    """The Message-ID of a reply, with angle brackets: `<fte.REPLYIDHEX.MAC@domain>`."""
    return f"<fte.{reply_id.hex}.{_mac(secret, reply_id)}@{domain}>"


def reply_of(candidate: str, secret: bytes) -> UUID | None:
    """The reply a Message-ID of ours names, whatever domain it carries, or None when it is not ours."""
    found = _OURS.fullmatch(candidate)
    if found is None:
        return None
    reply_id = UUID(hex=found[1])
    return reply_id if hmac.compare_digest(_mac(secret, reply_id), found[2].lower()) else None


def references_of(mail: Mail, secret: bytes) -> list[UUID]:
    """The replies of ours the mail refers to, the newest first: what it answers, then References from its end."""
    candidates = [mail.in_reply_to, *reversed(mail.references)]
    replies = [reply for reply in (reply_of(candidate, secret) for candidate in candidates) if reply]
    return list(dict.fromkeys(replies))


def _mac(secret: bytes, reply_id: UUID) -> str:
    """128 bits that only the installation's secret gives."""
    return hmac.digest(secret, b"mail-reference:" + reply_id.bytes, hashlib.sha256)[:16].hex()
