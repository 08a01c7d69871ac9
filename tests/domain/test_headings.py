"""What is left of a subject without what programs put around it, and when it is news."""

import pytest

from fte.domain.headings import bare, headed, is_new


@pytest.mark.parametrize(
    ("subject", "left"),
    [
        ("Re: AW: [List] Re[2]: Fwd: My parcel [#12]", "My parcel"),
        ("TR : 回复：My parcel", "My parcel"),
        ("  My\n parcel ", "My parcel"),
        ("Refund: now", "Refund: now"),
        ("[URGENT] My parcel", "[URGENT] My parcel"),
        ("Re:", ""),
    ],
)
def test_a_subject_without_what_programs_put_around_it(subject: str, left: str) -> None:
    assert bare(subject) == left


def test_a_subject_is_the_first_line_once() -> None:
    assert headed("Re: I was hacked", "Thank you") == "I was hacked\n\nThank you"
    assert headed("I was hacked", "") == "I was hacked"
    assert headed("I was hacked", "I was\nhacked today") == "I was\nhacked today"
    assert headed("Re: about it", "Re: about it, please help") == "Re: about it, please help"
    assert headed("", "Thank you") == headed("Re:", "Thank you") == "Thank you"


def test_only_what_nobody_said_before_is_new() -> None:
    known = ["My parcel", "Re: An invoice"]
    assert is_new("I was hacked", known)
    assert not is_new("Re: my PARCEL [#3]", known)
    assert not is_new("Fwd: An invoice", known)
    assert not is_new("Re:", known)
