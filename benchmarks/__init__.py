"""Our figures beside floors measured in the same run, alternating, on the same machine.

A floor is the least program that does the same work with the same libraries. What counts is the ratio: both sides
meet the same machine, with the same noise. `python -m benchmarks --help` tells how to run them.
"""
