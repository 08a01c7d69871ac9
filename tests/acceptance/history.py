"""Judges a run after the fact: what customers and providers saw against what the database says."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from fte.demo.providers.accepts import Accepted

ACCEPTED = ("sent", "delivered", "read", "failed")

_INBOUND = """
select i.channel, i.provider_id, i.disposition, m.outcome
  from inbound i left join messages m on m.id = i.message_id
"""
_REPLIES = """
select r.id, r.state, r.provider_id, r.channel, r.conversation_id, r.kind, r.part, r.turn_id, m.seq, m.role
  from replies r join messages m on m.id = r.message_id where r.channel <> 'web_form'
"""


@dataclass(frozen=True, slots=True)
class History:
    """`acknowledged` are provider ids, per channel, that we said we have, or that a mailbox holds."""

    acknowledged: Mapping[str, Collection[str]]
    accepts: list[Accepted]
    inbound: list[Any]
    replies: list[Any]

    @classmethod
    async def read(
        cls,
        database: asyncpg.Connection,
        acknowledged: Mapping[str, Collection[str]],
        accepts: list[Accepted],
    ) -> "History":
        return cls(acknowledged, accepts, await database.fetch(_INBOUND), await database.fetch(_REPLIES))

    def check(self) -> None:
        self.stored_once()
        self.one_outcome()
        self.accepted_once()
        self.no_phantom()
        self.in_order()

    def stored_once(self) -> None:
        """I1, I2: whatever was acknowledged is stored, and once."""
        stored = Counter((row["channel"], row["provider_id"]) for row in self.inbound)
        assert max(stored.values(), default=0) <= 1
        for channel, ids in self.acknowledged.items():
            missing = [id_ for id_ in ids if (channel, id_) not in stored]
            assert not missing, (
                f"{len(missing)} acknowledged messages of {channel} are not stored: {missing[:3]}"
            )

    def one_outcome(self) -> None:
        """I3: no customer's message is left without an outcome."""
        open_ = [row for row in self.inbound if row["disposition"] == "message" and row["outcome"] is None]
        assert not open_, f"{len(open_)} messages have no outcome"

    def accepted_once(self) -> None:
        """I4: a provider accepted a reply at most once."""
        taken = Counter(accept.reply_id for accept in self.accepts)
        twice = {reply: count for reply, count in taken.items() if reply is not None and count > 1}
        assert not twice, f"accepted more than once: {twice}"
        turns = Counter(
            (row["turn_id"], row["part"])
            for row in self.replies
            if row["turn_id"] and row["kind"] == "answer"
        )
        assert max(turns.values(), default=0) <= 1

    def no_phantom(self) -> None:
        """I5: what we call sent the provider has, and what it has we call sent."""
        taken = {UUID(accept.reply_id): accept.provider_id for accept in self.accepts if accept.reply_id}
        for row in self.replies:
            if row["state"] in ACCEPTED:
                assert taken.get(row["id"]) == row["provider_id"], (
                    f"{row['state']} but not accepted: {row['id']}"
                )
            else:
                assert row["id"] not in taken, f"accepted but {row['state']}: {row['id']}"

    def in_order(self) -> None:
        """I6: the provider accepted a conversation's replies in the order they were made."""
        place = {
            (row["id"]): (row["conversation_id"], (row["seq"], row["part"]))
            for row in self.replies
            if row["kind"] == "answer"
        }
        last: dict[UUID, tuple[int, int]] = {}
        for accept in self.accepts:
            known = place.get(UUID(accept.reply_id)) if accept.reply_id else None
            if known is not None:
                conversation, at = known
                assert last.get(conversation, (0, 0)) < at, f"out of order in {conversation}"
                last[conversation] = at
