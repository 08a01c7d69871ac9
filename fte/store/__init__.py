"""State, as plain functions over a connection. Each module's SQL lies beside it, by name."""
