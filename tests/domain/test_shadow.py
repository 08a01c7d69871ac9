from datetime import UTC, datetime
from uuid import uuid4

import pytest

from fte.domain.shadow import Change, Past, Said, compared, markdown
from fte.domain.turns import Assignment, Line

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)
ASKED = Line(1, "customer", "email", "Where | can I *park*?\n# Now", AT, True)
TURN = Assignment(
    uuid4(), uuid4(), "email", "Ada", True, "#7", "Parking", "general", "medium", (ASKED,), 1, True
)


def past(was: Said) -> Past:
    return Past(7, "email", AT, "offline", TURN, was)


@pytest.mark.parametrize(
    ("was", "now", "change"),
    [
        (Said("Behind the house."), Said("Behind  the\nhouse."), "same"),
        (Said("Behind the house."), Said("In the yard."), "reworded"),
        (Said("Behind the house."), Said("A person answers.", "no_answer_found"), "hands_over_instead"),
        (Said("A person answers.", "no_answer_found"), Said("Behind the house."), "answers_instead"),
        (Said("A person.", "legal"), Said("A human.", "legal"), "same"),
        (Said("A person.", "legal"), Said("A person.", "refund_request"), "other_reason"),
        (Said("Behind the house."), Said("A person.", "agent_failure", error="TimeoutError"), "failed"),
    ],
)
def test_what_differs(was: Said, now: Said, change: Change) -> None:
    assert compared(past(was), now).change == change


def test_differences_are_shown_side_by_side_the_gravest_first() -> None:
    was = Said("Behind the house.", sources=("parking.md",), tokens=10)
    found = [
        compared(past(was), Said("Behind the house.", tokens=4)),
        compared(past(was), Said("In the yard.", sources=("yard.md",), tokens=5)),
        compared(past(was), Said("A person answers.", "no_answer_found")),
    ]
    words = markdown(found, "gpt-5-mini")
    assert "# 3 past turns with gpt-5-mini" in words
    assert "- The same answer: 1" in words
    assert "- Tokens: 9; before 30" in words
    assert words.index("handed to a person; answered before") < words.index("another answer")
    assert "Asked: Where \\| can I \\*park\\*? \\# Now" in words
    assert "Pages before: parking.md; now: yard.md" in words
    assert words.count("> Behind the house.") == 2


def test_no_past_is_said() -> None:
    assert "No turn was answered in that time." in markdown([], "offline")
