"""A long text is cut where a reader would pause, and nothing of it is lost."""

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from fte.domain.split import split

WORDS = st.sampled_from(
    [
        *(
            "Hello",
            "a",
            "e\u0301",
            "👩‍👩‍👧‍👦",
            "🇩🇪🇫🇷",
            "end.",
            "what?",
            "(so!)",
            "長い文。",
            "次！",
            "\u0600x",
        ),
        *(
            " ",
            " ",
            "\n",
            "\n\n",
            "\r\n",
            "\u3000",
            " \u0301",
            "\u200d",
            "https://example.com/a?b=c.d",
            "x" * 30,
        ),
    ]
)
TEXTS = st.one_of(st.lists(WORDS, max_size=60).map("".join), st.text(max_size=200))


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def without_space(text: str) -> str:
    return "".join(text.split())


@given(TEXTS, st.integers(2, 60))
@example("\x1f", 2)
def test_parts_are_short_and_not_empty_and_together_the_text(text: str, limit: int) -> None:
    parts = split(text, limit)
    assert all(part.strip() for part in parts)
    assert all(units(part) <= limit for part in parts)
    assert without_space("".join(parts)) == without_space(text)
    assert not parts or (parts[0] == parts[0].lstrip() and parts[-1] == parts[-1].rstrip())


@given(TEXTS, st.integers(40, 80))
def test_no_grapheme_is_cut_that_fits(text: str, limit: int) -> None:
    whole = [g for g in regex.findall(r"\X", text.strip()) if g.strip()]
    if any(units(grapheme) > limit for grapheme in whole):
        return
    cut = [g for part in split(text, limit) for g in regex.findall(r"\X", part) if g.strip()]
    assert cut == whole


@given(st.lists(st.text("abc", min_size=1, max_size=20), max_size=40), st.integers(20, 60))
def test_no_word_is_cut_that_fits(words: list[str], limit: int) -> None:
    assert " ".join(split(" ".join(words), limit)).split() == words


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        pytest.param("  ", 10, [], id="nothing"),
        pytest.param("short", 10, ["short"], id="fits"),
        pytest.param("One two.\n\nThree. Four five", 18, ["One two.", "Three. Four five"], id="paragraph"),
        pytest.param("Dear Ada,\nThree. Four", 18, ["Dear Ada,", "Three. Four"], id="line"),
        pytest.param("One two. Three four five", 16, ["One two.", "Three four five"], id="sentence"),
        pytest.param("He (said “so.”) Then left", 18, ["He (said “so.”)", "Then left"], id="closing marks"),
        pytest.param("one two three", 9, ["one two", "three"], id="word"),
        pytest.param("Hi. A sentence which is long", 24, ["Hi. A sentence which is", "long"], id="no stub"),
        pytest.param(
            "これは文です。次の文です。", 9, ["これは文です。", "次の文です。"], id="without spaces"
        ),
        pytest.param("abcdef", 4, ["abcd", "ef"], id="no pause at all"),
        pytest.param("看看https://ex.am/ple1", 18, ["看看", "https://ex.am/ple1"], id="before a url"),
        pytest.param("https://ex.am/" + "p" * 10, 14, ["https://ex.am/", "p" * 10], id="a url too long"),
        pytest.param("👍👍👍", 4, ["👍👍", "👍"], id="counted in utf-16"),
    ],
)
def test_where_it_is_cut(text: str, limit: int, parts: list[str]) -> None:
    assert split(text, limit) == parts
