"""Values and decisions: frozen data and pure functions. No I/O, no clock, no event loop."""
