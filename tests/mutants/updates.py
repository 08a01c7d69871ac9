"""Seeded bugs of updates: a release lives on while the next one migrates, and ends without losing anything."""

from tests.mutants.catalogue import Mutant

UPDATES = (
    Mutant(
        name="who-ends-asks-for-more",
        invariant="L3 SIGTERM ends within the deadline",
        path="fte/daemon/health.py",
        healthy="if self.stopping.is_set():",
        sick="if False:",
        tests=("tests/daemon/test_health.py", "-k", "turns_away"),
    ),
    Mutant(
        name="nobody-tells-health-of-the-end",
        invariant="L3 SIGTERM ends within the deadline",
        path="fte/daemon/app.py",
        healthy="Health(self.pool, channels, self.problems, relay, self.stop)",
        sick="Health(self.pool, channels, self.problems, relay)",
        tests=("tests/daemon/test_health.py", "-k", "told_of_the_end"),
    ),
    Mutant(
        name="a-release-dies-of-the-next-ones-schema",
        invariant="an update loses nothing",
        path="fte/pg/schema.py",
        healthy="if oldest is not None and oldest <= SCHEMA_VERSION:",
        sick="if False:",
        tests=("tests/daemon/test_health.py", "-k", "only_grown"),
    ),
    Mutant(
        name="a-release-goes-on-without-what-it-needs",
        invariant="an update loses nothing",
        path="fte/pg/schema.py",
        healthy="if oldest is not None and oldest <= SCHEMA_VERSION:",
        sick="if oldest is not None:",
        tests=("tests/daemon/test_health.py", "-k", "only_grown"),
    ),
    Mutant(
        name="a-token-the-group-may-read",
        invariant="secrets are kept",
        path="fte/channels/gmail/client.py",
        healthy="theirs = 0o077 if file.st_uid == os.getuid() else 0o037",
        sick="theirs = 0o037",
        tests=("tests/gmail/test_client.py", "-k", "others_may_read"),
    ),
)
