from datetime import UTC, datetime, timedelta

import pytest

from fte.domain.errors import Rejected
from fte.domain.ids import new_id
from fte.domain.suggestions import BODY_MAX, Page, Source, checked, gathered, source, suggested
from fte.knowledge.embed import WordLlamaEmbedder

QUESTION = "I visit you on Monday. Where can I park near your office? My number is +49 170 1234567."
ANSWER = "visitors park behind the house, Ada, in the places marked V. Write to desk@example.com."
NAMES = ("Ada Byron", "Sam", "")


def test_an_answer_to_one_customer_becomes_a_page_for_all() -> None:
    assert suggested(QUESTION, ANSWER, NAMES) == Page(
        "Where can I park near your office?",
        "Visitors park behind the house, [name], in the places marked V. Write to [address].",
    )


def test_without_a_question_the_first_sentence_is_the_title() -> None:
    assert suggested("parking pls. thx", ANSWER, NAMES).title == "parking pls."
    assert suggested("", ANSWER, NAMES).title == ""


def test_a_name_inside_a_word_is_no_name() -> None:
    assert suggested("", "The same sample, says Sam.", ("Sam",)).body == "The same sample, says [name]."


@pytest.mark.parametrize(
    ("title", "body", "field"),
    [
        ("Par", "Visitors park behind the house.", "title"),
        ("P" * 121, "Visitors park behind the house.", "title"),
        ("Parking", "Behind.", "body"),
        ("Parking", "x" * (BODY_MAX + 1), "body"),
        ("Parking", "Visitors park behind the house, [name].", "body"),
        ("Parking for [address]", "Visitors park behind the house.", "title"),
    ],
)
def test_what_is_no_page_yet_is_refused_by_field(title: str, body: str, field: str) -> None:
    with pytest.raises(Rejected) as refused:
        checked(title, body)
    assert list(refused.value.fields) == [field]


def test_a_page_is_stored_as_it_is_meant() -> None:
    assert checked(" Parking\nfor all ", "\nVisitors park behind.\x00\n") == Page(
        "Parking for all", "Visitors park behind.\N{REPLACEMENT CHARACTER}"
    )


def test_the_documents_name_says_where_it_comes_from() -> None:
    assert source(12, "Where can I park, & how?") == "learned/12-where-can-i-park-how.md"
    assert source(12, "停车") == "learned/12-page.md"


def answered(number: int, question: str, answer: str) -> Source:
    return Source(
        id=new_id(), conversation_id=new_id(), number=number, kind="answered", question=question, draft="",
        answer=answer, names=(), operator="Sam", at=datetime(2026, 11, 24, tzinfo=UTC) + timedelta(hours=number),
    )  # fmt: skip


async def test_answers_about_one_matter_are_one_page_the_longest_first_then_the_newest() -> None:
    said = "Visitors park behind the house."
    parking = [
        answered(1, "Where can I park near your office?", said),
        answered(2, "is there parking at your office", f"{said} The places are marked with a V."),
        answered(4, "Can visitors park their car at your building?", said),
    ]
    fax = answered(3, "what is your fax number", "We have no fax.")
    given = [*parking, fax]
    vectors = await WordLlamaEmbedder().embed([one.question for one in given])
    found = gathered(given, vectors)
    assert [[one.number for one in of_one] for of_one in found] == [[2, 4, 1], [3]]
    assert gathered([], []) == []
