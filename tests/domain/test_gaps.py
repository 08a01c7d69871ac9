from datetime import UTC, datetime, timedelta

from fte.domain.gaps import EXCERPT, Question, anonymous, gathered
from fte.domain.ids import new_id
from fte.knowledge.embed import WordLlamaEmbedder

NOW = datetime(2026, 11, 24, tzinfo=UTC)
PARKING = (
    "Where can I park near your office?",
    "is there parking at your office",
    "Can visitors park their car at your building?",
    "do you have a car park",
)
FAX = ("Can I send you a fax?", "what is your fax number")
ALONE = ("Is your CEO available for a podcast?", "What time is it in Tokyo?")


def questions(*texts: str) -> list[Question]:
    return [
        Question(
            new_id(), number, "whatsapp" if number % 2 else "email", text, NOW + timedelta(minutes=number)
        )
        for number, text in enumerate(texts)
    ]


async def test_questions_of_one_subject_come_together_the_most_frequent_first() -> None:
    texts = [text for group in zip(PARKING, (*FAX, *ALONE), strict=True) for text in group]
    found = gathered(questions(*texts), await WordLlamaEmbedder().embed(texts))
    assert [gap.asked for gap in found] == [4, 2, 1, 1]
    assert found[0].example in PARKING
    assert found[0].conversations == (0, 2, 4, 6)
    assert found[0].last == NOW + timedelta(minutes=6)
    assert found[1].example in FAX


async def test_the_same_question_of_one_conversation_counts_as_one_who_asks() -> None:
    one = questions("Do you have a car park?")[0]
    again = [one, one, one, *questions("what is your fax number", "Can I send you a fax?")]
    vectors = await WordLlamaEmbedder().embed([question.text for question in again])
    assert [(gap.asked, len(gap.conversations)) for gap in gathered(again, vectors)] == [(2, 2), (3, 1)]


async def test_words_the_embedder_does_not_know_are_no_reason_to_fail() -> None:
    texts = ["", "\U0001f926", "…", "zzzzqqq"]
    assert sum(gap.asked for gap in gathered(questions(*texts), await WordLlamaEmbedder().embed(texts))) == 4
    assert gathered([], []) == []


def test_what_is_shown_of_a_question_names_nobody() -> None:
    said = "Write to ada.b@example.co.uk,\nor call +49 (0)170 123-4567. Card 4111 1111 1111 1111! Error 429 in v2.10"
    assert anonymous(said) == ("Write to [address], or call [number]. Card [number]! Error 429 in v2.10")
    assert len(anonymous("word " * 500)) <= EXCERPT
