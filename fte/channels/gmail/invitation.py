"""A calendar object (RFC 5545) in one readable line."""

import re
from typing import Final

from fte.domain.text import one_line

CALENDAR_MAX: Final = 100_000
"""Characters of a calendar object read."""
VALUE_MAX: Final = 200
"""Characters shown of one of its values."""

_PROPERTY: Final = re.compile(
    r"([A-Za-z-]{1,40})((?:;[^:\"\n]{0,200}(?:\"[^\"\n]{0,200}\")?){0,8}):(.{0,2000})"
)
_ESCAPED: Final = re.compile(r"\\([\\;,nN])")
_TIME: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d{0,2}(Z?))?")
_METHODS: Final = {
    "REQUEST": "Calendar invitation",
    "CANCEL": "Calendar cancellation",
    "REPLY": "Calendar reply",
}


def summary(text: str) -> str | None:
    """What is planned, when, where and by whom; None when the text holds no event."""
    found = _properties(text[:CALENDAR_MAX])
    if "begin" not in found and "summary" not in found:
        return None
    kind = _METHODS.get(found.get("method", "").strip().upper(), "Calendar event")
    said = [found.get("summary", "") or "without a title", _when(found)]
    if found.get("location"):
        said.append(f"at {found['location']}")
    if found.get("organizer"):
        said.append(f"organised by {found['organizer']}")
    if found.get("partstat"):
        said.append(found["partstat"].lower())
    return f"[{kind}: {', '.join(part for part in said if part)}]"


def _properties(text: str) -> dict[str, str]:
    """The first value of each property inside the first event, and the object's method."""
    found: dict[str, str] = {}
    inside = False
    for line in re.sub(r"\n[ \t]", "", text).split("\n"):
        match = _PROPERTY.match(line.rstrip())
        if match is None:
            continue
        name, value = match[1].lower(), match[3]
        if name == "begin" and value.upper() == "VEVENT":
            inside = True
            found["begin"] = value
        elif name == "end" and value.upper() == "VEVENT":
            break
        elif (inside or name == "method") and name not in found:
            found[name] = _shown(name, match[2], value)
            zone = re.search(r";TZID=\"?([\w/+-]{1,60})", match[2], re.IGNORECASE)
            if name in ("dtstart", "dtend") and zone:
                found[f"{name}-zone"] = zone[1]
            accepted = re.search(r";PARTSTAT=(ACCEPTED|DECLINED|TENTATIVE)", match[2], re.IGNORECASE)
            if name == "attendee" and accepted:
                found["partstat"] = accepted[1]
    return found


def _shown(name: str, options: str, value: str) -> str:
    if name == "organizer":
        named = re.search(r";CN=\"?([^\";:]{1,100})", options, re.IGNORECASE)
        value = named[1] if named else re.sub(r"^mailto:", "", value, flags=re.IGNORECASE)
    value = _ESCAPED.sub(lambda match: " " if match[1] in "nN" else match[1], value)
    return one_line(value).replace("[", "(").replace("]", ")")[:VALUE_MAX]


def _when(found: dict[str, str]) -> str:
    start = _time(found.get("dtstart", ""))
    end = _time(found.get("dtend", ""))
    if start[:10] == end[:10]:
        end = end[11:]
    zone = found.get("dtstart-zone", "")
    span = f"{start} to {end}" if end else start
    return f"{span} ({zone})" if zone and span else span


def _time(value: str) -> str:
    match = _TIME.match(value)
    if match is None:
        return ""
    day = f"{match[1]}-{match[2]}-{match[3]}"
    if match[4] is None:
        return day
    return f"{day} {match[4]}:{match[5]}" + (" UTC" if match[6] else "")
