"""Seeded bugs of the desk for other agents."""

from tests.mutants.catalogue import Mutant

_TESTS = "tests/daemon/test_mcp.py"
_HTTP = "tests/daemon/test_mcp_http.py"

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
    Mutant(
        name="any-token-opens-the-desk",
        invariant="another agent comes in with a right token only",
        path="fte/cli/_mcp_http.py",
        healthy="            raise Unauthorized from None",
        sick='            return "observer"',
        tests=(_HTTP, "-k", "without_a_right_token"),
    ),
    Mutant(
        name="a-token-right-once-is-right-for-ever",
        invariant="who is revoked is refused from the next request on",
        path="fte/cli/_mcp_http.py",
        healthy="        except BadToken:",
        sick='        except () if strange else BadToken:\n            return "agent"\n        except BadToken:',
        tests=(_HTTP, "-k", "revoked"),
    ),
    Mutant(
        name="the-desk-under-any-name",
        invariant="a stranger's page cannot reach the desk through a browser",
        path="fte/cli/_mcp_http.py",
        healthy="validate_request(Request(scope)) is not None",
        sick="validate_request(Request(scope)) is None and False",
        tests=(_HTTP, "-k", "strangers_name"),
    ),
    Mutant(
        name="a-hand-over-is-told-again",
        invariant="a hand-over is told to the customer once",
        path="fte/domain/conversations.py",
        healthy='    if control.owner == "human":\n        holder = control.operator_name or "nobody"',
        sick='    if False:\n        holder = control.operator_name or "nobody"',
        tests=(_TESTS, "-k", "told_once"),
    ),
    Mutant(
        name="an-observer-hands-over",
        invariant="roles",
        path="fte/domain/operators.py",
        healthy='"observer": frozenset({"read"}),',
        sick='"observer": frozenset({"read", "escalate"}),',
        tests=(_TESTS, "-k", "observer"),
    ),
)
