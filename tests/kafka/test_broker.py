"""The broker of the tests: what it acknowledged is kept, it can be disturbed, and it leaves no process behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from tests.kafka.broker import Broker, BrokerFailed
from tests.kafka.install import Program
from tests.support import until


@asynccontextmanager
async def producing(address: str, request_timeout_ms: int = 10_000) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all", request_timeout_ms=request_timeout_ms)
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
    async with producing(own_kafka.bootstrap, request_timeout_ms=500) as producer:
        await producer.send_and_wait(topic, b"before")
        own_kafka.pause()
        assert own_kafka.running
        with pytest.raises(KafkaError):
            await producer.send_and_wait(topic, b"meanwhile")
        own_kafka.resume()

        async def goes_on() -> bool:
            try:
                await producer.send_and_wait(topic, b"after")
            except KafkaError:
                return False
            return True

        await until(goes_on)
    values = await stored(own_kafka.bootstrap, topic)
    assert values[0] == b"before" and b"after" in values


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
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


PARENT = """
import pathlib, sys, time
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
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:  # noqa: ASYNC220
        assert parent.stdout is not None
        try:
            broker = int(await asyncio.to_thread(parent.stdout.readline))
            assert psutil.Process(broker).cmdline()[-2] == "kafka.Kafka"
        finally:
            os.kill(parent.pid, signal.SIGKILL)
    await until(lambda: gone(broker))
