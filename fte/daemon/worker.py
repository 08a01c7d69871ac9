"""The worker: takes due turns, lets the agent answer them beside each other, and makes the outcomes true."""

import asyncio
import contextlib
import gc
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from fte.daemon import leases, trail
from fte.domain import modes
from fte.domain.errors import Unavailable
from fte.domain.events import PROCESSORS, TICKETS_INCOMING
from fte.domain.ids import new_id
from fte.domain.retry import pause
from fte.domain.turns import ATTEMPTS_MAX, Assignment, Outcome
from fte.pg.hints import Hints, heard
from fte.pg.pool import Pool
from fte.ports import Bus
from fte.store import turns
from fte.store.turns import Claim
from fte.wire import Envelope

TURN_TIMEOUT: Final = 60.0
"""Seconds a turn may take, whole; the agent's own budget ends well inside."""
POLL: Final = 1.0
"""Seconds after which due turns are looked for without a doorbell."""
CLAIM_MAX: Final = 50
"""Turns taken at once."""
CALM: Final = 32
"""Turns under way up to which a worker takes new ones without looking whether it keeps up."""
GLANCE: Final = 0.02
"""Seconds a busy worker waits before it takes new turns; how much longer the wait really takes shows its load."""
LATE: Final = 0.04
"""Seconds by which a timer may be late. Later, and the worker has enough to do: more turns would only slow the others."""
DRAIN: Final = 8.0
"""Seconds running turns are given when the worker is told to stop; then they are put back."""

_log = structlog.get_logger("fte.worker")


def spare_the_loaded_code() -> None:
    """Take what is loaded by now out of the garbage collector's rounds, and let it come round less often.

    The agent's libraries leave hundreds of thousands of objects that live as long as the process, and a run makes many
    more that die young: with the defaults a quarter of a turn's CPU goes into looking at them again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


class Answerer(Protocol):
    """The agent, as the worker sees it. Neither method raises for anything the model or the customer does."""

    async def answer(self, assignment: Assignment) -> Outcome: ...

    def give_up(self, assignment: Assignment, error: str) -> Outcome:
        """The outcome that hands the turn to a person because nothing else worked."""
        ...


class Worker:
    """Answers turns, at most `concurrency` at a time."""

    def __init__(self, pool: Pool, bus: Bus, hints: Hints, answerer: Answerer, *, concurrency: int) -> None:
        self._pool = pool
        self._bus = bus
        self._hints = hints
        self._answerer = answerer
        self._concurrency = concurrency
        self._me = new_id()
        self._running: dict[asyncio.Task[None], Claim] = {}
        self._bell = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled; then finish or give back what is under way."""
        try:
            async with leases.renewing(self._renew), asyncio.TaskGroup() as tasks:
                tasks.create_task(self._bus.consume([TICKETS_INCOMING], PROCESSORS, self._on_doorbell))
                tasks.create_task(self._claim_for_ever())
        finally:
            await self._wind_up()

    async def _on_doorbell(self, event: Envelope) -> None:
        """A turn is due, or soon will be. The row says so too: a bell that is lost delays an answer, no more."""
        wait = (datetime.fromisoformat(event.payload["due_at"]) - datetime.now(UTC)).total_seconds()
        if wait <= 0:
            self._bell.set()
        else:
            asyncio.get_running_loop().call_later(min(wait, TURN_TIMEOUT), self._bell.set)

    async def _claim_for_ever(self) -> None:
        failures = 0
        while True:
            self._bell.clear()
            try:
                wait = await self._claim_some()
                failures = 0
            except Unavailable:
                failures += 1
                wait = pause(failures)
            if wait:
                await heard(self._bell, wait)

    async def _claim_some(self) -> float:
        """Take what is due and start on it. Returns the seconds to wait before looking again."""
        while len(self._running) >= CALM and await _lateness() > LATE:
            pass
        free = self._concurrency - len(self._running)
        if free <= 0:
            return POLL
        claims = await turns.claim(self._pool, self._me, min(free, CLAIM_MAX), leases.SECONDS)
        for claim in claims:
            task = asyncio.create_task(self._work(claim))
            self._running[task] = claim
            task.add_done_callback(self._on_done)
        if claims:
            return 0.0
        next_due = await turns.next_due(self._pool)
        return POLL if next_due is None else min(POLL, max(next_due, 0.005))

    def _on_done(self, task: asyncio.Task[None]) -> None:
        claim = self._running.pop(task)
        self._bell.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("turn broke", **_ids(claim), error=type(error).__name__, exc_info=error)

    async def _renew(self, seconds: float) -> None:
        await turns.renew(self._pool, list(self._running.values()), seconds)

    async def _work(self, claim: Claim) -> None:
        trail.start_with(**_ids(claim))
        _log.info("turn begun", channel=claim.assignment.channel)
        async with asyncio.timeout(TURN_TIMEOUT):
            await self._answer(claim)

    async def _answer(self, claim: Claim) -> None:
        if claim.off:
            outcome = modes.unasked(claim.assignment)
        elif claim.attempts > ATTEMPTS_MAX:
            outcome = self._answerer.give_up(claim.assignment, "gave up after repeated crashes")
        else:
            outcome = await self._answerer.answer(claim.assignment)
        verdict = await self._finish(claim, outcome)
        self._hints.ring()
        _log.info(
            "turn finished",
            channel=claim.assignment.channel,
            verdict=verdict,
            escalation=outcome.escalation.reason if outcome.escalation else None,
            failed=outcome.failed,
            ms=outcome.trace.latency_ms,
        )

    async def _finish(self, claim: Claim, outcome: Outcome) -> str:
        """Finish, however often it takes: whatever happened before, finishing twice is harmless."""
        failures = 0
        while True:
            try:
                return (await turns.finish(self._pool, claim, outcome)).value
            except Unavailable:
                failures += 1
                await asyncio.sleep(pause(failures))

    async def _wind_up(self) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=DRAIN)
        for task in self._running:
            task.cancel()
        with contextlib.suppress(Unavailable):
            await turns.give_back(self._pool, self._me)


def _ids(claim: Claim) -> dict[str, object]:
    """What the lines about a turn have; turn and attempt name the run."""
    return {
        "turn": str(claim.turn),
        "attempt": claim.attempts,
        "conversation": str(claim.conversation),
        "messages": trail.named(claim.assignment.messages),
    }


async def _lateness() -> float:
    """How late, in seconds, this process gets round to what is due: what is ready to run is before it in the line."""
    loop = asyncio.get_running_loop()
    due = loop.time() + GLANCE
    await asyncio.sleep(GLANCE)
    return loop.time() - due
