"""Seeded bugs of the way to a real model."""

from tests.mutants.catalogue import Mutant

_TESTS = "tests/agent/test_models.py"

MODEL = (
    Mutant(
        name="what-is-not-told-costs-nothing",
        invariant="a budget ends what the model may cost",
        path="fte/agent/models.py",
        healthy="if self._metered and not",
        sick="if False and not",
        tests=(_TESTS, "-k", "without_usage or tells_no_usage"),
    ),
    Mutant(
        name="spent-credits-are-waited-for",
        invariant="what a repetition cannot mend is handed over at once",
        path="fte/agent/provider.py",
        healthy=" or code in _SPENT:",
        sick=":",
        tests=(_TESTS, "-k", "what_is_wrong"),
    ),
    Mutant(
        name="a-run-sleeps-as-long-as-a-provider-asks",
        invariant="a run ends within its budget",
        path="fte/agent/models.py",
        healthy=" or delay > RETRY_WAIT_MAX:",
        sick=":",
        tests=(_TESTS, "-k", "asks_for_more"),
    ),
    Mutant(
        name="a-drip-keeps-a-call-alive",
        invariant="every wait has a deadline",
        path="fte/agent/models.py",
        healthy="async with asyncio.timeout(self._timeout):",
        sick="async with asyncio.timeout(None):",
        tests=(_TESTS, "-k", "slow_server"),
    ),
    Mutant(
        name="who-drops-connections-is-waited-for-as-for-an-answer",
        invariant="every wait has a deadline",
        path="fte/agent/provider.py",
        healthy="connect=min(timeout, CONNECT_TIMEOUT)",
        sick="connect=timeout",
        tests=(_TESTS, "-k", "cannot_be_connected"),
    ),
    Mutant(
        name="an-answer-without-end-is-read",
        invariant="every answer has a limit",
        path="fte/agent/provider.py",
        healthy="if size > ANSWER_MAX:",
        sick="if False:",
        tests=(_TESTS, "-k", "without_end"),
    ),
    Mutant(
        name="a-provider-that-is-away-is-asked-by-all",
        invariant="a provider that stays away is left alone",
        path="fte/agent/provider.py",
        healthy="if self._failures < OPEN_AFTER:",
        sick="if True:",
        tests=(_TESTS, "-k", "left_alone"),
    ),
    Mutant(
        name="a-providers-words-in-the-trace",
        invariant="personal data stays out of traces",
        path="fte/agent/provider.py",
        healthy="isinstance(code, str) and code in _CODES",
        sick="isinstance(code, str)",
        tests=(_TESTS, "-k", "own_words"),
    ),
    Mutant(
        name="an-outage-burns-the-attempts",
        invariant="a turn waits for a provider that is away",
        path="fte/store/turns.py",
        healthy="wait, discarded, discarded or kept)",
        sick="wait, discarded, discarded)",
        tests=("tests/store/test_turns.py", "-k", "last_attempt"),
    ),
    Mutant(
        name="a-turn-waits-for-ever",
        invariant="nobody waits for ever",
        path="fte/domain/turns.py",
        healthy=" and waited + outcome.retry_after < PATIENCE:",
        sick=":",
        tests=("tests/domain/test_turns.py", "-k", "failed_run"),
    ),
)
