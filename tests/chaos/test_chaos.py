"""Everything breaks while customers write: nothing is lost, answered twice or out of order, and people have the last word.

`make chaos` runs the short form, `make chaos MINUTES=30 SEED=123` a long one with that seed.
"""

import asyncio
import contextlib
import os
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

import pytest

from tests.chaos.customers import Customers, Desk, Follower
from tests.chaos.faults import EVERYWHERE, LONG_STOPS, SHORT_STOPS, WITH_KAFKA, Trouble, schedule
from tests.chaos.history import History
from tests.chaos.stage import EMBEDDED, FLEET, Stage, seeded, stage
from tests.support import until

MINUTES: Final = float(os.environ.get("FTE_TEST_CHAOS_MINUTES") or 0)
SEED: Final = int(os.environ["FTE_TEST_CHAOS_SEED"]) if os.environ.get("FTE_TEST_CHAOS_SEED") else None
ONLY: Final = tuple(kind for kind in (os.environ.get("FTE_TEST_CHAOS_FAULTS") or "").split(",") if kind)
"""Faults to look at alone, when something was found."""
SETTLE: Final = 150.0
"""Seconds after the last fault in which everything must have come to its end: a turn's lease, a sender's, and some."""

pytestmark = [pytest.mark.chaos, pytest.mark.process, pytest.mark.timeout(900 + int(MINUTES * 120))]


@dataclass(slots=True)
class Run:
    """What went on in a run."""

    stage: Stage
    trouble: Trouble
    follower: Follower
    history: History | None = None


async def disturbed(
    stage_: Stage,
    chance: random.Random,
    kinds: Sequence[str],
    seconds: float,
    *,
    customers: int,
    every: float,
) -> Run:
    """Customers write and operators act for so long while everything breaks; then all must come to its end."""
    begun = time.time()
    hired = await stage_.hire("Ada", "Ben", "Cleo")
    follower = Follower(stage_, hired[0])
    await follower.begin()
    people, desk = Customers(stage_, chance), Desk(stage_, chance, hired)
    trouble = Trouble(stage_, chance, stops=LONG_STOPS if seconds > 300 else SHORT_STOPS)
    run = Run(stage_, trouble, follower)
    try:
        async with stage_.fleet.supervised(), beside(follower.follow(), stage_.note_mail_places()):
            async with beside(desk.work(), stage_.line.cut_every(4.0)), asyncio.TaskGroup() as tasks:
                tasks.create_task(trouble.follow(schedule(chance, ONLY or kinds, seconds, every=every)))
                for person in range(customers):
                    tasks.create_task(people.customer(person, seconds))
            stage_.heal()
            await stage_.settled(SETTLE)
            follower.hurry()
            run.history = await caught_up(stage_, follower)
    finally:
        await people.aclose()
        await desk.aclose()
        await follower.aclose()
        print(trouble.report(begun))
    print(summary(run.history))
    return run


@contextlib.asynccontextmanager
async def beside(*works) -> AsyncIterator[None]:  # type: ignore[no-untyped-def]
    """Run these while the block does. One that breaks is raised at the block's end."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


async def caught_up(stage_: Stage, follower: Follower) -> History:
    """The history once the follower has heard all there is; if it does not within a minute, that is for the judge."""

    async def heard_all() -> History | None:
        history = await stage_.history()
        due = history.missed[history.followed[-1].since]
        if due <= set(follower.heard) and not history.problems("I11", "I12"):
            return history
        await asyncio.sleep(0.5)
        return None

    try:
        return await until(heard_all, deadline=60)
    except AssertionError:
        return await stage_.history()


def summary(history: History) -> str:
    inbound = sum(row["direction"] == "inbound" for row in history.messages)
    took_over = sum(acted.action == "take_over" and acted.status == 200 for acted in history.acted)
    unknown = sum(row["state"] == "unknown" for row in history.replies)
    return (
        f"{len(history.acknowledged)} acknowledgements, {inbound} messages, {len(history.accepts)} accepts, "
        f"{len(history.log)} events, {took_over} takeovers, {unknown} parked"
    )


async def ends_well(run: Run) -> None:
    """The judge, the processes' own ends, and their logs."""
    assert run.history is not None
    run.history.check()
    assert not run.stage.fleet.ended, f"ended by themselves: {run.stage.fleet.ended}"
    ends = await run.stage.fleet.stop()
    assert all(code == 0 for code, _ in ends.values()), f"exit codes and seconds: {ends}"
    assert not (broken := run.stage.fleet.broken()), "\n".join(broken)


async def test_one_process_that_does_everything_keeps_its_promises() -> None:
    chance = seeded(SEED)
    seconds = MINUTES * 60 or 45.0
    async with stage(EMBEDDED) as built:
        customers = int(24 * max(1.0, seconds / 45))
        run = await disturbed(built, chance, EVERYWHERE, seconds, customers=customers, every=3.0)
        await ends_well(run)


async def test_a_fleet_over_kafka_keeps_its_promises() -> None:
    chance = seeded(SEED)
    seconds = MINUTES * 60 or 110.0
    async with stage(FLEET, kafka=True) as built:
        customers = int(40 * max(1.0, seconds / 110))
        run = await disturbed(
            built, chance, (*EVERYWHERE, *WITH_KAFKA), seconds, customers=customers, every=4.0
        )
        await ends_well(run)
