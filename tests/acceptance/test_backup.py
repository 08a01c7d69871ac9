"""A backup of the running program, more traffic, the end of it all, and the backup loaded: nobody is answered twice.

What the providers still hold is there again, and what may have been answered since the backup is with people.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition

from fte.bus import record
from fte.bus.cluster import Cluster
from fte.demo.providers import SimulatedGmail, SimulatedTwilio
from fte.domain.events import COLLECTORS, PROCESSORS
from tests.acceptance.support import Fte, installed
from tests.bus.support_kafka import own_cluster
from tests.support import until

pytestmark = [pytest.mark.restore, pytest.mark.timeout(600)]

MAILBOX = "support@acme.example"
PASSWORD, EXPORT = "How do I reset my password?", "How can I export my data?"
ADA, BEA, CAL, DAN, EVA = (f"{name}@example.net" for name in ("ada", "bea", "cal", "dan", "eva"))
YAN, ZOE = "yan@example.net", "zoe@example.net"
"""Erased after the backup; Zoe wrote only after it."""
UMA, VIC, WIM = "+4915112345671", "+4915112345672", "+4915112345673"


PARTITIONS = 2
PLACES: dict[str, int | None] = {"as they are": None, "rewound": 0, "ahead": 1_000_000}
"""Where Kafka's groups stand when the restored program starts."""


@pytest.fixture(params=["embedded", *PLACES])
def cluster(request: pytest.FixtureRequest) -> Cluster | None:
    """The cluster that the program uses before and after; None: the embedded bus."""
    return None if request.param == "embedded" else own_cluster(request.getfixturevalue("kafka"))


@pytest.fixture
def place(request: pytest.FixtureRequest) -> int | None:
    """The offset that every group is put to between the two, if any."""
    return PLACES.get(request.node.callspec.params["cluster"])


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


def over(cluster: Cluster, *installations: Fte) -> None:
    for fte in installations:
        fte.environment |= {
            "FTE_KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap,
            "FTE_KAFKA_PREFIX": cluster.prefix,
            "FTE_KAFKA_PARTITIONS": str(PARTITIONS),
        }


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


async def erased(fte: Fte, *senders: str) -> Path:
    """The list of who was erased, once these are."""
    for sender in senders:
        (found,) = await rows(
            fte, f"select customer_id from customer_identifiers where identifier_value = '{sender}'"
        )
        customer = str(found["customer_id"])
        await run(fte, "erase", "customer", sender, "--yes", customer)
    file = fte.folder / "erased.txt"
    file.write_text(await run(fte, "erase", "list"))
    return file


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


# ---------------------------------------------------------------- Kafka


async def places(cluster: Cluster) -> dict[tuple[str, TopicPartition], int]:
    """How far each group says it has come."""
    async with cluster.admin() as admin:
        return {
            (group, part): found.offset
            for group in (PROCESSORS, COLLECTORS)
            for part, found in (await admin.list_consumer_group_offsets(cluster.named(group))).items()
        }


async def put(cluster: Cluster, place: int) -> None:
    """Put every group there, once their dead members are forgotten."""
    known = await places(cluster)
    assert {group for group, _ in known} == {PROCESSORS, COLLECTORS}
    for group in (PROCESSORS, COLLECTORS):
        parts = {part: place for one, part in known if one == group}
        async with cluster.consumer(group_id=cluster.named(group)) as consumer:
            consumer.subscribe(list({part.topic for part in parts}))
            await consumer.start()
            await until(
                lambda consumer=consumer, parts=parts: consumer.assignment() >= set(parts), deadline=60
            )
            await consumer.commit(parts)
    assert set((await places(cluster)).values()) == {place}


async def ends(cluster: Cluster, parts: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    async with cluster.consumer() as consumer:
        await consumer.start()
        found: dict[TopicPartition, int] = await consumer.end_offsets(list(parts))
        return found


async def all_was_read(cluster: Cluster) -> bool:
    """Whether both groups have come to the end of whatever holds something."""
    known = await places(cluster)
    last = await ends(cluster, {part for _, part in known})
    return all(place == last[part] for (_, part), place in known.items() if last[part])


async def in_the_topics(cluster: Cluster) -> set[tuple[str, int]]:
    """Every event that was carried, by its id, with the transaction it is said to be of."""
    async with cluster.consumer() as consumer:
        await consumer.start()
        topics = [topic for topic in await consumer.topics() if topic.startswith(cluster.prefix)]
        parts = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        last, found = await consumer.end_offsets(parts), set()
        for part in parts:
            while await consumer.position(part) < last[part]:
                for one in (await consumer.getmany(part, timeout_ms=300)).get(part, ()):
                    appended = record.read(one)
                    found.add((str(appended.event.id), appended.tx))
        return found


async def was_carried(fte: Fte, cluster: Cluster) -> bool:
    """Whether the whole log is in the topics, as this database has it."""
    log = {
        (str(row["id"]), row["tx"]) for row in await rows(fte, "select id, tx::text::bigint as tx from log")
    }
    return log <= await in_the_topics(cluster)


# ---------------------------------------------------------------- the tests


async def test_after_a_restore_nobody_is_answered_twice_and_nothing_is_lost(
    before: Fte,
    after: Fte,
    gmail: SimulatedGmail,
    twilio: SimulatedTwilio,
    cluster: Cluster | None,
    place: int | None,
) -> None:
    settled = "select 1 from replies where state in ('queued', 'sending', 'unknown')"
    if cluster is not None:
        over(cluster, before, after)
    joined(before, gmail, twilio)
    await before.up()
    await run(before, "kb", "import", str(before.folder / "pages"))
    await until(lambda: gmail.mailbox(MAILBOX).watch is not None, deadline=60)
    # Ada, Yan and Uma are answered before the backup. Bea's and Vic's answers are written, and cannot be sent yet.
    await writes(gmail, ADA, YAN)
    await twilio.customer_writes(UMA, EXPORT)
    await until(lambda: len(answered(gmail, twilio)) == 3, deadline=60)
    await until(lambda: _count(before, settled, 0), deadline=60)  # the last one may be sent and not noted yet
    gmail.faults.next("drafts.create", "too_many", times=1000, retry_after=1)
    twilio.faults.next("messages.create", "too_many", times=1000, retry_after=1)
    await writes(gmail, BEA)
    await twilio.customer_writes(VIC, EXPORT)
    waiting = "select 1 from replies where state in ('queued', 'sending') and attempts > 0"
    await until(lambda: _count(before, waiting, 2), deadline=60)
    saved = str(before.folder / "saved")
    await run(before, "backup", "save", saved)
    # After it these two are sent, and those who write only now are answered. Yan and Zoe are erased.
    gmail.clear()
    twilio.clear()
    await writes(gmail, CAL, ZOE)
    await twilio.customer_writes(WIM, EXPORT)
    await until(lambda: {BEA, CAL, VIC, WIM, ZOE} <= set(answered(gmail, twilio)), deadline=90)
    known = await erased(before, YAN, ZOE)
    if cluster is not None:
        await until(lambda: was_carried(before, cluster), deadline=60)
    before.kill()
    if cluster is not None and place is not None:
        await put(cluster, place)
    # While nothing runs, Dan writes.
    await writes(gmail, DAN)
    assert "fte erase again" in await run(after, "backup", "load", saved)
    assert "1 erased again, 1 were not here, 0 are here still" in await run(
        after, "erase", "again", str(known)
    )
    joined(after, gmail, twilio)
    await after.up()
    await writes(gmail, EVA)
    await until(lambda: EVA in answered(gmail, twilio), deadline=60)
    inbound = "select distinct sender from messages where direction = 'inbound'"
    everybody = {ADA, BEA, CAL, DAN, EVA, UMA, VIC, WIM}
    nobody = "select 1 from messages m where to_jsonb(m)::text ~ '(yan|zoe)@'"
    await until(lambda: _senders(after, inbound, everybody), deadline=90)
    await until(lambda: _count(after, settled, 0), deadline=60)
    assert set(answered(gmail, twilio).values()) == {1}, answered(gmail, twilio)
    assert DAN not in answered(gmail, twilio)
    assert await rows(after, nobody) == [], "what the mailbox still holds of them is not taken in"
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
    if cluster is not None:
        await until(lambda: was_carried(after, cluster), deadline=60)
        await until(lambda: all_was_read(cluster), deadline=60)
        assert set(answered(gmail, twilio).values()) == {1}, answered(gmail, twilio)


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
