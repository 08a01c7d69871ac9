"""Whether an answer is sent, held or not given, and how sure it is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fte.domain.modes import (
    UNGROUNDED,
    Held,
    Off,
    Rule,
    confidence,
    decide,
    own_rules,
    rule_for,
    who_answers,
    with_rule,
)
from fte.domain.turns import Escalation, Outcome, Passage, Trace


def trace(*scores: float, verdicts: tuple[str, ...] = (), error: str | None = None) -> Trace:
    passages = tuple(Passage("t", "s", "general", score, "c") for score in scores)
    return Trace("test", "1", passages, verdicts=verdicts, error=error)


def test_confidence_is_the_best_score_less_what_went_wrong() -> None:
    assert confidence(trace(0.4, 0.8)) == 0.8
    assert confidence(trace()) == UNGROUNDED
    assert confidence(trace(0.8, verdicts=("mood 0.50", "refused: too_long"))) == pytest.approx(0.65)
    assert confidence(trace(0.8, verdicts=("reminded: text without a tool call",))) == pytest.approx(0.7)
    assert confidence(trace(0.9, error="TimeoutError")) == 0.0


@given(st.lists(st.floats(0, 1)), st.lists(st.sampled_from(["refused: x", "reminded: y", "mood 0.1"])))
def test_confidence_stays_within_its_bounds(scores: list[float], verdicts: list[str]) -> None:
    assert 0.0 <= confidence(trace(*scores, verdicts=tuple(verdicts))) <= 1.0


def test_a_rule_of_the_category_goes_before_the_channels() -> None:
    config = {"modes": {"*": {"mode": "auto", "below": 0.6}, "billing": {"mode": "off"}}}
    assert rule_for(config, "billing") == Rule("off")
    assert rule_for(config, "general") == Rule("auto", 0.6)
    assert rule_for({}, "general") == Rule("auto", 0.0)


@pytest.mark.parametrize(
    "modes",
    [{"*": "draft"}, {"*": {"mode": "maybe"}}, {"*": {"below": "high"}}, {"*": {"below": True}}, "off"],
)
def test_what_cannot_be_understood_holds_answers(modes: Any) -> None:
    assert rule_for({"modes": modes}, "general") == Rule("draft")
    assert own_rules({"modes": modes})[None] == Rule("draft")


def test_rules_are_set_and_taken_away_without_touching_the_rest() -> None:
    config = with_rule({"other": 1}, None, Rule("auto", 0.5))
    config = with_rule(config, "billing", Rule("draft"))
    assert own_rules(config) == {None: Rule("auto", 0.5), "billing": Rule("draft")}
    assert own_rules(with_rule(config, "billing", None)) == {None: Rule("auto", 0.5)}
    assert config["other"] == 1


def test_who_answers_first_is_said_only_where_it_is_certain() -> None:
    assert who_answers({}, None) == "ai"
    mixed = {"modes": {"*": {"mode": "auto"}, "billing": {"mode": "off"}}}
    assert who_answers(mixed, None) == "either"
    assert (who_answers(mixed, "billing"), who_answers(mixed, "general")) == ("people", "ai")
    assert who_answers({"modes": {"*": {"mode": "draft"}}}, None) == "checked"
    assert who_answers({"modes": {"*": {"mode": "auto", "below": 0.6}}}, "general") == "either"
    assert who_answers({"modes": "nonsense"}, None) == "checked"


def test_what_becomes_of_an_answer() -> None:
    answer = Outcome("A", trace(0.5))
    handed_over = Outcome("A person", trace(0.5), Escalation("anger", "high", "?"))
    assert decide(Rule(), answer, hinted=False) is None
    assert decide(Rule("auto", 0.5), answer, hinted=False) is None
    assert decide(Rule("auto", 0.51), answer, hinted=False) == Held("low_confidence", 0.5, 0.51)
    assert decide(Rule("draft"), answer, hinted=False) == Held("mode", 0.5)
    assert decide(Rule(), answer, hinted=True) == Held("regenerated", 0.5)
    assert decide(Rule(), answer, hinted=False, shared=True) == Held("mode", 0.5)
    assert decide(Rule("draft"), handed_over, hinted=False) is None
    assert decide(Rule("off"), handed_over, hinted=True) == Off()
