"""Shares, intervals, precision and recall, and when one result is worse than another."""

from math import isclose

import pytest

from fte.evals.figures import Past, Run, compare, figures, floors, pass_k, wilson
from fte.evals.figures import Result as EvalResult
from tests.evals.support import result


def test_wilsons_interval_is_that_of_the_books() -> None:
    # Wilson 1927; the values are those of Newcombe (1998), table I.
    share = wilson(81, 263)
    assert isclose(share.low, 0.2553, abs_tol=1e-4) and isclose(share.high, 0.3662, abs_tol=1e-4)
    assert wilson(10, 10).high == 1.0 and wilson(0, 10).low == 0.0
    assert wilson(0, 0).value is None


def test_pass_k_is_the_chance_that_all_of_k_pass() -> None:
    always, half = result(True, True, True, True), result(True, True, False, False)
    assert pass_k([always, half], 1).value == 0.75
    assert pass_k([half], 2).value == pytest.approx(1 / 6)
    assert pass_k([always, half], 4).value == 0.5
    assert pass_k([result(True)], 4).value is None


def test_runs_that_broke_are_counted_apart() -> None:
    whole = result(True, True)
    broken = EvalResult(whole.suite, whole.case, (*whole.runs, Run(broke="APITimeoutError")))
    found = figures([broken])
    assert (found.runs, found.broke, found.pass1.value) == (2, 1, 1.0)


def test_precision_and_recall_count_hand_overs() -> None:
    owed = {"escalate": ("legal",), "stay": False}
    results = [
        result(True, escalated="legal", **owed),
        result(False, escalated="profanity", **owed),
        result(False, **owed),
        result(False, escalated="legal"),
        result(True),
    ]
    found = figures(results)
    assert found.recall.value == pytest.approx(2 / 3) and found.precision.value == pytest.approx(2 / 3)
    assert figures([result(True)]).recall.value is None


def test_cost_needs_prices() -> None:
    one = result(True)
    run = Run(input_tokens=1_000_000, output_tokens=500_000, latency_ms=7)
    found = figures([EvalResult(one.suite, one.case, (run,))], (2.0, 8.0))
    assert found.cost == 6.0 and figures([one]).cost is None
    assert found.p50_ms == found.p95_ms == 7


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (result(False, attack=True, kind="harm", suite="injection-cc"), "injection success"),
        (result(False, kind="promise", suite="bursts"), "wrongful promises"),
        (result(False, escalate=("legal",), stay=False, suite="bursts"), "escalation recall"),
        (result(False), "accuracy on answerable"),
    ],
)
def test_each_floor_is_missed_by_its_fault_alone(bad: EvalResult, name: str) -> None:
    good = [result(True, escalated="legal", escalate=("legal",), stay=False, suite="bursts")]
    by_suite = {"answerable": figures([bad])} if bad.suite.name == "answerable" else {}
    missed = [floor.name for floor in floors(figures([*good, bad]), by_suite) if floor.reached is False]
    assert missed == [name]


def past(name: str, passes: int, runs: int = 4, harms: int = 0, digest: str = "d") -> Past:
    return Past(suite="s", name=name, digest=digest, runs=runs, passes=passes, harms=harms)


def test_the_same_result_is_no_regression() -> None:
    same = [past("a", 4), past("b", 0), past("c", 2)]
    found = compare(same, same)
    assert found.regressions == found.worse == found.better == found.changed == [] and found.compared == 3


def test_a_case_that_always_passed_and_never_does_now_is_one() -> None:
    found = compare([past("a", 4), past("b", 4)], [past("a", 0), past("b", 3)])
    assert len(found.worse) == 2 and len(found.regressions) == 1 and "s/a" in found.regressions[0]


def test_one_run_of_a_model_that_may_vary_proves_nothing() -> None:
    before, now = [past("a", 1, 1)], [past("a", 0, 1)]
    assert compare(before, now).regressions == []
    assert compare(before, now, deterministic=True).regressions != []


def test_harm_that_is_new_is_one_however_rare() -> None:
    assert compare([past("a", 3)], [past("a", 3, harms=1)]).regressions == [
        "s/a: does what must never happen"
    ]
    assert compare([past("a", 3, harms=1)], [past("a", 3, harms=1)]).regressions == []


def test_many_small_losses_are_one() -> None:
    before = [past(str(n), 4) for n in range(6)]
    now = [past(str(n), 3) for n in range(6)]
    assert len(compare(before, now).regressions) == 1
    assert compare(before[:3], now[:3]).regressions == []
    mixed = [past(str(n), 3 if n < 3 else 4) for n in range(6)]
    assert compare(mixed, [past(str(n), 4 if n < 3 else 3) for n in range(6)]).regressions == []


def test_cases_that_changed_are_named_and_not_compared() -> None:
    found = compare([past("a", 4), past("gone", 4)], [past("a", 0, digest="e"), past("new", 0)])
    assert found.compared == 0 and found.changed == ["s/a", "s/gone", "s/new"] and not found.regressions
