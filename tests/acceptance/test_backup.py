"""A backup of the running program, more traffic, the end of it all, and the backup loaded: nobody is answered twice.

What the providers still hold is there again, and what may have been answered since the backup is with people.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fte.demo.providers import SimulatedGmail, SimulatedTwilio
from tests.acceptance.support import Fte, installed
from tests.support import until

pytestmark = [pytest.mark.restore, pytest.mark.timeout(300)]

MAILBOX = "support@acme.example"
PASSWORD, EXPORT = "How do I reset my password?", "How can I export my data?"
ADA, BEA, CAL, DAN, EVA = (f"{name}@example.net" for name in ("ada", "bea", "cal", "dan", "eva"))
UMA, VIC, WIM = "+4915112345671", "+4915112345672", "+4915112345673"


@pytest.fixture
def before() -> Iterator[Fte]:
    with installed() as fresh:
        yield fresh


@pytest.fixture
def after(before: Fte) -> Iterator[Fte]:
    """Another machine, at the same address."""
    with installed() as fresh:
        fresh.port, fresh.url = before.port, before.url
        fresh.environment |= {"FTE_PORT": str(before.port)}
        yield fresh


@pytest.fixture
async def gmail(before: Fte) -> AsyncIterator[SimulatedGmail]:
    async with SimulatedGmail(MAILBOX).running() as running:
        running.push_to(MAILBOX, f"{before.url}/webhooks/gmail")
        yield running


@pytest.fixture
async def twilio(before: Fte) -> AsyncIterator[SimulatedTwilio]:
    async with SimulatedTwilio(f"{before.url}/webhooks/whatsapp").running() as running:
        yield running


def joined(fte: Fte, gmail: SimulatedGmail, twilio: SimulatedTwilio) -> None:
    fte.environment |= gmail.environment(fte.folder) | twilio.environment()
    fte.environment |= {"FTE_PUBLIC_URL": fte.url, "FTE_COMPANY": "Acme", "FTE_GMAIL_POLL": "2"}


async def run(fte: Fte, *words: str) -> str:
    done = await asyncio.to_thread(fte.run, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def rows(fte: Fte, query: str) -> list[Any]:
    async with fte.database() as database:
        return list(await database.fetch(query))


async def writes(gmail: SimulatedGmail, *senders: str) -> None:
    for sender in senders:
        await gmail.deliver({"sender": sender, "subject": "Password", "text": PASSWORD})


def answered(gmail: SimulatedGmail, twilio: SimulatedTwilio) -> Counter[str]:
    return Counter(
        [mail.recipients[0] for mail in gmail.outbox]
        + [one.recipient.removeprefix("whatsapp:") for one in twilio.outbox]
    )


async def test_after_a_restore_nobody_is_answered_twice_and_nothing_is_lost(
    before: Fte, after: Fte, gmail: SimulatedGmail, twilio: SimulatedTwilio
) -> None:
    joined(before, gmail, twilio)
    await before.up()
    await run(before, "kb", "import", str(before.folder / "pages"))
    await until(lambda: gmail.mailbox(MAILBOX).watch is not None, deadline=60)
    # Ada and Uma are answered before the backup. Bea's and Vic's answers are written, and cannot be sent yet.
    await writes(gmail, ADA)
    await twilio.customer_writes(UMA, EXPORT)
    await until(lambda: len(answered(gmail, twilio)) == 2, deadline=60)
    gmail.faults.next("drafts.create", "too_many", times=1000, retry_after=1)
    twilio.faults.next("messages.create", "too_many", times=1000, retry_after=1)
    await writes(gmail, BEA)
    await twilio.customer_writes(VIC, EXPORT)
    waiting = "select 1 from replies where state in ('queued', 'sending') and attempts > 0"
    await until(lambda: _count(before, waiting, 2), deadline=60)
    saved = str(before.folder / "saved")
    await run(before, "backup", "save", saved)
    # After it these two are sent, and three who write only now are answered.
    gmail.clear()
    twilio.clear()
    await writes(gmail, CAL)
    await twilio.customer_writes(WIM, EXPORT)
    await until(lambda: {BEA, CAL, VIC, WIM} <= set(answered(gmail, twilio)), deadline=90)
    before.kill()
    # While nothing runs, Dan writes.
    await writes(gmail, DAN)
    await run(after, "backup", "load", saved)
    joined(after, gmail, twilio)
    await after.up()
    await writes(gmail, EVA)
    await until(lambda: EVA in answered(gmail, twilio), deadline=60)
    inbound = "select distinct sender from messages where direction = 'inbound'"
    everybody = {ADA, BEA, CAL, DAN, EVA, UMA, VIC, WIM}
    await until(lambda: _senders(after, inbound, everybody), deadline=90)
    settled = "select 1 from replies where state in ('queued', 'sending', 'unknown')"
    await until(lambda: _count(after, settled, 0), deadline=60)
    assert set(answered(gmail, twilio).values()) == {1}, answered(gmail, twilio)
    assert DAN not in answered(gmail, twilio)
    with_people = await rows(
        after,
        "select distinct m.sender from conversations c join messages m on m.conversation_id = c.id"
        " where c.owner = 'human' and c.escalation_reason = 'restored' and m.direction = 'inbound'",
    )
    assert {row["sender"] for row in with_people} == {BEA, CAL, DAN, VIC, WIM}
    said = await rows(
        after,
        "select i.sender from messages m join messages i using (conversation_id)"
        " where m.direction = 'outbound' and i.direction = 'inbound' and m.delivery_status in ('sent', 'delivered', 'read')",
    )
    assert {ADA, BEA, CAL, EVA, UMA, VIC} <= {row["sender"] for row in said}, "what was sent since is shown"
    assert DAN not in {row["sender"] for row in said}


async def test_a_restored_database_is_not_run_on_by_mistake(before: Fte, after: Fte) -> None:
    await before.up()
    saved = before.folder / "saved"
    await run(before, "backup", "save", str(saved))
    assert before.stop() == 0
    await run(after, "backup", "load", str(saved))
    async with after.database() as database:
        await database.execute("update home set cluster = cluster + 1")
    refused = await asyncio.to_thread(after.run, "up")
    assert refused.returncode == 1
    assert "fte backup restored" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "may run" in await run(after, "backup", "restored", "--nothing-lost")
    await after.up()
    assert after.stop() == 0


async def _count(fte: Fte, query: str, wanted: int) -> bool:
    return len(await rows(fte, query)) == wanted


async def _senders(fte: Fte, query: str, wanted: set[str]) -> bool:
    return {row["sender"] for row in await rows(fte, query)} >= wanted
