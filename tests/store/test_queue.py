"""The queue's order: the daemon's pages and the console's rows agree, whatever there is."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from fte.console import model
from fte.pg.pool import Pool
from fte.store import conversations
from fte.store.conversations import VIEWS
from tests.support import hire, receive

START = datetime(2026, 11, 25, 12, tzinfo=UTC)
COUNT = 12


async def arrange(pool: Pool, chosen: list[dict[str, Any]], people: dict[str | None, Any]) -> None:
    ids = [row["id"] for row in await pool.fetch("select id from conversations order by number")]
    async with pool.transaction() as connection:
        await connection.execute("set local session_replication_role = replica")  # the triggers would object
        for id_, talk in zip(ids, chosen, strict=True):
            held = talk["holder"] if talk["owner"] == "human" and talk["status"] != "resolved" else None
            await connection.execute(
                "update conversations set status = $2, owner = $3, operator_id = $4, escalation_urgency = $5,"
                " answered_seq = $6, last_message_at = $7, escalated_at = $8, due_at = $9, due_kind = $10, warned = $11,"
                " snoozed_until = $12"
                " where id = $1",
                id_,
                talk["status"] if talk["owner"] == "human" or talk["status"] == "resolved" else "open",
                talk["owner"] if talk["status"] != "resolved" else "ai",
                people[held],
                talk["urgency"],
                0 if talk["unanswered"] else 1,
                talk["last_message_at"],
                talk["escalated_at"],
                talk["due_at"] if talk["status"] != "resolved" else None,
                "first_response" if talk["due_at"] and talk["status"] != "resolved" else None,
                ["first_response"] if talk["warned"] else [],
                talk["snoozed_until"] if talk["status"] != "resolved" else None,
            )


async def test_the_daemon_and_the_console_order_alike(pool: Pool) -> None:
    for number in range(COUNT):
        await receive(pool, identifier=f"c{number}@example.com")
    sam, kim = await hire(pool, "Sam"), await hire(pool, "Kim")
    people = {None: None, "Sam": sam.id, "Kim": kim.id}
    draw = random.Random(8)
    for _ in range(80):
        chosen = [_talk(draw) for _ in range(COUNT)]
        await arrange(pool, chosen, people)
        everything = (await conversations.queue(pool, sam.id, "all")).items
        assert len(everything) == COUNT
        for view in VIEWS:
            limit = draw.randint(1, COUNT)
            page = await conversations.queue(pool, sam.id, view, limit=limit)
            mine = [item for item in everything if model.belongs(item, view, "Sam")]
            mine.sort(key=lambda item: model.order(item, "Sam"))
            assert page.items == mine[:limit], view
        waiting = sum(model.belongs(item, "needs_person", "Sam") for item in everything)
        assert (await conversations.queue(pool, sam.id)).needs_person == waiting


def _talk(draw: random.Random) -> dict[str, Any]:
    def moment(chance: float = 1.0) -> datetime | None:
        return START + timedelta(minutes=draw.randint(-5, 5)) if draw.random() < chance else None

    return {
        "status": draw.choice(["open", "open", "escalated", "resolved"]),
        "owner": draw.choice(["ai", "human", "human"]),
        "holder": draw.choice([None, "Sam", "Kim"]),
        "urgency": draw.choice([None, "low", "normal", "high"]),
        "unanswered": draw.random() < 0.5,
        "last_message_at": moment(),
        "escalated_at": moment(0.5),
        "due_at": moment(0.5),
        "warned": draw.random() < 0.5,
        "snoozed_until": moment(0.2),
    }
