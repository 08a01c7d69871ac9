"""The cluster's security settings, against a broker that asks for them; topics, made once and compared."""

import asyncio
import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka.cluster import ClusterMetadata

from fte.bus import topics
from fte.bus.cluster import Cluster
from fte.bus.topics import Plan, Topic
from fte.domain.errors import Rejected, Unavailable
from fte.domain.events import TOPICS
from tests.bus.support_kafka import PLAN, own_cluster
from tests.kafka.broker import Broker
from tests.kafka.install import Program


@pytest.fixture(scope="module")
def secure(kafka_program: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("kafka"), kafka_program, secure=True) as broker:
        yield broker


async def test_plain_is_the_default(kafka: str) -> None:
    assert await topics.described(Cluster(bootstrap=kafka, prefix="none.")) == []


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_signing_in(secure: Broker, mechanism: str) -> None:
    cluster = Cluster(
        bootstrap=secure.sasl_bootstrap,
        prefix="none.",
        security="sasl_plaintext",
        sasl_mechanism=mechanism,
        username=secure.user,
        password=secure.password,
    )
    assert await topics.described(cluster) == []
    with pytest.raises(Unavailable, match="cannot be reached"):
        await topics.described(replace(cluster, password="wrong"))


async def test_over_tls_the_broker_is_checked(secure: Broker) -> None:
    cluster = Cluster(bootstrap=secure.ssl_bootstrap, prefix="none.", security="ssl", ca_file=secure.ca)
    assert await topics.described(cluster) == []
    with pytest.raises(Unavailable):
        await topics.described(replace(cluster, ca_file=None))


async def test_signing_in_over_tls(secure: Broker) -> None:
    cluster = Cluster(
        bootstrap=secure.sasl_ssl_bootstrap,
        prefix="none.",
        security="sasl_ssl",
        sasl_mechanism="SCRAM-SHA-512",
        username=secure.user,
        password=secure.password,
        ca_file=secure.ca,
    )
    assert await topics.described(cluster) == []
    assert secure.password not in repr(cluster)


async def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    cluster = Cluster(bootstrap="127.0.0.1:1", security="ssl", ca_file=tmp_path / "none.pem")
    with pytest.raises(Rejected) as caught:
        await topics.described(cluster)
    assert "FTE_KAFKA_CA_FILE" in caught.value.fields


async def test_nobody_there_is_told_with_a_remedy() -> None:
    with pytest.raises(Unavailable) as caught:
        await topics.described(Cluster(bootstrap="127.0.0.1:1"))
    assert "FTE_KAFKA_BOOTSTRAP_SERVERS" in str(caught.value.remedy)


async def test_topics_are_made_once_and_left_alone(kafka: str) -> None:
    cluster = own_cluster(kafka)
    assert set(await topics.create_missing(cluster, PLAN)) == set(TOPICS)
    assert await topics.create_missing(cluster, Plan(partitions=9)) == []
    there = await topics.described(cluster)
    assert [topic.name for topic in there] == list(TOPICS)
    assert all(topic.differences(PLAN) == [] for topic in there)
    differences = there[0].differences(Plan(partitions=9, replication=2, retention_days=3))
    assert differences == [
        "partitions: 3, wanted 9",
        "replication: 1, wanted 2",
        "retention: 1 days, wanted 3 days",
    ]


async def test_more_copies_than_brokers_are_refused_with_a_remedy(kafka: str) -> None:
    with pytest.raises(Unavailable) as caught:
        await topics.create_missing(own_cluster(kafka), Plan(replication=3))
    assert "FTE_KAFKA_REPLICATION" in str(caught.value.remedy)


async def test_a_cluster_that_nobody_leads_is_away(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As while its brokers start; the library stumbles over it."""
    monkeypatch.setattr(
        ClusterMetadata, "controller", property(lambda _: None, lambda *_: None), raising=False
    )
    with pytest.raises(Unavailable, match="No broker leads the cluster yet"):
        await topics.create_missing(own_cluster(kafka), PLAN)


def test_retention_in_words() -> None:
    def kept(milliseconds: int | None) -> str:
        return Topic(name="t", partitions=1, replication=1, retention_ms=milliseconds).retention

    assert [kept(None), kept(-1), kept(86_400_000), kept(43_200_000)] == [
        "unknown",
        "for ever",
        "1 days",
        "0.5 days",
    ]


async def test_what_a_producer_still_had_when_it_was_given_up_is_no_error(kafka: str) -> None:
    cluster = own_cluster(kafka)
    await topics.create_missing(cluster, PLAN)
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with cluster.producer() as producer:
        sending = producer._sender.sender_task
        sending.remove_done_callback(producer._sender._fail_all)
        sending.cancel()
        batch = producer.create_batch()
        batch.append(key=b"k", value=b"v", timestamp=None)
        sent = await producer.send_batch(batch, cluster.named(TOPICS[0]), partition=0)
        sent.cancel()
    del producer, batch, sent, sending
    gc.collect()
    await asyncio.sleep(0)
    assert told == []
