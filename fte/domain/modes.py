"""Whether an answer of the AI is sent, waits for a person's approval, or is not given at all."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from fte.domain.tickets import CATEGORIES, Category
from fte.domain.turns import Assignment, Escalation, Outcome, Trace

Mode = Literal["auto", "draft", "off"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
HeldBecause = Literal["mode", "low_confidence", "regenerated"]
Answers = Literal["ai", "checked", "people", "either"]
"""Who answers first: the AI; the AI, and a person reads it before it is sent; a person; or it is not known beforehand."""

OFF: Final = "ai_off"
"""The reason a conversation goes to a person where the AI is off."""
EVERY: Final = "*"
"""In a channel's configuration: the rule for each category that has none of its own."""
UNGROUNDED: Final = 0.5
"""The confidence in an answer that rests on no passage: a greeting, thanks, or a question back."""
REFUSED_COSTS: Final = 0.15
"""What each rule that a first try of the answer broke takes from the confidence."""
REMINDED_COSTS: Final = 0.1
"""What a model that had to be reminded of its tools takes from the confidence."""
_ASKED_MAX: Final = 1_000
_ANSWERS: Final[dict[Mode, Answers]] = {"auto": "ai", "draft": "checked", "off": "people"}


@dataclass(frozen=True, slots=True)
class Rule:
    """`auto` sends an answer unless its confidence is under `below`; `draft` holds each one; `off` gives none."""

    mode: Mode = "auto"
    below: float = 0.0


@dataclass(frozen=True, slots=True)
class Held:
    """The answer waits for a person. `threshold` is set where the confidence is why."""

    because: HeldBecause
    confidence: float
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Off:
    """The AI is off here: a person answers."""


def rule_for(config: Any, category: Category) -> Rule:
    """The rule in a channel's configuration, as it is stored. What cannot be understood holds answers.

    `{"modes": {"*": {"mode": "auto", "below": 0.6}, "billing": {"mode": "draft"}}}`: the category's own rule counts,
    else that of `*`, else answers are sent.
    """
    rules = config.get("modes", {}) if isinstance(config, Mapping) else {}
    if not isinstance(rules, Mapping):
        return Rule("draft")
    given = rules.get(category, rules.get(EVERY))
    if given is None:
        return Rule()
    if not isinstance(given, Mapping) or given.get("mode", "auto") not in MODES:
        return Rule("draft")
    below = given.get("below", 0.0)
    if isinstance(below, bool) or not isinstance(below, int | float):
        return Rule("draft")
    return Rule(given.get("mode", "auto"), float(below))


def with_rule(config: Any, category: Category | None, rule: Rule | None) -> dict[str, Any]:
    """The configuration with that rule for a category, or for all that have none; None takes the rule away."""
    changed = dict(config) if isinstance(config, Mapping) else {}
    given = changed.get("modes")
    rules = dict(given) if isinstance(given, Mapping) else {}
    rules.pop(category or EVERY, None)
    if rule is not None:
        rules[category or EVERY] = {"mode": rule.mode, "below": rule.below}
    return changed | {"modes": rules}


def own_rules(config: Any) -> dict[Category | None, Rule]:
    """The rules a channel's configuration spells out; None stands for the categories without one."""
    given = config.get("modes", {}) if isinstance(config, Mapping) else {}
    if not isinstance(given, Mapping):
        given = {EVERY: given}
    rules: dict[Category | None, Rule] = {None: rule_for({"modes": {EVERY: given.get(EVERY)}}, "general")}
    return rules | {one: rule_for({"modes": given}, one) for one in CATEGORIES if one in given}


def who_answers(config: Any, category: Category | None) -> Answers:
    """Who answers first in a category, or in whichever it will be, by a channel's configuration."""
    rules = [rule_for(config, one) for one in ((category,) if category else CATEGORIES)]
    kinds = {_ANSWERS[rule.mode] if rule.mode != "auto" or rule.below <= 0 else "either" for rule in rules}
    return kinds.pop() if len(kinds) == 1 else "either"


def confidence(trace: Trace) -> float:
    """How well an answer is backed, from 0 to 1, read off the run's trace alone.

    It begins with the score of the best passage found, or UNGROUNDED where none was; each rule a first try broke
    takes REFUSED_COSTS, a reminder REMINDED_COSTS, and a run that ended in an error has none at all.
    """
    if trace.error is not None:
        return 0.0
    best = max((passage.score for passage in trace.passages), default=UNGROUNDED)
    best -= REFUSED_COSTS * sum(verdict.startswith("refused:") for verdict in trace.verdicts)
    best -= REMINDED_COSTS * sum(verdict.startswith("reminded:") for verdict in trace.verdicts)
    return round(min(1.0, max(0.0, best)), 4)


def decide(rule: Rule, outcome: Outcome, *, hinted: bool, shared: bool = False) -> Held | Off | None:
    """What becomes of an accepted outcome: held, not given, or (None) sent.

    A hand-over's words are our own, not the model's: they are sent even where answers are held. What an operator
    asked for with a hint is always shown to somebody first. So is an answer in a `shared` conversation, which several
    people may read whom nothing proves to be one.
    """
    if rule.mode == "off":
        return Off()
    if outcome.escalation is not None:
        return None
    sure = confidence(outcome.trace)
    if hinted:
        return Held("regenerated", sure)
    if rule.mode == "draft" or shared:
        return Held("mode", sure)
    return Held("low_confidence", sure, rule.below) if sure < rule.below else None


def unasked(assignment: Assignment) -> Outcome:
    """The outcome of a turn that no model is asked about, because the AI is off there."""
    return switched_off(Outcome("", Trace("rules", "", verdicts=("the AI is off here",))), assignment)


def switched_off(outcome: Outcome, assignment: Assignment) -> Outcome:
    """The outcome with its words taken away: the conversation goes to a person, with the reason the rules gave or OFF."""
    known = outcome.escalation
    tried = (f"answer not sent: {outcome.reply[:_ASKED_MAX]}",) if outcome.reply and known is None else ()
    asked = assignment.question[:_ASKED_MAX] or "(an empty message)"
    return replace(outcome, reply="", escalation=known or Escalation(OFF, "normal", asked, tried))
