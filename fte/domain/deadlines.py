"""Deadlines: business hours, how soon we mean to answer and to settle a matter, and which clock runs.

Business time passes while we are open, and only then. All moments are aware datetimes; results are in UTC. Pure
functions: whoever asks brings the clock.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fte.domain.tickets import PRIORITIES, Priority

DueKind = Literal["first_response", "next_response", "resolution", "window"]
DUE_KINDS: Final[tuple[DueKind, ...]] = get_args(DueKind)

WINDOW_WARNING: Final = timedelta(hours=2)
"""How long before WhatsApp's window closes on a waiting customer it is warned of."""
GOAL_MAX: Final = timedelta(hours=2000)
PERIODS_MAX: Final = 10
"""Opening periods a day may have."""
CLOSED_MAX: Final = 100
"""Days named as closed."""
_OPEN_MIN: Final = timedelta(hours=1)
_SEARCHED: Final = 366 * 50
"""Days that are looked through for business time before we say that there is none."""

_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_HOURS_EXAMPLE: Final = (
    "it should look like: Mon-Fri 09:00-12:30 13:30-18:00; Sat 10:00-14:00; closed 12-25 2027-03-29; "
    "Europe/Amsterdam"
)
_GOALS_EXAMPLE: Final = (
    "it should look like: high first 30m next 1h resolution 8h; low resolution off; warn 25%"
)

# ---------------------------------------------------------------- business hours

Period = tuple[timedelta, timedelta]
"""From and until, since midnight."""


@dataclass(frozen=True, slots=True)
class Hours:
    """When people are there: periods of each day of the week from Monday, in one time zone, but for the days closed.

    A day closed is a date, or a month and a day of every year.
    """

    week: tuple[tuple[Period, ...], ...]
    zone: ZoneInfo
    closed: frozenset[date | tuple[int, int]] = frozenset()

    def periods(self, day: date) -> list[tuple[datetime, datetime]]:
        """The day's opening periods in UTC, in order; where clocks are changed, as long as they really last."""
        if day in self.closed or (day.month, day.day) in self.closed:
            return []
        found: list[tuple[datetime, datetime]] = []
        for start, end in self.week[day.weekday()]:
            opens, closes = self._moment(day, start), self._moment(day, end)
            if found:
                opens = max(opens, found[-1][1])
            if closes > opens:
                found.append((opens, closes))
        return found

    def _moment(self, day: date, since_midnight: timedelta) -> datetime:
        naive = datetime.combine(day, time()) + since_midnight
        return naive.replace(tzinfo=self.zone).astimezone(UTC)

    def from_(self, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The opening periods from a moment on, the first one cut to what is left of it."""
        day = moment.astimezone(self.zone).date() - timedelta(days=1)
        reached = moment.astimezone(UTC)
        for _ in range(_SEARCHED):
            for opens, closes in self.periods(day):
                if closes > reached:
                    reached = max(opens, reached)
                    yield reached, closes
                    reached = closes
            day += timedelta(days=1)


def add(hours: Hours | None, start: datetime, span: timedelta) -> datetime:
    """The moment at which so much business time has passed since `start`. Without hours, all time is business time.

    Nothing added is `start` itself, open or not.
    """
    left = max(span, timedelta())
    start = start.astimezone(UTC)
    if hours is None or not left:
        return start + left
    for opens, closes in hours.from_(start):
        if closes - opens >= left:
            return opens + left
        left -= closes - opens
    raise ValueError("there is not that much business time")


def between(hours: Hours | None, start: datetime, end: datetime) -> timedelta:
    """The business time from one moment to a later one; none when it is not later."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if end <= start:
        return timedelta()
    if hours is None:
        return end - start
    passed = timedelta()
    for opens, closes in hours.from_(start):
        if opens >= end:
            break
        passed += min(closes, end) - opens
    return passed


def next_opening(hours: Hours | None, now: datetime) -> datetime:
    """When we are open next: `now` itself while we are."""
    if hours is None:
        return now.astimezone(UTC)
    return next(hours.from_(now))[0]


def is_open(hours: Hours | None, now: datetime) -> bool:
    return next_opening(hours, now) == now


def told(hours: Hours) -> str:
    """The hours as customers read them: `Monday to Friday 09:00-18:00, Saturday 10:00-14:00 (Europe/Amsterdam)`."""
    parts = []
    index = 0
    while index < 7:
        last = index
        while last < 6 and hours.week[last + 1] == hours.week[index]:
            last += 1
        if hours.week[index]:
            days = _DAYS[index] if last == index else f"{_DAYS[index]} to {_DAYS[last]}"
            spans = " and ".join(f"{_clock(start)}-{_clock(end)}" for start, end in hours.week[index])
            parts.append(f"{days} {spans}")
        index = last + 1
    return f"{', '.join(parts)} ({hours.zone.key})"


def _clock(since_midnight: timedelta) -> str:
    minutes = int(since_midnight.total_seconds()) // 60
    return f"{minutes // 60:02}:{minutes % 60:02}"


@lru_cache(maxsize=32)
def parse_hours(text: str) -> Hours | None:
    """The hours that a text names, None for an empty one: always open. Raises ValueError, in words for people.

    Parts are separated by semicolons: days with their periods, `closed` with dates (2027-03-29, or 12-25 of every
    year), and the time zone by its name; without one it is UTC.
    """
    if not text.strip():
        return None
    week: list[tuple[Period, ...]] = [()] * 7
    closed: set[date | tuple[int, int]] = set()
    zone: ZoneInfo | None = None
    for part in filter(None, (part.strip() for part in text.split(";"))):
        head, *rest = part.split()
        if head.lower() == "closed":
            closed |= {_closed_day(word) for word in rest}
        elif not rest and (found := _zone(head)) is not None:
            if zone is not None:
                raise ValueError(f"it names two time zones; {_HOURS_EXAMPLE}")
            zone = found
        else:
            for day in _days(head):
                if week[day]:
                    raise ValueError(f"{_DAYS[day]} is named twice; put its periods into one part")
                week[day] = _periods(part, rest)
    if len(closed) > CLOSED_MAX:
        raise ValueError(f"at most {CLOSED_MAX} closed days can be named")
    if sum((end - start for day in week for start, end in day), timedelta()) < _OPEN_MIN:
        raise ValueError(f"a week needs at least an hour of opening; {_HOURS_EXAMPLE}")
    return Hours(tuple(week), zone or ZoneInfo("UTC"), frozenset(closed))


def _zone(name: str) -> ZoneInfo | None:
    if "/" not in name and name.upper() not in ("UTC", "GMT"):
        return None
    try:
        return ZoneInfo(name if "/" in name else name.upper())
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name!r}; names look like Europe/Amsterdam") from None


def _days(text: str) -> list[int]:
    found: list[int] = []
    for piece in text.split(","):
        first, dash, last = piece.partition("-")
        begin = _day(first)
        end = _day(last) if dash else begin
        found += [(begin + step) % 7 for step in range((end - begin) % 7 + 1)]
    return found


def _day(name: str) -> int:
    for index, day in enumerate(_DAYS):
        if len(name) >= 3 and day.lower().startswith(name.lower()):
            return index
    raise ValueError(f"{name!r} is no day of the week; {_HOURS_EXAMPLE}")


_PERIOD: Final = re.compile(r"(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)", re.ASCII)


def _periods(part: str, words: list[str]) -> tuple[Period, ...]:
    found: list[Period] = []
    for word in words:
        match = _PERIOD.fullmatch(word)
        if match is None:
            raise ValueError(f"{word!r} is no period like 09:00-18:00; {_HOURS_EXAMPLE}")
        hour, minute, last_hour, last_minute = map(int, match.groups())
        start, end = timedelta(hours=hour, minutes=minute), timedelta(hours=last_hour, minutes=last_minute)
        if minute > 59 or last_minute > 59 or not timedelta() <= start < end <= timedelta(hours=24):
            raise ValueError(f"{word!r} does not end after it begins, on the same day")
        if found and start < found[-1][1]:
            raise ValueError(f"the periods of {part!r} overlap or are out of order")
        found.append((start, end))
    if not 1 <= len(found) <= PERIODS_MAX:
        raise ValueError(f"{part!r} needs from 1 to {PERIODS_MAX} periods; {_HOURS_EXAMPLE}")
    return tuple(found)


def _closed_day(word: str) -> date | tuple[int, int]:
    try:
        if len(word) == 5:
            day = date.fromisoformat(f"2024-{word}")  # a leap year
            return day.month, day.day
        return date.fromisoformat(word)
    except ValueError:
        raise ValueError(f"{word!r} is no date like 2027-03-29, or 12-25 for every year") from None


# ---------------------------------------------------------------- goals


@dataclass(frozen=True, slots=True)
class Goals:
    """How much business time may pass until the first answer, each further one, and the resolution; None: no goal."""

    first: timedelta | None
    next: timedelta | None
    resolution: timedelta | None


_H: Final = timedelta(hours=1)
DEFAULT_GOALS: Final[dict[Priority, Goals]] = {
    "high": Goals(_H / 2, 1 * _H, 8 * _H),
    "medium": Goals(2 * _H, 4 * _H, 24 * _H),
    "low": Goals(8 * _H, 8 * _H, 40 * _H),
}
WARN: Final = 25
"""Percent of a goal's time that are left when it is warned of, unless the setting says otherwise."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What we promise ourselves: hours, goals by priority, and the percent of a goal left when it is warned of."""

    hours: Hours | None = None
    goals: dict[Priority, Goals] = field(default_factory=lambda: dict(DEFAULT_GOALS))
    warn: int = WARN


@lru_cache(maxsize=32)
def parse_policy(hours: str, deadlines: str) -> Policy:
    """The policy of the two settings. Raises ValueError, in words for people."""
    goals, warn = parse_goals(deadlines)
    return Policy(parse_hours(hours), goals, warn)


def parse_goals(text: str) -> tuple[dict[Priority, Goals], int]:
    """Goals by priority, and when to warn; what the text does not name stays as it is by default.

    Raises ValueError, in words for people.
    """
    goals, warn = dict(DEFAULT_GOALS), WARN
    for part in filter(None, (part.strip() for part in text.split(";"))):
        head, *rest = part.lower().split()
        if head == "warn":
            warn = _percent(rest)
            continue
        priority = next((priority for priority in PRIORITIES if priority == head), None)
        if priority is None or len(rest) % 2 or not rest:
            raise ValueError(f"{part!r} is not understood; {_GOALS_EXAMPLE}")
        named = dict(zip(rest[::2], (_goal(word) for word in rest[1::2]), strict=True))
        if unknown := set(named) - {"first", "next", "resolution"}:
            raise ValueError(f"{min(unknown)!r} is none of first, next, resolution; {_GOALS_EXAMPLE}")
        known = goals[priority]
        goals[priority] = Goals(
            named.get("first", known.first),
            named.get("next", known.next),
            named.get("resolution", known.resolution),
        )
    return goals, warn


def _percent(words: list[str]) -> int:
    text = words[0].removesuffix("%") if len(words) == 1 else ""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 90):
        raise ValueError("warn needs a percentage from 1% to 90%")
    return int(text)


_SPAN: Final = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,5})m)?", re.ASCII)


def _goal(word: str) -> timedelta | None:
    if word == "off":
        return None
    match = _SPAN.fullmatch(word)
    span = timedelta(hours=int(match[1] or 0), minutes=int(match[2] or 0)) if match else timedelta()
    if not timedelta() < span <= GOAL_MAX:
        raise ValueError(
            f"{word!r} is no time like 30m, 2h or 1h30m (at most 2000h, of opening hours), or off"
        )
    return span


# ---------------------------------------------------------------- clocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What of a conversation its clocks depend on.

    `waiting_since` is when the oldest message came that no answer has reached the customer for; `answered_at` when
    an answer reached them for the first time. `resolution_from` is the start, or when it was last reopened; since then
    the matter rested in `pauses`, and for `paused` of business time in pauses counted before; it rests now when
    `resting`.
    """

    priority: Priority
    resolved: bool = False
    waiting_since: datetime | None = None
    answered_at: datetime | None = None
    resolution_from: datetime
    paused: timedelta = timedelta()
    pauses: tuple[tuple[datetime, datetime], ...] = ()
    resting: bool = False
    window_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class DueTime:
    """A running clock: what is due, when, and when that is warned of."""

    kind: DueKind
    at: datetime
    warn_at: datetime


@dataclass(frozen=True, slots=True)
class Marks:
    """The running clocks that were warned of, and those whose breach was announced."""

    warned: frozenset[DueKind] = frozenset()
    breached: frozenset[DueKind] = frozenset()


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something to announce once: that a time comes near, or has passed."""

    due: DueTime
    breached: bool


def paused(facts: Facts, policy: Policy) -> timedelta:
    """The business time for which the resolution's clock stood still."""
    return sum((between(policy.hours, start, end) for start, end in facts.pauses), facts.paused)


def running(facts: Facts, policy: Policy) -> tuple[DueTime, ...]:
    """The clocks that run, the soonest first.

    The first response is owed until an answer has reached the customer, each next one since the oldest message
    without; the resolution since the start, but not while we wait for the customer or put it aside. WhatsApp's window
    is a clock while the customer waits for an answer.
    """
    if facts.resolved:
        return ()
    goals = policy.goals[facts.priority]
    found: list[DueTime] = []
    if facts.waiting_since is not None:
        first = facts.answered_at is None
        goal = goals.first if first else goals.next
        if goal is not None:
            kind: DueKind = "first_response" if first else "next_response"
            found.append(_due(kind, policy, facts.waiting_since, goal, timedelta()))
        if facts.window_until is not None:
            until = facts.window_until.astimezone(UTC)
            found.append(DueTime("window", until, until - WINDOW_WARNING))
    if goals.resolution is not None and not facts.resting:
        rested = paused(facts, policy)
        found.append(_due("resolution", policy, facts.resolution_from, goals.resolution, rested))
    return tuple(sorted(found, key=lambda due: (due.at, DUE_KINDS.index(due.kind))))


def _due(kind: DueKind, policy: Policy, since: datetime, goal: timedelta, rested: timedelta) -> DueTime:
    early = goal * (100 - policy.warn) // 100
    return DueTime(kind, add(policy.hours, since, goal + rested), add(policy.hours, since, early + rested))


def kept(marks: Marks, due: Iterable[DueTime], now: datetime) -> Marks:
    """The marks that still hold: their clocks run, and the time they stand for has not moved into the future."""
    times = {clock.kind: clock for clock in due}
    return Marks(
        frozenset(kind for kind in marks.warned if kind in times and times[kind].warn_at <= now),
        frozenset(kind for kind in marks.breached if kind in times and times[kind].at <= now),
    )


def alarms(due: Iterable[DueTime], marks: Marks, now: datetime) -> tuple[list[Alarm], Marks]:
    """What is to be announced now, and the marks that say it was. A breach nobody was warned of is only a breach."""
    raised: list[Alarm] = []
    warned, breached = set(marks.warned), set(marks.breached)
    for clock in due:
        if clock.at <= now:
            if clock.kind not in breached:
                raised.append(Alarm(clock, breached=True))
            breached.add(clock.kind)
            warned.add(clock.kind)
        elif clock.warn_at <= now:
            if clock.kind not in warned:
                raised.append(Alarm(clock, breached=False))
            warned.add(clock.kind)
    return raised, Marks(frozenset(warned), frozenset(breached))


def next_alarm(due: Iterable[DueTime], marks: Marks) -> datetime | None:
    """When there is something to announce next; None: nothing unless something changes."""
    times = [
        clock.at if clock.kind in marks.warned else clock.warn_at
        for clock in due
        if clock.kind not in marks.breached
    ]
    return min(times, default=None)


# ---------------------------------------------------------------- what customers may be told


@dataclass(frozen=True, slots=True)
class Expectation:
    """When a person answers, honestly: by `answer_by`; nobody is there before `opens_at`, None while somebody is."""

    opens_at: datetime | None
    answer_by: datetime
    zone: ZoneInfo


def expectation(policy: Policy, priority: Priority, now: datetime, *, on_duty: bool) -> Expectation | None:
    """What a customer whom a person is to answer may be told; None when there are no hours or no goal to go by.

    Without anybody on duty in opening hours, nobody is promised before the next opening.
    """
    goal = policy.goals[priority].first
    if policy.hours is None or goal is None:
        return None
    since = now
    if not on_duty and is_open(policy.hours, now):
        closes = next(policy.hours.from_(now))[1]
        since = next_opening(policy.hours, closes)
    opens = None if on_duty else next_opening(policy.hours, since)
    return Expectation(opens, add(policy.hours, since, goal), policy.hours.zone)


def answer_by_words(told: Expectation, now: datetime) -> str:
    """By when a person answers, as a customer reads it: `tomorrow, 11:00 (Europe/Amsterdam)`."""
    return f"{moment_words(told.answer_by, now, told.zone)} ({told.zone.key})"


def answer_by_figures(told: Expectation) -> str:
    """The same in figures, for whoever reads another language: `2026-12-07 09:00 (Europe/Amsterdam)`."""
    return f"{_rounded(told.answer_by, told.zone):%Y-%m-%d %H:%M} ({told.zone.key})"


def _rounded(at: datetime, zone: ZoneInfo) -> datetime:
    """Up to five minutes."""
    local = at.astimezone(zone)
    return local + timedelta(
        minutes=-local.minute % 5, seconds=-local.second, microseconds=-local.microsecond
    )


def moment_words(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """A moment to come as a customer reads it, rounded up to five minutes: `today, 14:05`, `Monday 7 December, 09:00`."""
    local, here = _rounded(at, zone), now.astimezone(zone)
    days = (local.date() - here.date()).days
    day = {0: "today", 1: "tomorrow"}.get(
        days, f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]}"
    )
    return f"{day}, {local:%H:%M}"


_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
