from datetime import UTC, datetime, timedelta

import pytest

from fte.domain.resolution import Resolution, Said, resolution

START = datetime(2026, 11, 24, 9, tzinfo=UTC)


def customer(hours: float, *, thanks: bool = False, handed_over: bool = False) -> Said:
    return Said("customer", START + timedelta(hours=hours), thanks, handed_over)


def agent(hours: float) -> Said:
    return Said("agent", START + timedelta(hours=hours))


ASKED = (customer(0), agent(0.1))


@pytest.mark.parametrize(
    ("messages", "hours", "expected"),
    [
        (ASKED, 1, "undecided"),
        (ASKED, 25, "assumed"),
        ((customer(0),), 100, "undecided"),
        ((*ASKED, customer(1, thanks=True)), 2, "confirmed"),
        ((*ASKED, customer(1, thanks=True), agent(1.1)), 2, "confirmed"),
        ((*ASKED, customer(1), customer(1.1, thanks=True)), 2, "undecided"),
        ((customer(0, thanks=True), agent(0.1)), 2, "undecided"),
        ((*ASKED, customer(1), agent(1.1)), 2, "undecided"),
        ((*ASKED, customer(1), agent(1.1)), 26, "assumed"),
        ((*ASKED, customer(1, thanks=True), customer(2)), 3, "reopened"),
        ((*ASKED, customer(30), agent(30.1)), 31, "reopened"),
        ((*ASKED, customer(30), agent(30.1), customer(31, thanks=True)), 90, "reopened"),
        ((*ASKED, customer(24 * 8), agent(24 * 8.1)), 24 * 8.2, "undecided"),
        ((*ASKED, customer(1), Said("operator", START + timedelta(hours=2))), 90, "handed_over"),
        ((customer(0, handed_over=True), agent(0.1), customer(1, thanks=True)), 90, "handed_over"),
    ],
)
def test_what_became_of_a_conversation(
    messages: tuple[Said, ...], hours: float, expected: Resolution
) -> None:
    assert resolution(messages, START + timedelta(hours=hours)) == expected


def test_how_long_silence_has_to_last_is_a_choice() -> None:
    assert resolution(ASKED, START + timedelta(hours=3), timedelta(hours=2)) == "assumed"
