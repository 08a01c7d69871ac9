"""Business time, goals, which clock runs, and what is announced when."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fte.domain import deadlines
from fte.domain.deadlines import (
    Facts,
    Hours,
    Marks,
    Policy,
    add,
    alarms,
    between,
    expectation,
    is_open,
    kept,
    moment_words,
    next_alarm,
    next_opening,
    parse_goals,
    parse_hours,
    parse_policy,
    running,
    told,
)
from fte.domain.errors import Rejected
from fte.settings import Settings

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
TEXT = "Mon-Fri 09:00-12:30 13:30-18:00; Sat 10:00-14:00; closed 12-25 2026-11-26; Europe/Amsterdam"
HOURS = parse_hours(TEXT)
NIGHTS = parse_hours("Mon-Sun 00:00-04:00 20:00-24:00; Europe/Amsterdam")
APIA = parse_hours("Mon-Sun 00:00-24:00; Pacific/Apia")
CALENDARS = [None, HOURS, NIGHTS, APIA]

spans = st.timedeltas(min_value=timedelta(), max_value=timedelta(hours=200))
# Around both changes of clocks of 2026 in Europe.
moments = st.datetimes(datetime(2026, 3, 20), datetime(2026, 12, 31), timezones=st.just(UTC))
calendars = st.sampled_from(CALENDARS)


def at(text: str) -> datetime:
    """A moment in Amsterdam."""
    return datetime.fromisoformat(text).replace(tzinfo=AMSTERDAM)


@given(calendars, moments, spans, spans)
def test_business_time_adds_up(
    hours: Hours | None, start: datetime, one: timedelta, other: timedelta
) -> None:
    assert add(hours, add(hours, start, one), other) == add(hours, start, one + other)


@given(calendars, moments, spans)
def test_between_is_what_was_added(hours: Hours | None, start: datetime, span: timedelta) -> None:
    assert between(hours, start, add(hours, start, span)) == span


@given(calendars, moments, moments, spans, spans)
def test_later_and_longer_is_never_sooner(
    hours: Hours | None, one: datetime, other: datetime, short: timedelta, long: timedelta
) -> None:
    first, last = sorted((one, other))
    least, most = sorted((short, long))
    assert add(hours, first, least) <= add(hours, last, most)
    assert add(hours, first, least) >= first + least


@given(calendars, moments, moments, moments)
def test_a_span_is_the_sum_of_its_parts(
    hours: Hours | None, one: datetime, two: datetime, three: datetime
) -> None:
    a, b, c = sorted((one, two, three))
    assert between(hours, a, b) + between(hours, b, c) == between(hours, a, c)
    assert timedelta() <= between(hours, a, b) <= b - a


@given(calendars, moments)
def test_the_next_opening_is_the_first_open_moment(hours: Hours | None, now: datetime) -> None:
    opens = next_opening(hours, now)
    assert opens >= now and is_open(hours, opens)
    assert between(hours, now, opens) == timedelta()


def test_nights_weekends_breaks_and_holidays_do_not_count() -> None:
    hour = timedelta(hours=1)
    assert add(HOURS, at("2026-11-23 12:00"), hour) == at("2026-11-23 14:00")  # the break
    assert add(HOURS, at("2026-11-23 17:30"), hour) == at("2026-11-24 09:30")  # the night
    assert add(HOURS, at("2026-11-28 13:30"), hour) == at("2026-11-30 09:30")  # Saturday to Monday
    assert add(HOURS, at("2026-11-25 17:30"), hour) == at("2026-11-27 09:30")  # a date that is closed
    assert add(HOURS, at("2026-12-24 17:30"), hour) == at("2026-12-26 10:30")  # Christmas, every year


def test_a_night_in_which_clocks_change_is_as_long_as_it_is() -> None:
    midnight, noon = at("2026-03-29 00:00"), at("2026-03-29 04:00")
    assert between(NIGHTS, midnight, noon) == timedelta(hours=3)
    assert between(NIGHTS, at("2026-10-25 00:00"), at("2026-10-25 04:00")) == timedelta(hours=5)


def test_the_hours_are_told_in_words() -> None:
    assert HOURS is not None
    assert told(HOURS) == (
        "Monday to Friday 09:00-12:30 and 13:30-18:00, Saturday 10:00-14:00 (Europe/Amsterdam)"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Monday to Friday, 08:00 to 18:00", "to look like|period like"),
        ("Mon-Fri 9-18", "no period"),
        ("Mon-Fri 18:00-09:00", "does not end"),
        ("Mon 09:00-12:00 11:00-13:00", "overlap"),
        ("Mon 09:00-12:00; Mon 13:00-15:00", "twice"),
        ("Mon 09:00-12:00; Europe/Atlantis", "no time zone"),
        ("Mon 09:00-12:00; Europe/Rome; Europe/Paris", "two time zones"),
        ("Mon 09:00-12:00; closed 13-40", "no date"),
        ("Mon", "periods"),
        ("Someday 09:00-10:00", "no day"),
        ("Mon 09:00-09:10", "at least an hour"),
        ("Europe/Amsterdam", "at least an hour"),
        ("Mon 24:00-25:00", "does not end"),
        ("Mon 09:75-10:00", "does not end"),
    ],
)
def test_wrong_hours_are_named(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_hours(text)


def test_goals_are_read_and_the_rest_stays_as_it_is() -> None:
    goals, warn = parse_goals("high first 10m resolution off; LOW next 1h30m; warn 10%")
    assert goals["high"].first == timedelta(minutes=10)
    assert goals["high"].next == timedelta(hours=1)
    assert goals["high"].resolution is None
    assert goals["low"].next == timedelta(minutes=90)
    assert goals["medium"] == deadlines.DEFAULT_GOALS["medium"]
    assert warn == 10


@pytest.mark.parametrize(
    "text",
    [
        "high",
        "urgent first 1h",
        "high first",
        "high soon 1h",
        "high first 0m",
        "high first 3d",
        "high first 2001h",
        "warn",
        "warn 0%",
        "warn 95",
    ],
)
def test_wrong_goals_are_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"like|none of|percentage"):
        parse_goals(text)


# ---------------------------------------------------------------- clocks

POLICY = parse_policy(TEXT, "medium first 2h next 4h resolution 8h; warn 25%")
START = at("2026-11-23 10:00")


def facts(**changes: object) -> Facts:
    values: dict[str, object] = {"priority": "medium", "waiting_since": START, "resolution_from": START}
    return Facts(**(values | changes))  # type: ignore[arg-type]


def kinds(found: Facts) -> list[str]:
    return [clock.kind for clock in running(found, POLICY)]


def test_the_first_response_is_due_and_then_each_next_one() -> None:
    first = running(facts(), POLICY)[0]
    assert (first.kind, first.at, first.warn_at) == (
        "first_response",
        at("2026-11-23 12:00"),
        at("2026-11-23 11:30"),
    )
    again = facts(waiting_since=at("2026-11-23 16:00"), answered_at=at("2026-11-23 11:00"))
    assert running(again, POLICY)[1].kind == "next_response"
    assert running(again, POLICY)[1].at == at("2026-11-24 11:00")


def test_nothing_is_owed_while_we_wait_for_the_customer() -> None:
    assert kinds(facts(waiting_since=None, answered_at=START, resting=True)) == []
    assert kinds(facts(resolved=True)) == []


def test_the_resolution_stands_still_in_pauses_by_business_time() -> None:
    due = {clock.kind: clock.at for clock in running(facts(), POLICY)}
    assert due["resolution"] == at("2026-11-24 10:00")
    night = (at("2026-11-23 17:00"), at("2026-11-24 09:30"))  # one and a half hours of business
    moved = {clock.kind: clock.at for clock in running(facts(pauses=(night,)), POLICY)}
    assert moved["resolution"] == at("2026-11-24 11:30")
    counted = {clock.kind: clock.at for clock in running(facts(paused=timedelta(minutes=90)), POLICY)}
    assert counted == moved


def test_the_window_is_a_clock_while_the_customer_waits() -> None:
    until = at("2026-11-24 10:00")
    assert "window" in kinds(facts(window_until=until))
    assert "window" not in kinds(facts(window_until=until, waiting_since=None, answered_at=START))
    [window] = [clock for clock in running(facts(window_until=until), POLICY) if clock.kind == "window"]
    assert (window.at, window.warn_at) == (until, at("2026-11-24 08:00"))


moment = st.datetimes(datetime(2026, 11, 20), datetime(2026, 12, 10), timezones=st.just(UTC))


@given(st.lists(moment, min_size=1, max_size=12), st.booleans())
def test_each_warning_and_each_breach_is_raised_once_in_that_order(
    looks: list[datetime], window: bool
) -> None:
    due = running(facts(window_until=at("2026-11-24 10:00") if window else None), POLICY)
    marks, raised = Marks(), []
    for now in sorted(looks):
        expected = next_alarm(due, marks)
        found, marks = alarms(due, kept(marks, due, now), now)
        assert bool(found) == (expected is not None and expected <= now)
        raised += [(alarm.due.kind, alarm.breached) for alarm in found]
    assert len(raised) == len(set(raised))
    for clock in due:
        assert ((clock.kind, True) in raised) == (clock.at <= max(looks))
        if (clock.kind, False) in raised and (clock.kind, True) in raised:
            assert raised.index((clock.kind, False)) < raised.index((clock.kind, True))


def test_a_mark_goes_with_its_clock() -> None:
    now = at("2026-11-23 13:00")
    due = running(facts(), POLICY)
    _, marks = alarms(due, Marks(), now)
    assert marks.breached == {"first_response"}
    later = running(facts(waiting_since=now, answered_at=now), POLICY)
    assert kept(marks, later, now) == Marks()
    longer = running(facts(priority="low"), POLICY)
    assert kept(marks, longer, now) == Marks()


# ---------------------------------------------------------------- promises


def test_nobody_is_promised_an_answer_before_we_open() -> None:
    evening = at("2026-11-23 20:00")
    told_ = expectation(POLICY, "medium", evening, on_duty=False)
    assert told_ is not None
    assert told_.opens_at == at("2026-11-24 09:00")
    assert told_.answer_by == at("2026-11-24 11:00")
    assert moment_words(told_.answer_by, evening, told_.zone) == "tomorrow, 11:00"


def test_with_somebody_there_the_goal_counts_from_now() -> None:
    told_ = expectation(POLICY, "medium", START, on_duty=True)
    assert told_ is not None
    assert (told_.opens_at, told_.answer_by) == (None, at("2026-11-23 12:00"))


def test_with_nobody_there_in_opening_hours_the_next_opening_counts() -> None:
    told_ = expectation(POLICY, "medium", START, on_duty=False)
    assert told_ is not None
    assert told_.opens_at == at("2026-11-23 13:30")
    assert told_.answer_by == at("2026-11-23 15:30")


def test_without_hours_or_a_goal_nothing_is_promised() -> None:
    assert expectation(Policy(), "medium", START, on_duty=True) is None
    assert expectation(parse_policy(TEXT, "low first off"), "low", START, on_duty=True) is None


def test_moments_are_told_for_their_reader() -> None:
    now = at("2026-11-23 10:00")
    assert moment_words(at("2026-11-23 14:01"), now, AMSTERDAM) == "today, 14:05"
    assert moment_words(at("2026-12-01 09:00"), now, AMSTERDAM) == "Tuesday 1 December, 09:00"


@pytest.mark.parametrize(
    ("name", "text"), [("FTE_HOURS", "Monday to Friday, 8 to 6"), ("FTE_DEADLINES", "high first soon")]
)
def test_a_wrong_setting_stops_the_start_by_its_name(name: str, text: str) -> None:
    with pytest.raises(Rejected, match=f"{name}: ") as wrong:
        Settings.load({name: text})
    assert name in wrong.value.fields


def test_the_settings_make_the_policy() -> None:
    settings = Settings.load({"FTE_HOURS": TEXT, "FTE_DEADLINES": "high first 10m"})
    assert settings.policy.hours == HOURS
    assert settings.policy.goals["high"].first == timedelta(minutes=10)
