"""I14: what became of a message is the same in whatever order Twilio says it; and long answers go out in parts."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fte.domain.delivery import settled
from fte.pg.pool import Pool
from fte.store import replies
from fte.store.turns import reply_parts
from tests.support import receive
from tests.whatsapp.support import CUSTOMER, outgoing, queue_reply, sid

STATUSES = ["queued", "sending", "sent", "delivered", "read", "failed"]
HISTORIES = st.lists(st.sampled_from(STATUSES), min_size=1, max_size=8)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(history=HISTORIES, known_at=st.integers(0, 8), named=st.booleans(), seed=st.randoms())
async def test_reports_in_any_order_doubled_and_early_end_alike(
    pool: Pool, history: list[str], known_at: int, named: bool, seed: object
) -> None:
    message = {
        "identifier_type": "whatsapp",
        "identifier": CUSTOMER,
        "verified": False,
        "channel": "whatsapp",
    }
    received = await receive(pool, **message)
    reply, provider_id = await queue_reply(pool, received.conversation), sid("SM")
    await pool.execute("update replies set state = 'sending', lease_until = now() where id = $1", reply)
    order = history + history[:2]
    seed.shuffle(order)  # type: ignore[attr-defined]
    for place, status in enumerate(order):
        if place == known_at:
            await _accept(pool, reply, provider_id)
        error = "Twilio 63024" if status == "failed" else None
        await replies.report(pool, "whatsapp", provider_id, status, error, reply if named else None)
    await _accept(pool, reply, provider_id)
    row = await pool.fetchrow("select state, provider_id from replies where id = $1", reply)
    assert row is not None
    assert tuple(row) == (settled(set(history)), provider_id)


async def _accept(pool: Pool, reply: object, provider_id: str) -> None:
    await replies.accepted(pool, outgoing(reply_id=reply), provider_id)


def test_a_long_answer_goes_out_in_parts_on_whatsapp_only() -> None:
    text = "\n\n".join(f"Paragraph {number}. " + "word " * 60 for number in range(12))
    ids, parts = reply_parts("whatsapp", text)
    assert len(ids) == len(set(ids)) == len(parts) > 1
    assert all(part is not None and len(part) <= 1_500 for part in parts)
    assert reply_parts("whatsapp", "short")[1] == reply_parts("email", text)[1] == [None]
