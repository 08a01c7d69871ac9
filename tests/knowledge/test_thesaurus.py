import pytest

from fte.knowledge.thesaurus import asked, read, spelled, telling
from tests.support import is_quick


@pytest.mark.parametrize(
    ("question", "english"),
    [
        ("Ich habe mein Passwort vergessen", "password forgot"),
        ("Wie \u00e4ndere ich die Rechnungsnummer?", "change invoice number"),
        ("O\u00f9 t\u00e9l\u00e9charger les factures de Tallywren ?", "export invoice Tallywren"),
        ("\u00bfC\u00f3mo cambio la contrase\u00f1a?", "change password"),
        ("Zu viele Benachritigungen", "too many notification"),
    ],
)
def test_questions_in_other_languages_are_read_in_english(question: str, english: str) -> None:
    assert read(question).text == english


@pytest.mark.parametrize(
    "question",
    ["TW-1003", "how do I pay?", "see https://a.example/b?c=d, please", "", "?!", "\u0434\u0430", "\u5e97"],
)
def test_english_and_unknown_languages_stay_as_they_are(question: str) -> None:
    assert read(question).text == question


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        ("who has my invioce", "who has my invoice"),
        ("WHO HAS MY INVIOCE", "WHO HAS MY invoice"),
        ("Haben Sie eine Schnittstelle zu DATEV", "api put DATEV"),
        ("is there a forum for officers", "is there a forum for officers"),
        ("export to DATEV", "export to DATEV"),
        ("Wo trage ich die Umsatzsteuer ein", "trage vat"),
        ("Wie finde ich das", "finde"),
        ("Probl\u00e8me avec Murmurlin", "error murmurline"),
    ],
)
def test_only_slips_are_spelled_as_the_passages_do(question: str, meant: str) -> None:
    written = ["Your invoice, a form of the office, its date, a trade, Fennbook and Murmurline"]
    assert spelled(read(question), written) == meant


def test_words_that_tell_nothing_are_left_out() -> None:
    assert telling("Hello, could somebody please tell me WHY it won't print?").split() == [
        ",",
        "tell",
        "'t",
        "print?",
    ]


def test_days_and_months_tell_nothing_of_what_is_asked() -> None:
    assert telling("Send the report on Monday and in MARCH, not on Mondayish").split() == [
        "Send",
        "report",
        ",",
        "Mondayish",
    ]


def test_words_for_the_same_stand_beside_each_other() -> None:
    reading = read("How do I log in to see a bill?")
    assert reading.text == "How do I sign in to see a bill?"
    assert "invoice" in reading.synonyms["bill"]
    assert "login" in reading.synonyms["sign in"]
    assert all(word not in others for word, others in reading.synonyms.items())


def test_salutation_and_closing_are_not_asked() -> None:
    message = "Dear team,\n\nhow do I pay?\nThanks for a quick answer.\n\nKind regards\nTom\nThe Best Agency"
    assert asked(message) == "how do I pay?"
    assert asked("Hej support,\nhvordan betaler jeg?\nVenlig hilsen\nTom") == "hvordan betaler jeg?"
    assert asked("Ciao,\ncome pago?\nCordiali saluti\nTom") == "come pago?"


@pytest.mark.parametrize(
    "message",
    ["Thanks, how do I pay?", "Hello", "pay\nBest way to do that?", "Hi, where is it", "Danke", "a\n--"],
)
def test_a_question_is_never_cut_away(message: str) -> None:
    assert asked(message) == message.removesuffix("\n--")


def test_what_follows_thanks_is_kept_when_it_asks() -> None:
    message = "I asked about exports.\nThanks for the answer, it still fails\nHow do I split the file?"
    assert asked(message) == message


@pytest.mark.parametrize(
    "text", ["a" * 2_000, "der die das " + "ä" * 1_900, "benachritig " * 160, "zu_" * 600]
)
def test_the_longest_question_is_read_in_no_time(text: str) -> None:
    assert is_quick(lambda: read(f"wie ich die und nicht {text}"), 1.0)
