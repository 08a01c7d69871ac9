"""What is announced: topics, and the types of events on them. Events carry ids and facts, never customers' text."""

from typing import Final

TICKETS_INCOMING: Final = "fte.tickets.incoming"
ESCALATIONS: Final = "fte.escalations"
METRICS: Final = "fte.metrics"
CONVERSATIONS: Final = "fte.conversations"
DEAD_LETTERS: Final = "fte.dlq"
INBOUND: Final = {
    "email": "fte.channels.email.inbound",
    "whatsapp": "fte.channels.whatsapp.inbound",
    "web_form": "fte.channels.webform.inbound",
}
OUTBOUND: Final = {
    "email": "fte.channels.email.outbound",
    "whatsapp": "fte.channels.whatsapp.outbound",
}
TOPICS: Final = (
    TICKETS_INCOMING,
    *INBOUND.values(),
    *OUTBOUND.values(),
    ESCALATIONS,
    METRICS,
    DEAD_LETTERS,
    CONVERSATIONS,
)
OPERATOR_TOPICS: Final = (ESCALATIONS, METRICS, CONVERSATIONS)
"""What the operator stream may carry."""

PROCESSORS: Final = "fte-message-processor"
SENDERS: Final = "fte-sender"
COLLECTORS: Final = "fte-metrics-collector"
RELAY: Final = "fte-relay"
