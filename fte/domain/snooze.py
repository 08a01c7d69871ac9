"""Until when a conversation is put aside, as an operator writes it."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from fte.domain.errors import Rejected

MORNING: Final = time(9)
"""The time of a day that is named without one."""
LONGEST: Final = timedelta(days=180)
EXAMPLES: Final = "30m, 2h, 3d, 17:30, tomorrow, tomorrow 9:00, mon, fri 14:00, 2027-01-04 10:00"

_SPAN: Final = re.compile(
    r"(?:(\d{1,3})\s*w)?\s*(?:(\d{1,3})\s*d)?\s*(?:(\d{1,4})\s*h)?\s*(?:(\d{1,5})\s*m(?:in)?)?", re.ASCII
)
_TIME: Final = re.compile(r"(\d{1,2})(?::(\d\d))?\s*(am|pm)?", re.ASCII)
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def parse(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """The moment, in UTC, that the text means to somebody whose clock shows `now` in `zone` (None: this machine's).

    Hours and minutes are elapsed time; days and weeks keep the time of day, also where clocks are changed. A day
    without a time means its morning. Raises Rejected, naming the remedy, for what is not understood, past, or further
    away than LONGEST.
    """
    words = " ".join(text.lower().replace(" at ", " ").split())
    until = _span(words, now, zone) or _named(words, now, zone)
    if until is None:
        raise Rejected(
            f"This is no time to wait until: {text.strip()[:40]!r}.",
            fields={"until": f"write for example {EXAMPLES}"},
        )
    check(until, now)
    return until


def check(until: datetime, now: datetime) -> None:
    """Raises Rejected unless the moment is ahead, and not too far."""
    if until <= now:
        raise Rejected(fields={"until": "name a time that is still to come"})
    if until > now + LONGEST:
        raise Rejected(fields={"until": f"name a time at most {LONGEST.days} days ahead"})


def _span(words: str, now: datetime, zone: tzinfo | None) -> datetime | None:
    match = _SPAN.fullmatch(words)
    if match is None or not any(match.groups()):
        return None
    weeks, days, hours, minutes = (int(group or 0) for group in match.groups())
    start = now.astimezone(UTC)
    if weeks or days:
        start = _moment(now.astimezone(zone).replace(tzinfo=None) + timedelta(weeks=weeks, days=days), zone)
    return start + timedelta(hours=hours, minutes=minutes)


def _named(words: str, now: datetime, zone: tzinfo | None) -> datetime | None:
    local = now.astimezone(zone).replace(tzinfo=None)
    alone = _time(words)
    if alone is not None:
        at = datetime.combine(local.date(), alone)
        return _moment(at if at > local else at + timedelta(days=1), zone)
    head, _, rest = words.partition(" ")
    clock = _time(rest) if rest else MORNING
    day = _day(head, local, clock or MORNING)
    return None if day is None or clock is None else _moment(datetime.combine(day, clock), zone)


def _day(word: str, local: datetime, clock: time) -> date | None:
    today = local.date()
    if word == "today":
        return today
    if word in ("tomorrow", "tom", "tmrw"):
        return today + timedelta(days=1)
    for index, name in enumerate(_DAYS):
        if len(word) >= 3 and name.startswith(word):
            ahead = (index - today.weekday()) % 7
            return today + timedelta(days=ahead if ahead or clock > local.time() else 7)
    try:
        return date.fromisoformat(word)
    except ValueError:
        return None


def _time(words: str) -> time | None:
    match = _TIME.fullmatch(words)
    if match is None or (match[2] is None and match[3] is None):
        return None
    hour, minute = int(match[1]), int(match[2] or 0)
    if match[3]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match[3] == "pm" else 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


def _moment(naive: datetime, zone: tzinfo | None) -> datetime:
    return (naive.replace(tzinfo=zone) if zone is not None else naive).astimezone(UTC)
