"""What counts as a form, and what is said about one that does not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fte.channels.web_form.parse import (
    HONEYPOT,
    Form,
    normal_email,
    parse_answer,
    parse_form,
    provider_id,
)
from fte.domain.errors import Rejected
from tests.support_webform import valid


def problems(**changes: Any) -> dict[str, str]:
    with pytest.raises(Rejected) as caught:
        parse_form(valid(**changes))
    return dict(caught.value.fields)


def test_a_valid_form_is_taken_with_its_defaults() -> None:
    form = parse_form(valid(message="  first\r\nsecond line  ", name=" Ann \t Example "))
    assert form == Form(
        name="Ann Example",
        email="ann@example.com",
        subject="Wrong invoice",
        category="billing",
        message="first\nsecond line",
        priority="medium",
        submission_id="",
        attachments=(),
    )


@pytest.mark.parametrize(
    ("field", "low", "high"), [("name", 2, 100), ("subject", 5, 200), ("message", 10, 5_000)]
)
def test_both_ends_of_each_length_are_included(field: str, low: int, high: int) -> None:
    for length in (low, high):
        assert len(getattr(parse_form(valid(**{field: "x" * length})), field)) == length
    for length in (low - 1, high + 1):
        said = problems(**{field: "x" * length})
        assert list(said) == [field]
        assert f"{low:,} to {high:,} characters" in said[field]
        assert f"{length:,}" in said[field]


def test_line_breaks_of_a_browser_count_once() -> None:
    assert parse_form(valid(message="a\r\n" * 2_499 + "bb"))


@pytest.mark.parametrize("field", ["name", "email", "subject", "category", "message", "priority"])
@pytest.mark.parametrize(
    "value",
    [7, 1.5, True, [], ["x" * 20], {"a": 1}, "x\x00yz@abcdefghi", "\ud800 is a lone surrogate", "x" * 60_000],
)
def test_hostile_values_are_named_not_raised(field: str, value: Any) -> None:
    assert list(problems(**{field: value})) == [field]


@pytest.mark.parametrize("field", ["name", "email", "subject", "category", "message"])
@pytest.mark.parametrize("value", [None, "", "   ", "\u200b" * 20])
def test_what_is_needed_may_not_be_empty(field: str, value: Any) -> None:
    assert list(problems(**{field: value})) == [field]


def test_every_wrong_field_is_named_at_once() -> None:
    said = problems(name="A", email="nope", subject="", category="gossip", message="short", priority="urgent")
    assert set(said) == {"name", "email", "subject", "category", "message", "priority"}
    assert "bug_report" in said["category"]
    assert "low, medium or high" in said["priority"]


@pytest.mark.parametrize("blank", [None, ""])
def test_an_absent_priority_is_medium(blank: Any) -> None:
    assert parse_form(valid(priority=blank)).priority == "medium"


def test_a_control_character_has_no_place_in_a_name() -> None:
    assert "control character" in problems(name="Ann\x1b[31m")["name"]


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        (" Ann.Example@Example.COM ", "Ann.Example@example.com"),
        ("ann@straße.example", "ann@xn--strae-oqa.example"),
        ("a+b@sub.example.co", "a+b@sub.example.co"),
        ("ann@Bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@XN--BCHER-KVA.example", "ann@xn--bcher-kva.example"),
        ("o'neil@example.com", "o'neil@example.com"),
        ("ann@1and1.com", "ann@1and1.com"),
    ],
)
def test_addresses_are_compared_in_one_form(typed: str, normal: str) -> None:
    assert normal_email(typed) == normal


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "@",
        "ann",
        "ann@",
        "@example.com",
        "ann@example",
        "ann@example.com\nBcc: x@example.com",
        "ann\r\n@example.com",
        "ann@exam ple.com",
        "a b@example.com",
        "ann@@example.com",
        ".ann@example.com",
        "ann.@example.com",
        "a..b@example.com",
        '"ann"@example.com',
        "ann@[127.0.0.1]",
        "ann@127.0.0.1",
        "ann@-example.com",
        "ann@example-.com",
        "ann@example.com.",
        "ann@.example.com",
        "<ann@example.com>",
        "ann@example.com,bob@example.com",
        "ann@ex\x00ample.com",
        "ann@\ud800.com",
        "\u212aevin@example.com",
        f"{'a' * 65}@example.com",
        f"ann@{'a' * 64}.com",
        f"ann@{'a.' * 130}com",
    ],
)
def test_what_is_not_an_address_is_not_taken(typed: str) -> None:
    assert normal_email(typed) is None


def test_the_longest_address_is_254_characters() -> None:
    domain = ".".join(["d" * 61] * 3 + ["example"])
    longest = f"{'a' * (254 - 1 - len(domain) - 0)}@{domain}"
    assert len(longest) == 254
    assert normal_email(longest) == longest
    assert normal_email("a" + longest) is None


def test_a_filled_honeypot_is_said_so_that_nothing_is_lost_silently() -> None:
    assert list(problems(**{HONEYPOT: "http://spam.example"})) == [HONEYPOT]


def test_a_further_message_may_be_short() -> None:
    assert parse_answer({"message": " ok "}).message == "ok"
    with pytest.raises(Rejected):
        parse_answer({"message": "   "})


def test_content_is_part_of_the_provider_id() -> None:
    assert provider_id("key", "a", "b") == provider_id("key", "a", "b")
    assert (
        len({provider_id("key", "a", "b"), provider_id("key", "ab", ""), provider_id("other", "a", "b")}) == 3
    )


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(["a@b.co", "low"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from([*valid(), "priority", "attachments", "submission_id", HONEYPOT])


@given(st.dictionaries(names, json_values), st.booleans())
def test_any_value_in_any_field_is_a_form_or_rejected(changes: dict[str, Any], complete: bool) -> None:
    fields = valid(**changes) if complete else changes
    try:
        form = parse_form(fields)
    except Rejected as error:
        assert error.fields
    else:
        assert 2 <= len(form.name) <= 100
        assert form.email == form.email.lower()
        assert form.email.isascii()
        f"{form}".encode()


@given(st.text(st.characters(), max_size=80))
def test_a_taken_address_is_plain(text: str) -> None:
    for typed in (text, f"{text}@example.com", f"ann@{text}", f"ann@{text}.com"):
        address = normal_email(typed)
        if address is not None:
            assert address.isascii()
            assert address.isprintable()
            assert " " not in address
            assert len(address) <= 254
            assert normal_email(address) == address
