"""Until when a conversation is put aside: what an operator writes, in their own time."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fte.domain.errors import Rejected
from fte.domain.snooze import LONGEST, check, parse

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NOW = datetime(2026, 11, 25, 14, 30, tzinfo=AMSTERDAM)  # a Wednesday


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("30m", "2026-11-25 15:00"),
        ("90 min", "2026-11-25 16:00"),
        ("2h", "2026-11-25 16:30"),
        ("2h30m", "2026-11-25 17:00"),
        ("1d", "2026-11-26 14:30"),
        ("1w", "2026-12-02 14:30"),
        ("tomorrow", "2026-11-26 09:00"),
        ("Tomorrow 9:15", "2026-11-26 09:15"),
        ("tomorrow at 9am", "2026-11-26 09:00"),
        ("tomorrow 5 pm", "2026-11-26 17:00"),
        ("today 18:00", "2026-11-25 18:00"),
        ("17:30", "2026-11-25 17:30"),
        ("9:00", "2026-11-26 09:00"),
        ("mon", "2026-11-30 09:00"),
        ("Monday 14:00", "2026-11-30 14:00"),
        ("wed", "2026-12-02 09:00"),
        ("wed 18:00", "2026-11-25 18:00"),
        ("2027-01-04", "2027-01-04 09:00"),
        ("2027-01-04 10:45", "2027-01-04 10:45"),
    ],
)
def test_what_is_written_is_understood(text: str, meant: str) -> None:
    assert parse(text, NOW, AMSTERDAM).astimezone(AMSTERDAM).strftime("%Y-%m-%d %H:%M") == meant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0m",
        "today 9:00",
        "2026-11-24",
        "soon",
        "25:00",
        "13pm",
        "0d",
        "m",
        "mo",
        "200d",
        "2030-01-01",
        "9",
        "next week",
        "99999h",
    ],
)
def test_what_is_not_understood_past_or_too_far_is_refused(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse(text, NOW, AMSTERDAM)
    assert "until" in refused.value.fields


def test_what_was_understood_is_taken_until_it_has_come() -> None:
    until = parse("1m", NOW, AMSTERDAM)
    check(until, NOW + timedelta(seconds=59))
    with pytest.raises(Rejected):
        check(until, NOW + timedelta(seconds=60))


def test_days_keep_the_time_of_day_when_clocks_change_and_hours_do_not() -> None:
    before = datetime(2026, 10, 24, 12, 0, tzinfo=AMSTERDAM)
    assert parse("1d", before, AMSTERDAM) - before == timedelta(hours=25)
    assert parse("24h", before, AMSTERDAM) - before == timedelta(hours=24)


def test_without_a_zone_it_is_this_machine_s() -> None:
    now = datetime(2026, 11, 25, 14, 30, tzinfo=UTC)
    assert parse("tomorrow 9:00", now).astimezone().strftime("%H:%M") == "09:00"


@given(st.text(max_size=20))
def test_whatever_is_written_is_a_moment_ahead_or_refused(text: str) -> None:
    try:
        until = parse(text, NOW, AMSTERDAM)
    except Rejected:
        return
    assert NOW < until <= NOW + LONGEST
