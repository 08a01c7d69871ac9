"""Clocks in the database: whatever happens to a conversation, what is due, and each alarm once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fte.domain.errors import Conflict, Rejected
from fte.domain.ids import new_id
from fte.domain.turns import Escalation, Outcome, Trace
from fte.pg.pool import Pool
from fte.store import control, deadlines, replies, turns
from fte.store.intake import Received
from tests.support import SECRET, hire, receive, seeing, until_settled
from tests.support_delivery import answer, answered

HANDED_OVER = Outcome(
    "A person answers.", Trace("test", "1"), Escalation("human_request", "normal", "a person")
)
MINUTE = timedelta(minutes=1)


def key() -> str:
    return str(new_id())


async def clocks(pool: Pool) -> dict[str, Any]:
    """What is due of the only conversation, as minutes from its start."""
    row: Any = await pool.fetchrow("select * from conversations")
    assert row["clocks_stale_at"] is None
    found = {
        kind: round((datetime.fromisoformat(at) - row["started_at"]).total_seconds() / 60)
        for kind, at in row["clocks"].items()
    }
    assert (row["due_at"] is None) == (not found)
    if found:
        assert found[row["due_kind"]] == min(found.values())
    return found


async def counted(pool: Pool) -> dict[str, Any]:
    """The same after the sweeper has counted what is new."""
    await pool.execute(
        "update conversations set clocks_stale_at = '2020-01-01' where clocks_stale_at is not null"
    )
    await deadlines.sweep(pool)
    return await clocks(pool)


async def run(pool: Pool, outcome: Outcome) -> None:
    await pool.execute("update turns set due_at = now() where state = 'due'")
    for claim in await turns.claim(pool, new_id(), 50, 60):
        await turns.finish(pool, claim, outcome)


async def passes(pool: Pool, time: timedelta) -> None:
    """So much time passes for the only conversation: all it remembers is that much older."""
    await pool.execute(
        """update conversations
              set started_at = started_at - $1::interval, waiting_since = waiting_since - $1::interval,
                  answered_at = answered_at - $1::interval, resolution_from = resolution_from - $1::interval,
                  window_until = window_until - $1::interval, snoozed_until = snoozed_until - $1::interval,
                  paused_at = paused_at - $1::interval, next_alarm_at = next_alarm_at - $1::interval,
                  pauses = coalesce((select range_agg(tstzrange(lower(p) - $1::interval, upper(p) - $1::interval))
                                       from unnest(pauses) p), '{}')""",
        time,
    )


async def announced(pool: Pool, type_: str = "deadline.%") -> list[tuple[str, str]]:
    rows = await pool.fetch(
        "select type, payload->>'due_kind' as kind from log"
        " where topic = 'fte.escalations' and type like $1 order by position",
        type_,
    )
    return [(row["type"], row["kind"]) for row in rows]


async def handed_over(pool: Pool) -> Received:
    received = await receive(pool)
    await run(pool, HANDED_OVER)
    return received


async def test_a_message_starts_the_clocks_and_an_answer_of_the_ai_stops_them(pool: Pool) -> None:
    await receive(pool)
    assert await counted(pool) == {"first_response": 120, "resolution": 24 * 60}
    await answer(pool, "An answer.")
    assert await clocks(pool) == {}


async def test_being_told_that_a_person_answers_is_no_answer(pool: Pool) -> None:
    await handed_over(pool)
    assert await clocks(pool) == {"first_response": 120, "resolution": 24 * 60}


async def test_an_answer_that_has_not_reached_the_customer_is_none_yet(pool: Pool) -> None:
    await answered(pool)
    assert set(await clocks(pool)) == {"first_response", "resolution"}
    [claim] = await replies.claim(pool, SECRET, new_id(), ["email"], 1, 60)
    await replies.accepted(pool, claim.reply, "p-1")
    assert await clocks(pool) == {}


async def test_an_answer_that_came_back_leaves_the_clock_running(pool: Pool) -> None:
    await answered(pool)
    [claim] = await replies.claim(pool, SECRET, new_id(), ["email"], 1, 60)
    await replies.fail(pool, claim, "no such mailbox")
    assert set(await clocks(pool)) == {"first_response", "resolution"}


async def test_each_later_message_is_due_from_the_oldest_without_an_answer(pool: Pool) -> None:
    first = await receive(pool)
    await answer(pool, "An answer.")
    await passes(pool, 60 * MINUTE)
    await receive(pool, "And then?", into_ticket=first.ticket)
    assert (await counted(pool))["next_response"] == 60 + 240
    await passes(pool, 30 * MINUTE)
    await receive(pool, "Hello?", into_ticket=first.ticket)
    assert (await counted(pool))["next_response"] == 60 + 240


async def test_a_person_s_clocks_are_counted_when_the_message_comes(pool: Pool) -> None:
    first = await receive(pool)
    sam = await hire(pool, "Sam")
    await control.take_over(pool, key(), first.conversation, sam)
    await control.reply(pool, key(), first.conversation, seeing(sam, 1, 1), "Here I am.")
    assert await clocks(pool) == {}
    await receive(pool, "And then?", into_ticket=first.ticket)
    assert set(await clocks(pool)) == {"next_response", "resolution"}


async def test_the_resolution_rests_while_we_wait_for_the_customer(pool: Pool) -> None:
    first = await receive(pool)
    await passes(pool, 60 * MINUTE)
    await answer(pool, "An answer.")
    await passes(pool, 600 * MINUTE)
    await receive(pool, "And then?", into_ticket=first.ticket)
    assert (await counted(pool))["resolution"] == 24 * 60 + 600


async def test_a_settled_matter_has_no_clock_and_a_reopened_one_a_new_one(pool: Pool) -> None:
    first = await receive(pool)
    sam = await hire(pool, "Sam")
    await control.resolve(pool, key(), first.conversation, seeing(sam, 1), "")
    assert await clocks(pool) == {}
    await passes(pool, 600 * MINUTE)
    await receive(pool, "It broke again", into_ticket=first.ticket)
    assert await counted(pool) == {"first_response": 600 + 120, "resolution": 600 + 24 * 60}


async def test_the_priority_decides(pool: Pool) -> None:
    await receive(pool)
    await pool.execute("update tickets set priority = 'high'")
    assert await counted(pool) == {"first_response": 30, "resolution": 8 * 60}


async def test_business_hours_count(pool: Pool) -> None:
    # Ten minutes each day, at this time yesterday: no two hours of them before long.
    at = datetime.now(UTC) - timedelta(hours=1)
    opens = at.replace(minute=0)
    await deadlines.keep_policy(pool, f"Mon-Sun {opens:%H:%M}-{opens:%H}:10", "")
    await receive(pool)
    assert (await counted(pool))["first_response"] > 10 * 24 * 60


async def test_another_policy_counts_what_is_open_anew(pool: Pool) -> None:
    await handed_over(pool)
    await deadlines.keep_policy(pool, "", "medium first 5m")
    assert (await counted(pool))["first_response"] == 5
    await deadlines.keep_policy(pool, "", "medium first 5m")
    assert (await clocks(pool))["first_response"] == 5


async def test_whatsapp_s_window_is_a_clock(pool: Pool) -> None:
    await receive(
        pool,
        channel="whatsapp",
        account="us",
        identifier_type="whatsapp",
        identifier="+491701234567",
        verified=True,
    )
    assert (await counted(pool))["window"] == 24 * 60


# ---------------------------------------------------------------- alarms


async def test_a_warning_and_a_breach_are_each_announced_once(pool: Pool) -> None:
    received = await handed_over(pool)
    await deadlines.sweep(pool)
    assert await announced(pool) == []
    await passes(pool, 100 * MINUTE)
    await deadlines.sweep(pool)
    await deadlines.sweep(pool)
    assert await announced(pool) == [("deadline.warning", "first_response")]
    sam = await hire(pool, "Sam", "lead")
    await control.release(pool, key(), received.conversation, seeing(sam, 2, 1), "")  # counts the clocks anew
    await deadlines.sweep(pool)
    assert await announced(pool) == [("deadline.warning", "first_response")]
    await passes(pool, 30 * MINUTE)
    await deadlines.sweep(pool)
    await deadlines.sweep(pool)
    await control.take_over(pool, key(), received.conversation, sam)
    await deadlines.sweep(pool)
    assert await announced(pool) == [
        ("deadline.warning", "first_response"),
        ("deadline.breached", "first_response"),
    ]
    measured = await pool.fetchval(
        "select count(*) from log where topic = 'fte.metrics' and type like 'deadline.%'"
    )
    assert measured == 2


async def test_any_number_of_sweepers_announce_once(pool: Pool) -> None:
    for number in range(12):
        await receive(pool, identifier=f"c{number}@example.com")
    await run(pool, HANDED_OVER)
    await passes(pool, 130 * MINUTE)
    async with pool.transaction() as connection:
        await connection.execute("lock table log in share mode")
        sweeping = [asyncio.create_task(deadlines.sweep(pool)) for _ in range(6)]
        await until_settled(pool, sweeping)
    await asyncio.gather(*sweeping)
    assert len(await announced(pool, "deadline.breached")) == 12
    assert len(await announced(pool)) == 12  # what nobody was warned of in time is only late


async def test_a_breach_is_not_forgotten_when_whoever_would_announce_it_was_away(pool: Pool) -> None:
    await handed_over(pool)
    await passes(pool, timedelta(days=30))
    await deadlines.sweep(pool)
    assert set(await announced(pool)) == {
        ("deadline.breached", "first_response"),
        ("deadline.breached", "resolution"),
    }


async def test_an_answer_in_time_announces_nothing(pool: Pool) -> None:
    received = await handed_over(pool)
    sam = await hire(pool, "Sam")
    await control.take_over(pool, key(), received.conversation, sam)
    await control.reply(pool, key(), received.conversation, seeing(sam, 2, 2), "Here I am.")
    await passes(pool, timedelta(days=30))
    await deadlines.sweep(pool)
    assert await announced(pool) == []


async def test_each_clock_warns_anew(pool: Pool) -> None:
    received = await handed_over(pool)
    sam = await hire(pool, "Sam")
    await control.take_over(pool, key(), received.conversation, sam)
    await passes(pool, 130 * MINUTE)
    await deadlines.sweep(pool)
    await control.reply(pool, key(), received.conversation, seeing(sam, 2, 2), "Here I am.")
    await receive(pool, "And then?", into_ticket=received.ticket)
    assert await pool.fetchval("select warned || breached from conversations") == []
    await passes(pool, 250 * MINUTE)
    await deadlines.sweep(pool)
    assert await announced(pool) == [
        ("deadline.breached", "first_response"),
        ("deadline.breached", "next_response"),
    ]


# ---------------------------------------------------------------- snooze


async def put_aside(pool: Pool, **ahead: float) -> tuple[Received, Any]:
    received = await handed_over(pool)
    sam = await hire(pool, "Sam")
    until = datetime.now(UTC) + timedelta(**(ahead or {"hours": 1}))
    await control.snooze(pool, key(), received.conversation, seeing(sam, 2, 1), until)
    return received, sam


async def woken(pool: Pool) -> list[str]:
    rows = await pool.fetch(
        "select payload->>'reason' as reason from log where type = 'conversation.woken' order by position"
    )
    return [row["reason"] for row in rows]


async def asleep(pool: Pool) -> bool:
    return await pool.fetchval("select snoozed_until is not null from conversations")


async def test_a_snooze_ends_by_itself_once(pool: Pool) -> None:
    await put_aside(pool)
    await asyncio.gather(*(deadlines.sweep(pool) for _ in range(4)))
    assert await asleep(pool)
    await passes(pool, 61 * MINUTE)
    await asyncio.gather(*(deadlines.sweep(pool) for _ in range(4)))
    assert not await asleep(pool)
    assert await woken(pool) == ["time"]


async def test_it_ends_at_once_when_the_customer_writes(pool: Pool) -> None:
    received, _ = await put_aside(pool)
    await receive(pool, "Are you there?", into_ticket=received.ticket)
    assert not await asleep(pool)
    assert await woken(pool) == ["customer"]


async def test_an_automatic_mail_does_not_end_it(pool: Pool) -> None:
    received, _ = await put_aside(pool)
    await receive(pool, "I am on holiday", into_ticket=received.ticket, suppress="automatic")
    assert await asleep(pool)


async def test_it_ends_before_an_answer_is_late(pool: Pool) -> None:
    await put_aside(pool, days=3)
    await passes(pool, 95 * MINUTE)
    await deadlines.sweep(pool)
    assert await announced(pool) == [("deadline.warning", "first_response")]
    assert not await asleep(pool)
    assert await woken(pool) == ["deadline"]


async def test_it_ends_when_somebody_takes_over(pool: Pool) -> None:
    received = await receive(pool)
    sam = await hire(pool, "Sam")
    until = datetime.now(UTC) + timedelta(hours=1)
    await control.snooze(pool, key(), received.conversation, seeing(sam, 1), until)
    await control.take_over(pool, key(), received.conversation, sam)
    assert not await asleep(pool)
    assert await woken(pool) == ["handed_over"]


async def test_it_ends_when_an_operator_says_so(pool: Pool) -> None:
    received, sam = await put_aside(pool)
    await control.snooze(pool, key(), received.conversation, seeing(sam, 2, 1), None)
    assert await woken(pool) == ["operator"]
    with pytest.raises(Conflict, match="not put aside"):
        await control.snooze(pool, key(), received.conversation, seeing(sam, 2, 1), None)


async def test_the_resolution_rests_while_it_is_put_aside(pool: Pool) -> None:
    await put_aside(pool)
    assert set(await clocks(pool)) == {"first_response"}
    await passes(pool, 61 * MINUTE)
    await deadlines.sweep(pool)
    assert (await counted(pool))["resolution"] == 24 * 60 + 61


async def test_what_was_not_seen_is_not_put_aside(pool: Pool) -> None:
    received = await receive(pool)
    sam, kim = await hire(pool, "Sam"), await hire(pool, "Kim")
    soon = datetime.now(UTC) + timedelta(hours=1)
    with pytest.raises(Conflict, match="written again"):
        await control.snooze(pool, key(), received.conversation, seeing(sam, 0), soon)
    with pytest.raises(Rejected):
        await control.snooze(pool, key(), received.conversation, seeing(sam, 1), soon - timedelta(days=1))
    await control.take_over(pool, key(), received.conversation, sam)
    with pytest.raises(Conflict, match="Sam holds"):
        await control.snooze(pool, key(), received.conversation, seeing(kim, 1, 1), soon)
    await control.resolve(pool, key(), received.conversation, seeing(sam, 1, 1), "")
    with pytest.raises(Conflict, match="resolved"):
        await control.snooze(pool, key(), received.conversation, seeing(sam, 1, 2), soon)


# ---------------------------------------------------------------- thanks


async def settled(pool: Pool) -> Received:
    received = await receive(pool)
    await answer(pool, "An answer.")
    sam = await hire(pool, "Sam")
    await control.resolve(pool, key(), received.conversation, seeing(sam, 2), "")
    return received


async def test_thanks_do_not_reopen(pool: Pool) -> None:
    received = await settled(pool)
    await receive(pool, "Thank you so much! 🙏", into_ticket=received.ticket)
    row: Any = await pool.fetchrow(
        "select c.status, k.status as ticket, m.outcome, m.reason, c.waiting_since, c.ended_at"
        "  from conversations c, tickets k, messages m where m.seq = 3"
    )
    assert (row["status"], row["ticket"], row["outcome"], row["reason"]) == (
        "resolved",
        "resolved",
        "suppressed",
        "thanks",
    )
    assert row["waiting_since"] is None and row["ended_at"] is not None
    assert await turns.claim(pool, new_id(), 5, 60) == []


@pytest.mark.parametrize("text", ["Thanks?", "No thanks, it still fails", "Thanks, and one more thing"])
async def test_anything_else_reopens(pool: Pool, text: str) -> None:
    received = await settled(pool)
    await receive(pool, text, into_ticket=received.ticket)
    assert await pool.fetchval("select status from conversations") == "open"
    assert await pool.fetchval("select count(*) from turns where state = 'due'") == 1


async def test_thanks_in_an_open_conversation_are_a_message_like_any(pool: Pool) -> None:
    received = await receive(pool)
    await answer(pool, "An answer.")
    await receive(pool, "Thanks", into_ticket=received.ticket)
    assert await pool.fetchval("select count(*) from turns where state = 'due'") == 1


async def test_thanks_and_a_takeover_at_the_same_time_leave_nothing_unanswered_unseen(pool: Pool) -> None:
    received = await settled(pool)
    sam = await hire(pool, "Kim")
    await asyncio.gather(
        control.take_over(pool, key(), received.conversation, sam),
        receive(pool, "Thanks", into_ticket=received.ticket),
    )
    status, outcome = await pool.fetchrow(
        "select c.status, m.outcome from conversations c, messages m where m.seq = 3"
    )
    assert (status, outcome) in (("open", "suppressed"), ("open", "handed_over"))
