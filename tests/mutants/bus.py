"""Seeded bugs of the events: dead letters sent again, metrics counted."""

from tests.mutants.catalogue import Mutant

BUS = (
    Mutant(
        name="a-replay-goes-to-every-group",
        invariant="I13 poison is isolated",
        path="fte/bus/dispatch.py",
        healthy="if event.replay is not None and event.replay.group != self._group:",
        sick="if False:",
        tests=("tests/bus/test_log_bus.py", "-k", "only_its_group"),
    ),
    Mutant(
        name="no-cap-on-replays",
        invariant="I13 poison is isolated",
        path="fte/domain/dead_letters.py",
        healthy="if replays >= REPLAYS_MAX:",
        sick="if False:",
        tests=("tests/bus/test_dead_letters.py", "-k", "limit"),
    ),
    Mutant(
        name="a-letter-is-replayed-by-two",
        invariant="I13 poison is isolated",
        path="fte/bus/dead_letters.py",
        healthy="await connection.fetch(_sql.lock_letters, asked)",
        sick="await connection.fetch(_sql.look, asked)",
        tests=("tests/bus/test_dead_letters.py", "-k", "at_once"),
    ),
    Mutant(
        name="a-replay-that-fails-is-another-letter",
        invariant="I13 poison is isolated",
        path="fte/bus/dead_letters.py",
        healthy="event.first_id,",
        sick="event.id,",
        tests=("tests/bus/test_dead_letters.py", "-k", "same_letter"),
    ),
    Mutant(
        name="a-redelivered-event-ends-its-own-replay",
        invariant="I13 poison is isolated",
        path="fte/bus/dead_letters.sql",
        healthy="d.state = 'replayed' and $9::boolean",
        sick="d.state = 'replayed' and $9::boolean is not null",
        tests=("tests/bus/test_dead_letters.py", "-k", "under_way"),
    ),
    Mutant(
        name="a-replay-does-not-wait-for-its-conversation",
        invariant="I18 events are complete",
        path="fte/bus/dead_letters.py",
        healthy="    await connection.execute(_sql.lock_conversations, asked)\n",
        sick="",
        tests=("tests/bus/test_dead_letters.py", "-k", "waits_for_its_conversation"),
    ),
    Mutant(
        name="metrics-are-counted-again-on-redelivery",
        invariant="metrics count each event once",
        path="fte/store/agent_metrics.sql",
        healthy="do nothing",
        sick="do update set metric_value = agent_metrics.metric_value + excluded.metric_value",
        tests=("tests/daemon/test_collector.py", "-k", "killed"),
    ),
    Mutant(
        name="a-replay-is-counted-as-another-event",
        invariant="metrics count each event once",
        path="fte/daemon/collector.py",
        healthy="event.first_id, event.first_at, measured",
        sick="event.id, event.at, measured",
        tests=("tests/daemon/test_collector.py", "-k", "replay"),
    ),
)
