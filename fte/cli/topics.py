"""`fte topics`: the topics in Kafka."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from fte.cli._session import AsJson, fail, load_settings, run
from fte.domain.errors import Rejected

if TYPE_CHECKING:
    from fte.bus.cluster import Cluster
    from fte.bus.topics import Plan, Topic

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True)

Partitions = Annotated[
    int | None,
    typer.Option("--partitions", min=1, help="Partitions of each. (env: FTE_KAFKA_PARTITIONS)"),
]
Replication = Annotated[
    int | None,
    typer.Option("--replication", min=1, help="Copies of each partition. (env: FTE_KAFKA_REPLICATION)"),
]
RetentionDays = Annotated[
    int | None,
    typer.Option("--retention-days", min=1, help="Days events are kept. (env: FTE_KAFKA_RETENTION_DAYS)"),
]


@app.command()
def create(
    partitions: Partitions = None, replication: Replication = None, retention_days: RetentionDays = None
) -> None:
    """Make the topics that are missing. What is there is left as it is, and told where it differs.

    A running relay makes them, too, where it may. Exit code 1 when what is there differs.
    """
    from fte.bus import topics

    async def work(cluster: "Cluster", plan: "Plan") -> "tuple[list[str], list[Topic]]":
        return await topics.create_missing(cluster, plan), await topics.described(cluster)

    given = {"partitions": partitions, "replication": replication, "retention_days": retention_days}
    plan = _plan({name: value for name, value in given.items() if value is not None})
    made, there = _asked(lambda cluster: work(cluster, plan))
    for topic in there:
        typer.echo(f"{'made' if topic.name in made else 'there'}  {topic.name}")
    differing = [(topic, differences) for topic in there if (differences := topic.differences(plan))]
    for topic, differences in differing:
        typer.echo(f"{topic.name} differs: {'; '.join(differences)}.", err=True)
    if differing:
        typer.echo(
            "Nothing was changed: more partitions would move keys to others, and their events out of order. "
            "To change them, stop the daemon and use Kafka's own tools.",
            err=True,
        )
        raise typer.Exit(1)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the topics, also those that are missing."""
    from fte.bus import topics
    from fte.domain.events import TOPICS

    there = {topic.name for topic in _asked(topics.described)}
    if as_json:
        from fte.wire import encode

        typer.echo(encode([{"topic": name, "exists": name in there} for name in TOPICS]).decode())
        return
    for name in TOPICS:
        typer.echo(name if name in there else f"{name}  (missing)")


@app.command()
def describe(as_json: AsJson = False) -> None:
    """Partitions, copies and retention of each topic, and where they are not as the settings want them."""
    from fte.bus import topics

    plan = _plan({})
    there = _asked(topics.described)
    if as_json:
        from fte.wire import encode

        rows = [
            {
                "topic": topic.name,
                "partitions": topic.partitions,
                "replication": topic.replication,
                "retention_ms": topic.retention_ms,
                "differences": topic.differences(plan),
            }
            for topic in there
        ]
        typer.echo(encode(rows).decode())
        return
    if not there:
        typer.echo("There are no topics of ours yet. `fte topics create` makes them.")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("topic", "partitions", "replication", "retention", "differs", box=None, pad_edge=False)
    for topic in there:
        differences = "; ".join(topic.differences(plan))
        table.add_row(topic.name, str(topic.partitions), str(topic.replication), topic.retention, differences)
    Console(markup=False).print(table)


def _plan(changes: dict[str, int]) -> "Plan":
    from fte.daemon.kafka import plan_of

    return replace(plan_of(load_settings()), **changes)


def _asked(question: "Callable[[Cluster], Awaitable[T]]") -> T:
    from fte.daemon.kafka import cluster_of

    cluster = cluster_of(load_settings())
    if cluster is None:
        fail(
            Rejected(
                "FTE_KAFKA_BOOTSTRAP_SERVERS is not set: events stay in the database, and need no topics.",
                remedy="Set it to the brokers, as in kafka-1:9092,kafka-2:9092.",
            )
        )

    async def work() -> T:
        return await question(cluster)

    return run(work)
