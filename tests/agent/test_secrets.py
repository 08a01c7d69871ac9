"""Secrets in any spelling are covered; what only looks like one can still be read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fte.agent.guard import fence
from fte.agent.secrets import ACCOUNT, CARD, REMOVED, masked
from tests.support import is_quick

HARMLESS = (Path(__file__).parent / "no_secrets.txt").read_text("utf-8").splitlines()
NUMBERS = (
    "4111111111111111",
    "4222222222222",
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "30569309025904",
    "6011111111111117",
    "3530111333300000",
    "6200000000000005",
    "2200000000000004",
)
PARTS = (
    "", " ", "  ", "\n", "\t", " \n ", "-", " - ", ".", "/", "_", ",", "*", "|", ":", "·", "–", " – ", "\u2011", "\u2009",
    "\u00a0", "\u202f", "\u3000", "\u200b", "\u2060", "\u00ad", "\ufeff", " \u200d ",
)  # fmt: skip


def in_fours(number: str, part: str) -> str:
    return part.join(number[at : at + 4] for at in range(0, len(number), 4))


@pytest.mark.parametrize("part", PARTS)
def test_a_card_is_found_whatever_parts_its_digits(part: str) -> None:
    for number in NUMBERS:
        for text in (in_fours(number, part), part.join(number)):
            shown = masked(f"I paid with {text} on Monday.")
            assert shown == f"I paid with {CARD} on Monday.", text


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111 12/27 cvv 123",
        "card4111111111111111",
        "4111111111111111exp1227",
        "94111111111111111",
        "41111111111111119",
        "41111111111111111227123",
        "1 4111 1111 1111 1111 2",
        "2 cards: 4111111111111111/5555555555554444",
        "4111 1111\n\n1111 1111",
        "٤١١١١١١١١١١١١١١١",
        "４１１１ １１１１ １１１１ １１１１",
        "4\u0336111\u0336 1111 1111 1111\u0336",
        "".join(f"{digit}\ufe0f\u20e3" for digit in "4111111111111111"),
        "".join(chr(0x245F + int(digit)) for digit in "4111111111111111"),
        "".join(chr(0x2775 + int(digit)) for digit in "4111111111111111"),
        "2026-03-03 4111 1111 1111 1111 2026-03-04",
    ],
)
def test_a_card_is_found_among_other_digits_and_in_any_script(text: str) -> None:
    shown = masked(f"Here: {text}")
    assert CARD in shown and "1111" not in shown and "4444" not in shown
    assert "123" not in shown


@given(
    st.sampled_from(NUMBERS),
    st.lists(st.sampled_from(("", "", " ", "-", " - ", "\u200b")), min_size=19, max_size=19),
)
def test_no_card_is_shown_however_it_is_parted(number: str, parts: list[str]) -> None:
    text = "".join(digit + part for digit, part in zip(number, parts, strict=False)).rstrip(" -\u200b")
    assert masked(f"Card: {text}, thanks") == f"Card: {CARD}, thanks"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("cvv: 123", "123"),
        ("CVC 987", "987"),
        ("the CVV number is 4321", "4321"),
        ("Prüfziffer 123", "123"),
        ("pin 4821", "4821"),
        ("pin: 4821 thanks", "4821"),
        ("OTP 482913", "482913"),
        ("SMS code is 445566", "445566"),
        ("password hunter2", "hunter2"),
        ("password (hunter2)", "hunter2"),
        ("mein Passwort Geheim123", "Geheim123"),
        ("Passwort lautet Geheim!", "Geheim!"),
        ("my pass is hunter2", "hunter2"),
        ("pw: hunter2", "hunter2"),
        ("the password for my account is hunter2", "hunter2"),
        ("password: 1234 thanks", "1234"),
        ("pass\u200bword: hun\u200bter2", "ter2"),
        ("ｐａｓｓｗｏｒｄ：hunter2", "hunter2"),
        ("contrasen\u0303a: abc$12", "abc$12"),
        ("password is " + "a1" * 200, "a1a1"),
        ("token=abc123def", "abc123def"),
        ("https://app.example/reset?token=abcdefghijk&lang=en", "abcdefghijk"),
        ("recovery code: abcd-1234-efgh", "1234"),
        ("recovery codes: 4821-9911, 7733-1290 and a question", "1290"),
        ("https://hooks.slack.com/services/T000/B000/XXXXabcdefgh", "XXXX"),
        ("Authorization: Bearer abcdef0123456789xyz", "abcdef"),
    ],
)
def test_a_secret_is_found_by_its_name(text: str, secret: str) -> None:
    shown = masked(f"Hello, {text}")
    assert secret not in shown and REMOVED in shown and shown.startswith("Hello, ")


def test_what_is_around_a_secret_stays_as_it_was_written() -> None:
    text = "Zo\u0308e ﬁnds 4\u200b111 1111 1111 1111\u200b, ½ off"
    assert masked(text) == f"Zo\u0308e ﬁnds {CARD}, ½ off"
    assert masked("IBAN DE89 3704 0044 0532 0130 00 bitte") == f"IBAN {ACCOUNT} bitte"


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_can_be_read(text: str) -> None:
    assert masked(text) == text


def test_there_are_enough_harmless_sentences() -> None:
    assert len(set(HARMLESS)) >= 60


@given(st.text(max_size=500))
def test_what_is_covered_is_not_covered_again(text: str) -> None:
    once = masked(text)
    assert masked(once) == once


@pytest.mark.parametrize(
    "piece",
    ["4 ", "4", "62 ", "41111-", "cvv ", "password is ", "password a is ", "recovery code: a1b2 ", "token abc ",
     "\u0301", "e\u0301", "1\u0336", "pass\u200b", "?token=", "DE89 3", "-----BEGIN "],
)  # fmt: skip
def test_hostile_text_takes_linear_time(piece: str) -> None:
    text = (piece * 30_000)[:30_000]
    assert is_quick(lambda: masked(text), 4.0)


def test_what_a_model_is_shown_holds_no_secret_that_was_disguised() -> None:
    told = "4\u200b111 1111\u2060 1111 1111 12/27 cvv 123, pass\u00adword: hunter2, pass\u3164word: hunter3"
    shown = fence(told, "CUSTOMER MESSAGE")
    assert not [secret for secret in ("1111", "123", "hunter2", "hunter3") if secret in shown], shown
