"""Runs of cases: what is broken is told apart from what is wrong."""

import asyncio

import pytest

from fte.domain.errors import Unavailable
from fte.domain.turns import Assignment, Escalation, Outcome, Trace
from fte.evals.case import Suite
from fte.evals.stage import GIVE_UP, run
from tests.evals.support import case, outcome


class Fixed:
    """Answers every turn alike, and counts how many at the same time."""

    def __init__(self, answer: Outcome) -> None:
        self.outcome = answer
        self.turns = self.now = self.most = 0

    async def answer(self, assignment: Assignment) -> Outcome:
        self.turns += 1
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        return self.outcome


def failed(error: str, model: str = "m") -> Outcome:
    return Outcome(
        "A person answers.",
        Trace(model, "v", error=error),
        Escalation("agent_failure", "normal", ""),
        failed=True,
    )


def suite(count: int) -> Suite:
    return Suite(
        name="s", version=1, about="", cases=tuple(case(name=str(number)) for number in range(count))
    )


async def test_each_case_runs_so_often_and_so_many_at_a_time() -> None:
    agent = Fixed(outcome())
    results = await run([suite(5)], lambda *_: agent, host="tallywren.example", repeat=3, concurrency=4)
    assert agent.turns == 15 and agent.most == 4
    assert [len(result.runs) for result in results] == [3] * 5 and all(
        result.passes == 3 for result in results
    )


async def test_a_model_that_makes_no_sense_is_judged() -> None:
    agent = Fixed(failed("MaxTurnsExceeded"))
    [result] = await run([suite(1)], lambda *_: agent, host="")
    assert result.judged and not result.passes


@pytest.mark.parametrize("error", ["APITimeoutError", "RateLimitError 429", "search failed: Unavailable"])
async def test_a_model_that_is_away_is_not(error: str) -> None:
    agent = Fixed(failed(error))
    [result] = await run([suite(1)], lambda *_: agent, host="")
    assert not result.judged and result.runs[0].broke == error


async def test_a_model_that_never_answers_is_not_asked_for_ever() -> None:
    agent = Fixed(failed("APIConnectionError"))
    with pytest.raises(ExceptionGroup) as group:
        await run([suite(200)], lambda *_: agent, host="", concurrency=2)
    assert group.group_contains(Unavailable, match="APIConnectionError") and agent.turns <= GIVE_UP + 2


async def test_what_the_rules_decide_does_not_count_as_an_answer_of_the_model() -> None:
    rules = Fixed(outcome("A person answers.", reason="legal"))
    rules.outcome = Outcome("A person answers.", Trace("rules", "v"), Escalation("legal", "high", ""))
    away = Fixed(failed("APIConnectionError"))
    with pytest.raises(ExceptionGroup):
        await run([suite(100)], lambda _, one: rules if int(one.name) % 2 else away, host="", concurrency=1)
    assert away.turns == GIVE_UP
