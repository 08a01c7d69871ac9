from hypothesis import given
from hypothesis import strategies as st

from fte.knowledge.spelling import Spelling, distance, is_common

SPELLING = Spelling(["invoice", "Settings", "workspace", "webhook", "password", "next", "was"])


def test_a_slip_finds_the_word_that_was_meant() -> None:
    for slip in ("invioce", "invoce", "invooice", "imvoice", "Invioce"):
        assert SPELLING.nearest(slip) == "invoice", slip
    assert SPELLING.nearest("setings") == "settings"
    assert SPELLING.nearest("wrokspase") == "workspace"
    assert SPELLING.nearest("paswrod") is None


def test_known_short_and_distant_words_stay() -> None:
    for word in ("invoice", "nest", "wasp", "passport", "zebra", ""):
        assert SPELLING.nearest(word) is None, word


def test_common_words_and_their_plurals_are_no_slips() -> None:
    for word in ("forum", "officer", "story", "Nights", "movie", "moves"):
        assert is_common(word), word
    for slip in ("invioce", "pasword", "verison", "tallywren"):
        assert not is_common(slip), slip


words = st.text(alphabet="abc", max_size=7)


@given(words, words)
def test_distance_is_symmetric_bounded_and_zero_for_the_same(one: str, other: str) -> None:
    full = distance(one, other, 20)
    assert full == distance(other, one, 20)
    assert (full == 0) == (one == other)
    assert full <= max(len(one), len(other))
    assert distance(one, other, 1) == min(full, 2)
