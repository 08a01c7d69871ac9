"""Every language we know: who must speak to a person is told in each, and no ordinary question is taken for it."""

import re
from functools import cache, partial
from pathlib import Path

import pytest

from fte.domain.escalation import asked_again, before, reasons
from fte.domain.languages import DEFAULT, Phrases, corrected, fold, language_of, languages, sentence
from fte.domain.sentiment import sentiment
from tests.support import is_quick
from tests.support_agent import line

CASES = [
    (file.stem, *row.split(" | ", 1))
    for file in sorted((Path(__file__).parent / "cases").glob("*.txt"))
    for row in file.read_text("utf-8").splitlines()
]
CODES = [one.code for one in languages()]


@cache
def found(text: str) -> tuple[str, ...]:
    said = text.replace("\\n", "\n")
    return reasons(said, "email", sentiment(said))


def test_enough_was_written_by_hand() -> None:
    assert len(CASES) >= 1_500 and len(set(CASES)) == len(CASES)
    assert {code for code, _, _ in CASES} == set(CODES) and len(CODES) >= 26


@pytest.mark.parametrize("code", ["all", *CODES])
def test_customers_are_understood(code: str) -> None:
    """Recall and precision of handing over at all; and the reason is among those found."""
    cases = [(want, text) for own, want, text in CASES if code in ("all", own)]
    meant = [(want, text, found(text)) for want, text in cases if want != "-"]
    ordinary = [(text, found(text)) for want, text in cases if want == "-"]
    missed = [(want, text) for want, text, reasons in meant if not reasons]
    taken = [(text, reasons) for text, reasons in ordinary if reasons]
    other = [(want, text, reasons) for want, text, reasons in meant if reasons and want not in reasons]
    handed_over = len(meant) - len(missed)
    assert handed_over >= 0.98 * len(meant), missed
    assert handed_over >= 0.98 * (handed_over + len(taken)), taken
    assert len(other) <= 0.02 * len(meant), other


def test_at_the_end_of_a_long_mail() -> None:
    padding = "The timer of the project goes on while the phone has no network. " * 1_000
    for code in CODES:
        text = next(text for own, want, text in CASES if (own, want) == (code, "human_request"))
        assert before(f"{padding}\n{text}", "email", 0.5) == "human_request", text


@pytest.mark.parametrize("channel", ["whatsapp", "web_form"])
def test_look_alikes_are_ordinary_on_every_channel(channel: str) -> None:
    wrong = [text for _, want, text in CASES if want == "-" and reasons(text, channel, sentiment(text))]
    single_words = {"agent", "agents", "representative", "human"}
    assert all(channel == "whatsapp" and single_words & set(fold(text).split()) for text in wrong), wrong


def test_languages_are_told_apart() -> None:
    texts = [(code, text) for code, _, text in CASES if len(text.split()) > 3 or code in ("zh", "ja", "ko")]
    right = sum(language_of(text) == code for code, text in texts)
    assert right >= 0.97 * len(texts), [
        (code, language_of(text), text) for code, text in texts if language_of(text) != code
    ]


@pytest.mark.parametrize(
    "text", ["", "12345", "👍", "TW-1004", "?" * 100, "\x00\ud800".replace("\ud800", "")]
)
def test_when_in_doubt_it_is_english(text: str) -> None:
    assert language_of(text) == DEFAULT


@pytest.mark.parametrize("code", CODES)
def test_every_sentence_of_ours_is_there_in_every_language(code: str) -> None:
    english = next(one for one in languages() if one.code == DEFAULT).sentences
    own = next(one for one in languages() if one.code == code).sentences
    assert set(english) - set(own) <= {"hours"}
    for key, text in own.items():
        for name in ("name", "company", "reference", "when"):
            assert (f"{{{name}}}" in text) == (f"{{{name}}}" in english[key]), key
    # The word we tell customers to write is a word we understand.
    for key in ("written", "chat_first", "chat_offer"):
        quoted = own[key].translate(str.maketrans("«»“”„「」", '"""""""')).split('"')[1].strip()
        assert before(quoted, "whatsapp", 0.5) == "human_request", quoted
        assert before(f"OK.\n{own[key]}", "email", 0.5) is None, "our own offer is no request"


def test_a_missing_sentence_is_said_in_english() -> None:
    assert sentence("tlh", "hello", name="Kor") == "Hello Kor,"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("humman", "human"), ("reprsentative", "representative"), ("l4wyer", "lawyer"), ("huuuuman", "human"),
     ("h u m a n", "human"), ("humаn", "human"), ("laywer", "lawyer")],
)  # fmt: skip
def test_what_is_spelled_badly_is_read(typed: str, meant: str) -> None:
    assert meant in corrected(fold(typed)).split("\n")[-1]


@pytest.mark.parametrize(
    "word", ["layer", "prison", "cancer", "argent", "steak", "regent", "humane", "manage"]
)
def test_real_words_stay_what_they_are(word: str) -> None:
    assert corrected(word) == word


@pytest.mark.parametrize(
    ("phrase", "text", "said"),
    [
        ("speak ... person", "speak to a very real person", True),
        ("speak ... person", "speak now. another person", False),
        ("speak ... person", "speak one two three four five person", False),
        ("a/the lawyer*", "the lawyers", True),
        ("a/the lawyer*", "flawyer", False),
        ("my? money back", "money back", True),
        ("rückerstatt*", "rueckerstattung", True),
        ("straße", "strasse", True),
        ("ї*жак", "їжак", True),
        ("nói_chuyện/chat với", "tôi muốn nói chuyện với bạn", True),
        ("nói_chuyện/chat với", "nói\nchuyện với", True),
        ("nói_chuyện/chat với", "nói với", False),
    ],
)
def test_how_a_phrase_is_read(phrase: str, text: str, said: bool) -> None:
    assert Phrases([phrase]).found_in(fold(text)) is said


def test_a_gap_is_as_long_where_a_character_is_a_syllable() -> None:
    """Taken apart, a syllable of Korean is three characters, and a gap of twelve would be four syllables."""
    phrase = Phrases(["상담원 ... 연결"], joined=True)
    assert phrase.found_in(fold("상담원에게 지금 바로 좀 연결"))
    assert not phrase.found_in(fold("상담원 이야기는 그만하고 다음 문제로 넘어가서 연결"))


@pytest.mark.parametrize(
    ("text", "code"),
    [("Как сменить пароль", "ru"), ("Як змінити пароль", "uk"), ("Відправити", "uk"), ("Отправить", "ru")],
)
def test_a_script_of_several_languages_is_told_by_words_and_letters(text: str, code: str) -> None:
    assert language_of(text) == code


def test_german_thanks_after_a_greeting_dutch_knows_too_are_german() -> None:
    assert language_of("Hallo, vielen Dank!") == "de" and language_of("Hallo, dank je wel!") == "nl"


def test_a_phrase_needs_a_word_to_look_for() -> None:
    with pytest.raises(ValueError, match="needs a word"):
        Phrases(["* ..."])


@pytest.mark.parametrize("kind", ["not", "human_request", "refund_request"])
def test_looking_up_pieces_finds_what_trying_every_phrase_finds(kind: str) -> None:
    every = [one.phrases(kind) for one in languages()]
    patterns = [[re.compile(phrase.pattern) for phrase in one.phrases] for one in every]
    for _, _, text in CASES[::7]:
        folded = corrected(fold(text))
        looked_up = [one.found_in(folded) for one in every]
        assert looked_up == [any(one.search(folded) for one in own) for own in patterns], text


@pytest.mark.parametrize("code", CODES)
def test_hostile_repetition_takes_linear_time(code: str) -> None:
    own = [text for language, _, text in CASES if language == code]
    for fragment in (own[0], own[0][:3], "".join(text.split()[0] for text in own)):
        text = (f"{fragment} " * 20_000)[:20_000]
        assert is_quick(partial(reasons, text, "whatsapp", 0.5), 1.0), fragment


PASSWORD = "How do I reset my password?"
ELSEWHERE = "How do I reset my colleague's password in the admin panel?"


def times(*asked: str) -> bool:
    """Whether the last of these is the same question again, each of the others answered."""
    said = [
        said
        for seq, text in enumerate(asked[:-1])
        for said in (
            line(text, new=False, seq=2 * seq),
            line("Select Send link.", role="agent", new=False, seq=2 * seq + 1),
        )
    ]
    return asked_again([*said, line(asked[-1], seq=2 * len(asked))])


@pytest.mark.parametrize(
    "third",
    [
        "That did not help. How do I reset my password?",
        "I have asked this before: How do I reset my password?",
        "How do I reset my password? Please answer properly this time.",
        "Third time: how do I reset my password? I did what you said and it still shows the same page.",
    ],
)
def test_the_same_question_among_other_words(third: str) -> None:
    assert times(PASSWORD, PASSWORD, third)
    assert times(PASSWORD, third, PASSWORD)
    assert times(third, "Hello! How do I reset my password? Best, Ann", third)
    assert not times(PASSWORD, third)
    assert not times(ELSEWHERE, ELSEWHERE, third)


@pytest.mark.parametrize(
    "asked",
    [
        (PASSWORD, PASSWORD, ELSEWHERE),
        (ELSEWHERE, PASSWORD, PASSWORD),
        tuple(
            f"Can you help me with the following problem? {text} Kind regards, John Smith"
            for text in (PASSWORD, "The export stays empty.", "How do I invite a guest?")
        ),
        ("Is it done? I cannot export.", "Is it done? I cannot sign in.", "Is it done? My phone is lost."),
        ("How do I export invoices?", "How do I export projects?", "How do I export time sheets?"),
    ],
)
def test_other_questions_on_the_subject_are_not_the_same(asked: tuple[str, ...]) -> None:
    assert not times(*asked)


def test_the_same_question_a_third_time() -> None:
    asked = "How do I reset my password? The link does not work."
    said = [
        line(asked, new=False, seq=1), line("Select Send link.", role="agent", new=False, seq=2),
        line("the link does not work!! how do i reset my password", new=False, seq=3),
        line("Select Send link.", role="agent", new=False, seq=4),
    ]  # fmt: skip
    third = line("How do I reset my password, the link does not work", seq=5)
    assert asked_again([*said, third])
    assert not asked_again([*said[2:], third])
    assert not asked_again([*said, line("And how do I rotate an agent API key?", seq=5)])
    in_one_go = [line(asked, new=False, seq=n) for n in (1, 2, 3)]
    assert not asked_again([*in_one_go, line("Yes?", role="agent", new=False, seq=4), line(asked, seq=5)])
    assert not asked_again([line("ok", new=False), line("?", role="agent", new=False), line("ok", seq=3)])
