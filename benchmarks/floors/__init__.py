"""The floors: the least programs that do the same work."""
