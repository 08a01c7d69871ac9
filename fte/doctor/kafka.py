"""Kafka: whether its brokers answer, and whether the topics are as wanted."""

from fte.daemon.kafka import cluster_of, plan_of
from fte.doctor.finding import Finding, failed, ok, skipped, warning
from fte.doctor.network import listener
from fte.domain.errors import FteError, Unavailable
from fte.domain.events import TOPICS
from fte.settings import Settings


async def kafka(settings: Settings) -> list[Finding]:
    cluster = cluster_of(settings)
    if cluster is None:
        return [skipped("kafka", "Not configured: events stay in the database.")]
    if nobody := await _silent(settings):
        return nobody
    from fte.bus import topics

    try:
        there = await topics.described(cluster)
    except Unavailable as error:
        return [failed("kafka", error.message, error.remedy)]
    except FteError as error:
        return [failed("kafka", error.message, error.remedy or "Check the FTE_KAFKA_ settings.")]
    answers = ok("kafka", f"The brokers answer: {settings.kafka_bootstrap_servers}.")
    missing = sorted(set(TOPICS) - {topic.name for topic in there})
    if missing:
        said = f"Topics are missing: {', '.join(missing)}."
        return [
            answers,
            failed("topics", said, "Run `fte topics create`; a relay with the right to also makes them."),
        ]
    differing = [topic.name for topic in there if topic.differences(plan_of(settings))]
    if differing:
        said = f"Topics are not as the settings want them: {', '.join(differing)}."
        return [answers, warning("topics", said, "`fte topics describe` shows how they differ.")]
    return [answers, ok("topics", f"All {len(TOPICS)} topics are there, as the settings want them.")]


async def _silent(settings: Settings) -> list[Finding]:
    """What is wrong when no broker can even be connected to; nothing when one can."""
    seen = []
    for server in settings.kafka_bootstrap_servers.split(","):
        host, _, port = server.strip().rpartition(":")
        found = await listener(host.strip("[]"), int(port))
        if found == "somebody":
            return []
        seen.append(f"{server.strip()} ({'nothing listens' if found == 'nobody' else found})")
    return [
        failed(
            "kafka",
            f"No broker can be reached: {', '.join(seen)}.",
            "Start Kafka; a broker that was just started needs up to half a minute. Check "
            "FTE_KAFKA_BOOTSTRAP_SERVERS. Meanwhile messages are taken in and answered all the same.",
        )
    ]
