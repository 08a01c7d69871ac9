"""Customer Success FTE: an AI support employee that knows when to hand over to a person."""

__version__ = "0.1.0"
