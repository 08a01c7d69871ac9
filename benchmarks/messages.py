"""The message that customers of a benchmark send."""

from uuid import UUID

from benchmarks.load import QUESTION
from fte.domain.ids import new_id
from fte.store.intake import InboundMessage


def a_message(into: UUID | None = None) -> InboundMessage:
    """Of a new address each time; `into` names the ticket it continues."""
    return InboundMessage(
        channel="web_form",
        account="form",
        provider_id=str(new_id()),
        identifier_type="email",
        identifier=f"{new_id()}@example.com",
        verified=False,
        name="Ada Lovelace",
        subject="Cannot sign in",
        body=QUESTION,
        into_ticket=into,
    )
