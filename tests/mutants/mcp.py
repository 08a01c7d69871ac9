"""Seeded bugs of the desk for other agents."""

from tests.mutants.catalogue import Mutant

_TESTS = "tests/daemon/test_mcp.py"

MCP = (
    Mutant(
        name="customers-words-without-marks",
        invariant="another agent can tell customers' words from ours",
        path="fte/cli/_mcp_tools.py",
        healthy="return printable(fence(text, label))",
        sick="return printable(text)",
        tests=(_TESTS, "-k", "observer"),
    ),
    Mutant(
        name="every-tool-for-everybody",
        invariant="the operator's role decides what another agent may do",
        path="fte/cli/_mcp_tools.py",
        healthy=" if allowed(role, action)]",
        sick="]",
        tests=(_TESTS, "-k", "observer"),
    ),
)
