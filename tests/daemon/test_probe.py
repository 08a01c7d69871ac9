"""Probes: /health knows of a provider's death and return, whether anything is to be sent or fetched or not."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from fte.daemon import probe, providers
from fte.daemon.health import Health
from fte.daemon.http import application
from fte.daemon.probe import Probe
from fte.demo.providers import SimulatedGmail
from fte.demo.providers.faults import FaultKind
from fte.demo.providers.server import Simulator
from fte.demo.providers.twilio import SimulatedTwilio
from fte.domain.channels import Channel
from fte.domain.errors import Rejected, Unavailable
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.settings import Settings
from fte.store import channel_health, mailboxes
from tests.support import SECRET, until

US = "support@example.com"
ALL = 100_000


async def told(health: Health, channel: Channel) -> tuple[str, str]:
    """How /health says a channel is, and what is wrong."""
    app = application(health.routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fte") as web:
        body = (await web.get("/health")).json()
    return body["channels"][channel], body["problems"].get(channel, "")


@dataclass
class Watched:
    """A provider, our inboxes on it, and what /health says of the channel."""

    provider: Simulator
    channel: Channel
    asks: str
    health: Health

    async def is_(self, state: str, problem: str) -> bool:
        """`problem` is an expression that matches how the problem begins; empty for none."""
        found, said = await told(self.health, self.channel)
        return found == state and bool(re.match(problem, said) if problem else not said)


@contextlib.asynccontextmanager
async def inboxes(
    provider: Simulator, channel: Channel, asks: str, environment: dict[str, str], pool: Pool, hints: Hints
) -> AsyncIterator[Watched]:
    settings = Settings.load(environment)
    running = [asyncio.create_task(work) for work in providers.inboxes(settings, SECRET, pool, hints)]
    watched = Watched(provider, channel, asks, Health(pool, providers.configured(settings)))
    try:
        await until(lambda: pool.fetchval("select true from channel_health where checked_at > changed_at"))
        yield watched
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)


@pytest.fixture(params=["email", "whatsapp"])
async def watched(
    request: pytest.FixtureRequest,
    pool: Pool,
    hints: Hints,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Watched]:
    monkeypatch.setattr(probe, "EVERY", 0.2)
    monkeypatch.setattr(probe, "LOOK_EVERY", 0.05)
    if request.param == "email":
        async with SimulatedGmail(US).running() as gmail:
            environment = gmail.environment(tmp_path) | {"FTE_PUBLIC_URL": "http://127.0.0.1:1"}
            async with inboxes(gmail, "email", "getProfile", environment, pool, hints) as made:
                yield made
    else:
        async with SimulatedTwilio().running() as twilio:
            environment = twilio.environment() | {"FTE_PUBLIC_URL": "http://127.0.0.1:1"}
            async with inboxes(twilio, "whatsapp", "accounts.fetch", environment, pool, hints) as made:
                yield made


@pytest.mark.parametrize("fault", ["hang_before", "reset_before", "server_error"])
async def test_a_providers_death_and_return_are_told(
    watched: Watched, fault: FaultKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "PATIENCE", 0.5)
    await until(lambda: watched.is_("active", ""))
    watched.provider.faults.next("*", fault, times=ALL)
    await until(lambda: watched.is_("unhealthy", "Twilio|Gmail|No answer within"))
    watched.provider.clear()
    await until(lambda: watched.is_("active", ""))


async def test_one_bad_answer_is_no_outage(watched: Watched, pool: Pool) -> None:
    faults = watched.provider.faults
    faults.next(watched.asks, "server_error")
    await until(lambda: not faults._waiting[watched.asks])
    before = await pool.fetchval("select checked_at from channel_health")
    await until(lambda: pool.fetchval("select true from channel_health where checked_at > $1", before))
    assert await watched.is_("active", "")


def test_death_is_told_within_five_seconds() -> None:
    """The probe may just have gone well; then the next one waits for an answer as long as it may."""
    assert probe.EVERY + probe.LOOK_EVERY + probe.PATIENCE < 5


async def test_processes_take_turns_and_all_know(pool: Pool) -> None:
    asked = 0

    async def ask() -> None:
        nonlocal asked
        asked += 1

    async def nothing() -> None:
        raise AssertionError("it was never away")

    crowd = [Probe(pool, "email", US, ask, nothing) for _ in range(5)]
    took = await asyncio.gather(*(one.probe_if_due() for one in crowd))
    assert (sum(took), asked) == (1, 1)


async def test_what_needs_a_person_is_asked_for_seldom_and_told_with_the_remedy(pool: Pool) -> None:
    async def ask() -> None:
        raise Rejected("The token is dead.", remedy="Run `fte gmail auth`.")

    async def nothing() -> None:
        raise AssertionError("it never returned")

    await Probe(pool, "email", US, ask, nothing).probe_if_due()
    (said,) = await channel_health.current(pool)
    assert (said.healthy, said.detail) == (False, "The token is dead. Run `fte gmail auth`.")
    wait = await pool.fetchval(
        "select extract(epoch from next_probe_at - checked_at)::float8 from channel_health"
    )
    assert wait == probe.REFUSED_EVERY


async def test_what_breaks_the_probe_is_told_and_it_goes_on(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "PATIENCE", 0.2)
    answers = [KeyError("emailAddress")] * 9

    async def ask() -> None:
        raise answers.pop()

    async def nothing() -> None:
        raise AssertionError("it never returned")

    await Probe(pool, "email", US, ask, nothing).probe_if_due()
    (said,) = await channel_health.current(pool)
    assert (said.healthy, said.detail) == (False, "Its answer cannot be read: KeyError.")


async def test_an_answer_does_not_cover_up_what_a_sender_found(pool: Pool) -> None:
    async def ask() -> None:
        """It answers."""

    async def nothing() -> None:
        raise AssertionError("it was never away")

    await channel_health.report(pool, "whatsapp", "+15550001", "Our number cannot send.")
    await Probe(pool, "whatsapp", "+15550001", ask, nothing).probe_if_due()
    (said,) = await channel_health.current(pool)
    assert (said.healthy, said.detail) == (False, "Our number cannot send.")


async def test_an_account_we_left_is_not_held_against_the_channel(pool: Pool) -> None:
    await channel_health.report(pool, "email", "old@example.com", "The token is dead.")
    await channel_health.report(pool, "whatsapp", "+15550001", "Suspended.")
    health = Health(pool, {"email": US, "whatsapp": "+15550001"})
    assert await told(health, "email") == ("active", "")
    assert await told(health, "whatsapp") == ("unhealthy", "Suspended.")


async def test_on_return_what_was_put_off_is_done_once(pool: Pool) -> None:
    answers = [False, True, True]
    returned = 0

    async def ask() -> None:
        if not answers[0]:
            raise Unavailable

    async def on_return() -> None:
        nonlocal returned
        returned += 1

    ours = Probe(pool, "email", US, ask, on_return)
    lease = await mailboxes.claim(pool, US, UUID(int=1), 60.0)
    assert lease is not None
    await mailboxes.put_off(pool, lease, 300.0)
    while answers:
        await pool.execute("update channel_health set next_probe_at = now()")
        assert await ours.probe_if_due()
        answers.pop(0)
    assert returned == 1
    assert await mailboxes.claim(pool, US, UUID(int=2), 60.0) is None
    await mailboxes.put_on(pool, US)
    assert await mailboxes.claim(pool, US, UUID(int=2), 60.0) is not None
