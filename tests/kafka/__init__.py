"""A real Kafka broker for tests, and tests of what runs over it."""
