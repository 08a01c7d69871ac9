"""Every text of every theme is read easily: a contrast of at least 4.5 to 1 between it and what is behind it."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.color import Color, ColorType
from rich.segment import Segment

from fte.console.theme import THEMES
from tests.console.session import Session, session
from tests.console.support import Desk, a_letter, a_suggestion, busy, known, number, some_drafts, some_hits

CONTRAST = 4.5
"""WCAG 2.2, level AA, for text."""


def luminance(color: Color) -> float:
    assert color.type is ColorType.TRUECOLOR, color
    assert color.triplet is not None
    parts = [part / 255 for part in color.triplet]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Color, other: Color) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def is_text(segment: Segment) -> bool:
    """Whether it says something: frames, bars and blanks do not."""
    return any(
        sign.isalnum() or unicodedata.category(sign) in ("Po", "Sm", "Ps", "Pe") for sign in segment.text
    )


def weak(here: Session) -> Iterator[str]:
    """What on the screen is hard to read."""
    screen = here.app.screen
    # Behind a dialog everything is faded on purpose.
    front = next((dialog.region for dialog in screen.query(".dialog, #--container")), screen.region)
    strips = screen._compositor.render_strips()
    for strip in strips[front.y : front.bottom]:
        for segment in strip.crop(front.x, front.right):
            style = segment.style
            if style is None or not is_text(segment):
                continue
            assert style.color is not None
            assert style.bgcolor is not None, segment
            found = contrast(style.color, style.bgcolor)
            if found < CONTRAST or style.dim:
                yield f"{found:.1f} {segment.text!r} {style}"


@pytest.mark.parametrize("theme", THEMES)
async def test_every_text_is_read_easily(desk: Desk, state_dir: Path, theme: str) -> None:
    busy(desk)
    desk.add(1090, "Ended", status="resolved")
    known(desk, number(1000 + 1042), number(1000 + 1044))
    some_drafts(desk)
    desk.letters, desk.hits = [a_letter(1), a_letter(2)], some_hits()
    desk.suggestions = [a_suggestion(7)]
    faults: dict[str, list[str]] = {}
    async with session(desk, state_dir, size=(120, 40), theme_name=theme) as here:
        await here.shows("Chloé")

        async def look(place: str, *keys: str, shows: str, leave: tuple[str, ...] = ("escape",)) -> None:
            await here.press(*keys)
            await here.shows(shows)
            await here.pilot.pause()
            faults[place] = sorted(set(weak(here)))
            await here.press(*leave)

        await look("queue, paused", "v", "v", "V", "V", "V", "p", "space", shows="PAUSED", leave=("p",))
        await here.hides("PAUSED")
        await look("filter", "slash", shows="words to find")
        await look("help", "question_mark", shows="Keys: queue")
        await look("question", "g", "space", "e", shows="Resolve 1 conversation")
        await look("many", "o", "ctrl+j", shows="Taking over:", leave=("escape", "escape"))
        await look("team", "T", shows="The team")
        await look("drafts", "d", shows="Draft 1 of")
        await look("metrics", "M", shows="Why a person")
        await look("health", "H", shows="Malformed")
        await look("knowledge", "K", *"how", "enter", shows="below 0.26")
        await look("suggestions", "L", shows="1 of 1")
        await look("number", "number_sign", shows="Go to")
        await look("palette", "colon", shows="Filter", leave=("escape", "escape"))
        await here.open(number(1000 + 1042))
        await look("conversation", shows="Hand-over brief", leave=())
        await look("copy", "y", shows="the number")
        await look("customer", "c", shows="verified")
        await look("trace", "t", shows="Sources")
        await look("note", "n", shows="Note for colleagues")
    assert {place: found for place, found in faults.items() if found} == {}


def test_contrast_is_what_the_standard_says() -> None:
    black, white, grey = (Color.from_rgb(level, level, level) for level in (0, 255, 119))
    assert round(contrast(black, white), 1) == 21.0
    assert round(contrast(grey, white), 2) == 4.48
