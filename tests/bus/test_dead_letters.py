"""Dead letters: listed, sent again to the group that failed and to no other, given up; each by one person only."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from fte.bus import dead_letters, dispatch
from fte.bus.dead_letters import Letter, Report
from fte.bus.log import LogBus
from fte.domain.dead_letters import REPLAYS_MAX
from fte.domain.errors import NotFound, Rejected
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.wire import Envelope, Replay
from tests.bus.contract import TOPIC, announce, consuming
from tests.support import receive, until, until_waiting

LONG_AGO = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


async def buried(
    pool: Pool, number: int = 1, *, key: str = "a", topic: str = TOPIC, group: str = "g", error: str = "boom"
) -> Envelope:
    """An event that its group gave up on after five tries."""
    event = Envelope(id=uuid4(), topic=topic, key=key, type="step", at=LONG_AGO, payload={"n": number})
    await dead_letters.bury(pool, group, event, ValueError(error), 5)
    return event


async def failed_again(pool: Pool, event: Envelope, group: str = "g") -> None:
    replayed = Envelope(
        id=uuid4(),
        topic=event.topic,
        key=event.key,
        type=event.type,
        at=datetime.now(UTC),
        payload=event.payload,
        replay=Replay(group=group, of=event.id, at=event.at),
    )
    await dead_letters.bury(pool, group, replayed, KeyError("n"), 5)


async def ids(pool: Pool) -> list[int]:
    return await dead_letters.waiting(pool)


async def only(pool: Pool) -> Letter:
    [letter] = await dead_letters.listed(pool, None)
    return letter


async def replays(pool: Pool) -> int:
    count: int = await pool.fetchval("select count(*) from log where replay is not null")
    return count


# ---------------------------------------------------------------- looking


async def test_letters_are_listed_newest_first_page_by_page(pool: Pool) -> None:
    for number in range(5):
        await buried(pool, number)
    first = await dead_letters.listed(pool, limit=2)
    assert [letter.payload["n"] for letter in first] == [4, 3]
    rest = await dead_letters.listed(pool, before=first[-1].id)
    assert [letter.payload["n"] for letter in rest] == [2, 1, 0]


async def test_a_letter_says_what_failed_where_and_how_often(pool: Pool) -> None:
    event = await buried(pool, 7, key="the key", error="a customer's words")
    letter = await dead_letters.shown(pool, (await ids(pool))[0])
    assert (letter.event_id, letter.topic, letter.key, letter.type) == (event.id, TOPIC, "the key", "step")
    assert (letter.at, letter.payload, letter.group) == (LONG_AGO, {"n": 7}, "g")
    assert (letter.error, letter.attempts) == ("ValueError", 5)
    assert (letter.state, letter.replays, letter.reason) == ("waiting", 0, None)


async def test_letters_are_found_by_state_topic_and_group(pool: Pool) -> None:
    await buried(pool, 1)
    await buried(pool, 2, topic="fte.metrics")
    await buried(pool, 3, group="other")
    await buried(pool, 4)
    await dead_letters.drop(pool, (await ids(pool))[3:], "no use")

    async def numbers(*criteria: str | None) -> list[int]:
        return [letter.payload["n"] for letter in await dead_letters.listed(pool, *criteria)]  # type: ignore[arg-type]

    assert await numbers() == [3, 2, 1]
    assert await numbers(None) == [4, 3, 2, 1]
    assert await numbers("dropped") == [4]
    assert await numbers("replayed") == []
    assert await numbers("waiting", "fte.metrics") == [2]
    assert await numbers("waiting", None, "other") == [3]
    assert len(await dead_letters.waiting(pool, "fte.metrics", "g")) == 1
    assert await dead_letters.waiting(pool, "fte.metrics", "other") == []


async def test_a_letter_that_is_not_there_is_not_found(pool: Pool) -> None:
    with pytest.raises(NotFound, match="no dead letter 7"):
        await dead_letters.shown(pool, 7)


# ---------------------------------------------------------------- sending again


async def test_a_replay_is_the_event_again_under_a_new_id(pool: Pool) -> None:
    event = await buried(pool, 1)
    letters = await ids(pool)
    assert await dead_letters.retry(pool, letters) == Report(tuple(letters), {})
    row = await pool.fetchrow("select * from log where replay is not null")
    assert row is not None
    assert row["id"] != event.id
    assert (row["topic"], row["key"], row["type"], row["payload"]) == (TOPIC, "a", "step", {"n": 1})
    assert datetime.now(UTC) - row["at"] < timedelta(minutes=1)
    replay = msgspec.convert(row["replay"], Replay)
    assert replay == Replay(group="g", of=event.id, at=LONG_AGO)
    letter = await only(pool)
    assert (letter.state, letter.replays) == ("replayed", 1)
    assert await pool.fetchval("select count(distinct id) = count(*) from log")


async def test_replays_of_a_key_come_in_the_order_in_which_they_failed(pool: Pool) -> None:
    for number in range(5):
        await buried(pool, number)
    await dead_letters.retry(pool, (await ids(pool))[::-1])
    rows = await pool.fetch("select payload from log where replay is not null order by position")
    assert [row["payload"]["n"] for row in rows] == [0, 1, 2, 3, 4]


async def test_an_event_that_comes_again_while_its_replay_is_under_way_changes_nothing(pool: Pool) -> None:
    event = await buried(pool)
    await dead_letters.retry(pool, await ids(pool))
    await dead_letters.bury(pool, "g", event, ValueError(), 5)
    assert (await only(pool)).state == "replayed"
    await failed_again(pool, event)
    assert (await only(pool)).state == "waiting"


async def test_poison_that_fails_again_is_the_same_letter(
    pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "pause", lambda attempt: 0.001 * attempt)

    async def handler(event: Envelope) -> None:
        raise ValueError

    async def waits_after(replays: int) -> bool:
        found = await dead_letters.listed(pool)
        return [(letter.replays, letter.attempts) for letter in found] == [
            (replays, dispatch.TRIES_MAX * (replays + 1))
        ]

    async with consuming(LogBus(pool, hints), handler):
        await announce(pool, hints, "a", 1)
        for done in range(REPLAYS_MAX):
            await until(lambda done=done: waits_after(done))
            await dead_letters.retry(pool, await ids(pool), hints=hints)
        await until(lambda: waits_after(REPLAYS_MAX))
    letter = await only(pool)
    assert letter.event_id == await pool.fetchval("select id from log order by position limit 1")
    assert letter.changed_at > letter.created_at


async def test_no_letter_is_sent_more_often_than_the_limit(pool: Pool) -> None:
    event = await buried(pool)
    letters = await ids(pool)
    for _ in range(REPLAYS_MAX):
        assert (await dead_letters.retry(pool, letters)).done == tuple(letters)
        await failed_again(pool, event)
    report = await dead_letters.retry(pool, letters)
    assert report.done == ()
    assert "fte dlq drop" in report.refused[letters[0]]
    assert await replays(pool) == REPLAYS_MAX
    letter = await only(pool)
    assert (letter.state, letter.replays, letter.error) == ("waiting", REPLAYS_MAX, "KeyError")


async def test_two_who_send_a_letter_again_at_once_send_it_once(pool: Pool) -> None:
    await buried(pool)
    [letter] = await ids(pool)
    async with pool.transaction() as connection:
        await connection.execute("select 1 from dead_letters for update")
        both = [asyncio.create_task(dead_letters.retry(pool, [letter])) for _ in range(2)]
        await until_waiting(pool, 2)
    reports = await asyncio.gather(*both)
    assert sorted(report.done for report in reports) == [(), (letter,)]
    assert await replays(pool) == 1
    assert (await only(pool)).replays == 1


async def test_many_who_send_many_again_send_each_once(pool: Pool) -> None:
    for number in range(20):
        await buried(pool, number, key=str(number % 3))
    letters = await ids(pool)
    reports = await asyncio.gather(*(dead_letters.retry(pool, letters[:: (-1) ** turn]) for turn in range(8)))
    assert sorted(letter for report in reports for letter in report.done) == letters
    assert await replays(pool) == 20


async def test_a_replay_waits_for_its_conversation(pool: Pool) -> None:
    """Whoever announces an event holds the conversation's lock: only so does the log keep a key's order."""
    conversation = (await receive(pool)).conversation
    await buried(pool, key=str(conversation))
    async with pool.transaction() as connection:
        await connection.execute("select 1 from conversations where id = $1 for update", conversation)
        sending = asyncio.create_task(dead_letters.retry(pool, await ids(pool)))
        await until_waiting(pool, 1)
        assert await replays(pool) == 0
        assert await pool.fetchval("select count(*) from dead_letters") == len(
            await pool.fetch("select 1 from dead_letters for update skip locked")
        ), "the conversation comes before the letter"
    assert len((await sending).done) == 1


async def test_a_dropped_letter_is_sent_again_only_when_it_is_meant(pool: Pool) -> None:
    await buried(pool)
    letters = await ids(pool)
    await dead_letters.drop(pool, letters, "no use")
    report = await dead_letters.retry(pool, letters)
    assert (report.done, list(report.refused)) == ((), letters)
    assert (await dead_letters.retry(pool, letters, dropped_too=True)).done == tuple(letters)
    letter = await only(pool)
    assert (letter.state, letter.reason) == ("replayed", None)


async def test_a_letter_that_is_not_there_keeps_the_others_from_being_touched(pool: Pool) -> None:
    await buried(pool)
    letters = await ids(pool)
    for dry_run in (True, False):
        with pytest.raises(NotFound, match="no dead letter 998, 999"):
            await dead_letters.retry(pool, [*letters, 999, 998], dry_run=dry_run)
        with pytest.raises(NotFound, match="no dead letter 999"):
            await dead_letters.drop(pool, [*letters, 999], "no use", dry_run=dry_run)
    assert await ids(pool) == letters
    assert await replays(pool) == 0


async def test_a_dry_run_foretells_and_changes_nothing(pool: Pool) -> None:
    await buried(pool, 1)
    await buried(pool, 2)
    letters = await ids(pool)
    await dead_letters.retry(pool, letters[1:])
    before = await _everything(pool)
    assert await dead_letters.retry(pool, letters, dry_run=True) == await _foretold(pool, letters)
    assert (await dead_letters.drop(pool, letters, "no use", dry_run=True)).done == (letters[0],)
    assert await _everything(pool) == before


async def _everything(pool: Pool) -> list[str]:
    return [
        str(dict(row))
        for table in ("dead_letters order by id", "log order by position")
        for row in await pool.fetch(f"select * from {table}")
    ]


async def _foretold(pool: Pool, letters: list[int]) -> Report:
    report = await dead_letters.retry(pool, letters, dry_run=True)
    assert report.done == (letters[0],)
    assert list(report.refused) == [letters[1]]
    return report


async def test_too_many_at_once_are_rejected(pool: Pool) -> None:
    with pytest.raises(Rejected, match="too many"):
        await dead_letters.retry(pool, range(1, dead_letters.BATCH_MAX + 2))


# ---------------------------------------------------------------- giving up


async def test_a_dropped_letter_stays_with_its_reason(pool: Pool) -> None:
    event = await buried(pool)
    letters = await ids(pool)
    assert await dead_letters.drop(pool, letters, " of an\nold release ") == Report(tuple(letters), {})
    letter = await only(pool)
    assert (letter.state, letter.reason) == ("dropped", "of an old release")
    assert await ids(pool) == []
    await dead_letters.bury(pool, "g", event, ValueError(), 5)
    assert (await only(pool)).state == "dropped", "what comes again by itself brings no letter back"


async def test_what_is_dropped_or_under_way_is_not_dropped(pool: Pool) -> None:
    await buried(pool, 1)
    await buried(pool, 2)
    letters = await ids(pool)
    await dead_letters.retry(pool, letters[:1])
    await dead_letters.drop(pool, letters[1:], "first")
    report = await dead_letters.drop(pool, letters, "second")
    assert report.done == ()
    assert list(report.refused) == letters
    assert (await dead_letters.shown(pool, letters[1])).reason == "first"


@pytest.mark.parametrize("reason", ["", " \n ", "x" * 501])
async def test_a_reason_is_needed(pool: Pool, reason: str) -> None:
    await buried(pool)
    with pytest.raises(Rejected, match="reason"):
        await dead_letters.drop(pool, await ids(pool), reason)
    assert len(await ids(pool)) == 1


async def test_what_becomes_of_a_letter_is_announced_without_anybodys_words(pool: Pool) -> None:
    event = await buried(pool)
    letters = await ids(pool)
    await dead_letters.retry(pool, letters)
    await failed_again(pool, event)
    await dead_letters.drop(pool, letters, "somebody's words")
    rows = await pool.fetch("select type, payload from log where topic = 'fte.dlq' order by position")
    assert [row["type"].removeprefix("dead_letter.") for row in rows] == [
        "added",
        "replayed",
        "added",
        "dropped",
    ]
    assert all(row["payload"]["dead_letter_id"] == letters[0] for row in rows)
    assert all(UUID(row["payload"]["event_id"]) == event.id for row in rows)
    assert "words" not in str([row["payload"] for row in rows])
