"""Being there, being on duty, vanishing; and what is left behind."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fte.domain.conversations import Control, ago
from fte.domain.handover import SAID_MAX, WORD_MAX, Spoken, summed_up
from fte.domain.presence import Member, falls_to, is_on_duty, is_present, loses_claim, on_duty

NOW = datetime(2026, 3, 14, 3, 0, tzinfo=UTC)
LEASE = 900.0


def minutes(count: float) -> datetime:
    return NOW - timedelta(minutes=count)


def member(**facts: Any) -> Member:
    usual: dict[str, Any] = {
        "name": "Ben",
        "role": "agent",
        "duty": "auto",
        "duty_at": minutes(999),
        "seen_at": minutes(1),
    }
    return Member(**(usual | facts))


@pytest.mark.parametrize(
    ("facts", "present", "duty"),
    [
        ({}, True, True),
        ({"seen_at": None}, False, False),
        ({"seen_at": minutes(16)}, False, False),
        ({"duty": "off", "duty_at": minutes(1)}, True, False),
        ({"duty": "on", "duty_at": minutes(1), "seen_at": None}, False, True),
        ({"duty": "on", "duty_at": minutes(16), "seen_at": minutes(16)}, False, False),
        ({"duty": "on", "duty_at": minutes(16)}, True, True),
        ({"role": "observer"}, True, False),
        ({"revoked": True}, False, False),
        ({"revoked": True, "duty": "on", "duty_at": minutes(1)}, False, False),
        ({"ends_at": minutes(0)}, False, False),
    ],
)
def test_who_is_there_and_who_is_on_duty(facts: dict[str, Any], present: bool, duty: bool) -> None:
    assert is_present(member(**facts), NOW, LEASE) is present
    assert is_on_duty(member(**facts), NOW, LEASE) is duty


def test_people_decide_not_the_clock() -> None:
    assert on_duty([member()], NOW, LEASE, "Monday to Friday").here
    empty = on_duty([member(seen_at=minutes(60)), member(role="observer")], NOW, LEASE, "Monday to Friday")
    assert (empty.here, empty.hours) == (False, "Monday to Friday")
    assert not on_duty([], NOW, LEASE).here


@pytest.mark.parametrize(
    ("facts", "held", "loss"),
    [
        ({}, minutes(60), None),
        ({"seen_at": minutes(16)}, minutes(60), "vanished"),
        ({"seen_at": minutes(16)}, minutes(14), None),
        ({"seen_at": None}, minutes(16), "vanished"),
        ({"seen_at": None}, None, None),
        ({"revoked": True}, minutes(1), "revoked"),
        ({"ends_at": minutes(0)}, minutes(1), "expired"),
        ({"role": "observer"}, minutes(1), "demoted"),
        ({"duty": "off", "duty_at": minutes(1)}, minutes(60), None),
    ],
)
def test_when_a_claim_ends(facts: dict[str, Any], held: datetime | None, loss: str | None) -> None:
    assert loses_claim(member(**facts), held, NOW, LEASE) == loss


@pytest.mark.parametrize(
    ("status", "answered", "owner"),
    [("open", 3, "ai"), ("open", 2, "human"), ("escalated", 3, "human"), ("escalated", 2, "human")],
)
def test_who_waits_for_a_person_stays_with_people(status: Any, answered: int, owner: str) -> None:
    assert falls_to(Control("human", 1, status, None, None, 3, 3, answered)) == owner


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (59.9, "just now"),
        (60, "1 minute ago"),
        (3_599, "59 minutes ago"),
        (3_600, "1 hour ago"),
        (200_000, "2 days ago"),
    ],
)
def test_how_long_ago(seconds: float, words: str) -> None:
    assert ago(seconds) == words


# ---------------------------------------------------------------- what is left behind


def talk(*lines: tuple[str, str]) -> list[Spoken]:
    kinds: dict[str, tuple[Any, Any]] = {
        "customer": ("inbound", "customer"),
        "agent": ("outbound", "agent"),
        "person": ("outbound", "operator"),
        "note": ("note", "operator"),
    }
    return [Spoken(seq, *kinds[who], text) for seq, (who, text) in enumerate(lines, 1)]


def test_what_was_said_promised_and_is_open() -> None:
    messages = talk(
        ("customer", "Where is my money?"),
        ("agent", "I hand you over."),
        ("note", "He is rude."),
        ("person", "I see the charge.\nI'll refund it by tomorrow. Sorry!"),
        ("customer", "And my other\ninvoice?"),
    )
    left = summed_up(messages, answered_seq=4, word="Be  kind\nto him")
    assert left.said == ("I see the charge. I'll refund it by tomorrow. Sorry!",)
    assert left.promised == ("I'll refund it by tomorrow.",)
    assert left.open == ("And my other invoice?",)
    assert left.lines()[0] == "To know: Be kind to him"
    assert "rude" not in str(left.lines())


def test_what_was_said_before_the_ai_spoke_last_is_not_told_again() -> None:
    left = summed_up(talk(("person", "Old."), ("agent", "New."), ("customer", "Ok")), answered_seq=3)
    assert left.lines() == []


def test_what_is_left_behind_is_short() -> None:
    messages = talk(*(("person", f"{n} " + "x" * 5_000) for n in range(50)))
    left = summed_up(messages, 0, "w" * 5_000)
    assert len(left.said) == SAID_MAX
    assert left.said[-1].startswith("49 ")
    assert len(left.word) == WORD_MAX
    assert max(map(len, left.said)) <= 300
