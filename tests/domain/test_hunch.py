"""A hunch finds what no phrase says, leaves ordinary messages alone, and comes of the messages that are here."""

from pathlib import Path

import pytest

from fte.domain.escalation import HUNCH_MIN, REASONS, reasons, suspected
from fte.domain.hunch import hunch, load, pieces
from fte.domain.sentiment import sentiment
from tests.support import is_quick
from training.messages import PROBE, fingerprint, messages

HERE = Path(__file__).parent
WISH = "I think it is time that we and you went our separate ways."


def test_the_weights_are_made_of_the_messages_that_are_here() -> None:
    """`python -m training` makes them."""
    assert load().made_from == fingerprint(messages(), pieces(PROBE))
    assert set(load().reasons) <= set(REASONS)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (WISH, "cancellation_threat"),
        ("Whoever was in our account last night, it was none of us.", "security_incident"),
        ("would you do it for less if we took it for three years", "pricing_inquiry"),
    ],
)
def test_it_finds_what_no_phrase_says(text: str, reason: str) -> None:
    found = suspected(text, "email")
    assert found is not None
    assert found[0] == reason
    assert HUNCH_MIN <= found[1] <= 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?!",
        "🙂",
        "4711",
        "Hello there",
        "Thanks, that worked.",
        "How do I export my hours as CSV?",
        "Wie ändere ich die Sprache?",
        "Où trouver mes factures ?",
        "レポートを共有するには？",
    ],
)
def test_ordinary_messages_are_left_alone(text: str) -> None:
    assert suspected(text, "webform") is None


def test_one_sentence_in_a_long_mail_is_enough() -> None:
    rest = ["The new calendar looks good on my phone.", "We log our hours every Friday."] * 20
    assert suspected(" ".join([*rest, WISH, *rest]), "email") is not None
    assert suspected(" ".join(rest), "email") is None


def test_what_a_mail_quotes_is_not_the_customer_s() -> None:
    assert suspected(f"> {WISH}\n\nThanks, that worked.", "email") is None
    assert suspected(f"> {WISH}\n\nThanks, that worked.", "webform") is not None


def test_two_neighbouring_sentences_are_read_together() -> None:
    one, other = "My mother is 84", "She cannot do this alone, who could ring her"
    apart = max(hunch([one]).sure, hunch([other]).sure)
    assert hunch([one, other]).sure > apart


@pytest.mark.parametrize("fragment", ["a", "a. ", "i want ", "ab cd\n", "文字。", "\u0301x"])
def test_hostile_messages_take_no_time(fragment: str) -> None:
    text = (fragment * 20_000)[:20_000]
    assert is_quick(lambda: suspected(text, "webform"), 1.0)


def test_messages_held_out() -> None:
    """The limits lie slightly below what docs/agent.md reports. Neither set may be learnt from."""
    found = {True: [0, 0], False: [0, 0]}
    for line in (HERE / "strangers.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        reason, _, text = line.replace("\\n", "\n").split("\t")
        if not reasons(text, "email", sentiment(text)):
            needy = found[reason != "-"]
            needy[0] += suspected(text, "email") is not None
            needy[1] += 1
    assert found[True][0] >= 0.5 * found[True][1]
    assert found[False][0] <= 0.08 * found[False][1]
