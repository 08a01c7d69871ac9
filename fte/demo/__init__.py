"""The demonstration: a sample company, and customers who write to it over the real routes."""
