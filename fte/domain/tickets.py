"""A ticket: what the customer wants, and how far it has come."""

from typing import Final, Literal, get_args

Category = Literal["general", "technical", "billing", "feedback", "bug_report"]
CATEGORIES: Final[tuple[Category, ...]] = get_args(Category)

Priority = Literal["low", "medium", "high"]
PRIORITIES: Final[tuple[Priority, ...]] = get_args(Priority)

TicketStatus = Literal["open", "processing", "waiting_customer", "escalated", "resolved"]
TICKET_STATUSES: Final[tuple[TicketStatus, ...]] = get_args(TicketStatus)

Resolution = Literal["solved", "no_answer_needed", "duplicate", "spam", "other"]
RESOLUTIONS: Final[tuple[Resolution, ...]] = get_args(Resolution)

STATUS_WORDS: Final[dict[TicketStatus, str]] = {
    "open": "Received",
    "processing": "Being worked on",
    "waiting_customer": "Answered",
    "escalated": "With our team",
    "resolved": "Resolved",
}
"""What a customer reads for each status."""
