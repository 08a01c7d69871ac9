"""Customers' words and the documents': which mean the same, in English and in three languages customers write in."""

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final

from fte.domain.courtesies import CLOSINGS, GREETINGS
from fte.knowledge.spelling import LONG, Spelling, distance, is_common

LANGUAGES: Final = ("en", "de", "fr", "es")
PHRASE_MAX: Final = 4
"""Words of the longest entry."""
NEAR_MIN: Final = 7
"""Letters of the shortest word of another language in which a slip is forgiven."""
STEM_MIN: Final = 6
"""Letters of the shortest stem it is compared with."""
PART_MIN: Final = 4
"""Letters of the shortest part a compound word is cut into."""
WORD_MAX: Final = 40
"""Letters; nothing longer is looked up."""
NEAR_WORDS_MAX: Final = 20
"""Words of a question in which a slip is looked for."""

SPELLED_MAX: Final = 20
"""Words of a question whose spelling is doubted."""

_LETTERS: Final = re.compile(r"[^\W\d_]+")
_WORD: Final = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_FUNCTION_WORDS: Final = {
    "en": "a an and are as at be been but by can could did do does for from had has have he her his how i i'd i'm if"
    " in is it its me my no not of on or our she should so that the their them then there they this to us was"
    " we were what when where which who why will with would you your dont cant whats am any anybody anyone"
    " anything because being didn didnt doesn doesnt doing each every hello hey hi im isn isnt ive just let ll"
    " may might much myself never need once only other ours please re really shall some somebody someone"
    " something such than thank thanks these those too until upon ve very want wants wasn wasnt whether while"
    " whom won wont wouldn wouldnt yet yours",
    "de": "aber als am an auch auf aus bei bin bis da das dass dein dem den der des die dir doch du durch ein eine"
    " einem einen einer eines er es etwas fur gibt habe haben hat hatte ich ihm ihn ihr ihre im in ist ja kann"
    " kannst kein keine man mehr mein meine mich mir mit muss nach nicht noch nur ob oder schon sein seit sich"
    " sie sind so uber um und uns unser unsere unseren vom von vor war was wenn wer wie wir wird wo woran zu"
    " zum zur also bitte bleibt dann dies diese diesem diesen dieser eure geht gehen hab habt hatten hier jetzt"
    " keinen keiner koennen konnen konnte konnten mehrere nun sehr seine seinem seinen sollen sollte soll viel"
    " viele wann weil welche welchen welcher welches wieder will wollen wurde wurden",
    "fr": "a ai au aux avec avons c'est ce ces cette chez comment dans de depuis des du elle en est et eu faire faut"
    " il ils j'ai je l la le les leur leurs lui ma mais me mes moi mon ne nos notre nous on ont ou oui par pas"
    " peut peut-on peux plus pour pourquoi puis-je qu que quel quelle quels quelles qui quoi sa sans se ses si"
    " son sont sur ta te tes ton tu un une vos votre vous y alors aucun aucune avant bien bonjour cela cet"
    " etait ete etre maintenant merci peuvent peuvent-ils pourrait puis rien s'il sera toujours tous tout toute"
    " toutes tres veux voudrais vers",
    "es": "a al algo como con cual cuando cuanto de del desde donde el ella ellos en es esa ese esta este esto ha"
    " han hay he la las le les lo los me mi mis muy nada no nos nuestra nuestro nuestros o para pero por porque"
    " pueden puede puedo que quiero se ser si sin sobre somos son soy su sus te tengo tiene tienen tu un una"
    " unas uno unos y ya yo ahora alguien algun alguna antes aqui buenos bien cada cuales dias entonces eso"
    " estan favor fue gracias hola mas mucho muchos nosotros nuestras otra otro pueda queremos siempre solo"
    " todos todas usted ustedes",
}

_CALENDAR: Final = frozenset(
    (
        *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
        *("january", "february", "march", "april", "june", "july"),
        *("august", "september", "october", "november", "december"),
    )
)
"""When something happened tells little of what is asked."""

_OPENING: Final = re.compile(rf"(?i)\W*(?:{GREETINGS}|madame|monsieur)\b(?:[ ,]+[\w.'-]+){{0,3}}[ ,.!:]*")
"""A line that greets, with three words more at most."""
_CLOSING: Final = re.compile(
    r"(?i)\W*(?:--|best[\s,.!]*$"
    rf"|(?:{CLOSINGS}|thanks|thx|thank you|merci|danke|gracias|greetings|bye)\b.{{0,50}}$)"
)
"""A line that ends what is asked: thanks, regards, or the mark above a signature."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A question as the documents would put it.

    `text` has the words of other languages put into English, and their function words left out; in an English
    question only phrases have become one word. `synonyms` names, for words of `text`, other words for the same.
    `language` is that of the question.
    """

    text: str
    synonyms: Mapping[str, tuple[str, ...]]
    language: str = "en"


def asked(message: str) -> str:
    """A message without its salutation and without what follows the closing words, unless that asks something."""
    lines = message.strip().split("\n")
    for number, line in enumerate(lines):
        if number and _CLOSING.match(line) and not any("?" in later for later in lines[number:]):
            lines = lines[:number]
            break
    if len(lines) > 1 and _OPENING.fullmatch(lines[0]):
        lines = lines[1:]
    rest = "\n".join(lines).strip()
    return rest or message


def telling(text: str) -> str:
    """The English text without the words that tell nothing about what it asks, and without days and months."""
    silent = _function_words()["en"] | _CALENDAR
    return _WORD.sub(lambda match: "" if match[0].lower() in silent else match[0], text)


@functools.cache
def vocabulary() -> Sequence[str]:
    """Every English word that is known, the common ones first."""
    words = (word for entry in _entries("en").exact for word in entry.split("_"))
    return tuple(dict.fromkeys([*_function_words()["en"], *words]))


def read(question: str) -> Reading:
    """The question in English, as far as the thesaurus has its words; what it does not have stays as it is."""
    found = list(_WORD.finditer(question))
    folded = [_folded(match[0]) for match in found]
    language = _language(folded)
    slips = NEAR_WORDS_MAX if language != "en" else 0
    text: list[str] = []
    synonyms: dict[str, tuple[str, ...]] = {}
    place = end = 0
    while place < len(found):
        length, meanings = _longest(folded, place, language)
        if slips and not meanings and _may_have_slip(folded[place], language):
            slips -= 1
            meanings = _entries(language).near(folded[place])
        first, last = found[place], found[place + length - 1]
        if language == "en":
            word = meanings[0][0] if length > 1 else first[0]
            text.append(question[end : first.start()] + word)
            if meanings:
                others = (other for meaning in meanings for other in meaning if other != word.lower())
                synonyms[word.lower()] = tuple(dict.fromkeys(others))
        elif meanings:
            for meaning in meanings:
                text.append(f" {meaning[0]}")
                synonyms[meaning[0]] = meaning[1:]
        elif folded[place] not in _function_words()[language]:
            text.append(f" {first[0]}")
        end = last.end()
        place += length
    if language == "en":
        text.append(question[end:])
    return Reading("".join(text).strip(), synonyms, language)


def spelled(reading: Reading, written: Iterable[str]) -> str:
    """The text with its slips spelled as the words in what is written in the passages, or as those known otherwise.

    A slip is a word that is neither known nor common. Abbreviations are left alone, unless most is in capitals,
    and so are short words of a question in another language: they are no English words misspelt.
    """
    spelling = Spelling([*vocabulary(), *(word for passage in written for word in _LETTERS.findall(passage))])
    text, english = reading.text, reading.language == "en"
    shouted = english and sum(map(str.isupper, text)) > sum(map(str.islower, text))

    def doubtful(word: str) -> bool:
        plain = shouted or not word.isupper()
        long = english or len(word) >= NEAR_MIN
        return plain and long and spelling.may_be_wrong(word) and not is_common(word)

    slips = [word for word in dict.fromkeys(_LETTERS.findall(text)) if doubtful(word)]
    meant = {word: spelling.nearest(word) or word for word in slips[:SPELLED_MAX]}
    return _LETTERS.sub(lambda match: meant.get(match[0], match[0]), text)


def _folded(word: str) -> str:
    decomposed = unicodedata.normalize("NFKD", word.replace("ß", "ss"))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).lower()


def _language(folded: list[str]) -> str:
    """The language most of the words belong to; English when in doubt."""

    def known(language: str) -> int:
        functions = sum(word in _function_words()[language] for word in folded)
        return 2 * functions + sum(bool(_entries(language).find(word)) for word in folded)

    return max(LANGUAGES, key=known)


def _longest(folded: list[str], place: int, language: str) -> tuple[int, list[tuple[str, ...]]]:
    """How many words from `place` on are one entry, at least one, and what they mean."""
    entries = _entries(language)
    for length in range(min(PHRASE_MAX, len(folded) - place), 1, -1):
        if found := entries.exact.get("_".join(folded[place : place + length])):
            return length, found
    return 1, entries.compound(folded[place]) if language == "de" else entries.find(folded[place])


def _may_have_slip(word: str, language: str) -> bool:
    return NEAR_MIN <= len(word) <= WORD_MAX and word not in _function_words()[language]


class _Entries:
    """The entries of one language, whole and as stems, each with its meanings."""

    def __init__(self, entries: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        self.exact: dict[str, list[tuple[str, ...]]] = {}
        self.stems: dict[str, list[tuple[str, ...]]] = {}
        for entry, meaning in entries:
            table = self.stems if entry.endswith("*") else self.exact
            table.setdefault(entry.rstrip("*"), []).append(meaning)
        long = (stem for stem in self.stems if len(stem) >= STEM_MIN)
        self._long_stems = sorted(long, key=len, reverse=True)

    def find(self, word: str) -> list[tuple[str, ...]]:
        """What the word means: by itself, or by its longest stem."""
        if found := self.exact.get(word):
            return found
        for end in range(min(len(word), WORD_MAX), 2, -1):
            if found := self.stems.get(word[:end]):
                return found
        return []

    def near(self, word: str) -> list[tuple[str, ...]]:
        """What the word means when it has a slip, by its longest stem."""
        for stem in self._long_stems:
            slips = 2 if len(stem) >= LONG else 1
            ends = range(len(stem) - slips, len(stem) + slips + 1)
            if stem[0] == word[0] and any(distance(stem, word[:end], slips) <= slips for end in ends):
                return self.stems[stem]
        return []

    def compound(self, word: str) -> list[tuple[str, ...]]:
        """What the word means, or what the first and the last known part of a compound mean."""
        found = self.find(word)
        if word not in self.exact and len(word) <= WORD_MAX:
            for start in range(PART_MIN, len(word) - PART_MIN + 1):
                if last := self.find(word[start:]):
                    return found + [meaning for meaning in last if meaning not in found]
        return found


@functools.cache
def _function_words() -> dict[str, frozenset[str]]:
    return {language: frozenset(words.split()) for language, words in _FUNCTION_WORDS.items()}


@functools.cache
def _entries(language: str) -> _Entries:
    column = LANGUAGES.index(language)
    return _Entries((entry, meaning) for meaning, columns in _lines() for entry in columns[column].split())


def _lines() -> Iterator[tuple[tuple[str, ...], list[str]]]:
    text = resources.files(__package__).joinpath("thesaurus.tsv").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            columns = line.split("\t")
            yield tuple(word.replace("_", " ") for word in columns[0].split()), columns
