import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fte.knowledge.chunk import CHARACTERS_HARD, WORDS_AIM, WORDS_HARD, Block, Page, Piece, pieces, words


def cut(*blocks: Block, title: str = "Page") -> list[Piece]:
    return list(pieces(Page(title, "general", blocks)))


def text(count: int, word: str = "word") -> Block:
    return Block(" ".join(f"{word}{n}" for n in range(count)))


def test_a_section_is_a_passage_named_by_its_breadcrumb() -> None:
    found = cut(Block("Page", 1), text(60), Block("Steps", 2), text(60), Block("Details", 3), text(60))
    assert [piece.title for piece in found] == ["Page", "Page — Steps", "Page — Steps — Details"]


def test_a_sibling_section_does_not_keep_the_path_of_the_one_before() -> None:
    found = cut(Block("A", 2), text(60), Block("B", 3), text(60), Block("C", 2), text(60))
    assert [piece.title for piece in found] == ["Page — A", "Page — A — B", "Page — C"]


def test_short_sections_are_put_together_and_keep_their_headings() -> None:
    [piece] = cut(Block("First", 2), text(10, "a"), Block("Second", 2), text(10, "b"))
    assert piece.title == "Page — First; Second"
    assert piece.content.startswith("First\na0")
    assert "\n\nSecond\nb0" in piece.content


def test_long_sections_are_cut_between_blocks() -> None:
    items = [Block(f"- item{n} " + "word " * 58 + "end") for n in range(12)]
    found = cut(Block("Steps", 2), *items)
    assert all(80 <= words(piece.content) <= WORDS_AIM for piece in found)
    assert sorted(line for piece in found for line in piece.content.split("\n")) == sorted(
        b.text for b in items
    )


@pytest.mark.parametrize("size", [WORDS_AIM + 1, WORDS_HARD])
def test_a_block_over_the_aim_is_kept_whole_up_to_the_hard_limit(size: int) -> None:
    code = "\n".join(f"line {n}" for n in range(size // 2))
    found = cut(text(100), Block(code), text(100))
    assert code in [piece.content for piece in found]


def test_a_block_over_the_hard_limit_is_cut_after_all() -> None:
    found = cut(Block("One sentence here. " * 300))
    assert len(found) > 1
    assert all(words(piece.content) <= WORDS_AIM for piece in found)
    assert all(piece.content.endswith("here.") for piece in found)
    assert max(len(piece.content) for piece in cut(Block("x" * 10_000))) == CHARACTERS_HARD


blocks = st.builds(
    Block,
    st.text("ab .\n-1", min_size=1, max_size=60).filter(str.strip).map(str.strip) | st.just("w " * 500),
    st.integers(0, 3),
)


@settings(max_examples=100)
@given(st.lists(blocks, max_size=20))
def test_no_text_is_lost_and_no_passage_is_too_long(some: list[Block]) -> None:
    found = cut(*some)
    kept = [word for piece in found for word in piece.content.split()]
    for block in some:
        if not block.heading:
            for word in block.text.split():
                assert word in kept
    written = sum(words(block.text) for block in some if not block.heading)
    assert len(kept) <= written + sum(words(block.text) for block in some if block.heading)
    assert all(words(piece.content) <= WORDS_HARD + 100 for piece in found)
