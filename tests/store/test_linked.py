"""A conversation that refers to somebody else's: shown with both, joined with neither."""

from fte.console import present
from fte.pg.pool import Pool
from fte.store import conversations
from tests.support import receive


async def test_both_name_each_other(pool: Pool) -> None:
    mine = await receive(pool, channel="email", account="us", verified=True, identifier="ada@example.com")
    other = await receive(
        pool,
        channel="email",
        account="us",
        verified=True,
        identifier="mallory@example.net",
        linked_to=mine.conversation,
    )
    assert other.conversation != mine.conversation
    referring = await conversations.one(pool, other.conversation)
    referred = await conversations.one(pool, mine.conversation)
    assert (referring.refers_to, referring.referred_by) == (referred.item.number, [])
    assert (referred.refers_to, referred.referred_by) == (None, [referring.item.number])
    shown = "".join(part if isinstance(part, str) else part[0] for part in present.headline(referring))
    assert f"refers to #{referred.item.number}, not the same person" in shown
    shown = "".join(part if isinstance(part, str) else part[0] for part in present.headline(referred))
    assert f"referred to by #{referring.item.number}, not the same person" in shown
