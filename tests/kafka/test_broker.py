"""The broker of the tests: what it acknowledged is kept, it can be disturbed, and it leaves no process behind."""

import asyncio
import os
import socket
import ssl
import subprocess
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from tests.kafka import install
from tests.kafka.broker import Broker, BrokerFailed
from tests.kafka.install import Program
from tests.support import until


@asynccontextmanager
async def producing(address: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all", request_timeout_ms=30_000)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def new_topic(address: str) -> str:
    """A topic with one partition. The broker must be ready: the first request is the only one."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        name = f"test-{uuid.uuid4().hex}"
        answer = await admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
        assert [error[1] for error in answer.topic_errors] == [0]
        return name
    finally:
        await admin.close()


async def stored(address: str, topic: str) -> list[bytes]:
    """Everything in the topic's only partition."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=address, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        values: list[bytes] = []
        while await consumer.position(partition) < end:
            values.append((await consumer.getone()).value)
        return values
    finally:
        await consumer.stop()


async def test_what_was_sent_is_received_by_a_group(kafka: str) -> None:
    topic = await new_topic(kafka)
    async with producing(kafka) as producer:
        for number in range(20):
            await producer.send_and_wait(topic, str(number).encode())
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=kafka,
        group_id=f"group-{topic}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        received = [(await consumer.getone()).value for _ in range(20)]
        await consumer.commit()
    finally:
        await consumer.stop()
    assert received == [str(number).encode() for number in range(20)]


async def test_a_topic_that_nobody_created_is_not_there(kafka: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        (described,) = await admin.describe_topics([f"nobody-{uuid.uuid4().hex}"])
        assert described["error_code"] == 3
    finally:
        await admin.close()


async def test_what_was_acknowledged_survives_being_killed(own_kafka: Broker) -> None:
    topic = await new_topic(own_kafka.bootstrap)
    sent = [str(number).encode() for number in range(100)]
    async with producing(own_kafka.bootstrap) as producer:
        for value in sent[:50]:
            await producer.send_and_wait(topic, value)
        killed = own_kafka.pid
        own_kafka.kill()
        assert not own_kafka.running and not psutil.pid_exists(killed)
        await asyncio.to_thread(own_kafka.start)
        for value in sent[50:]:
            await producer.send_and_wait(topic, value)
    assert await stored(own_kafka.bootstrap, topic) == sent


async def test_a_frozen_broker_answers_nothing_until_it_is_woken(own_kafka: Broker) -> None:
    topic = await new_topic(own_kafka.bootstrap)
    async with producing(own_kafka.bootstrap) as producer:
        await producer.send_and_wait(topic, b"before")
        own_kafka.pause()
        assert own_kafka.running
        meanwhile = await producer.send(topic, b"meanwhile")
        assert await asyncio.wait([meanwhile], timeout=1) == (set(), {meanwhile})
        own_kafka.resume()
        await meanwhile
    assert await stored(own_kafka.bootstrap, topic) == [b"before", b"meanwhile"]


@pytest.fixture(scope="module")
def secure_kafka(kafka_program: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("secure"), kafka_program, secure=True) as broker:
        yield broker


async def opens(**options: Any) -> bool:
    """Whether a client gets as far as asking for the topics."""
    consumer = AIOKafkaConsumer(enable_auto_commit=False, retry_backoff_ms=10, **options)
    try:
        await consumer.start()
        await consumer.topics()
    except KafkaError:
        return False
    finally:
        await consumer.stop()
    return True


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
async def test_only_the_user_gets_in_by_sasl(secure_kafka: Broker, protocol: str, mechanism: str) -> None:
    tls = protocol == "SASL_SSL"
    options: dict[str, Any] = {
        "bootstrap_servers": secure_kafka.sasl_ssl_bootstrap if tls else secure_kafka.sasl_bootstrap,
        "security_protocol": protocol,
        "ssl_context": ssl.create_default_context(cafile=secure_kafka.ca) if tls else None,
        "sasl_mechanism": mechanism,
        "sasl_plain_username": secure_kafka.user,
    }
    assert await opens(**options, sasl_plain_password=secure_kafka.password)
    assert not await opens(**options, sasl_plain_password="wrong")


async def test_only_who_trusts_the_authority_gets_in_by_tls(secure_kafka: Broker) -> None:
    options = {"bootstrap_servers": secure_kafka.ssl_bootstrap, "security_protocol": "SSL"}
    assert await opens(**options, ssl_context=ssl.create_default_context(cafile=secure_kafka.ca))
    assert not await opens(**options, ssl_context=ssl.create_default_context())


async def test_a_secure_broker_serves_the_plain_port_too(secure_kafka: Broker) -> None:
    topic = await new_topic(secure_kafka.bootstrap)
    async with producing(secure_kafka.bootstrap) as producer:
        await producer.send_and_wait(topic, b"in clear")
    assert await stored(secure_kafka.bootstrap, topic) == [b"in clear"]


async def test_a_frozen_broker_can_be_stopped_and_its_port_is_kept(own_kafka: Broker) -> None:
    address, stopped = own_kafka.bootstrap, own_kafka.pid
    own_kafka.pause()
    own_kafka.stop()
    own_kafka.stop()
    assert not own_kafka.running and not psutil.pid_exists(stopped)
    with socket.socket() as other, pytest.raises(OSError):
        other.bind(("127.0.0.1", int(address.split(":")[1])))
    with pytest.raises(BrokerFailed, match="does not run"):
        own_kafka.resume()


def test_it_outlives_the_thread_that_started_it(kafka_program: Program, tmp_path: Path) -> None:
    broker = Broker(tmp_path, kafka_program)
    thread = threading.Thread(target=broker.start)
    thread.start()
    thread.join()
    try:
        broker.pause()
        assert broker.running
    finally:
        broker.stop()


def test_a_broker_that_cannot_start_shows_its_log(kafka_program: Program, tmp_path: Path) -> None:
    broker = Broker(tmp_path, kafka_program)
    (tmp_path / "data").mkdir()
    with pytest.raises(BrokerFailed, match=r"exit code 1 instead of starting[\s\S]*meta\.properties"):
        broker.start()
    assert not broker.running


def gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_what_the_machine_lacks_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(install, "HOME", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(install.Missing, match=r"^no Java 17 and no Maven$"):
        install.installed()
    assert not list(tmp_path.iterdir())


def test_a_fetch_that_fails_leaves_nothing_that_looks_complete(
    kafka_program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho the network is down; exit 1\n")
    maven.chmod(0o755)
    monkeypatch.setattr(install, "HOME", tmp_path / "home")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(install.NotInstalled, match="the network is down"):
        install.installed()
    assert not install.is_installed()


PARENT = """
import pathlib, sys, time
from tests.kafka import install
from tests.kafka.broker import Broker
broker = Broker(pathlib.Path(sys.argv[1]))
broker.start()
print(broker.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
@pytest.mark.process
async def test_a_killed_parent_leaves_no_broker_behind(kafka_program: Program, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        try:
            broker = int(await asyncio.to_thread(parent.stdout.readline))
            assert "kafka.Kafka" in psutil.Process(broker).cmdline()
        finally:
            parent.kill()
    await until(lambda: gone(broker))
