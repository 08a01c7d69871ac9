"""The topics in the cluster: as they are wanted, as they are, made where they are missing."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    NodeNotReadyError,
    NoError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from fte.bus.cluster import GONE, Cluster, unavailable
from fte.domain.errors import Refused, Unavailable
from fte.domain.events import TOPICS

ADMIN_TIMEOUT: Final = 20.0
"""Seconds all questions of one command may take."""
RETENTION: Final = "retention.ms"
DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How topics are made. All have the same number of partitions, so a key is in the same one in each."""

    partitions: int = 12
    replication: int = 1
    retention_days: int = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic as the cluster has it."""

    name: str
    partitions: int
    replication: int
    retention_ms: int | None

    @property
    def retention(self) -> str:
        """How long events are kept, in words."""
        if self.retention_ms is None:
            return "unknown"
        return "for ever" if self.retention_ms < 0 else f"{self.retention_ms / DAY_MS:g} days"

    def differences(self, plan: Plan) -> list[str]:
        """What is not as planned, in words; nothing when it is."""
        found = []
        if self.partitions != plan.partitions:
            found.append(f"partitions: {self.partitions}, wanted {plan.partitions}")
        if self.replication != plan.replication:
            found.append(f"replication: {self.replication}, wanted {plan.replication}")
        if self.retention_ms != plan.retention_days * DAY_MS:
            found.append(f"retention: {self.retention}, wanted {plan.retention_days} days")
        return found


async def create_missing(cluster: Cluster, plan: Plan) -> list[str]:
    """Make the topics of ours that are not there. Returns which were made; what is there stays as it is.

    Raises Unavailable when the cluster cannot be reached, Refused when it does not let us.
    """
    async with cluster.admin() as admin:
        try:
            async with asyncio.timeout(ADMIN_TIMEOUT):
                there = set(await admin.list_topics())
                missing = [topic for topic in TOPICS if cluster.named(topic) not in there]
                if missing:
                    await _create(admin, cluster, plan, missing)
                return missing
        except GONE as error:
            raise unavailable(error) from error


async def _create(admin: AIOKafkaAdminClient, cluster: Cluster, plan: Plan, names: Collection[str]) -> None:
    wanted = [
        NewTopic(
            cluster.named(name),
            plan.partitions,
            plan.replication,
            topic_configs={RETENTION: str(plan.retention_days * DAY_MS)},
        )
        for name in names
    ]
    try:
        answer: Any = await admin.create_topics(wanted)
    except AttributeError as error:  # the library's, while no broker leads the cluster
        raise NodeNotReadyError("No broker leads the cluster yet.") from error
    for name, code, *why in answer.topic_errors:
        kind = for_code(code)
        if kind in (NoError, TopicAlreadyExistsError):  # another process may have been faster
            continue
        said = f"The topic {name} cannot be made: {(why and why[0]) or kind.__name__}"
        if kind is TopicAuthorizationFailedError:
            raise Refused(said, remedy="Let somebody who may run `fte topics create`.")
        raise Unavailable(said, remedy="Check FTE_KAFKA_PARTITIONS and FTE_KAFKA_REPLICATION.")
    made = {topic.name for topic in wanted}
    # The brokers learn of them a little later than the controller.
    while not made <= set(await admin.list_topics()):  # noqa: ASYNC110
        await asyncio.sleep(0.05)


async def described(cluster: Cluster) -> list[Topic]:
    """The topics of ours that are there, in our order. Raises Unavailable."""
    async with cluster.admin() as admin:
        try:
            async with asyncio.timeout(ADMIN_TIMEOUT):
                return await _described(admin, cluster)
        except GONE as error:
            raise unavailable(error) from error


async def _described(admin: AIOKafkaAdminClient, cluster: Cluster) -> list[Topic]:
    wanted = {cluster.named(topic): topic for topic in TOPICS}
    there = [topic for topic in await admin.describe_topics() if topic["topic"] in wanted]
    retention = await _retention(admin, [topic["topic"] for topic in there])
    found = {
        wanted[topic["topic"]]: Topic(
            name=wanted[topic["topic"]],
            partitions=len(topic["partitions"]),
            replication=min((len(part["replicas"]) for part in topic["partitions"]), default=0),
            retention_ms=retention.get(topic["topic"]),
        )
        for topic in there
    }
    return [found[topic] for topic in TOPICS if topic in found]


async def _retention(admin: AIOKafkaAdminClient, names: Collection[str]) -> dict[str, int]:
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, {RETENTION: None}) for name in names]
    found: dict[str, int] = {}
    for answer in await admin.describe_configs(resources):
        for _, _, _, name, entries in answer.resources:
            found[name] = next(int(entry[1]) for entry in entries if entry[0] == RETENTION)
    return found
