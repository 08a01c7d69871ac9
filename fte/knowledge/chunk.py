"""Cutting a page into passages: small enough to answer one question, whole enough to be understood alone."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

WORDS_MIN: Final = 40
"""Sections shorter than this are put together with the next one, as far as that stays within WORDS_AIM.

Measured on the sample company's pages: putting more together (60, 80) finds the right page less often, and a
hit is shown to the model by its first 500 characters, about 80 words.
"""
WORDS_AIM: Final = 250
WORDS_HARD: Final = 400
"""A list item, table row or code block longer than this is cut after all."""
CHARACTERS_HARD: Final = 4_000
"""The same for text without spaces between words."""
TITLE_MAX: Final = 200
"""Characters of a passage's title."""

_LIST_ITEM: Final = re.compile(r"\s*(?:- |\d+\. )")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?。！？])\s+|\n")


@dataclass(frozen=True, slots=True)
class Block:
    """What is never cut in two without need: a paragraph, an outermost list item, a table row, a code block.

    `heading` is its level, 0 for text. A `tight` block follows its like without a blank line.
    """

    text: str
    heading: int = 0
    tight: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A document as it was read."""

    title: str
    category: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage before it is stored."""

    title: str
    content: str


@dataclass(frozen=True, slots=True)
class _Section:
    """The blocks below one heading. `path` names the headings from the page's own downwards, without it."""

    path: tuple[str, ...]
    blocks: tuple[Block, ...]


def pieces(page: Page) -> Iterator[Piece]:
    """The page's passages in order. Text is neither lost nor doubled, except the page's own heading."""
    for group in _grouped(_sections(page)):
        title = _title(page.title, group)
        blocks = [block for section in group for block in _with_heading(section, alone=len(group) == 1)]
        for part in _packed(blocks):
            yield Piece(title, joined(part))


def words(text: str) -> int:
    return len(text.split())


def joined(blocks: Iterable[Block]) -> str:
    """The blocks as text: paragraphs a blank line apart, items and rows on lines of their own."""
    text = ""
    previous: Block | None = None
    for block in blocks:
        if previous is not None:
            text += "\n" if _is_tight(previous, block) else "\n\n"
        text += block.text
        previous = block
    return text


def _is_tight(previous: Block, block: Block) -> bool:
    if previous.heading or (previous.tight and block.tight):
        return True
    return _LIST_ITEM.match(block.text) is not None


def _sections(page: Page) -> list[_Section]:
    sections: list[_Section] = []
    path: list[tuple[int, str]] = []
    blocks: list[Block] = []

    def close() -> None:
        if blocks:
            names = tuple(name for _, name in path if name.casefold() != page.title.casefold())
            sections.append(_Section(names, tuple(blocks)))
            blocks.clear()

    for block in page.blocks:
        if not block.heading:
            blocks.append(block)
            continue
        close()
        path = [
            *((level, name) for level, name in path if level < block.heading),
            (block.heading, block.text),
        ]
    close()
    return sections


def _grouped(sections: Sequence[_Section]) -> list[list[_Section]]:
    """Neighbouring sections put together while the passage is too short to stand alone."""
    groups: list[list[_Section]] = []
    sizes: list[int] = []
    for section in sections:
        length = words(joined(section.blocks))
        if groups and sizes[-1] < WORDS_MIN and sizes[-1] + length <= WORDS_AIM:
            groups[-1].append(section)
            sizes[-1] += length
        else:
            groups.append([section])
            sizes.append(length)
    return groups


def _title(page_title: str, group: Sequence[_Section]) -> str:
    names = [" — ".join(section.path) for section in group if section.path]
    title = f"{page_title} — {'; '.join(names)}" if names else page_title
    return title if len(title) <= TITLE_MAX else title[: TITLE_MAX - 1] + "…"


def _with_heading(section: _Section, *, alone: bool) -> Iterator[Block]:
    if section.path and not alone:
        yield Block(section.path[-1], heading=1)
    yield from section.blocks


def _packed(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Blocks in runs of at most WORDS_AIM words; a heading stays with what follows it."""
    run: list[Block] = []
    size = 0
    for block in (part for whole in blocks for part in _cut(whole)):
        length = words(block.text)
        full = (
            size + length > WORDS_AIM
            or sum(len(other.text) for other in run) + len(block.text) > CHARACTERS_HARD
        )
        if run and full and not all(other.heading for other in run):
            carried = [run.pop()] if run[-1].heading else []
            yield run
            run, size = carried, sum(words(other.text) for other in carried)
        run.append(block)
        size += length
    if run:
        yield run


def _cut(block: Block) -> Iterator[Block]:
    """The block itself, or, when it is over the hard limits, its sentences and lines packed up to them."""
    if words(block.text) <= WORDS_HARD and len(block.text) <= CHARACTERS_HARD:
        yield block
        return
    text = ""
    for sentence in _short_enough(_SENTENCE_END.split(block.text)):
        if text and (
            words(text) + words(sentence) > WORDS_AIM or len(text) + len(sentence) > CHARACTERS_HARD
        ):
            yield Block(text, tight=block.tight)
            text = ""
        text = f"{text} {sentence}" if text else sentence
    if text:
        yield Block(text, tight=block.tight)


def _short_enough(sentences: Iterable[str]) -> Iterator[str]:
    for sentence in sentences:
        tokens = sentence.split()
        for start in range(0, len(tokens), WORDS_AIM):
            text = " ".join(tokens[start : start + WORDS_AIM])
            for offset in range(0, len(text), CHARACTERS_HARD):
                yield text[offset : offset + CHARACTERS_HARD]
