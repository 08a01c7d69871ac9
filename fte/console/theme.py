"""The console's own themes. Every built-in one of Textual stays selectable in the palette."""

from typing import Final

from textual.theme import Theme

DARK: Final = Theme(
    name="fte-dark",
    dark=True,
    primary="#5fafff",
    secondary="#8fb6d9",
    accent="#c792ea",
    success="#7fd88f",
    warning="#ffb454",
    error="#ff6b6b",
    foreground="#e6e6e6",
    background="#12151a",
    surface="#1a1e25",
    panel="#252b35",
)
LIGHT: Final = Theme(
    name="fte-light",
    dark=False,
    primary="#0b5cad",
    secondary="#3d5a80",
    accent="#7b2d9b",
    success="#1c6b33",
    warning="#8a5200",
    error="#b3261e",
    foreground="#08090b",
    background="#fbfbf9",
    surface="#f0f0ec",
    panel="#e0e1dc",
)
PLAIN: Final = Theme(
    name="fte-plain",
    dark=True,
    primary="#ffffff",
    secondary="#ffffff",
    accent="#ffffff",
    success="#ffffff",
    warning="#ffffff",
    error="#ffffff",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#303030",
    variables={"primary-muted": "#3a3a3a"},
)
"""Without colours, for terminals and eyes that want none: symbols, words, bold and reverse say everything."""
THEMES: Final = {"dark": DARK, "light": LIGHT, "plain": PLAIN}
"""By the name that --theme takes."""
