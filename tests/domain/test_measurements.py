from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

import pytest

from fte.domain.errors import Malformed
from fte.domain.measurements import TURN_FINISHED, Measurement, Prices, measurements

AT = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
TURN: dict[str, Any] = {
    "channel": "email",
    "outcome": "answered",
    "reason": None,
    "failed": False,
    "run_ms": 1200,
    "waiting_since": "2026-03-01T12:00:27.5Z",
    "input_tokens": 900,
    "output_tokens": 80,
}


def read(**changes: Any) -> list[Measurement]:
    return measurements(TURN_FINISHED, AT, TURN | changes)


def test_what_a_finished_turn_says() -> None:
    assert read() == [
        Measurement("turn", 1.0, "email", {"outcome": "answered", "failed": False}),
        Measurement("turn_seconds", 2.5, "email"),
        Measurement("run_ms", 1200.0, "email"),
        Measurement("tokens_input", 900.0, "email"),
        Measurement("tokens_output", 80.0, "email"),
    ]


def test_a_turn_handed_over_is_one_that_was_escalated() -> None:
    found = read(outcome="escalated", reason="refund_request", failed=True)
    assert found[0] == Measurement("turn", 1.0, "email", {"outcome": "escalated", "failed": True})


@pytest.mark.parametrize(
    ("type_", "fact", "name"),
    [
        ("escalation.raised", {"reason": "refund_request"}, "escalation"),
        ("message.settled", {"outcome": "suppressed"}, "message"),
        ("reply.settled", {"state": "delivered"}, "delivery"),
        ("lease.expired", {"of": "turn"}, "lease_expired"),
    ],
)
def test_what_happened_counts_as_one_with_its_fact(type_: str, fact: dict[str, Any], name: str) -> None:
    payload = {"channel": "whatsapp", "conversation_id": "of no interest"} | fact
    assert measurements(type_, AT, payload) == [Measurement(name, 1.0, "whatsapp", fact)]
    for missing in ("channel", *fact):
        with pytest.raises(Malformed, match=missing):
            measurements(type_, AT, {key: value for key, value in payload.items() if key != missing})


def test_a_run_thrown_away_has_cost_its_time_and_tokens() -> None:
    run = {
        "channel": "email",
        "outcome": "discarded",
        "run_ms": 800,
        "input_tokens": 2_000_000,
        "output_tokens": 500_000,
    }
    assert measurements("run.wasted", AT, run, Prices(input=2.5, output=10.0)) == [
        Measurement("wasted_run", 1.0, "email", {"outcome": "discarded"}),
        Measurement("run_ms", 800.0, "email"),
        Measurement("tokens_input", 2_000_000.0, "email"),
        Measurement("tokens_output", 500_000.0, "email"),
        Measurement("cost", 10.0, "email"),
    ]


@pytest.mark.parametrize(
    ("name", "value", "bucket"),
    [
        ("turn_seconds", 0.0, 0.1),
        ("turn_seconds", 3.0, 3.0),
        ("turn_seconds", 3.001, 5.0),
        ("turn_seconds", 3600.1, inf),
        ("run_ms", 30_000.0, 30_000.0),
        ("tokens_input", 1.0, inf),
    ],
)
def test_a_value_is_in_the_first_bucket_whose_bound_it_does_not_exceed(
    name: str, value: float, bucket: float
) -> None:
    assert Measurement(name, value, "email").bucket == bucket


def test_a_clock_that_went_back_makes_no_negative_time() -> None:
    [wait] = [m.value for m in read(waiting_since=str(AT + timedelta(hours=1))) if m.name == "turn_seconds"]
    assert wait == 0.0


def test_what_a_newer_writer_says_is_passed_over() -> None:
    assert measurements("turn.dreamt_of", AT, {"channel": "telepathy"}) == []
    assert read(colour="blue") == read()


@pytest.mark.parametrize("name", TURN)
def test_each_fact_is_needed(name: str) -> None:
    with pytest.raises(Malformed, match=name):
        measurements(TURN_FINISHED, AT, {key: value for key, value in TURN.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channel", "telepathy"),
        ("channel", None),
        ("outcome", ""),
        ("reason", "x" * 61),
        ("failed", "no"),
        ("run_ms", -1),
        ("run_ms", 1.5),
        ("run_ms", True),
        ("run_ms", 10**400),
        ("waiting_since", "yesterday"),
        ("waiting_since", "2026-03-01T12:00:00"),
        ("input_tokens", "900"),
        ("output_tokens", {}),
    ],
)
def test_nonsense_is_malformed(name: str, value: Any) -> None:
    with pytest.raises(Malformed):
        read(**{name: value})


@pytest.mark.parametrize("payload", [None, 1, "turn", [], {}])
def test_what_is_no_turn_is_malformed(payload: Any) -> None:
    with pytest.raises(Malformed):
        measurements(TURN_FINISHED, AT, payload)


def test_a_deadline_that_is_near_or_missed_is_counted() -> None:
    payload = {"channel": "email", "due_kind": "resolution", "priority": "high", "owner": "human"}
    facts: dict[str, str | bool] = {"kind": "resolution", "priority": "high", "owner": "human"}
    assert measurements("deadline.breached", AT, payload) == [
        Measurement("deadline_breached", 1.0, "email", facts)
    ]
    assert measurements("deadline.warning", AT, payload) == [
        Measurement("deadline_warning", 1.0, "email", facts)
    ]
    with pytest.raises(Malformed):
        measurements("deadline.breached", AT, {"channel": "email"})
