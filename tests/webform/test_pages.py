"""Nothing a person types can become markup, and every field is labelled."""

import dataclasses
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fte.channels.web_form import page, ticket_page
from fte.channels.web_form.markup import fill
from fte.channels.web_form.origins import Origins
from fte.channels.web_form.page import Site, Trouble
from fte.domain.errors import Rejected
from fte.domain.modes import Answers
from fte.domain.tickets import CATEGORIES, PRIORITIES, TICKET_STATUSES
from fte.store.tickets import TicketMessage

SITE = Site(company="<b>Acme</b>", stylesheet="/support/form.css?v=1", script="/support/form.js?v=1")
NOW = datetime(2026, 11, 23, 8, 5, tzinfo=UTC)
ATTACKS = [
    "<script>alert(1)</script>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    '" autofocus onfocus="alert(1)',
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "<!--",
    "$message ${name} $$",
    "&lt;script&gt;",
    "javascript:alert(1)",
    "\ud800\x00",
]


class Outline(HTMLParser):
    """Tags with their attributes, and the text in between."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    @property
    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(tag, tuple(attributes)) for tag, attributes in self.tags]


def form(text: str) -> str:
    fields = dict.fromkeys(("name", "email", "subject", "category", "priority", "message"), text)
    return page.form_page(SITE, text, fields, Trouble(text, dict.fromkeys(fields, text)))


def ticket(text: str, **changes: Any) -> str:
    messages = [
        TicketMessage(sender, text, text, NOW) for sender in ("customer", "agent", "operator", "system")
    ]
    shown = ticket_page.Ticket(
        ticket_id=text, status="open", subject=text, created_at=NOW, messages=messages, version=text
    )
    return ticket_page.ticket_page(
        SITE, shown, text, kept={"message": text}, trouble=Trouble(text, {"message": text})
    )


def box_only(text: str) -> str:
    return ticket_page.answer_page(SITE, text, text, {"message": text}, Trouble(text, {"message": text}))


@pytest.mark.parametrize("make", [form, ticket, box_only])
@pytest.mark.parametrize("attack", ATTACKS)
def test_typed_text_never_changes_the_shape_of_a_page(make: Any, attack: str) -> None:
    assert Outline(make(attack)).shape == Outline(make("harmless")).shape
    assert make(attack).encode()


@given(st.text(st.characters()))
def test_no_text_changes_the_shape_of_a_page(text: str) -> None:
    if text.strip():
        assert Outline(form(text)).shape == Outline(form("harmless")).shape
        assert Outline(ticket(text)).shape == Outline(ticket("harmless")).shape


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_what_was_typed_comes_back_as_it_was(text: str) -> None:
    values = [attributes.get("value") for tag, attributes in Outline(form(text)).tags if tag == "input"]
    lines = text.replace("\u2028", "\n").replace("\u2029", "\n")
    assert values.count(lines) >= 3


@pytest.mark.parametrize("html", [form("x"), page.form_page(SITE, "x", {}), ticket("x")])
def test_every_control_has_a_label_and_every_reference_a_target(html: str) -> None:
    tags = Outline(html).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {attributes.get("for") for tag, attributes in tags if tag == "label"}
    for tag, attributes in tags:
        if tag in ("select", "textarea") or (tag == "input" and attributes.get("type") != "hidden"):
            assert attributes["id"] in labelled
        for reference in ("aria-describedby", "aria-labelledby"):
            assert set((attributes.get(reference) or "").split()) <= set(ids)
        if tag == "a" and (attributes["href"] or "").startswith("#"):
            assert (attributes["href"] or "")[1:] in ids
    assert sum(tag == "h1" for tag, _ in tags) == 1
    assert {"header", "main", "footer"} <= {tag for tag, _ in tags}
    assert ("html", "en") in [(tag, attributes.get("lang")) for tag, attributes in tags]


def test_nothing_is_inline_that_the_policy_forbids() -> None:
    for html in (form("x"), ticket("x")):
        for tag, attributes in Outline(html).tags:
            assert tag != "style"
            assert "style" not in attributes
            assert not any(name.startswith("on") for name in attributes)
            assert tag != "script" or attributes.get("src")


def test_every_category_priority_and_status_has_words() -> None:
    assert tuple(page.CATEGORY_WORDS) == CATEGORIES
    assert tuple(page.PRIORITY_WORDS) == PRIORITIES
    for answers in get_args(Answers):
        assert all(ticket_page.next_words(status, answers) for status in TICKET_STATUSES)


def test_nothing_is_said_of_the_ai_where_people_answer() -> None:
    site = dataclasses.replace(SITE, answers="people")
    words = [page.form_page(site, "", {}), *(ticket_page.next_words(s, "people") for s in TICKET_STATUSES)]
    assert not [text for text in words if re.search(r"\bAI\b|assistant|within a minute", text)]
    for answers in ("checked", "either"):
        assert "within a minute" not in page.form_page(dataclasses.replace(SITE, answers=answers), "", {})


def test_templates_escape_all_but_markup() -> None:
    assert fill("<p>$a$b</p>", a="<", b=fill("<i>$x</i>", x="&")) == "<p>&lt;<i>&amp;</i></p>"


@pytest.mark.parametrize(
    "wrong",
    ["example.com", "https://a.example/path", "https://a.example; script-src *", "javascript:x", "https://"],
)
def test_only_origins_get_into_the_policy(wrong: str) -> None:
    with pytest.raises(Rejected):
        Origins(wrong)


def test_origins() -> None:
    some = Origins("https://www.example.com https://*.shop.example http://localhost:3000")
    assert some.allow("https://www.example.com")
    assert some.allow("https://a.b.shop.example")
    assert some.allow("http://localhost:3000")
    for other in ("https://shop.example", "http://www.example.com", "https://evilshop.example", "null", ""):
        assert not some.allow(other)
    assert some.frame_ancestors.startswith("'self' ")
    assert Origins("*").allow("https://anywhere.example")
    assert not Origins("none").allow("https://anywhere.example")
    assert Origins("none").frame_ancestors == "'self'"
