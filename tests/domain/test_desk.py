"""Tags, mentions and canned replies: what they are made of, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fte.domain import canned, tags
from fte.domain.errors import Rejected
from fte.domain.mentions import MENTIONS_MAX, mentioned

VALUES = canned.values(customer="Ada Lovelace", ticket=12, operator="Sam", company="Acme")


@pytest.mark.parametrize(
    ("typed", "tag"),
    [
        ("VIP", "vip"),
        (" #needs docs ", "needs-docs"),
        ("münchen", "münchen"),
        ("v1.2", "v1.2"),
        ("a_b", "a_b"),
    ],
)
def test_a_tag_has_one_spelling(typed: str, tag: str) -> None:
    assert tags.parse(typed) == tag
    assert tags.parse(tag) == tag


@pytest.mark.parametrize(
    "typed", ["", "#", "-x", "a,b", "a/b", "x" * 31, "\x1b[31m", "a\x00", "tag:vip", "<b>"]
)
def test_what_is_no_tag_is_refused(typed: str) -> None:
    with pytest.raises(Rejected) as caught:
        tags.parse(typed)
    assert "tags" in caught.value.fields


def test_tags_are_added_and_removed_up_to_a_limit() -> None:
    assert tags.changed(["b"], ["A", "a"], ["b", "c"]) == ("a",)
    many = [f"t{n}" for n in range(tags.TAGS_MAX)]
    assert len(tags.changed([], many, [])) == tags.TAGS_MAX
    with pytest.raises(Rejected, match="not valid"):
        tags.changed(many, ["one-more"], [])
    assert "one-more" in tags.changed(many, ["one-more"], ["t0"])


def test_a_note_names_colleagues() -> None:
    names = ["Sam", "Sam Smith", "Ann-Marie", "Ö"]
    assert mentioned("@sam smith and @SAM, see @Ann-Marie! (@ö)", names) == [
        "Sam Smith",
        "Sam",
        "Ann-Marie",
        "Ö",
    ]
    assert mentioned("@Samantha, mail sam@Sam.example, @@Sam2 @nobody", names) == []
    assert mentioned("@Sam @Sam", names) == ["Sam"]
    assert (
        len(mentioned(" ".join(f"@p{n}." for n in range(50)), [f"p{n}" for n in range(50)])) == MENTIONS_MAX
    )


@given(st.text(), st.lists(st.text(min_size=1)))
def test_only_known_names_are_mentioned(text: str, names: list[str]) -> None:
    assert set(mentioned(text, names)) <= set(names)


def test_a_canned_reply_is_filled_in() -> None:
    body = "Hello {first_name} ({customer}),\n{ticket} at {company}: {{literally}}. {operator}"
    rendered = canned.render(body, VALUES)
    assert rendered.text == "Hello Ada (Ada Lovelace),\n#12 at Acme: {literally}. Sam"
    assert rendered.missing == ()


def test_a_canned_reply_with_an_unknown_variable_never_goes_out_raw() -> None:
    with pytest.raises(Rejected) as caught:
        canned.render("Dear {frist_name}", VALUES)
    assert "{frist_name}" in caught.value.fields["body"]
    with pytest.raises(Rejected) as caught:
        canned.check("hi", "Hi", "Dear {frist_name}", None)
    assert "{first_name}" in caught.value.fields["body"]


@pytest.mark.parametrize("customer", ["", "?", "ada@example.com", "+4915112345"])
def test_a_value_nobody_knows_is_named_and_not_invented(customer: str) -> None:
    values = canned.values(customer=customer, ticket=1, operator="Sam", company="")
    rendered = canned.render("{first_name} {company} {operator}", values)
    assert rendered.text == "{first_name} {company} Sam"
    assert rendered.missing == ("first_name", "company")
    assert canned.unfilled(rendered.text) == ["first_name", "company"]


@given(st.text(), st.text())
def test_a_customers_name_is_text_and_nothing_else(name: str, body: str) -> None:
    """A name with a variable in it is not filled in again."""
    values = VALUES | {"customer": "x{ticket}" + name}
    assert canned.render("{customer}", values) == canned.Rendered(("x{ticket}" + name).strip(), ())
    try:
        canned.render(body, values)
    except Rejected as error:
        assert "{" in error.fields["body"]


@pytest.mark.parametrize(
    ("field", "key", "title", "body", "language"),
    [
        ("key", "", "t", "b", None),
        ("key", "A", "t", "b", None),
        ("key", "-a", "t", "b", None),
        ("key", "a" * 31, "t", "b", None),
        ("title", "a", " ", "b", None),
        ("title", "a", "t" * 101, "b", None),
        ("body", "a", "t", " \n", None),
        ("body", "a", "t", "b" * 5_001, None),
        ("language", "a", "t", "b", "English"),
    ],
)
def test_what_cannot_be_used_names_the_field(
    field: str, key: str, title: str, body: str, language: str | None
) -> None:
    with pytest.raises(Rejected) as caught:
        canned.check(key, title, body, language)
    assert list(caught.value.fields) == [field]


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        (";hi", "hi"),
        ("Hello\n;re-fund", "re-fund"),
        ("a;hi", None),
        (";hi ", None),
        ("; hi", None),
        ("", None),
    ],
)
def test_a_key_is_called_where_a_word_begins(typed: str, key: str | None) -> None:
    assert canned.called(typed) == key
