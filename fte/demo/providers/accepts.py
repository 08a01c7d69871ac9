"""What a simulated provider took from us: an append-only list for whoever checks afterwards."""

import time
from typing import Final

import msgspec

SENDS: Final = frozenset({"messages.send", "drafts.send", "messages.create"})
"""Operations that hand a message to a customer. A draft alone reaches nobody."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a provider took. `at` is seconds since 1970; `reply_id` is ours, where the message carried it."""

    position: int
    operation: str
    provider_id: str
    reply_id: str | None
    recipient: str
    at: float


class AcceptLog(list[Accepted]):
    """Everything accepted, oldest first. Only `add` changes it."""

    def add(self, operation: str, provider_id: str, reply_id: str | None, recipient: str) -> None:
        self.append(
            Accepted(
                position=len(self) + 1,
                operation=operation,
                provider_id=provider_id,
                reply_id=reply_id,
                recipient=recipient,
                at=time.time(),
            )
        )

    def after(self, position: int) -> list[Accepted]:
        return self[max(0, position) :]

    @property
    def sends(self) -> list[Accepted]:
        """What reached, or was to reach, a customer."""
        return [accepted for accepted in self if accepted.operation in SENDS]
