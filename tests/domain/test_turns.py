"""Whether a run's outcome counts, and how long a turn waits for a provider that is away."""

from dataclasses import replace
from typing import Any

import pytest

from fte.domain.conversations import Control
from fte.domain.turns import (
    ATTEMPTS_MAX,
    DISCARDS_MAX,
    PATIENCE,
    Escalation,
    Outcome,
    Trace,
    Verdict,
    judge,
    pause_after,
)

FAILED = Outcome(
    "A person answers.", Trace("m", "1"), Escalation("agent_failure", "normal", "?"), failed=True
)
AWAY = replace(FAILED, retry_after=1.0)
HOPELESS = replace(FAILED, retry_after=None)


def verdict(outcome: Outcome, attempts: int, waited: float = 0.0) -> Verdict:
    control = Control("ai", 0, "open", None, None, 1, 1, 0)
    facts: dict[str, Any] = {"lease_held": True, "control": control, "epoch": 0, "answers_seq": 1}
    return judge(outcome, **facts, attempts=attempts, discards=0, waited=waited)


@pytest.mark.parametrize(
    ("outcome", "attempts", "waited", "expected"),
    [
        (FAILED, 1, 0, Verdict.RETRY),
        (FAILED, ATTEMPTS_MAX - 1, 9999, Verdict.RETRY),
        (FAILED, ATTEMPTS_MAX, 0, Verdict.ACCEPT),
        (HOPELESS, 1, 0, Verdict.ACCEPT),
        (AWAY, 1, 0, Verdict.RETRY),
        (AWAY, ATTEMPTS_MAX, 0, Verdict.WAIT),
        (AWAY, ATTEMPTS_MAX, PATIENCE - 2, Verdict.WAIT),
        (AWAY, ATTEMPTS_MAX, PATIENCE - 1, Verdict.ACCEPT),
        (AWAY, 1, 9999, Verdict.RETRY),
        (replace(FAILED, retry_after=30.0), ATTEMPTS_MAX, PATIENCE - 31, Verdict.WAIT),
        (replace(FAILED, retry_after=30.0), ATTEMPTS_MAX, PATIENCE - 29, Verdict.ACCEPT),
        (replace(FAILED, retry_after=PATIENCE + 1), 1, 0, Verdict.ACCEPT),
    ],
)
def test_a_failed_run(outcome: Outcome, attempts: int, waited: float, expected: Verdict) -> None:
    assert verdict(outcome, attempts, waited) is expected


@pytest.mark.parametrize(
    ("outcome", "discards", "expected"),
    [
        (replace(FAILED, failed=False), 0, Verdict.RERUN),
        (replace(FAILED, failed=False), DISCARDS_MAX, Verdict.ACCEPT),
        (AWAY, 0, Verdict.RETRY),
        (HOPELESS, 0, Verdict.RERUN),
    ],
)
def test_one_hand_over_too_many(outcome: Outcome, discards: int, expected: Verdict) -> None:
    """What is tried again anyhow waits for its provider first."""
    control = Control("ai", 0, "open", None, None, 1, 1, 0)
    facts: dict[str, Any] = {"lease_held": True, "control": control, "epoch": 0, "answers_seq": 1}
    assert judge(outcome, **facts, attempts=1, discards=discards, floods=True) is expected


def test_a_provider_that_stays_away_keeps_nobody_waiting_for_long() -> None:
    """However the chances fall, the runs are few and the customer is told in time."""
    for chance in (0.0, 0.5, 0.999):
        waited, attempts, runs = 0.0, 0, 0
        while True:
            attempts, runs = attempts + 1, runs + 1
            found = verdict(AWAY, attempts, waited)
            if found is Verdict.ACCEPT:
                break
            waited += pause_after(AWAY, attempts, chance)
            attempts -= found is Verdict.WAIT
        assert PATIENCE / 2 < waited < PATIENCE + 25
        assert runs < 30
