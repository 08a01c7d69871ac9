"""Moods of a labelled list, and the cost of reading one."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fte.domain.languages import languages
from fte.domain.mood import MOOD_FLOOR
from fte.domain.sentiment import sentiment
from tests.support import is_quick

CASES = sorted((Path(__file__).parent / "cases").glob("*.txt"))

ANGRY = """This is terrible
I am furious
This is the worst support I have ever experienced
I am really frustrated with this
Absolutely unacceptable
your product is horrible
I am extremely disappointed
this is a disgrace
What a rip-off
You are wasting my time
I have had enough of this
I am sick of waiting for you
this is driving me crazy
I hate this app
not happy at all!!!
ridiculous!! I want answers
This is the third time I ask and nobody replies
still no answer, I am so annoyed
useless
awful service
I am very angry
😡😡
Das ist eine Frechheit
Ich bin wirklich wütend
Das ist absolut inakzeptabel
So enttäuscht von euch
Ich habe die Schnauze voll
C'est inacceptable
Je suis furieux
J'en ai marre
c'est vraiment nul
Estoy muy enfadado
Esto es inaceptable
Es un servicio pésimo
Estoy harto
I am livid
totally incompetent
it is a scam""".splitlines()

CALM = """How do I reset my password?
Hello
Where is our data stored?
I have a problem with the login
The import failed with an error
it does not work
The export is broken and I cannot open the file
error error error, it crashes and the data is missing again
I imported the wrong file, now we have 4,000 wrong entries!!
TW-1003 what does it mean and how long do i have to wait?? need to submit my hours today
I deleted it by mistake, a trash maybe?
Is something wrong with the export?
The timer stops by itself
WHERE IS MY INVOICE
no problem
not bad
Card declined, are we going to be locked out?
My client is not happy with the invoice layout, can I change it?
this is a bit annoying
Unfortunately the page is slow
Small complaint: a client got a reminder
Wie setze ich mein Passwort zurück?
Ich habe ein Problem mit dem Import
Comment réinitialiser mon mot de passe ?
J'ai un problème avec la facture
¿Cómo cambio mi contraseña?
Tengo un problema con la factura
ok
1234
""".splitlines()

HAPPY = """Thanks a lot!
Perfect, that worked
I love your product
You are wonderful
Great help, thank you
Excellent support
this is awesome
I am very happy with it
👍
😊
Thanks, that helped!
very good
Danke, das war sehr hilfreich
Perfekt, vielen Dank
Merci beaucoup
C'est parfait
Muchas gracias
Excelente servicio
not bad at all, I like it, thanks
I really appreciate your help
super, danke
brilliant!!!""".splitlines()


OTHERS = [line.split("\t") for line in (Path(__file__).parent / "moods.tsv").read_text("utf-8").splitlines()]
"""Moods in the other languages, written without a look at the words that are known."""


def test_moods_are_known_in_every_language() -> None:
    known = {"en", "de", "fr", "es", *(language for _, language, _ in OTHERS)}
    assert known == {language.code for language in languages()}


@pytest.mark.parametrize(("mood", "language", "text"), OTHERS)
def test_moods_in_other_languages(mood: str, language: str, text: str) -> None:
    found = sentiment(text)
    assert {"angry": found < MOOD_FLOOR, "calm": MOOD_FLOOR <= found <= 0.65, "happy": found > 0.6}[mood], (
        found
    )


def test_an_ordinary_question_is_calm_in_every_language() -> None:
    """No word of one language is a mood in another: the questions that the rules leave to the agent."""
    rows = [row.split(" | ", 1) for file in CASES for row in file.read_text("utf-8").splitlines()]
    stirred = [text for want, text in rows if want == "-" and not MOOD_FLOOR <= sentiment(text) <= 0.8]
    assert len(stirred) <= 0.01 * len(rows), stirred


@pytest.mark.parametrize("text", ANGRY)
def test_angry_messages_are_below_the_floor(text: str) -> None:
    assert sentiment(text) < MOOD_FLOOR


@pytest.mark.parametrize("text", CALM)
def test_calm_messages_are_in_the_middle(text: str) -> None:
    assert MOOD_FLOOR <= sentiment(text) <= 0.65


@pytest.mark.parametrize("text", HAPPY)
def test_happy_messages_are_above_the_middle(text: str) -> None:
    assert sentiment(text) > 0.6


def test_the_list_is_long_enough() -> None:
    assert len(ANGRY) + len(CALM) + len(HAPPY) >= 80


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        ("bad", "very bad"),
        ("bad", "bad!!!"),
        ("this is bad", "THIS IS VERY BAD"),
        ("not good", "terrible"),
        ("annoying", "annoying 😡"),
    ],
)
def test_stronger_words_are_lower(weaker: str, stronger: str) -> None:
    assert sentiment(stronger) < sentiment(weaker)


def test_negation_turns_a_word() -> None:
    assert sentiment("not good") < 0.5 < sentiment("good")
    assert sentiment("bad") < 0.5 <= sentiment("not bad")
    assert sentiment("No. Good service") > 0.5


def test_neutral_is_the_middle() -> None:
    assert sentiment("") == sentiment("The invoice of March") == 0.5
    # Words of anger that are nobody's anger at us.
    assert sentiment("I hate to bother you, but where is the export button?") == 0.5
    assert sentiment("The worst that can happen is a duplicate, right?") == 0.5
    assert sentiment("Our client is angry. How do I fix the total?") == 0.5
    assert sentiment("I hate this, the worst tool ever") < MOOD_FLOOR


@given(st.text())
def test_always_between_0_and_1(text: str) -> None:
    assert 0.0 <= sentiment(text) <= 1.0


def test_it_takes_microseconds() -> None:
    """Ten times the target; a quadratic reading would take more."""
    message = (
        "I tried to export the report again, and it is still not working. "
        "I cannot find the menu! Thanks, Lena. " * 5
    )[:500]
    assert is_quick(lambda: [sentiment(message) for _ in range(200)], 200 * 600e-6)
    assert is_quick(lambda: sentiment("terrible! " * 200_000), 0.05)
