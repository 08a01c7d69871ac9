"""What is shown of a passage that is too long: the part that answers, never half a line, never a list's middle."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fte.knowledge.excerpt import LEFT_OUT, excerpt
from fte.knowledge.thesaurus import read
from tests.support import is_quick

LIMIT = 200
FILLER = "\n".join(f"- Filler number {n} tells of nothing much, at length." for n in range(10))


def shown(content: str, question: str) -> str:
    part = excerpt(content, read(question), LIMIT)
    assert len(part) <= LIMIT
    return part


def test_what_fits_is_shown_whole() -> None:
    content = "Shops\n\nThe shop opens at nine.\n"
    assert shown(content, "anything") == content


@pytest.mark.parametrize(
    "question", ["Is there a timer for Linux?", "linux timers", "Gibt es einen Timer für Linux?"]
)
def test_the_part_that_says_what_is_asked_is_shown(question: str) -> None:
    last = "There is no timer for Linux."
    assert shown(f"{FILLER}\n\n{last}", question).startswith(f"{LEFT_OUT}\n- Filler")
    assert shown(f"{FILLER}\n\n{last}", question).endswith(last)
    assert shown(f"{last}\n\n{FILLER}", question).startswith(last)


def test_another_word_for_the_same_counts() -> None:
    assert "invoice" in shown(f"{FILLER}\nEach invoice has a number.", "bill")


def test_when_nothing_is_said_the_beginning_is_shown() -> None:
    part = shown(FILLER, "giraffe")
    assert FILLER.startswith(part.removesuffix(f"\n{LEFT_OUT}")) and part.endswith(f"\n{LEFT_OUT}")


def test_a_list_of_steps_is_not_entered_in_its_middle() -> None:
    steps = "\n".join(f"{n}. Do the step of the day with the usual care." for n in range(1, 12))
    part = shown(f"{FILLER}\n{steps} Then see the giraffe.", "giraffe steps")
    assert "1. Do the step" in part or "Do the step" not in part


def test_a_row_comes_below_the_head_of_its_table() -> None:
    rows = "\n".join(f"{n} | reason number {n} | wait for {n} minutes" for n in range(400, 420))
    part = shown(f"Codes\n\nCode | Means | What to do\n{rows}", "code 415")
    assert part.startswith(f"{LEFT_OUT}\nCode | Means | What to do\n") and "415 | reason" in part


def test_a_line_that_does_not_fit_is_shown_by_its_sentences() -> None:
    prose = " ".join(f"Sentence number {n} tells of nothing." for n in range(20))
    part = shown(f"{prose} Giraffes live in Africa.", "giraffe")
    assert part.startswith(f"{LEFT_OUT}\nSentence") and part.endswith("Giraffes live in Africa.")


lines = (
    st.text("ab .|\n-1", max_size=80) | st.just("w" * 300) | st.just("1. step | x") | st.just("c | d " * 30)
)


@settings(max_examples=150)
@given(st.lists(lines, max_size=30).map("\n".join), st.integers(40, 300))
def test_whatever_is_shown_stands_in_the_passage_and_fits(content: str, limit: int) -> None:
    part = excerpt(content, read("a step b"), limit)
    assert len(part) <= limit
    assert all(line in content for line in part.split("\n") if line != LEFT_OUT)
    assert part.strip() or not content[:limit].strip()


def test_a_long_passage_of_short_lines_is_read_quickly() -> None:
    assert is_quick(lambda: excerpt("a b\n" * 1_000, read("a giraffe"), 500), 0.5)
