"""Retention: what is too old goes, and nothing else, by a clock that is passed in."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fte.daemon.instruments import Instruments
from fte.daemon.sweeper import Sweeper
from fte.domain.errors import Rejected
from fte.domain.ids import first_id_at, new_id
from fte.domain.measurements import Measurement
from fte.pg import log
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.settings import Settings
from fte.store import agent_metrics, control, conversation_merges, merges, retention
from fte.store.agent_metrics import Reading
from fte.store.intake import Attachment, Received
from fte.store.retention import Periods
from tests.identity.support import chat, later, mail, owner
from tests.store.everywhere import columns_with
from tests.store.test_drafts import held, hold_all
from tests.store.test_erasure import HANDED_OVER, SAID, ran
from tests.support import hire, seeing, until
from tests.support_delivery import answered

WORD = "zanzibar"
ADDRESS = f"{WORD}@gmail.com"


def in_days(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


async def settled(pool: Pool, received: Received) -> None:
    lead = await hire(pool, f"Lee {received.conversation}", "lead")
    epoch = await pool.fetchval("select epoch from conversations where id = $1", received.conversation)
    await control.resolve(pool, str(new_id()), received.conversation, seeing(lead, 99, epoch), "done")


async def count(pool: Pool, query: str, *arguments: Any) -> int:
    found: int = await pool.fetchval(f"select count(*) from {query}", *arguments)
    return found


async def test_a_settled_conversation_goes_when_it_is_old_and_with_the_last_its_customer(pool: Pool) -> None:
    old = await mail(pool, ADDRESS, WORD, name=WORD, provider_id="mail-1")
    await settled(pool, old)
    open_ = await chat(pool, "+4915112345678")
    periods = Periods(conversations=30)
    assert not any((await retention.sweep(pool, periods, in_days(29.9))).values())
    removed = await retention.sweep(pool, periods, in_days(30.1))
    assert removed == {
        "conversations": 1,
        "originals": 0,
        "files": 0,
        "traces": 0,
        "audit": 0,
        "measurements": 0,
    }
    assert await columns_with(pool, WORD) == set()
    assert await pool.fetchval("select id from conversations") == open_.conversation
    assert not any((await retention.sweep(pool, periods, in_days(300))).values())
    assert (await mail(pool, ADDRESS, WORD, provider_id="mail-1")).gone


async def test_what_the_ai_has_answered_goes_without_being_resolved(pool: Pool) -> None:
    await mail(pool, ADDRESS, WORD)
    assert await ran(pool, SAID)
    assert (await retention.sweep(pool, Periods(conversations=30), in_days(31)))["conversations"] == 0
    await pool.execute("update replies set state = 'sent'")
    assert (await retention.sweep(pool, Periods(conversations=30), in_days(29.9)))["conversations"] == 0
    assert (await retention.sweep(pool, Periods(conversations=30), in_days(30.1)))["conversations"] == 1
    assert await columns_with(pool, WORD) == set()
    assert await count(pool, "customers") == 0


async def test_what_a_person_is_to_answer_or_to_approve_stays(pool: Pool) -> None:
    await mail(pool, ADDRESS, WORD)
    assert await ran(pool, HANDED_OVER)
    await hold_all(pool)
    await held(pool)
    await pool.execute("update replies set state = 'sent'")
    assert await count(pool, "drafts where state = 'pending'") == 1
    assert (await retention.sweep(pool, Periods(conversations=30), in_days(300)))["conversations"] == 0
    assert await count(pool, "conversations") == 2


async def test_a_customer_stays_while_one_conversation_does(pool: Pool) -> None:
    first = await mail(pool, ADDRESS)
    await settled(pool, first)
    await later(pool, "40 days")
    second = await mail(pool, ADDRESS)
    await settled(pool, second)
    assert first.conversation != second.conversation
    assert (await retention.sweep(pool, Periods(conversations=30), in_days(0)))["conversations"] == 1
    assert await count(pool, "customer_identifiers") == 1
    assert (await retention.sweep(pool, Periods(conversations=30), in_days(31)))["conversations"] == 1
    assert await count(pool, "customers") == await count(pool, "customer_identifiers") == 0


async def test_what_was_merged_goes_with_what_was_kept(pool: Pool) -> None:
    lead = await hire(pool, "Lee", "lead")
    first = await mail(pool, ADDRESS)
    assert await ran(pool, SAID)
    await later(pool, "25 hours")
    second = await mail(pool, ADDRESS)
    assert await ran(pool, SAID)
    await pool.execute("update replies set state = 'sent'")
    kept, other = first.conversation, await chat(pool, "+4915112345678")
    await conversation_merges.merge_in(pool, str(new_id()), kept, seeing(lead, 99), second.conversation)
    await merges.merge(pool, str(new_id()), await owner(pool, first), await owner(pool, other), lead)
    for received in (first, other):
        await settled(pool, received)
    assert (await retention.sweep(pool, Periods(conversations=30), in_days(40)))["conversations"] == 3
    assert await count(pool, "customers") == 0


async def test_what_is_on_its_way_holds_a_conversation(pool: Pool) -> None:
    waiting = await answered(pool)
    await pool.execute("update conversations set status = 'resolved'")
    assert await pool.fetchval("select state from replies") == "queued"
    assert (await retention.sweep(pool, Periods(conversations=1), in_days(9)))["conversations"] == 0
    assert await pool.fetchval("select id from conversations") == waiting.conversation


async def test_originals_and_files_traces_and_audit_each_have_their_time(pool: Pool) -> None:
    file = Attachment(name="a.txt", media_type="text/plain", size=3, state="stored", content=b"abc")
    received = await mail(pool, ADDRESS, "Hello", raw=b"From: x", attachments=(file,))
    assert await ran(pool, SAID)
    await settled(pool, received)
    for periods, days, name in (
        (Periods(originals=5), 5, "originals"),
        (Periods(originals=5), 5, "files"),
        (Periods(traces=7), 7, "traces"),
        (Periods(audit=9), 9, "audit"),
    ):
        assert (await retention.sweep(pool, Periods(conversations=0), in_days(999)))[name] == 0
        assert (await retention.sweep(pool, periods, in_days(days - 0.01)))[name] == 0
        if name != "originals":
            continue
        removed = await retention.sweep(pool, periods, in_days(days + 0.01))
        assert (removed["originals"], removed["files"]) == (1, 1)
    assert (await retention.sweep(pool, Periods(traces=7), in_days(7.01)))["traces"] == 1
    assert (await retention.sweep(pool, Periods(audit=9), in_days(9.01)))["audit"] == 2
    assert await pool.fetchval("select raw from inbound") is None
    assert await pool.fetchval("select (state, reason) from attachments") == ("lost", "not kept for so long")
    assert await pool.fetchval("select trace from runs") == {}
    assert await count(pool, "messages") == 2
    assert not any(
        (await retention.sweep(pool, Periods(originals=1, traces=1, audit=1), in_days(99))).values()
    )


async def test_measurements_go_and_their_totals_stay(pool: Pool) -> None:
    reading = Reading(event=new_id(), at=in_days(0), measured=(Measurement("message", 1.0, "email"),))
    await agent_metrics.record(pool, [reading])
    periods = Periods(measurements=30)
    assert (await retention.sweep(pool, periods, in_days(29.9)))["measurements"] == 0
    assert (await retention.sweep(pool, periods, in_days(30.1)))["measurements"] == 1
    assert await count(pool, "agent_metrics") == 0
    assert [total.sum for total in await agent_metrics.totals(pool)] == [1.0]


def test_measurements_are_kept_longer_than_the_events_they_are_read_off() -> None:
    assert Settings.load({"FTE_RETENTION_METRICS_DAYS": "15"}).retention_metrics_days == 15
    with pytest.raises(Rejected, match="FTE_RETENTION_METRICS_DAYS"):
        Settings.load({"FTE_RETENTION_METRICS_DAYS": "14"})


async def test_a_sweep_takes_no_more_than_its_share(pool: Pool) -> None:
    many = retention.BATCH + 5
    await pool.execute("insert into audit (action) select 'x' from generate_series(1, $1)", many)
    removed = await retention.sweep(pool, Periods(audit=1), in_days(2))
    assert removed["audit"] == retention.BATCH
    assert retention.is_full(removed)
    removed = await retention.sweep(pool, Periods(audit=1), in_days(2))
    assert removed["audit"] == 5
    assert not retention.is_full(removed)


async def test_the_log_is_kept_for_a_group_that_has_not_read_it(pool: Pool) -> None:
    """Whatever the periods say, the log goes by its own and by its readers."""
    await mail(pool, ADDRESS)
    await pool.execute("insert into cursors (group_name) values ('slow')")
    await pool.execute("update log set at = now() - interval '99 days'")
    await retention.sweep(pool, Periods(conversations=1, originals=1, traces=1, audit=1), in_days(99))
    assert await log.prune(pool, 14) == 0
    await pool.execute("delete from cursors")
    assert await log.prune(pool, 14) > 0


def test_ids_are_compared_by_their_time() -> None:
    before, id_, after = datetime.now(UTC), new_id(), datetime.now(UTC) + timedelta(milliseconds=2)
    assert first_id_at(before) <= id_ < first_id_at(after)


def test_what_was_removed_is_counted() -> None:
    instruments = Instruments()
    instruments.removed("traces", 3)
    assert instruments.registry.get_sample_value("fte_retention_removed_total", {"what": "traces"}) == 3


async def test_the_sweeper_removes_by_the_clock_and_counts(pool: Pool, hints: Hints) -> None:
    await pool.execute(
        "insert into audit (action, at) values ('old', now() - interval '9 days'), ('new', now())"
    )
    removed: Counter[str] = Counter()

    def count_it(what: str, number: int) -> None:
        removed[what] += number

    periods = Periods(audit=8)
    sweeper = Sweeper(pool, hints, log_retention_days=14, periods=periods, on_removed=count_it)
    sweeping = asyncio.create_task(sweeper.run())
    await until(lambda: removed["audit"])
    sweeping.cancel()
    assert removed["audit"] == 1
    assert await pool.fetchval("select action from audit") == "new"


@pytest.mark.parametrize("what", ["CONVERSATIONS", "ORIGINALS", "TRACES", "AUDIT", "METRICS"])
async def test_the_longest_time_that_is_taken_is_a_date(pool: Pool, what: str) -> None:
    with pytest.raises(Rejected, match=f"FTE_RETENTION_{what}_DAYS"):
        Settings.load({f"FTE_RETENTION_{what}_DAYS": "36501"})
    days = Settings.load({f"FTE_RETENTION_{what}_DAYS": "36500"})
    periods = Periods(
        conversations=days.retention_conversations_days,
        originals=days.retention_originals_days,
        traces=days.retention_traces_days,
        audit=days.retention_audit_days,
        measurements=days.retention_metrics_days,
    )
    assert not any((await retention.sweep(pool, periods, in_days(0))).values())
