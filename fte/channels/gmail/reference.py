"""Our signed reference: a Message-ID nobody else can make, by which an answer finds its way back."""

from uuid import UUID

from fte.channels.gmail.mime import Mail


def message_id(secret: bytes, reply_id: UUID, domain: str) -> str:
    """The Message-ID of a reply, with angle brackets: `<fte.REPLYIDHEX.MAC@domain>`."""
    raise NotImplementedError


def reply_of(candidate: str, secret: bytes) -> UUID | None:
    """The reply a Message-ID of ours names, or None when it is not ours."""
    raise NotImplementedError


def references_of(mail: Mail, secret: bytes) -> list[UUID]:
    """The replies of ours the mail refers to, the newest first."""
    raise NotImplementedError
