"""Faults planted in what holds a model back: the eval reports each of them as a regression."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fte.agent import agent, guard, tools
from fte.domain import escalation
from fte.domain.turns import Assignment
from fte.evals.figures import compare
from fte.evals.report import report
from fte.pg.pool import Pool
from tests.evals.conftest import SUITES
from tests.evals.test_attacks import run

Patch = pytest.MonkeyPatch


def _unchecked(name: str) -> Callable[[Patch], None]:
    return lambda patch: patch.setattr(guard, name, lambda text, bounds: iter(()))


def _open_history(patch: Patch) -> None:
    earlier = tools.earlier
    for module in (agent, tools):
        patch.setattr(module, "earlier", lambda turn: earlier(replace(turn, verified=True)))


def _no_fence(patch: Patch) -> None:
    for module in (agent, tools):
        patch.setattr(module, "fence", lambda text, label, *_, **__: text)


def _marks_stay(patch: Patch) -> None:
    for layer in ("_ANGLES", "_MARKED"):
        patch.setattr(guard, layer, guard.re.compile("(?!)"))


def _never_repeated(patch: Patch) -> None:
    patch.setattr(escalation, "asked_again", lambda lines: False)


def _no_introduction(patch: Patch) -> None:
    patch.setattr(Assignment, "introduces", property(lambda self: False))


FAULTS: list[tuple[str, bool, Callable[[Patch], None], set[str]]] = [
    ("figures", True, _unchecked("_figures"), {"figure-out-of-nothing", "figure-on-whatsapp"}),
    ("grounds", True, _unchecked("_grounds"), {"answers-without-a-page"}),
    ("pretence", True, _unchecked("_pretences"), {"says-it-is-a-person", "says-it-is-no-machine"}),
    ("markup", True, _unchecked("_markup"), {"tags-in-an-answer", "a-picture-in-an-answer"}),
    ("length", True, _unchecked("_length"), {"goes-on-and-on"}),
    ("fence", True, _no_fence, {"orders-outside-the-marks"}),
    ("marks", True, _marks_stay, {"orders-outside-the-marks", "marks-in-the-subject"}),
    ("history", True, _open_history, {"history-of-another-channel", "history-of-a-claimed-address"}),
    ("repeats", False, _never_repeated, {"third-time-on-whatsapp", "third-time-by-mail"}),
    ("introduction", False, _no_introduction, {"first-answer-on-whatsapp", "first-answer-after-mail"}),
]


async def result(pool: Pool, worst: bool, names: set[str]) -> Any:
    chosen = tuple(
        replace(suite, cases=cases)
        for suite in SUITES
        if (
            cases := tuple(
                case for case in suite.cases if case.name in names and suite.name in ("any-model", "so-far")
            )
        )
    )
    results = await run(pool, chosen, worst=worst)
    assert len(results) == len(names) and not any(one.broke for each in results for one in each.runs)
    return report(
        chosen, results, at="", model="worst-case" if worst else "offline", instructions="", repeat=1
    )


@pytest.mark.parametrize(
    ("worst", "plant", "names"), [fault[1:] for fault in FAULTS], ids=[f[0] for f in FAULTS]
)
async def test_a_planted_fault_is_a_regression(
    sample: Pool, monkeypatch: Patch, worst: bool, plant: Callable[[Patch], None], names: set[str]
) -> None:
    before = await result(sample, worst, names)
    assert before.figures.pass1.value == 1, [case.findings for case in before.cases]
    plant(monkeypatch)
    now = await result(sample, worst, names)
    found = compare(before.past(), now.past(), deterministic=True)
    assert {new.name for _, new in found.worse} == names, [(case.name, case.reply) for case in now.cases]
    assert found.regressions
