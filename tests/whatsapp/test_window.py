"""What an operator is shown of the 24-hour window."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from fte.console import present
from fte.pg.pool import Pool
from fte.store import conversations
from tests.support import receive

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("left", "shown"),
    [
        (None, ""),
        (timedelta(hours=3, minutes=12, seconds=30), "  WhatsApp window: 3 h 12 min left"),
        (timedelta(minutes=59), "  WhatsApp window: 59 min left"),
        (timedelta(0), "  WhatsApp window: 0 min left"),
        (timedelta(seconds=-1), "  WhatsApp window closed: only a template can be sent"),
    ],
)
def test_the_clock(left: timedelta | None, shown: str) -> None:
    until = None if left is None else NOW + left
    view: Any = SimpleNamespace(window_until=until, item=SimpleNamespace(status="open"))
    assert "".join(part[0] for part in present.window(view, NOW)) == shown


async def test_it_runs_from_the_customers_newest_message_there(pool: Pool) -> None:
    sent = datetime.now(UTC) - timedelta(hours=20)
    identity = {"identifier_type": "whatsapp", "identifier": "+4915112345678", "verified": True}
    on_whatsapp = {**identity, "channel": "whatsapp", "account": "+14155238886", "sent_at": sent}
    first = await receive(pool, **on_whatsapp)
    view = await conversations.one(pool, first.conversation)
    assert view.window_until == sent + timedelta(hours=24)
    await receive(pool, **on_whatsapp | {"sent_at": sent + timedelta(hours=1)})
    assert (await conversations.one(pool, first.conversation)).window_until == sent + timedelta(hours=25)
    await receive(pool, into_ticket=first.ticket)
    assert (await conversations.one(pool, first.conversation)).window_until is None
