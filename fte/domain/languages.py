"""The languages we know: how customers say what matters, which language a text is in, and our own sentences.

One file a language in `fte/domain/phrases`; `docs/agent.md` says how to read and change them. Everything is read
once, when first needed. Matching looks up which phrases have a fixed piece in the text first, and every gap in a
phrase is bounded, so its time grows with the text and not faster.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from itertools import chain
from operator import add
from typing import Final, NamedTuple

DEFAULT: Final = "en"
"""The language of whoever's language is not known."""
_WORDS_MAX: Final = 400
"""Words that are looked at to tell a language."""
_GAP_WORDS: Final = 4
_GAP_CHARACTERS: Final = 12
_ENDING_MAX: Final = 24
_GRAM: Final = 3
"""Characters of an anchor by which it is looked up."""
_SHORT: Final = 300
"""Characters of a text whose pieces are worth remembering."""

_LETTER: Final = "[\\w\u0900-\u0963\u0966-\u097f]"
_BETWEEN: Final = r"[\s,،、，:'\"«»“”„()/-]{1,3}"
_WORD: Final = re.compile(rf"{_LETTER}+(?:'{_LETTER}+)*")
_PLAIN: Final = str.maketrans(
    {"ı": "i", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "ى": "ي", "ة": "ه", "ـ": ""}
)
_SPELT: Final = {"ä": "ae?", "ö": "oe?", "ü": "ue?", "å": "aa?", "ß": "s{1,2}"}
"""Letters that are also typed as two others."""


def fold(text: str) -> str:
    """The text for matching: lower case, without accents, each run of blanks one space."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(c for c in decomposed if not unicodedata.combining(c)).translate(_PLAIN)
    return re.sub(r"[^\S\n]+", " ", unicodedata.normalize("NFC", bare))


class _Phrase(NamedTuple):
    """A phrase, as it is looked for. A text that says it holds one piece of each of its words."""

    anchors: tuple[str, ...]
    """The pieces of the word that is looked up; none where the text must be searched in any case."""
    others: tuple[tuple[str, ...], ...]
    pattern: str


class Phrases:
    """Phrases of one kind: of one language, or of several together."""

    __slots__ = ("_always", "_index", "phrases")

    def __init__(self, lines: Iterable[str] = (), *, joined: bool = False) -> None:
        """`joined`: the language is written without spaces between words."""
        given = list(lines)
        regex = "|".join(f"(?:{line[1:]})" for line in given if line.startswith("/"))
        phrases = [_phrase(line, joined) for line in given if not line.startswith("/")]
        self._learn([_Phrase((), (), regex), *phrases] if regex else phrases)

    @classmethod
    def together(cls, several: Iterable["Phrases"]) -> "Phrases":
        """All that several say, in their order."""
        all_of_them = cls()
        all_of_them._learn([phrase for one in several for phrase in one.phrases])
        return all_of_them

    def _learn(self, phrases: list[_Phrase]) -> None:
        self.phrases = phrases
        self._always = [number for number, phrase in enumerate(phrases) if not phrase.anchors]
        self._index: dict[str, list[tuple[str, int]]] = {}
        for number, phrase in enumerate(phrases):
            for anchor in phrase.anchors:
                self._index.setdefault(anchor[:_GRAM], []).append((anchor, number))

    def _possible(self, text: str) -> list[re.Pattern[str]]:
        """The patterns of those that the text may say, in their order: it holds a piece of each of their words."""
        index = self._index
        looked_up = [entry for gram in index.keys() & _grams(text) for entry in index[gram]]
        anchored = {number for anchor, number in looked_up if anchor in text}
        possible = [
            number
            for number in anchored
            if all(any(map(text.__contains__, pieces)) for pieces in self.phrases[number].others)
        ]
        return [_compiled(self.phrases[number].pattern) for number in sorted(self._always + possible)]

    def found_in(self, text: str) -> bool:
        """Whether a folded text says one of them."""
        return any(pattern.search(text) for pattern in self._possible(text))

    def without(self, text: str) -> str:
        """The folded text with each of them taken out.

        What is put in holds no piece of a word, so nothing becomes possible that was not so before.
        """
        for pattern in self._possible(text):
            text = pattern.sub(" _ ", text)
        return text


def _grams(text: str) -> frozenset[str]:
    """Every one, two and three characters in a row of a text."""
    return _grams_of_short(text) if len(text) <= _SHORT else _grams_of_long(text)


def _cut(text: str) -> frozenset[str]:
    pairs = list(map(add, text, text[1:]))
    return frozenset(chain(text, pairs, map(add, pairs, text[2:])))


_grams_of_short: Final = lru_cache(maxsize=512)(_cut)
"""One sentence is asked for many kinds of phrases, after all the others."""
_grams_of_long: Final = lru_cache(maxsize=2)(_cut)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _phrase(line: str, joined: bool) -> _Phrase:
    between = r"\s{0,2}" if joined else _BETWEEN
    gap = rf"[^.!?;。\n]{{0,{_GAP_CHARACTERS}}}" if joined else rf"(?:{between}{_LETTER}+){{0,{_GAP_WORDS}}}"
    pattern = ""
    words: list[tuple[str, ...]] = []
    lead = ""
    for word in line.split():
        if word == "...":
            pattern += gap
            continue
        optional = word.endswith("?")
        spelt = [_spelt(part) for part in word.removesuffix("?").split("/")]
        choice = f"(?:{'|'.join(source for _, source in spelt)})"
        if optional:
            pattern += f"(?:{lead}{choice})?" if lead else f"(?:{choice}{between})?"
        else:
            pattern += lead + choice
            words.append(tuple(piece for piece, _ in spelt))
        lead = between if pattern and not (optional and not lead) else ""
    words = sorted((pieces for pieces in words if all(pieces)), key=lambda pieces: -min(map(len, pieces)))
    if not words:
        raise ValueError(f"a phrase needs a word of its own: {line!r}")
    edges = ("", "") if joined else (f"(?<!{_LETTER})", f"(?!{_LETTER})")
    return _Phrase(words[0], tuple(words[1:]), f"{edges[0]}{pattern}{edges[1]}")


def _spelt(word: str) -> tuple[str, str]:
    """The longest piece of a word that is always there, and the word's pattern."""
    pattern, piece, pieces = "", "", [""]
    for character in unicodedata.normalize("NFC", word.casefold().replace("ß", "\ue000")):
        if character in "*_\ue000" or character in _SPELT:
            pieces.append(piece)
            piece = ""
            wild = f"{_LETTER}{{0,{_ENDING_MAX}}}"
            pattern += (
                wild
                if character == "*"
                else _BETWEEN
                if character == "_"
                else _SPELT.get(character, _SPELT["ß"])
            )
        else:
            piece += fold(character)
            pattern += re.escape(fold(character))
    return max([*pieces, piece], key=len), pattern


_NONE: Final = Phrases()


@dataclass(frozen=True, slots=True)
class Language:
    """One language: its code, the words that tell it, its phrases by kind, and our own sentences in it."""

    code: str
    letters: frozenset[str]
    common: frozenset[str]
    vocabulary: frozenset[str]
    bare: frozenset[str]
    polite: frozenset[str]
    spelling: frozenset[str]
    other_words: frozenset[str]
    kinds: dict[str, Phrases]
    sentences: dict[str, str]

    def phrases(self, kind: str) -> Phrases:
        return self.kinds.get(kind, _NONE)


@lru_cache(maxsize=1)
def languages() -> tuple[Language, ...]:
    """Every language there is a file of, English first."""
    folder = resources.files("fte.domain").joinpath("phrases")
    files = [file for file in folder.iterdir() if file.name.endswith(".txt")]
    read = [_read(file.name.removesuffix(".txt"), file.read_text("utf-8")) for file in files]
    return tuple(sorted(read, key=lambda one: (one.code != DEFAULT, one.code)))


_LISTS: Final = frozenset({"bare", "polite", "spelling", "not typos", "say"})


def _read(code: str, text: str) -> Language:
    facts: dict[str, str] = {}
    sections: dict[str, list[str]] = {}
    here: list[str] | None = None
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            here = sections.setdefault(line[1:-1], [])
        elif here is None:
            name, _, value = line.partition(":")
            facts[name] = value.strip()
        else:
            here.append(line)
    joined = facts.get("joined") == "yes"
    lists = {name: sections.get(name, []) for name in _LISTS}
    told = [line.partition("=") for line in lists["say"]]
    return Language(
        code=code,
        letters=frozenset(facts.get("letters", "")) - {" "},
        vocabulary=_folded(
            word
            for name, lines in sections.items()
            if name != "courtesy"
            for line in lines
            if not line.startswith("/")
            for word in re.findall(r"[^\W\d_]{3,}(?![\w*])", line.replace("_", " "))
        ),
        common=_folded(facts.get("words", "").split()),
        bare=_folded(choice for line in lists["bare"] for choice in line.split("/")),
        polite=_folded(word for line in lists["polite"] for word in line.split()),
        spelling=_folded(word for line in lists["spelling"] for word in line.split()),
        other_words=_folded(word for line in lists["not typos"] for word in line.split()),
        kinds={name: Phrases(lines, joined=joined) for name, lines in sections.items() if name not in _LISTS},
        sentences={key.strip(): value.strip() for key, _, value in told},
    )


def _folded(words: Iterable[str]) -> frozenset[str]:
    return frozenset(fold(word) for word in words)


def says(kind: str, folded: str) -> bool:
    """Whether a folded text says something of this kind, in any language."""
    return _in_any(kind).found_in(folded)


def says_both(one: str, other: str, folded: str) -> bool:
    """Whether a folded text says something of both kinds in the same language."""
    return says(one, folded) and any(
        language.phrases(one).found_in(folded) and language.phrases(other).found_in(folded)
        for language in languages()
    )


def without(kind: str, folded: str) -> str:
    """The folded text without what is said of this kind, in any language."""
    return _in_any(kind).without(folded)


@cache
def _in_any(kind: str) -> Phrases:
    return Phrases.together(language.phrases(kind) for language in languages())


@lru_cache(maxsize=1)
def _by_code() -> dict[str, Language]:
    return {language.code: language for language in languages()}


def known(code: str) -> Language:
    """The language of this code; English where it is not known."""
    return _by_code().get(code, _by_code()[DEFAULT])


def sentence(code: str, key: str, **values: str) -> str:
    """One of our own sentences in a language; in English where it is not known."""
    text = known(code).sentences.get(key) or known(DEFAULT).sentences[key]
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


@lru_cache(maxsize=1)
def _introductions() -> tuple[str, ...]:
    return tuple(
        language.sentences[key] for language in languages() for key in ("chat_first", "written", "handed")
    )


def names_an_ai(text: str) -> bool:
    """Whether a message of ours says, in one of our own sentences, that an AI wrote it."""
    return any(introduction in text for introduction in _introductions())


_SCRIPTS: Final = (
    (("ja",), re.compile("[\u3041-\u30ff]")),
    (("ko",), re.compile("[\uac00-\ud7a3]")),
    (("zh",), re.compile("[\u4e00-\u9fff]")),
    (("ar",), re.compile("[\u0621-\u064a]")),
    (("hi",), re.compile("[\u0904-\u0939]")),
    (("el",), re.compile("[\u0370-\u03ff\u1f00-\u1fff]")),
    (("ru", "uk"), re.compile("[\u0400-\u04ff]")),
)
"""Which languages a script is of; the first when nothing else tells."""


@lru_cache(maxsize=256)
def language_of(text: str) -> str:
    """The code of the language a text is in, by its script and its commonest words; English when in doubt."""
    letters = sum(map(str.isalpha, text[:4_000])) or 1
    written = (codes for codes, script in _SCRIPTS if len(script.findall(text[:4_000])) * 4 > letters)
    codes = next(written, tuple(_by_code()))
    if len(codes) == 1:
        return codes[0]
    words = _WORD.findall(text[:4_000].lower())[:_WORDS_MAX]
    plain = [fold(word) for word in words]
    return max(codes, key=lambda code: _likeness(_by_code()[code], words, plain))


_SURE: Final = 0.5
"""Likeness a word that a text in a known language has at least."""
_COMMON: Final = 8
"""Words among which such a text has one of the language's commonest."""


def surely(text: str, margin: float = 1.0) -> str | None:
    """The code of the language a text is in; None when in doubt: it says little, or in a language we have no file of.

    It is `margin` times as like this language as any other, and more.
    """
    code = language_of(text)
    if any(code in codes and len(codes) == 1 for codes, script in _SCRIPTS if script.search(text[:4_000])):
        return code
    words = _WORD.findall(text[:4_000].lower())[:_WORDS_MAX]
    plain = [fold(word) for word in words]
    likeness = {one.code: _likeness(one, words, plain) for one in languages()}
    best = likeness.pop(code)
    next_best = max(likeness.values())
    # Letters alone tell little: Finnish has the Swedish ones.
    common = sum(word in _by_code()[code].common for word in plain)
    sure = common * _COMMON >= len(words) and best >= max(_SURE * len(words), 1, margin * next_best)
    return code if sure and best > next_best else None


def _likeness(language: Language, words: list[str], plain: list[str]) -> int:
    """How much of the words is the language's own: a common word counts most, then its letters, then a known word."""
    return sum(
        3 * (bare in language.common)
        + 2 * (not language.letters.isdisjoint(word))
        + (bare in language.vocabulary)
        for word, bare in zip(words, plain, strict=True)
    )


def corrected(folded: str) -> str:
    """The folded text, and after it, if it differs, the same with the words that matter spelled right.

    Right is a letter more, less, other or in another place (in short words only two exchanged), digits for letters,
    and letters drawn out or apart.
    """
    joined = _SPREAD_OUT.sub(lambda match: re.sub(r"[\W_]", "", match[0]), folded)
    right = _TYPED.sub(lambda match: _meant(match[0]), joined)
    return folded if right == folded else f"{folded}\n{right}"


_SPREAD_OUT: Final = re.compile(r"(?<!\w)(?:[a-z][ .*_-]){4,24}[a-z](?!\w)")
_TYPED: Final = re.compile(rf"(?:{_LETTER}|[@$]){{4,30}}")
_LEET: Final = str.maketrans("0134578@$", "oieastbas")
_LOOKALIKE: Final = str.maketrans("асеорхуікнтвмѕј", "aceopxyikhtbmsj")
_CYRILLIC: Final = re.compile("[\u0400-\u04ff]")
_KEY_MIN: Final = 5


@lru_cache(maxsize=8192)
def _meant(word: str) -> str:
    keys, index, known = _spelling()
    if word in known:
        return word
    plain = re.sub(r"(.)\1{2,}", r"\1", word)
    if _CYRILLIC.search(plain) and re.search("[a-z]", plain):
        plain = plain.translate(_LOOKALIKE)
    if not plain.isalpha() or plain != word:
        plain = plain.translate(_LEET)
        if plain in keys:
            return plain
    if len(plain) < _KEY_MIN or not plain.isalpha():
        return next((key for key in _exchanged(plain) if key in keys), word)
    meant = {index[piece] for piece in _pieces(plain) if piece in index}
    return next((key for key in sorted(meant) if key[0] == plain[0]), word)


def _exchanged(word: str) -> list[str]:
    """The word with each two neighbours but its first letter exchanged."""
    return [f"{word[:at]}{word[at + 1]}{word[at]}{word[at + 2 :]}" for at in range(1, len(word) - 1)]


@lru_cache(maxsize=1)
def _spelling() -> tuple[frozenset[str], dict[str, str], frozenset[str]]:
    """The words that matter, what they look like with a letter left out, and the words that are right as they are."""
    keys = frozenset(
        word for one in languages() for word in one.spelling if len(word) >= _KEY_MIN - 1 and word.isalpha()
    )
    right = frozenset(word for one in languages() for word in one.other_words | one.common)
    return (
        keys,
        {piece: key for key in sorted(keys) if len(key) >= _KEY_MIN for piece in _pieces(key)},
        keys | right,
    )


def _pieces(word: str) -> set[str]:
    return {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}
