"""Between Kafka and the settings: which bus carries events, and what feeds it.

The client library is heavy, so it is imported only where a cluster is configured.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from typing import TYPE_CHECKING

from fte.bus.log import LogBus
from fte.domain.events import COLLECTORS, PROCESSORS, SENDERS
from fte.pg.hints import Hints
from fte.pg.pool import Pool
from fte.ports import Bus
from fte.settings import Settings

if TYPE_CHECKING:
    from fte.bus.cluster import Cluster
    from fte.bus.relay import Relay
    from fte.bus.topics import Plan

Problems = MutableMapping[str, str]
"""What is wrong in this process now, by part."""


def cluster_of(settings: Settings) -> "Cluster | None":
    """The cluster the settings name; None when events stay in the database."""
    if not settings.kafka_bootstrap_servers:
        return None
    from fte.bus.cluster import Cluster

    return Cluster(
        bootstrap=settings.kafka_bootstrap_servers,
        prefix=settings.kafka_prefix,
        security=settings.kafka_security,  # type: ignore[arg-type]  # one of them, the settings say
        sasl_mechanism=settings.kafka_sasl_mechanism,
        username=settings.kafka_username,
        password=settings.kafka_password,
        ca_file=settings.kafka_ca_file,
        cert_file=settings.kafka_cert_file,
        key_file=settings.kafka_key_file,
    )


def plan_of(settings: Settings) -> "Plan":
    """How topics are to be made."""
    from fte.bus.topics import Plan

    return Plan(
        partitions=settings.kafka_partitions,
        replication=settings.kafka_replication,
        retention_days=settings.kafka_retention_days,
    )


def bus(settings: Settings, pool: Pool, hints: Hints, problems: Problems) -> Bus:
    """What carries events: Kafka where a cluster is configured, else the log itself."""
    cluster = cluster_of(settings)
    if cluster is None:
        return LogBus(pool, hints)
    from fte.bus.kafka import KafkaBus

    return KafkaBus(cluster, pool, hints, problems)


def lag(settings: Settings) -> Callable[[], Awaitable[Mapping[tuple[str, str], int]]] | None:
    """What tells how far the groups are behind, by group and topic; None where there is no cluster."""
    cluster = cluster_of(settings)
    if cluster is None:
        return None
    from fte.bus.lag import lag

    return partial(lag, cluster, (PROCESSORS, SENDERS, COLLECTORS))


def relay(settings: Settings, pool: Pool, hints: Hints, problems: Problems) -> "Relay | None":
    """What carries the log to Kafka; None where there is no cluster."""
    cluster = cluster_of(settings)
    if cluster is None:
        return None
    from fte.bus.relay import Relay

    return Relay(cluster, pool, hints, plan_of(settings), problems)
