"""Fixtures: a database without a schema, and a prefix of topics, both of the test's own."""

from tests.compose.programs import empty_database, prefix  # noqa: F401
