"""The worker: every turn ends in exactly one outcome, whatever the agent, the model or the database do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from fte.bus.log import LogBus
from fte.daemon import leases
from fte.daemon import worker as worker_module
from fte.daemon.sweeper import Sweeper
from fte.daemon.worker import Worker
from fte.domain.errors import Unavailable
from fte.domain.ids import new_id
from fte.domain.turns import ATTEMPTS_MAX, Assignment, Escalation, Outcome, Trace, Verdict
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.store import turns
from tests.support import receive, until

TRACE = Trace("test", "1")


class Agent:
    """Answers by a function; counts what runs at the same time."""

    def __init__(self, decide: Callable[[Assignment], Outcome] | None = None) -> None:
        self.decide = decide or (lambda a: Outcome(f"re: {a.question}", TRACE))
        self.gate = asyncio.Event()
        self.gate.set()
        self.running = self.most = self.started = 0

    async def answer(self, assignment: Assignment) -> Outcome:
        self.started += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
            return self.decide(assignment)
        finally:
            self.running -= 1

    def give_up(self, assignment: Assignment, error: str) -> Outcome:
        return failed(assignment)


def failed(_: Assignment) -> Outcome:
    return Outcome("A person will read this.", TRACE, Escalation("agent_failure", "normal", "?"), failed=True)


@contextlib.asynccontextmanager
async def working(pool: Pool, hints: Hints, agent: Agent, concurrency: int = 10) -> AsyncIterator[Worker]:
    worker = Worker(pool, LogBus(pool, hints), hints, agent, concurrency=concurrency)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def said(pool: Pool) -> list[str]:
    rows = await pool.fetch("select content from messages where role = 'agent' order by created_at")
    return [row["content"] for row in rows]


async def test_what_was_due_before_and_what_comes_later_is_answered(pool: Pool, hints: Hints) -> None:
    await receive(pool, "before")
    async with working(pool, hints, Agent()):
        await until(lambda: said(pool))
        await receive(pool, "after", identifier="b@example.com")
        hints.ring()
        await until(lambda: _count(pool, 2))
    assert await said(pool) == ["re: before", "re: after"]


async def _count(pool: Pool, wanted: int) -> bool:
    return len(await said(pool)) == wanted


async def test_a_lost_doorbell_only_delays(pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing_arrives(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(worker_module, "POLL", 0.05)
    monkeypatch.setattr(LogBus, "consume", nothing_arrives)
    async with working(pool, hints, Agent()):
        await receive(pool, "nobody rings")
        await until(lambda: said(pool))


async def test_a_burst_is_one_turn(pool: Pool, hints: Hints) -> None:
    whatsapp = {
        "verified": True,
        "channel": "whatsapp",
        "identifier_type": "whatsapp",
        "identifier": "+49123456",
    }
    async with working(pool, hints, Agent()):
        for text in ("hi", "quick", "question"):
            await receive(pool, text, **whatsapp)
        hints.ring()
        await pool.execute("update turns set due_at = now() + interval '0.2 seconds'")
        await until(lambda: said(pool))
    assert await said(pool) == ["re: hi\nquick\nquestion"]


async def test_no_more_run_at_once_than_allowed(pool: Pool, hints: Hints) -> None:
    agent = Agent()
    agent.gate.clear()
    for number in range(12):
        await receive(pool, "x", identifier=f"{number}@example.com")
    async with working(pool, hints, agent, concurrency=4):
        await until(lambda: agent.running == 4)
        agent.gate.set()
        await until(lambda: _count(pool, 12))
    assert agent.most == 4


async def test_a_model_that_stays_down_ends_with_a_person_and_the_customer_told(
    pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "pause_after", lambda outcome, attempts: 0.01)
    agent = Agent(failed)
    await receive(pool)
    async with working(pool, hints, agent):
        await until(lambda: said(pool))
    assert agent.started == ATTEMPTS_MAX
    assert await said(pool) == ["A person will read this."]
    assert await pool.fetchval("select owner from conversations") == "human"
    assert [row["outcome"] for row in await pool.fetch("select outcome from runs")] == [
        "failed"
    ] * ATTEMPTS_MAX


async def test_a_provider_that_comes_back_answers_what_waited_for_it(
    pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "pause_after", lambda outcome, attempts: 0.01)

    def away(assignment: Assignment) -> Outcome:
        back = agent.started > 2 * ATTEMPTS_MAX
        return Outcome("It is back.", TRACE) if back else replace(failed(assignment), retry_after=1.0)

    agent = Agent(away)
    await receive(pool)
    async with working(pool, hints, agent):
        await until(lambda: said(pool))
    assert await said(pool) == ["It is back."]
    assert await pool.fetchval("select owner from conversations") == "ai"


async def test_a_turn_that_keeps_killing_its_worker_ends_with_a_person(pool: Pool, hints: Hints) -> None:
    await receive(pool)
    await pool.execute("update turns set attempts = $1", ATTEMPTS_MAX)
    agent = Agent()
    async with working(pool, hints, agent):
        await until(lambda: said(pool))
    assert agent.started == 0
    assert await pool.fetchval("select status from tickets") == "escalated"


async def test_a_bug_in_the_agent_leaves_the_turn_to_the_next_try(
    pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "SECONDS", 0.2)

    def broken(assignment: Assignment) -> Outcome:
        if agent.started == 1:
            raise RuntimeError("a bug")
        return Outcome("second try", TRACE)

    agent = Agent(broken)
    await receive(pool)
    async with working(pool, hints, agent):
        await until(lambda: agent.started == 1)
        await until(lambda: turns.recover(pool))
        hints.ring()
        await until(lambda: said(pool))
    assert await said(pool) == ["second try"]


async def test_a_turn_that_takes_long_stays_its_workers(
    pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "SECONDS", 0.5)
    agent = Agent()
    agent.gate.clear()
    await receive(pool)
    async with working(pool, hints, agent):
        await until(lambda: agent.running == 1)
        first = await pool.fetchval("select lease_until from turns")
        await until(
            lambda: pool.fetchval(
                "select lease_until > $1::timestamptz + interval '1 second' from turns", first
            )
        )
        assert await turns.recover(pool) == []
        agent.gate.set()
        await until(lambda: said(pool))
    assert agent.started == 1


async def test_a_turn_that_never_ends_is_let_go(
    pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "SECONDS", 0.2)
    monkeypatch.setattr(worker_module, "TURN_TIMEOUT", 0.3)
    agent = Agent()
    agent.gate.clear()
    await receive(pool)
    async with working(pool, hints, agent):
        await until(lambda: turns.recover(pool))
    assert agent.running == 0


async def test_the_sweeper_puts_back_what_a_dead_worker_held(pool: Pool, hints: Hints) -> None:
    await receive(pool)
    await turns.claim(pool, new_id(), 1, 0.0)
    sweeping = asyncio.create_task(Sweeper(pool, hints, log_retention_days=14).run())
    async with working(pool, hints, Agent()):
        await until(lambda: said(pool))
    sweeping.cancel()


async def test_an_outage_while_finishing_is_waited_out(
    pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tries = turns.finish, 0

    async def unreliable(*arguments: object) -> Verdict:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise Unavailable
        verdict = await real(*arguments)
        if tries == 2:
            raise Unavailable  # committed, but the reply was lost
        return verdict

    monkeypatch.setattr(worker_module.turns, "finish", unreliable)
    await receive(pool)
    async with working(pool, hints, Agent()):
        await until(lambda: tries >= 3)
    assert len(await said(pool)) == 1


async def test_a_stopped_worker_finishes_what_is_nearly_done(pool: Pool, hints: Hints) -> None:
    agent = Agent()
    agent.gate.clear()
    await receive(pool)
    async with working(pool, hints, agent):
        await until(lambda: agent.running == 1)
        asyncio.get_running_loop().call_later(0.05, agent.gate.set)
    assert len(await said(pool)) == 1


async def test_a_stopped_worker_gives_back_what_hangs(
    pool: Pool, hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "DRAIN", 0.05)
    agent = Agent()
    agent.gate.clear()
    await receive(pool)
    async with working(pool, hints, agent):
        await until(lambda: agent.running == 1)
    row = await pool.fetchrow("select state, attempts, lease_holder from turns")
    assert tuple(row) == ("due", 0, None)
    assert agent.running == 0


@pytest.mark.parametrize("workers", [1, 3])
async def test_many_turns_are_answered_once_each(pool: Pool, hints: Hints, workers: int) -> None:
    for number in range(40):
        await receive(pool, f"{number}", identifier=f"{number}@example.com")
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(workers):
            await stack.enter_async_context(working(pool, hints, Agent()))
        await until(lambda: _count(pool, 40))
    assert sorted(await said(pool)) == sorted(f"re: {number}" for number in range(40))
    assert await pool.fetchval("select count(*) from turns where state <> 'done'") == 0
