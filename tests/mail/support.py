"""Replies to compose, and the corpus as bytes."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fte.domain.delivery import Outgoing
from tests.mail.test_corpus import CORPUS, NAMES

SECRET = b"k" * 32
REPLY = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


def outgoing(**changes: Any) -> Outgoing:
    values: dict[str, Any] = {
        "reply_id": REPLY,
        "message_id": UUID(int=2),
        "conversation_id": UUID(int=3),
        "kind": "answer",
        "channel": "email",
        "account": "support@tallywren.example",
        "recipient": "jane@example.com",
        "recipient_name": "Jane Doe",
        "role": "agent",
        "operator_name": "",
        "text": "Dear Jane,\n\nopen Reports.\n\nKind regards,\nTallywren Support\nTicket T-17",
        "part": 1,
        "subject": "Export",
        "reference": "T-17",
        "ticket_id": "abc",
        "envelope": {
            "thread_id": "18e0",
            "message_id": "<q1@example.com>",
            "references": ["<q0@example.com>"],
            "subject": "Export",
        },
        "began_at": datetime(2024, 3, 5, 10, 0, tzinfo=UTC),
    }
    return Outgoing(**(values | changes))


def corpus() -> list[bytes]:
    return [(CORPUS / f"{name}.eml").read_bytes() for name in NAMES]
