"""Everything breaks while customers write: nothing is lost, answered twice or out of order, and people have the last word.

`make chaos` runs the short form, `make chaos MINUTES=30 SEED=123` a long one with that seed.
"""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pytest

from tests.chaos.customers import (
    LONG_PATIENCE,
    PATIENCE,
    QUESTIONS,
    Customers,
    Desk,
    Follower,
    address,
    number,
)
from tests.chaos.faults import EVERYWHERE, LONG_STOPS, SHORT_STOPS, WITH_KAFKA, Trouble, ended, schedule
from tests.chaos.fleet import STOP_TIMEOUT, Fleet, Ground, Postgres
from tests.chaos.history import History
from tests.chaos.proxy import PostgresProxy
from tests.chaos.running import beside, caught_up
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
    stops, patience = (LONG_STOPS, LONG_PATIENCE) if seconds > 300 else (SHORT_STOPS, PATIENCE)
    people, desk = Customers(stage_, chance, patience=patience), Desk(stage_, chance, hired)
    trouble = Trouble(stage_, chance, stops=stops)
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
        if run.history is None:
            print(stage_.fleet.last_words())
    print(summary(run.history))
    return run


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
    assert not run.stage.fleet.ended, "\n".join(str(ended) for ended in run.stage.fleet.ended)
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
    seconds = MINUTES * 60 or 100.0
    async with stage(FLEET, kafka=True) as built:
        customers = int(40 * max(1.0, seconds / 100))
        run = await disturbed(
            built, chance, (*EVERYWHERE, *WITH_KAFKA), seconds, customers=customers, every=4.0
        )
        await ends_well(run)


# ---------------------------------------------------------------- long outages, and the end


async def test_after_long_outages_work_goes_on_by_itself_and_sigterm_ends_it_whatever_hangs() -> None:
    """L2, L4 and L3, on one fleet: nobody starts a process again."""
    chance = seeded(SEED)
    async with stage(FLEET, kafka=True) as built:
        people = Customers(built, chance)
        async with built.fleet.supervised(), beside(*(load(people, first) for first in (0, 1000, 2000))):
            await answered_again(built, people, "before any outage")
            await all_have_loaded(built)
            await broker_away(built)
            await answered_again(built, people, "after the broker was frozen")
            await asyncio.to_thread(built.postgres.stop)
            await asyncio.to_thread(built.postgres.start)
            await answered_again(built, people, "after PostgreSQL was restarted")
            built.database.blackhole(BLACKHOLE)
            await asyncio.sleep(BLACKHOLE)
            await answered_again(built, people, "after the database was in a black hole")
            assert not built.fleet.ended, "\n".join(str(ended) for ended in built.fleet.ended)
        await ends_whatever_hangs(built, people)
        await people.aclose()


AWAY: Final = 60.0 if MINUTES else 25.0
"""Seconds the broker is frozen."""
BLACKHOLE: Final = 30.0
RECOVERED: Final = 120.0
"""Seconds after an outage within which new messages must be answered: the longest lease is the mailbox's, of 90."""
GROWTH_MAX: Final = 40e6
"""Bytes a process may grow by while the broker is away."""


async def load(people: Customers, first: int) -> None:
    """A form about twice a second, from somebody else each time, for as long as this runs."""
    for person in range(first, first + 1000):
        with contextlib.suppress(AssertionError):
            await people.by_form(person, people.chance.choice(QUESTIONS))
        await asyncio.sleep(1.5)


async def answered_again(stage_: Stage, people: Customers, when: str) -> None:
    """Messages on all channels are answered: stored, given to the agent, and handed to the providers."""
    person = 5000 + len(stage_.notes.written)
    begun = time.monotonic()
    await asyncio.gather(
        people.by_form(person, QUESTIONS[0]),
        people.by_mail(person + 1, QUESTIONS[1]),
        people.by_whatsapp(person + 2, QUESTIONS[2]),
    )

    took: dict[str, float] = {}

    def heard() -> bool:
        taken = {accept.recipient for accept in (*stage_.gmail.accepted.sends, *stage_.twilio.accepted.sends)}
        for recipient in {address(person + 1), f"whatsapp:{number(person + 2)}"} & taken:
            took.setdefault(recipient, time.monotonic() - begun)
        return len(took) == 2

    try:
        await until(heard, deadline=RECOVERED)
    except AssertionError:
        still = await stage_.open()
        raise AssertionError(f"{when} only {took} were answered within {RECOVERED:g} s: {still}") from None
    print(f"{when}: answered within {', '.join(f'{seconds:.1f} s ({who})' for who, seconds in took.items())}")


async def all_have_loaded(stage_: Stage) -> None:
    """Until each worker has read what it needs, and everybody's memory was looked at since: that is no growth."""
    members = stage_.fleet.members.values()
    for member in members:
        if "worker" in member.roles:
            await until(lambda member=member: "worker ready" in member.tail(10**9), deadline=60)
    since = time.time()
    await until(lambda: all(m.memory and m.memory[-1][0] > since for m in members if m.alive), deadline=60)


async def broker_away(stage_: Stage) -> None:
    """The broker answers nothing for a while, under load; nobody's memory grows without bound."""
    assert stage_.broker is not None
    began = time.time()
    await asyncio.to_thread(stage_.broker.pause)
    await asyncio.sleep(AWAY)
    ended = time.time()
    await asyncio.to_thread(stage_.broker.resume)
    for member in stage_.fleet.members.values():
        before = [size for at, size in member.memory if began - 5 <= at < began]
        during = [size for at, size in member.memory if began <= at <= ended]
        growth = max(during) - max(before)
        print(f"{member.name}: {max(before) / 1e6:.0f} MB, and {growth / 1e6:+.1f} MB without the broker")
        assert growth < GROWTH_MAX, (
            f"{member.name} grew by {growth / 1e6:.0f} MB in {AWAY:g} s without the broker"
        )


async def ends_whatever_hangs(stage_: Stage, people: Customers) -> None:
    """Providers that never answer, a database in a black hole, a frozen broker: SIGTERM ends it, twice does at once."""
    assert stage_.broker is not None
    stage_.gmail.faults.next("*", "hang_before", times=1000)
    stage_.twilio.faults.next("*", "hang_before", times=1000)
    for person in range(9000, 9010):
        await people.by_mail(person, QUESTIONS[0])
        await people.by_whatsapp(person, QUESTIONS[1])
        await people.by_form(person, QUESTIONS[2])
    await asyncio.to_thread(stage_.broker.pause)
    stage_.database.blackhole(120.0)
    impatient = ("http-2", "worker-2", "sender-2", "relay-2")
    for name in impatient:
        member = stage_.fleet.members[name]
        member.signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        _, seconds = await ended(member)
        assert seconds < 2.0, f"a second SIGTERM took {seconds:.1f} s to end {name}"
    patient = [m for m in stage_.fleet.members.values() if m.name not in impatient]
    ends = await asyncio.gather(*(ended(member) for member in patient))
    for member, (code, seconds) in zip(patient, ends, strict=True):
        print(f"{member.name} ended with {code} in {seconds:.1f} s")
        assert seconds < STOP_TIMEOUT, f"SIGTERM took {seconds:.1f} s to end {member.name}"


async def test_sigterm_ends_a_process_whose_database_answers_nothing() -> None:
    """L3 by itself, without providers or a broker."""
    with Ground.laid() as ground:
        async with (
            Postgres.installed(ground) as postgres,
            PostgresProxy([postgres.address]).running() as proxy,
        ):
            fleet = Fleet(ground, {"worker": ["worker"]}, {"FTE_DATABASE_URL": postgres.url_at(proxy.port)})
            await fleet.start()
            worker = fleet.members["worker"]
            await until(lambda: "worker ready" in worker.tail(), deadline=60)
            proxy.blackhole(120.0)
            try:
                _, seconds = await ended(worker)
                assert seconds < STOP_TIMEOUT
            finally:
                worker.kill()
